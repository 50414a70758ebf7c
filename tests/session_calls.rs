//! Calls of a session across connections, both ways: which are sent again, and what their users are told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::host::Host;
use common::{blob, config, millis, seconds};
use switchboard::{Backoff, CallId, Event, Options, Payload, Rejected, SessionNext, to_payload};

fn send(host: &mut Host, channel: &str) -> Result<(), Rejected> {
    host.session.send(host.now, channel, &Payload::null(), &Options::new())
}

fn call(host: &mut Host, channel: &str, options: &Options) -> Result<CallId, Rejected> {
    host.session.request(host.now, channel, &Payload::null(), options, 5)
}

fn patient() -> Options {
    Options::new().no_deadline()
}

/// What the servers heard of the user's.
fn heard(host: &mut Host) -> Vec<String> {
    let mut heard = host.heard();
    heard.retain(|heard| heard != "hello" && !heard.starts_with("closed"));
    heard
}

#[test]
fn open_calls_end_with_the_connection_and_only_idempotent_ones_are_sent_again() {
    let mut host = Host::ready(Backoff::new());
    host.manners.answers = false;
    call(&mut host, "once", &patient()).unwrap();
    call(&mut host, "again", &patient().idempotent()).unwrap();
    call(&mut host, "stream", &patient().idempotent().take_items()).unwrap();
    host.settle();
    call(&mut host, "unwritten", &patient()).unwrap();
    host.cut();
    assert_eq!(
        host.told(),
        [
            "call 1 ended disconnected MayHaveRun: the connection was lost",
            "call 5 ended disconnected MayHaveRun: the connection was lost",
            "call 7 ended disconnected NeverSent: the connection was lost",
            "- Disconnected",
            "-> drop",
            "- Reconnecting",
        ]
    );
    host.pass(millis(100));
    host.open();
    let asked =
        ["call 1 asks once", "call 3 asks again", "call 5 asks stream", "call 3 asks again"];
    assert_eq!(heard(&mut host), asked);
    host.come_back();
    assert_eq!(heard(&mut host), ["call 3 asks again"]);
    host.manners.answers = true;
    host.come_back();
    assert_eq!(heard(&mut host), ["call 3 asks again"]);
    assert!(host.told().contains(&"call 3 ended well".into()));
    host.come_back();
    assert_eq!(heard(&mut host), [""; 0], "it has its answer");
}

#[test]
fn a_call_that_was_sent_again_says_that_it_may_have_run() {
    type End = (fn(&mut Host), &'static str);
    let ends: [End; 4] = [
        (|host| host.pass(seconds(10)), "call 1 ended late MayHaveRun"),
        (
            |host| host.session.cancel(host.now, CallId::new(1).unwrap()).unwrap(),
            "call 1 ended cancelled MayHaveRun",
        ),
        (
            |host| host.session.close(host.now, "bye", None),
            "call 1 ended disconnected MayHaveRun: closed by this side: bye",
        ),
        (
            |host| host.session.abort("out"),
            "call 1 ended disconnected MayHaveRun: aborted by this side: out",
        ),
    ];
    for (end, told) in ends {
        for connecting in [false, true] {
            let mut host = Host::ready(Backoff::new());
            host.manners.answers = false;
            let options = Options::new().deadline(seconds(9)).idempotent();
            call(&mut host, "c", &options).unwrap();
            host.settle();
            host.cut();
            host.told();
            if connecting {
                // Handed to the next connection, and not a byte of it written.
                host.manners.silent = true;
                host.pass(millis(100));
                host.open();
            }
            end(&mut host);
            host.settle();
            let count = host.told.iter().filter(|line| *line == told).count();
            assert_eq!(count, 1, "{told}: {:?}", host.told);
        }
    }
}

#[test]
fn a_deadline_goes_on_while_the_session_is_down() {
    let mut host = Host::new(Backoff::new());
    host.fail();
    let options = Options::new().deadline(seconds(3));
    call(&mut host, "early", &options).unwrap();
    host.pass(seconds(1));
    call(&mut host, "late", &options).unwrap();
    host.told();
    host.pass(millis(1999));
    assert!(!host.told().iter().any(|told| told.contains("ended")));
    host.pass(millis(1));
    assert!(host.told().contains(&"call 1 ended late NeverSent".into()));
    host.manners.answers = false;
    host.open();
    assert_eq!(heard(&mut host), ["call 3 asks late"], "what has ended is not sent");
    host.told();
    host.pass(millis(999));
    assert_eq!(host.told(), [""; 0]);
    host.pass(millis(1));
    assert_eq!(host.told(), ["call 3 ended late MayHaveRun"]);
}

#[test]
fn a_call_that_was_sent_and_is_too_long_for_the_next_server_may_have_run() {
    let mut host = Host::ready(Backoff::new());
    host.manners.answers = false;
    let again = patient().idempotent();
    host.session.request(host.now, "long", &blob(20_000), &again, 0).unwrap();
    host.settle();
    let mut limits = (*host.manners.config).clone();
    limits.max_frame = 16 << 10;
    host.manners.config = limits.into();
    host.come_back();
    let told = "call 1 ended disconnected MayHaveRun: the connection was lost";
    assert!(host.told().contains(&told.into()), "{:?}", host.told);
}

#[test]
fn idempotent_calls_are_kept_within_the_limit() {
    let mut host = Host::ready(Backoff::new().max_waiting(2));
    host.manners.answers = false;
    let again = patient().idempotent();
    call(&mut host, "a", &again).unwrap();
    call(&mut host, "b", &again).unwrap();
    assert_eq!(call(&mut host, "c", &again), Err(Rejected::Full));
    call(&mut host, "d", &patient()).unwrap();
    host.settle();
    // An answer makes room for another one.
    let asked = host.asked.pop_front().unwrap();
    host.server.as_mut().unwrap().answer(asked, Ok(&Payload::null())).unwrap();
    host.settle();
    call(&mut host, "e", &again).unwrap();
    host.settle();
    host.cut();
    assert_eq!(send(&mut host, "m"), Err(Rejected::Full), "those that are kept count");
    host.heard();
    host.pass(millis(100));
    host.open();
    assert_eq!(heard(&mut host), ["call 3 asks b", "call 7 asks e"]);
}

// Threat 21.
#[test]
fn a_late_answer_of_a_handler_finds_its_own_call_or_none() {
    let mut host = Host::ready(Backoff::new());
    let mut calls = Vec::new();
    for _ in 0..3 {
        for channel in ["first", "second"] {
            let server = host.server.as_mut().unwrap();
            server.request(channel).unwrap();
            host.settle();
            for event in host.events.drain(..) {
                if let Event::Request { call, .. } = event {
                    calls.push(call);
                }
            }
        }
        host.come_back();
    }
    let numbers: Vec<_> = calls.iter().map(|call| call.number()).collect();
    assert_eq!(numbers, [2, 4, 6, 8, 10, 12], "no number comes twice");
    let server = host.server.as_mut().unwrap();
    server.request("third").unwrap();
    host.settle();
    for late in calls {
        let answered = host.session.connection().respond(host.now, late, Ok(&Payload::null()));
        assert_eq!(answered, Err(Rejected::UnknownCall));
    }
    assert_eq!(host.told.last().unwrap(), "call 14 asks third");
    let last = CallId::new(14).unwrap();
    let value = to_payload(&1).unwrap();
    host.session.connection().respond(host.now, last, Ok(&value)).unwrap();
    assert_eq!(host.heard().last().unwrap(), "call 2 ended well");
}

#[test]
fn handlers_learn_once_that_their_connection_was_lost_unless_they_knew_or_have_answered() {
    let mut host = Host::ready(Backoff::new());
    for _ in 0..2 {
        for channel in ["works", "cancelled", "answered", "answers", "works too"] {
            host.server.as_mut().unwrap().request(channel).unwrap();
        }
        let first = host.told().iter().find_map(|told| first_number(told)).unwrap();
        let answer = |host: &mut Host, call: u64| {
            let call = CallId::new(call).unwrap();
            host.session.connection().respond(host.now, call, Ok(&Payload::null()))
        };
        host.server.as_mut().unwrap().cancel(4).unwrap();
        answer(&mut host, first + 4).unwrap();
        host.settle();
        host.told();
        host.server = None;
        host.session.filled(host.now, 0);
        while !matches!(host.session.next(host.now), SessionNext::Status(_)) {}
        answer(&mut host, first + 6).unwrap_err();
        let stopped = |call: u64| format!("call {call} stopped UNAVAILABLE");
        assert_eq!(host.told()[..2], [stopped(first), stopped(first + 8)]);
        host.come_back();
    }
}

fn first_number(told: &str) -> Option<u64> {
    told.strip_prefix("call ")?.split(' ').next()?.parse().ok()
}

#[test]
fn a_ping_asks_the_connection_that_there_is() {
    let mut host = Host::ready(Backoff::new());
    host.session.ping(host.now, 1).unwrap();
    host.cut();
    assert_eq!(host.session.ping(host.now, 2), Err(Rejected::Down));
    host.come_back();
    assert_eq!(host.heard().iter().filter(|heard| heard.starts_with("ping")).count(), 0);
    host.session.ping(host.now, 3).unwrap();
    assert!(host.told().iter().any(|told| told.starts_with("pong")));
    host.session.close(host.now, "done", None);
    assert_eq!(host.session.ping(host.now, 4), Err(Rejected::Closed));
}

#[test]
fn streams_and_cancels_of_the_peers_calls_have_their_raised_ids() {
    let takes = config(|config| config.takes_items = true);
    let mut host = Host::with(takes, Backoff::new(), 1);
    host.open();
    host.server.as_mut().unwrap().request("old").unwrap();
    host.settle();
    host.come_back();
    host.told();
    let options = patient().send_items().take_items();
    let server = host.server.as_mut().unwrap();
    let call = server.call("s", &Payload::null(), &options, 0).unwrap();
    let now = server.now;
    server.connection().item(now, call, &blob(100)).unwrap();
    server.connection().end(now, call).unwrap();
    host.settle();
    let ours = CallId::new(4).unwrap();
    let Some(Event::Item { call: shown, item }) =
        host.events.iter().find(|event| matches!(event, Event::Item { .. }))
    else {
        panic!("{:?}", host.told)
    };
    assert_eq!(*shown, ours);
    host.session.connection().taken(host.now, ours, item);
    host.session.connection().item(host.now, ours, &blob(7)).unwrap();
    assert_eq!(host.told(), ["call 4 asks s", "call 4 item of 102 B", "call 4 items complete"]);
    assert_eq!(host.heard().last().unwrap(), "call 2 item of 8 B");
    host.server.as_mut().unwrap().cancel(2).unwrap();
    assert_eq!(host.told(), ["call 4 stopped CANCELLED"]);
}

#[test]
fn a_call_that_the_next_connection_has_not_written_may_have_run_on_the_last_one() {
    let mut host = Host::ready(Backoff::new());
    host.manners.answers = false;
    let call = call(&mut host, "c", &patient().idempotent()).unwrap();
    host.settle();
    host.cut();
    while !host.connecting {
        host.pass_to_next();
    }
    host.open_unwritten();
    assert_eq!(host.told.last().unwrap(), "- Ready");
    host.session.cancel(host.now, call).unwrap();
    assert_eq!(host.told().last().unwrap(), "call 1 ended cancelled MayHaveRun");
    assert_eq!(heard(&mut host), ["call 1 asks c"], "once");
}
