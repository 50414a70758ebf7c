//! Promises to say something, and what happens to a peer that breaks its own (section 3.3).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{Pair, Side, config, framed, millis, seconds};
use switchboard::{CloseReason, Instant, Timer};

/// A server's side whose client promises to say something every 10 s; nothing waits on it.
fn listening() -> Side {
    let mut side = Side::server(Arc::default());
    side.feed(&framed("85 00 6b737769746368626f617264 8101 a103 192710 f6"));
    side.accept();
    side.written();
    side.events.clear();
    side
}

/// A client's side that promises to say something every second; nothing waits on it.
fn speaking() -> Side {
    let config = config(|config| config.keepalive = Some(seconds(1)));
    let mut side = Side::client(config);
    side.feed(&framed("85 01 01 07 a0 f6"));
    side.written();
    side.events.clear();
    side
}

#[test]
fn a_side_that_promised_says_something_in_time_and_tells_nobody_of_the_answer() {
    let mut side = speaking();
    side.wait(millis(999));
    assert!(side.said().is_empty());
    side.wait(millis(1));
    assert_eq!(side.said(), ["ping 0"]);
    side.feed(&framed("82 05 00"));
    assert!(side.happened().is_empty(), "the application did not ask");
    side.wait(seconds(1));
    assert_eq!(side.said(), ["ping 0"]);
}

#[test]
fn whatever_is_written_keeps_the_promise() {
    let mut side = speaking();
    side.wait(millis(600));
    side.send("m", &switchboard::Payload::null()).unwrap();
    assert_eq!(side.said(), ["message m"]);
    side.wait(millis(999));
    assert!(side.said().is_empty());
    side.wait(millis(1));
    assert_eq!(side.said(), ["ping 0"]);
}

#[test]
fn what_waits_already_is_the_sign_of_life() {
    let mut side = speaking();
    side.send("m", &switchboard::Payload::null()).unwrap();
    side.wait(seconds(5));
    assert_eq!(side.said(), ["message m"], "no pings pile up behind it");
}

#[test]
fn the_promise_is_told_in_the_handshake_and_no_promise_is_none() {
    let mut side = Side::client(config(|config| config.keepalive = Some(seconds(1))));
    let hello = side.written();
    assert_eq!(hello[20..][..5], [0xa1, 0x03, 0x19, 0x03, 0xe8], "settings: {{3: 1000}}");
    let mut quiet = Side::open(true, Arc::default());
    assert_eq!(quiet.connection().poll_timeout(), None);
    quiet.wait(seconds(3600));
    assert!(quiet.said().is_empty());
    assert!(quiet.happened().is_empty());
}

#[test]
fn a_peer_that_is_silent_for_three_intervals_is_dead() {
    let mut side = listening();
    side.wait(millis(29_999));
    assert!(side.happened().is_empty());
    side.wait(millis(1));
    assert_eq!(side.said(), ["goodbye 4 keepalive-timeout"]);
    let reason = CloseReason::Timeout(Timer::Keepalive);
    assert_eq!(side.happened(), [format!("closed: {reason}")]);
}

#[test]
fn a_single_byte_is_a_sign_of_life() {
    let mut side = listening();
    let message = framed("84 06 616d a0 f6");
    for byte in message {
        side.wait(millis(29_999));
        side.feed(&[byte]);
    }
    assert_eq!(side.happened(), ["message m of 1 B"]);
}

// Threat 78.
#[test]
fn a_clock_that_jumps_is_one_miss_and_no_death() {
    let mut side = listening();
    for _ in 0..2 {
        // As after a suspend: time has passed, but nobody waited for it.
        side.now = Instant::from(side.now - Instant::ZERO + seconds(86_400));
        side.run();
        assert!(side.happened().is_empty());
    }
    side.feed(&framed("82 04 01"));
    assert_eq!(side.said(), ["pong 1"]);
    side.wait(millis(29_999));
    assert!(side.happened().is_empty(), "the count began anew");
}

#[test]
fn time_in_which_nobody_reads_does_not_count() {
    let mut side = listening();
    side.pump.set_untaken(usize::MAX);
    for _ in 0..100 {
        side.wait(seconds(9));
        side.run();
    }
    assert!(side.happened().is_empty());
    side.pump.set_untaken(0);
    side.run();
    side.wait(millis(29_999));
    assert!(side.happened().is_empty());
    side.wait(millis(1));
    assert_eq!(side.said(), ["goodbye 4 keepalive-timeout"]);
}

#[test]
fn two_sides_that_promise_keep_each_other_alive() {
    let config = config(|config| config.keepalive = Some(seconds(2)));
    let mut pair = Pair::opened(Arc::clone(&config), config);
    pair.drive_for(seconds(3600));
    assert!(pair.client.happened().is_empty());
    assert!(pair.server.happened().is_empty());
    let counters = pair.client.connection().counters();
    assert!(counters.frames_out > 1000, "{counters:?}");
}

#[test]
fn an_interval_is_1_s_to_24_h() {
    let check = |every| {
        let mut config = switchboard::Config::default();
        config.keepalive = Some(every);
        config.check()
    };
    assert!(check(millis(999)).is_err());
    assert!(check(seconds(1)).is_ok());
    assert!(check(seconds(86_400)).is_ok());
    assert!(check(seconds(86_400) + millis(1)).is_err());
}
