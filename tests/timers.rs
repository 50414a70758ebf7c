//! Time as an input: clocks that jump, timers that are late, early or doubled, and the promise that
//! `poll_timeout` is later than `now` once what was due is done.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::stages::Stage;
use common::{Dice, Pair, Side, config, framed, millis, seconds};
use switchboard::{CloseReason, Instant, Options, Payload, Timer};

const DAY: u64 = 86_400;

fn due(side: &mut Side) -> Option<(u64, Timer)> {
    side.connection().poll_timeout().map(|(at, timer)| (at.as_nanos() / 1_000_000, timer))
}

#[test]
fn each_timer_is_told_with_its_time_and_reason() {
    let mut client = Side::client(Arc::default());
    assert_eq!(due(&mut client), Some((10_000, Timer::Handshake)));
    let mut open = Side::open(true, Arc::default());
    assert_eq!(due(&mut open), None, "an idle connection waits for nothing");
    open.now = Instant::from(seconds(1));
    open.call("c", &Payload::null(), &Options::new().deadline(millis(20)), 0).unwrap();
    assert_eq!(due(&mut open), Some((1020, Timer::Call)));
    open.call("c", &Payload::null(), &Options::new().deadline(millis(10)), 0).unwrap();
    assert_eq!(due(&mut open), Some((1010, Timer::Call)));
    let mut served = Side::open(true, Arc::default());
    served.feed(&framed("85 07 02 6161 a1000a f6"));
    assert_eq!(due(&mut served), Some((10, Timer::Call)));
    let mut stalled = Side::open(true, Arc::default());
    stalled.send("m", &Payload::null()).unwrap();
    assert_eq!(due(&mut stalled), Some((10_000, Timer::Write)));
    stalled.written();
    assert_eq!(due(&mut stalled), None);
    stalled.close("bye");
    assert_eq!(due(&mut stalled), Some((5000, Timer::Drain)));
    let mut ending = Stage::Ending.reach(true).unwrap();
    assert_eq!(due(&mut ending), Some((1000, Timer::Linger)));
}

// Threat 78.
#[test]
fn after_handle_timeout_the_next_one_is_later_or_none_in_every_stage() {
    for stage in Stage::ALL {
        for client in [true, false] {
            for ms in [0, 1, 10, 999, 1000, 5000, 9999, 10_000, 30_000, DAY * 1000] {
                let Some(mut side) = stage.reach(client) else { continue };
                let options = Options::new().deadline(millis(10));
                let _ = side.call("c", &Payload::null(), &options, 0);
                let now = Instant::from(millis(ms));
                for _ in 0..2 {
                    side.connection().handle_timeout(now);
                    let next = side.connection().poll_timeout();
                    assert!(next.is_none_or(|(at, _)| at > now), "{stage:?}, {ms}: {next:?}");
                }
            }
        }
    }
}

// Threat 78.
#[test]
fn timers_called_early_or_twice_do_nothing() {
    for stage in Stage::ALL {
        let mut side = stage.reach(false).unwrap();
        let before = side.connection().poll_timeout();
        for _ in 0..3 {
            side.connection().handle_timeout(Instant::ZERO);
        }
        assert_eq!(side.connection().poll_timeout(), before, "{stage:?}");
        assert_eq!((side.happened(), side.said()), (vec![], vec![]), "{stage:?}");
    }
}

// Threat 78.
#[test]
fn an_idle_connection_survives_a_day_of_sleep() {
    let mut pair = Pair::open();
    pair.client.now = Instant::from(seconds(DAY));
    pair.server.now = Instant::from(seconds(DAY));
    pair.drive();
    pair.client.request("c").unwrap();
    pair.drive();
    pair.server.respond(1).unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 ended well"]);
}

// Threat 78.
#[test]
fn a_clock_that_runs_backwards_harms_nobody() {
    let mut client = Side::open(true, Arc::default());
    client.now = Instant::from(seconds(100));
    client.call("a", &Payload::null(), &Options::new().deadline(seconds(1)), 0).unwrap();
    client.connection().ping(Instant::from(seconds(100)), 1).unwrap();
    client.written();
    client.now = Instant::ZERO;
    client.call("b", &Payload::null(), &Options::new().deadline(seconds(1)), 0).unwrap();
    client.written();
    client.feed(&framed("82 05 01"));
    client.wait(seconds(1));
    assert_eq!(client.happened(), ["pong 1", "call 3 ended late MayHaveRun"]);
    client.written();
    client.feed(&framed("83 08 01 f6"));
    client.close("bye");
    client.written();
    assert_eq!(client.happened(), ["call 1 ended well"]);
}

// Threat 78.
#[test]
fn the_end_of_time_is_borne() {
    let end = Instant::from(core::time::Duration::MAX);
    for stage in Stage::ALL {
        for client in [true, false] {
            let Some(mut side) = stage.reach(client) else { continue };
            side.now = end;
            let _ = side.call("c", &Payload::null(), &Options::new(), 0);
            side.feed(&framed("82 04 05"));
            side.close("bye");
            side.written();
            side.end();
            side.run();
            assert!(side.done.is_some(), "{stage:?}");
        }
    }
}

// Threat 78.
#[test]
fn any_order_of_times_leaves_calls_that_end_once_and_timers_that_advance() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut client = Side::open(true, config(|config| config.max_unsent = 1 << 30));
        let mut made = 0;
        for _ in 0..50 {
            client.now = Instant::from(millis(dice.roll(3000) as u64));
            if dice.roll(2) == 0 {
                let options = Options::new().deadline(millis(dice.roll(2000) as u64));
                made += usize::from(client.call("c", &Payload::null(), &options, 0).is_ok());
            }
            client.written();
            let now = client.now;
            let next = client.connection().poll_timeout();
            assert!(next.is_none_or(|(at, _)| at > now), "seed {seed}: {next:?} at {now:?}");
        }
        client.wait(seconds(10));
        client.connection().abort("enough");
        let happened = client.happened();
        let ended = happened.iter().filter(|event| event.starts_with("call")).count();
        assert_eq!(ended, made, "seed {seed}");
    }
}

#[test]
fn a_pump_that_is_asked_does_what_is_due() {
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("85 07 01 6161 a1000a f6"));
    server.now = Instant::from(millis(10));
    assert_eq!(server.happened(), ["call 1 asks a", "call 1 stopped DEADLINE_EXCEEDED"]);
    server.close("bye");
    server.written();
    server.now = Instant::from(millis(5010));
    server.run();
    assert_eq!(server.said(), ["goodbye 4 drain-timeout"]);
    assert_eq!(server.done, None);
    server.now = Instant::from(millis(6010));
    server.run();
    assert_eq!(server.done, Some(CloseReason::Timeout(Timer::Drain)));
}
