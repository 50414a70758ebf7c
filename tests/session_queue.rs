//! What a session lets wait until it is ready: in order, within its limits, and what becomes of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::host::Host;
use common::{blob, config, millis, seconds};
use switchboard::{Backoff, CallId, Options, Payload, Rejected, SessionStatus, Status};

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
fn what_is_sent_while_down_waits_and_goes_in_order_before_anything_newer() {
    let mut host = Host::new(Backoff::new());
    send(&mut host, "a").unwrap();
    call(&mut host, "b", &patient()).unwrap();
    host.fail();
    host.session.publish(host.now, "t.c", &Payload::null(), &Options::new()).unwrap();
    host.session.publish_counted(host.now, "t.d", &Payload::null(), &patient(), 5).unwrap();
    host.pass_to_next();
    send(&mut host, "e").unwrap();
    host.manners.silent = true;
    host.open();
    send(&mut host, "f").unwrap();
    assert_eq!(host.session.waiting(), 6);
    host.manners.silent = false;
    host.cut();
    host.pass(seconds(1));
    host.open();
    send(&mut host, "g").unwrap();
    assert_eq!(
        heard(&mut host),
        [
            "message a of 1 B",
            "call 1 asks b",
            "publish 0 t.c of 1 B",
            "publish 3 t.d of 1 B",
            "message e of 1 B",
            "message f of 1 B",
            "message g of 1 B",
        ]
    );
    assert_eq!((host.session.waiting(), host.session.dropped()), (0, 0));
    let told = host.told();
    assert!(told.ends_with(&["call 1 ended well".into(), "call 3 ended well".into()]), "{told:?}");
}

#[test]
fn ready_is_told_before_the_answer_to_anything_that_waited() {
    let mut host = Host::new(Backoff::new());
    call(&mut host, "b", &patient()).unwrap();
    host.open();
    assert_eq!(
        host.told(),
        ["- Connecting", "-> connect", "- Connected", "welcome #7", "- Ready", "call 1 ended well"]
    );
}

#[test]
fn what_waits_is_bounded_in_number_and_in_bytes() {
    // 256 bytes, a name of one, a payload of one.
    for (sends, bytes, fit) in
        [(3, 1 << 20, 3), (1000, 3 * 258, 3), (1000, 3 * 258 - 1, 2), (0, 999, 0)]
    {
        let backoff = Backoff::new().max_waiting(sends).max_waiting_bytes(bytes);
        let mut host = Host::new(backoff);
        for _ in 0..fit {
            send(&mut host, "m").unwrap();
        }
        assert_eq!(send(&mut host, "m"), Err(Rejected::Full), "{sends} {bytes}");
        assert_eq!(call(&mut host, "m", &patient()), Err(Rejected::Full));
        host.open();
        send(&mut host, "m").unwrap();
        assert_eq!(heard(&mut host).len(), fit + 1);
    }
}

#[test]
fn what_no_connection_would_take_is_refused_at_once() {
    let mut host = Host::new(Backoff::new());
    let (null, none) = (Payload::null(), Options::new());
    assert_eq!(send(&mut host, ""), Err(Rejected::BadChannel));
    assert_eq!(call(&mut host, &"x".repeat(256), &none), Err(Rejected::BadChannel));
    assert_eq!(host.session.publish(host.now, "a.*", &null, &none), Err(Rejected::BadTopic));
    let bad = host.session.subscribe(host.now, "a..b", &none, 0);
    assert_eq!(bad, Err(Rejected::BadTopic));
    let bad = host.session.subscribe(host.now, "a", &none.clone().group(""), 0);
    assert_eq!(bad, Err(Rejected::BadHeaders));
    assert_eq!(host.session.waiting(), 0);
    let gone = CallId::new(9).unwrap();
    assert_eq!(host.session.cancel(host.now, gone), Err(Rejected::UnknownCall));
    let gone = host.session.unsubscribe(host.now, gone, &none, 0);
    assert_eq!(gone, Err(Rejected::UnknownSubscription));
}

#[test]
fn sends_fail_at_once_if_that_is_chosen_and_calls_with_streams_always() {
    let mut host = Host::new(Backoff::new().fail_while_down());
    for _ in 0..2 {
        assert_eq!(send(&mut host, "m"), Err(Rejected::Down));
        assert_eq!(call(&mut host, "m", &patient()), Err(Rejected::Down));
        host.open();
        send(&mut host, "m").unwrap();
        assert_eq!(heard(&mut host), ["message m of 1 B"]);
        host.cut();
        assert_eq!(send(&mut host, "m"), Err(Rejected::Down));
        host.pass(millis(100));
    }
    let mut host = Host::new(Backoff::new());
    assert_eq!(call(&mut host, "m", &patient().take_items()), Err(Rejected::Down));
    assert_eq!(call(&mut host, "m", &patient().send_items()), Err(Rejected::Down));
}

#[test]
fn a_call_that_waits_is_taken_back_and_never_sent() {
    let mut host = Host::new(Backoff::new());
    let first = call(&mut host, "a", &patient()).unwrap();
    let second = call(&mut host, "b", &patient()).unwrap();
    host.session.cancel(host.now, first).unwrap();
    assert_eq!(host.session.cancel(host.now, first), Err(Rejected::UnknownCall));
    assert_eq!(host.told()[0], "call 1 ended cancelled NeverSent");
    host.open();
    assert_eq!(heard(&mut host), ["call 3 asks b"]);
    assert_eq!(second.number(), 3);
    // Nor does its id come again.
    assert_eq!(call(&mut host, "c", &patient()).unwrap().number(), 5);
}

#[test]
fn what_waits_leaves_as_the_server_has_room_and_newer_sends_stay_behind() {
    let mut host = Host::new(Backoff::new().max_waiting(4));
    host.manners.answers = false;
    let mut limits = (*host.manners.config).clone();
    limits.max_calls = 1;
    host.manners.config = limits.into();
    for name in ["a", "b"] {
        call(&mut host, name, &patient()).unwrap();
    }
    send(&mut host, "m").unwrap();
    host.open();
    assert_eq!(heard(&mut host), ["call 1 asks a"]);
    assert_eq!(host.session.status(), SessionStatus::Ready);
    send(&mut host, "n").unwrap();
    call(&mut host, "c", &patient()).unwrap();
    assert_eq!(send(&mut host, "o"), Err(Rejected::Full));
    assert_eq!(call(&mut host, "s", &patient().take_items()), Err(Rejected::Full));
    for expected in
        [&["call 3 asks b", "message m of 1 B", "message n of 1 B"][..], &["call 5 asks c"], &[]]
    {
        let asked = host.asked.pop_front().unwrap();
        let server = host.server.as_mut().unwrap();
        server.answer(asked, Ok(&Payload::null())).unwrap();
        assert_eq!(heard(&mut host), expected);
    }
    // Nothing waits any more: what is newer goes out at once.
    call(&mut host, "s", &patient().take_items()).unwrap();
    assert_eq!(heard(&mut host), ["call 7 asks s"]);
}

#[test]
fn what_waits_leaves_as_it_can_be_written() {
    let small = config(|config| config.max_unsent = 1);
    let mut host = Host::with(small, Backoff::new(), 1);
    for name in ["a", "b", "c"] {
        send(&mut host, name).unwrap();
    }
    host.open();
    assert_eq!(heard(&mut host).len(), 3);
}

#[test]
fn what_is_longer_than_the_new_server_takes_ends_and_the_rest_goes_on() {
    let mut host = Host::new(Backoff::new());
    let mut limits = (*host.manners.config).clone();
    limits.max_frame = 16 << 10;
    host.manners.config = limits.into();
    let none = Options::new();
    host.session.send(host.now, "long", &blob(20_000), &none).unwrap();
    host.session.request(host.now, "long", &blob(20_000), &none, 0).unwrap();
    send(&mut host, "short").unwrap();
    host.open();
    assert_eq!(heard(&mut host), ["message short of 1 B"]);
    assert!(host.told().contains(&"call 1 ended Rejected(TooLarge)".into()));
    assert_eq!(host.session.dropped(), 1);
}

#[test]
fn what_waits_ends_with_the_session_before_its_end_is_told() {
    let mut host = Host::new(Backoff::new().attempts(Some(1)));
    call(&mut host, "a", &patient()).unwrap();
    send(&mut host, "m").unwrap();
    host.fail();
    host.pass_to_next();
    host.told();
    host.fail();
    let ends = [
        "call 1 ended disconnected NeverSent: no connection: nobody is there",
        "- Disconnected",
        "closed: no connection: nobody is there",
    ];
    assert_eq!(host.told(), ends);
    assert_eq!(host.session.dropped(), 1);
    assert_eq!(send(&mut host, "m"), Err(Rejected::Closed));
    host.is_over();
}

#[test]
fn a_close_sends_first_what_waits_and_can_be_sent() {
    let mut host = Host::new(Backoff::new());
    host.open();
    host.cut();
    host.pass(millis(100));
    send(&mut host, "m").unwrap();
    // The welcome is here, and nobody has asked what to do since.
    host.ask();
    host.connecting = false;
    let mut server = host.new_server();
    host.session.connected(host.now);
    host.ask();
    let mut chunks = [&[][..]; 4];
    let lent = host.session.chunks(&mut chunks);
    let bytes = chunks[..lent].concat();
    host.session.wrote(host.now, bytes.len());
    server.feed(&bytes);
    server.events.clear();
    server.accept();
    let welcome = server.written();
    host.server = Some(server);
    host.feed(&welcome);
    host.session.close(host.now, "bye", None);
    assert_eq!(heard(&mut host)[0], "message m of 1 B");
    host.is_over();
}

#[test]
fn while_the_server_closes_to_come_back_sends_wait() {
    let mut host = Host::ready(Backoff::new());
    host.manners.answers = false;
    call(&mut host, "slow", &patient()).unwrap();
    host.settle();
    host.goodbye(Some(millis(10)));
    send(&mut host, "m").unwrap();
    call(&mut host, "b", &patient()).unwrap();
    let asked = host.asked.pop_front().unwrap();
    host.server.as_mut().unwrap().answer(asked, Ok(&Payload::null())).unwrap();
    host.settle();
    host.manners.answers = true;
    host.heard();
    host.pass(seconds(1));
    host.open();
    assert_eq!(heard(&mut host), ["message m of 1 B", "call 3 asks b"]);
    let told = host.told();
    let wells: Vec<_> = told.iter().filter(|told| told.starts_with("call")).collect();
    assert_eq!(wells, ["call 1 ended well", "call 3 ended well"]);
    // One that closes for good takes nothing.
    host.manners.answers = false;
    call(&mut host, "slow", &patient()).unwrap();
    host.settle();
    host.goodbye(None);
    assert_eq!(send(&mut host, "m"), Err(Rejected::Closed));
}

#[test]
fn a_refused_server_keeps_what_waits_for_the_one_that_follows() {
    let mut host = Host::new(Backoff::new());
    call(&mut host, "a", &patient()).unwrap();
    host.manners.refuses = Some((Status::UNAVAILABLE, Some(millis(1))));
    host.open();
    assert_eq!(host.session.waiting(), 1);
    host.manners.refuses = None;
    host.pass(seconds(1));
    host.open();
    assert_eq!(heard(&mut host), ["call 1 asks a"]);
}
