//! How a session ends: which ends coming back heals, and that close and abort stop it in every state.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::host::{Host, Manners};
use common::{config, millis, seconds};
use switchboard::{
    Backoff, CloseReason, Config, Failure, Options, Payload, Rejected, SessionStatus, Status,
};

#[test]
fn a_peer_that_closes_for_good_is_not_called_again() {
    let mut host = Host::ready(Backoff::new());
    host.goodbye(None);
    assert_eq!(host.told(), ["closing bye", "- Disconnected", "closed: closed by the peer: bye"]);
    host.is_over();
}

#[test]
fn what_goodbye_asked_for_holds_though_the_rest_of_the_close_fails() {
    for (after, returns) in [(None, false), (Some(millis(300)), true)] {
        let mut host = Host::ready(Backoff::new());
        host.manners.answers = false;
        host.session.request(host.now, "slow", &Payload::null(), &Options::new(), 0).unwrap();
        host.settle();
        host.goodbye(after);
        host.cut();
        assert_eq!(host.done.is_none(), returns, "{:?}", host.told);
        if returns {
            assert!(host.pass_to_next() >= millis(300));
        } else {
            host.is_over();
        }
    }
}

/// A way to end a connection.
type End = fn(&mut Host);

/// Ends of a connection, and whether coming back heals them: the table of docs/reconnect.md.
const ENDS: [(&str, End, bool); 18] = [
    ("lost", Host::cut, true),
    ("closed for good", |host| host.goodbye(None), false),
    ("closed for a while", |host| host.goodbye(Some(millis(5))), true),
    ("aborted", |host| host.session.connection().abort("out"), false),
    (
        "failed here",
        |host| {
            let failure = Failure::new(Status::UNAVAILABLE, "no more");
            host.session.connection().fail_with(host.now, failure);
        },
        false,
    ),
    ("the peer's limit", |host| peer_fails(host, Status::RESOURCE_EXHAUSTED), true),
    ("the peer's timer", |host| peer_fails(host, Status::DEADLINE_EXCEEDED), true),
    ("the peer's trouble", |host| peer_fails(host, Status::INTERNAL), true),
    ("the peer's complaint", |host| peer_fails(host, Status::INVALID_ARGUMENT), false),
    ("the peer's rule", |host| peer_fails(host, Status::FAILED_PRECONDITION), false),
    ("sent away", |host| peer_fails(host, Status::PERMISSION_DENIED), false),
    (
        "a broken rule",
        |host| {
            host.feed(&common::framed("f6"));
        },
        false,
    ),
    ("a refusal", |host| again(host, Status::PERMISSION_DENIED, None), false),
    ("who are you", |host| again(host, Status::UNAUTHENTICATED, None), false),
    ("closing", |host| again(host, Status::UNAVAILABLE, None), false),
    ("full for a while", |host| again(host, Status::RESOURCE_EXHAUSTED, Some(millis(1))), true),
    ("the peer's clock", |host| again(host, Status::DEADLINE_EXCEEDED, None), true),
    (
        "no answer to hello",
        |host| {
            host.manners.silent = true;
            host.cut();
            host.pass(millis(100));
            host.open();
            host.pass(seconds(20));
        },
        true,
    ),
];

fn peer_fails(host: &mut Host, status: Status) {
    let now = host.now;
    let server = host.server.as_mut().unwrap();
    server.connection().fail_with(now, Failure::new(status, "no"));
}

fn again(host: &mut Host, status: Status, after: Option<core::time::Duration>) {
    host.manners.refuses = Some((status, after));
    host.cut();
    host.pass(millis(100));
    host.open();
}

#[test]
fn ends_that_trying_again_cannot_heal_are_the_last() {
    for (name, end, heals) in ENDS {
        let mut host = Host::ready(Backoff::new());
        end(&mut host);
        host.settle();
        host.pass(seconds(2));
        assert_eq!(host.done.is_none(), heals, "{name}: {:?}", host.told);
        if heals {
            host.manners = Manners::default();
            host.pass(seconds(30));
            host.open();
            assert_eq!(host.session.status(), SessionStatus::Ready, "{name}");
        } else {
            host.is_over();
        }
    }
}

#[test]
fn versions_and_interfaces_that_do_not_fit_are_the_end() {
    let needs = config(|config| {
        config.requires.insert("clock".into(), "2.0.0".into());
    });
    let mut host = Host::with(needs, Backoff::new(), 1);
    let mut offers = Config::default();
    offers.interfaces.insert("clock".into(), "1.0.0".into());
    host.manners.config = offers.into();
    host.open();
    assert!(matches!(host.done, Some(CloseReason::Interface { .. })), "{:?}", host.told);
    host.is_over();

    let mut host = Host::new(Backoff::new());
    host.ask();
    host.session.connected(host.now);
    // A reject that names version 9 only.
    host.feed(&common::framed("86 02 09 60 81 09 f6 f6"));
    host.settle();
    assert!(host.done.is_some(), "{:?}", host.told);
    host.is_over();
}

/// One whose connection has ended, and waits for the end of the server's stream.
fn leaving() -> Host {
    let mut host = Host::ready(Backoff::new());
    let server = host.server.as_mut().unwrap();
    server.connection().close(host.now, "bye", Some(millis(1)));
    let goodbye = server.written();
    host.feed(&goodbye);
    let unsent = host.session.connection().unsent() as usize;
    host.session.wrote(host.now, unsent);
    host.ask();
    assert_eq!(host.session.status(), SessionStatus::Disconnected);
    host
}

#[test]
fn close_and_abort_stop_it_in_every_state_at_once_and_for_ever() {
    /// A state, and how to get there.
    type Stage = (&'static str, fn() -> Host);
    let stages: [Stage; 9] = [
        ("idle", || Host::new(Backoff::new())),
        ("connecting", || {
            let mut host = Host::new(Backoff::new());
            host.ask();
            host
        }),
        ("waiting", || {
            let mut host = Host::new(Backoff::new());
            host.fail();
            host
        }),
        ("connecting again", || {
            let mut host = Host::new(Backoff::new());
            host.fail();
            host.pass_to_next();
            host
        }),
        ("greeting", || {
            let mut host = Host::new(Backoff::new());
            host.manners.silent = true;
            host.open();
            host
        }),
        ("restoring", || {
            let mut host = Host::ready(Backoff::new());
            host.session.subscribe(host.now, "t.*", &Options::new(), 0).unwrap();
            host.settle();
            host.manners.hesitates = true;
            host.cut();
            host.pass(millis(100));
            host.open();
            host
        }),
        ("ready", || Host::ready(Backoff::new())),
        ("leaving", leaving),
        ("ended", || {
            let mut host = Host::ready(Backoff::new());
            host.session.abort("before");
            host
        }),
    ];
    for (name, stage) in stages {
        for abort in [false, true] {
            let mut host = stage();
            let before = host.told.iter().filter(|told| told.starts_with("closed")).count();
            if abort {
                host.session.abort("out");
            } else {
                host.session.close(host.now, "out", None);
            }
            // Calls that are open have a while.
            host.pass(seconds(5));
            let ends = host.told.iter().filter(|told| told.starts_with("closed")).count();
            assert_eq!((before, ends), (0, 1), "{name}: {:?}", host.told);
            host.is_over();
            // A transport that comes too late is not taken.
            host.session.connected(host.now);
            host.session.failed(host.now, CloseReason::Lost);
            host.is_over();
            let refused = host.session.send(host.now, "m", &Payload::null(), &Options::new());
            assert_eq!(refused, Err(Rejected::Closed), "{name}");
        }
    }
}
