//! A session: when it comes back, when it does not, and how it says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::host::Host;
use common::{millis, seconds};
use switchboard::{
    Backoff, CloseReason, Connection, Event, Hello, Instant, Options, Payload, Pump, Rejected,
    Session, SessionNext, SessionStatus, Status, Timer,
};

#[test]
fn each_change_of_the_status_is_told_once() {
    let mut host = Host::new(Backoff::new());
    assert_eq!(host.session.status(), SessionStatus::Idle);
    host.open();
    assert_eq!(host.told(), ["- Connecting", "-> connect", "- Connected", "welcome #7", "- Ready"]);
    host.cut();
    assert_eq!(host.told(), ["- Disconnected", "-> drop", "- Reconnecting"]);
    host.pass(millis(100));
    host.fail();
    host.pass(millis(200));
    assert_eq!(host.told(), ["-> connect", "-> connect"]);
    host.open();
    assert_eq!(host.told(), ["- Connected", "welcome #7", "- Ready"]);
    host.session.close(host.now, "done", None);
    assert_eq!(host.told(), ["- Disconnected", "closed: closed by this side: done"]);
    host.is_over();
}

#[test]
fn delays_double_up_to_the_longest_and_half_of_each_is_chance() {
    for seed in 0..50 {
        let backoff = Backoff::new().first(millis(100)).longest(seconds(1));
        let mut host = Host::with(Default::default(), backoff, seed);
        host.fail();
        for most in [100, 200, 400, 800, 1000, 1000, 1000] {
            let wait = host.pass_to_next();
            assert!(wait >= millis(most) / 2 && wait <= millis(most), "{wait:?} of {most} ms");
            host.fail();
        }
    }
}

#[test]
fn delays_begin_anew_only_after_a_connection_that_held() {
    let backoff = || Backoff::new().first(millis(100)).longest(seconds(1));
    for (held, most) in [(millis(999), 800), (seconds(1), 100)] {
        let mut host = Host::new(backoff());
        host.fail();
        for _ in 0..3 {
            host.pass_to_next();
            host.fail();
        }
        host.pass_to_next();
        host.open();
        assert_eq!(host.session.status(), SessionStatus::Ready);
        host.pass(held);
        host.cut();
        // The fifth attempt waits 1,600 ms, cut at a second, unless it is the first one again.
        let wait = host.pass_to_next();
        let most = if most == 800 { 1000 } else { most };
        assert!(wait >= millis(most) / 2 && wait <= millis(most), "{wait:?} of {most} ms");
    }
}

#[test]
fn as_many_attempts_are_made_as_are_allowed_and_nothing_is_scheduled_behind_them() {
    for most in [0, 1, 2, 5] {
        let mut host = Host::new(Backoff::new().attempts(Some(most)));
        host.fail();
        for _ in 0..most {
            assert_eq!(host.done, None);
            host.pass_to_next();
            host.fail();
        }
        let tries = host.told.iter().filter(|told| *told == "-> connect").count();
        assert_eq!(tries, most as usize + 1, "the first attempt is none to come back");
        let tail: Vec<_> = host.told.iter().rev().take(2).rev().cloned().collect();
        assert_eq!(tail, ["- Disconnected", "closed: no connection: nobody is there"]);
        host.is_over();
        assert_eq!(host.session.status(), SessionStatus::Disconnected);
    }
}

#[test]
fn a_session_that_never_comes_back_ends_with_its_connection() {
    let mut host = Host::ready(Backoff::new().attempts(Some(0)));
    host.cut();
    assert_eq!(host.told(), ["- Disconnected", "closed: the connection was lost"]);
    assert_eq!(host.done, Some(CloseReason::Lost));
    host.is_over();
}

#[test]
fn a_server_that_says_when_is_obeyed_and_no_client_comes_earlier() {
    for (asked, least, most) in [
        (0, 50, 100),
        (1, 50, 101),
        (2_000, 2_000, 4_000),
        // The chance is never longer than the longest delay.
        (100_000, 100_000, 110_000),
        // Too long to be meant.
        (40_000_000, 3_600_000, 3_610_000),
    ] {
        for seed in 0..20 {
            let mut host = Host::with(Default::default(), Backoff::new(), seed);
            host.open();
            host.goodbye(Some(millis(asked)));
            let wait = host.pass_to_next();
            let bounds = millis(least)..=millis(most);
            assert!(bounds.contains(&wait), "{wait:?} for {asked} ms");

            host.manners.refuses = Some((Status::RESOURCE_EXHAUSTED, Some(millis(asked))));
            host.open();
            let wait = host.pass_to_next();
            // It was the second attempt in a row.
            let bounds = millis(least.max(100))..=millis(most.max(200));
            assert!(bounds.contains(&wait), "{wait:?} for {asked} ms, refused");
        }
    }
}

#[test]
fn five_hundred_clients_of_a_restarted_server_do_not_come_at_once() {
    for after in [None, Some(millis(0)), Some(millis(250)), Some(seconds(2))] {
        let mut waits: Vec<_> = (0..500)
            .map(|seed| {
                let mut host = Host::with(Default::default(), Backoff::new(), seed);
                host.open();
                if after.is_some() {
                    host.goodbye(after);
                } else {
                    host.cut();
                }
                host.pass_to_next()
            })
            .collect();
        waits.sort();
        let width = waits[499] - waits[0];
        assert!(width >= millis(45), "all within {width:?}");
        let crowd = |at: usize| waits.partition_point(|wait| *wait <= waits[at] + width / 10) - at;
        let most = (0..500).map(crowd).max().unwrap();
        assert!(most < 90, "{most} of 500 come within a tenth of the time");
        waits.dedup();
        assert!(waits.len() > 490, "{} different times", waits.len());
    }
}

#[test]
fn what_a_server_asked_for_once_does_not_hold_for_the_next_loss() {
    let mut host = Host::ready(Backoff::new().longest(seconds(1)));
    host.goodbye(Some(seconds(30)));
    assert!(host.pass_to_next() >= seconds(30));
    host.open();
    host.pass(seconds(1));
    host.cut();
    assert!(host.pass_to_next() <= millis(100));
}

#[test]
fn a_deadline_is_among_what_is_scheduled() {
    let mut host = Host::new(Backoff::new());
    let options = Options::new().deadline(millis(7));
    host.session.request(host.now, "c", &Payload::null(), &options, 0).unwrap();
    host.settle();
    assert_eq!(host.until, Some(Instant::ZERO + millis(7)), "while a transport is opened");
    host.fail();
    assert_eq!(host.until, Some(Instant::ZERO + millis(7)), "while it waits");
    host.pass(millis(7));
    assert!(host.told().contains(&"call 1 ended late NeverSent".into()));
}

#[test]
fn hello_is_sent_again_with_its_payload() {
    let payload = Payload::from_cbor(vec![0x18, 0x2a]).unwrap();
    let hello = Hello::new().payload(payload.clone()).scope("blue");
    let session = Session::new(Default::default(), hello, Backoff::new(), 1).unwrap();
    let mut host = Host::new(Backoff::new());
    host.session = session;
    host.manners.silent = true;
    for _ in 0..3 {
        host.ask();
        host.connecting = false;
        let mut server = host.new_server();
        host.session.connected(host.now);
        host.ask();
        let mut chunks = [&[][..]; 4];
        let lent = host.session.chunks(&mut chunks);
        server.feed(&chunks[..lent].concat());
        let Some(Event::Hello(hello)) = server.events.pop() else { panic!("no hello") };
        assert_eq!((hello.payload, &*hello.settings.scope), (payload.clone(), "blue"));
        host.server = Some(server);
        host.cut();
        host.pass(seconds(10));
    }
    let long = Hello::new().scope("x".repeat(256));
    let refused = Session::new(Default::default(), long, Backoff::new(), 1);
    assert_eq!(refused.err(), Some(Rejected::TooLarge));
}

#[test]
fn a_session_of_one_connection_is_its_pump() {
    let now = Instant::ZERO;
    let client = Connection::client(Default::default(), &Hello::new(), now).unwrap();
    let mut session = Session::of(Pump::new(client));
    assert_eq!(session.status(), SessionStatus::Connected);
    assert!(matches!(session.next(now), SessionNext::Io { read: true, write: true, .. }));
    let early = session.send(now, "m", &Payload::null(), &Options::new());
    assert_eq!(early, Err(Rejected::NotReady), "nothing waits");
    session.filled(now, 0);
    assert!(matches!(session.next(now), SessionNext::Event(Event::Closed(CloseReason::Lost))));
    assert!(matches!(session.next(now), SessionNext::Done(CloseReason::Lost)));
    assert_eq!(session.status(), SessionStatus::Disconnected);
}

#[test]
fn a_pause_and_untaken_messages_hold_for_the_next_connection() {
    let mut host = Host::ready(Backoff::new());
    host.session.pause(true);
    host.cut();
    host.pass(millis(100));
    host.session.connected(host.now);
    host.connecting = false;
    // What greets is read all the same, as what ends is.
    host.session.set_untaken(usize::MAX);
    assert!(host.session.is_paused());
    host.session.set_untaken(0);
    assert!(!host.session.is_paused(), "a connection that is not open is read");
}

#[test]
fn a_server_that_never_answers_the_hello_is_left_in_time() {
    let mut host = Host::new(Backoff::new().attempts(Some(0)));
    host.manners.silent = true;
    host.open();
    host.pass(seconds(10));
    assert_eq!(host.done, Some(CloseReason::Timeout(Timer::Handshake)));
}
