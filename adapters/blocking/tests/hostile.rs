//! Peers that are none: each gets what `docs/protocol.md` says, and a good client notices nothing.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{GOODBYE, HELLO, Home, framed};
use switchboard::{Config, Payload};
use switchboard_blocking::Server;

/// Runs `hostile` against a server while a good client calls it all the time.
fn beside_a_good_client(config: Config, hostile: impl FnOnce(&Home)) {
    let home = Home::of(
        Server::builder()
            .config(config)
            .handle("add", |_, (a, b): (u64, u64)| Ok(a + b))
            .handle_inline("large", |_, n: usize| Ok(Payload::bytes(&vec![0; n]))),
    );
    let client = home.client();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let good = scope.spawn(|| {
            let mut calls = 0;
            while !over.load(Ordering::Relaxed) || calls < 10 {
                assert_eq!(client.request::<u64>("add", &(calls, 1)).unwrap(), calls + 1);
                calls += 1;
            }
        });
        hostile(&home);
        over.store(true, Ordering::Relaxed);
        good.join().unwrap();
    });
}

/// What a server says at last: `goodbye` or `reject` with a status and a reason.
fn last_words(kind: u8, status: u8, reason: &str) -> Vec<u8> {
    let head = [if kind == 2 { 0x86 } else { 0x84 }, kind, status, 0x60 + reason.len() as u8];
    let tail: &[u8] = if kind == 2 { b"\x81\x01\xf6\xf6" } else { b"\xf6" };
    framed(&[&head, reason.as_bytes(), tail].concat())
}

// Threat 11.
#[test]
fn at_a_bad_first_length_nothing_is_said() {
    beside_a_good_client(Config::default(), |home| {
        let noise: Vec<u8> = (0..64_u8).map(|n| n.wrapping_mul(151) ^ 0xa7).collect();
        for first in [
            &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
            b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n\0\0\0\x04",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
            b"{\"jsonrpc\": \"2.0\"}\n",
            &noise,
            b"\0\0\0\0",
            b"\xff\xff\xff\xff",
            b"\0\0\x40\x01",
        ] {
            let mut raw = home.raw();
            raw.say(first);
            assert_eq!(raw.rest(), b"", "after {first:02x?}");
        }
    });
}

#[test]
fn a_first_frame_that_is_no_hello_is_rejected() {
    beside_a_good_client(Config::default(), |home| {
        let rejected = last_words(2, 3, "not-switchboard");
        for first in
            [&b"\0\0\0\x03\x82\x04\x05"[..], b"\0\0\x40\0nothing like it", b"\0\0\0\x01\xf6"]
        {
            let mut raw = home.raw();
            raw.say(first);
            assert_eq!(raw.rest(), rejected, "after {first:02x?}");
        }
        let mut raw = home.raw();
        raw.say(&[HELLO, b"\0\0\0\x03\x82\x04\x05"].concat());
        assert_eq!(raw.rest(), last_words(2, 9, "unexpected-frame"));
    });
}

#[test]
fn a_broken_rule_ends_the_connection_with_its_name() {
    beside_a_good_client(Config::default(), |home| {
        for (bytes, status, reason) in [
            (&b"\0\0\0\0"[..], 8, "frame-empty"),
            (b"\xff\xff\xff\xff", 8, "frame-too-large"),
            (b"\x01\0\0\x01", 8, "frame-too-large"),
            (b"\0\0\0\x01\xf6", 3, "malformed-frame"),
            (b"\0\0\0\x03\x82\x13\0", 3, "unknown-kind"),
            (HELLO, 9, "unexpected-frame"),
            (b"\0\0\0\x04\x83\x08\x01\xf6", 9, "unknown-call"),
            (b"\0\0\0\x04\x83\x08\x02\xf6", 9, "unknown-call"),
            (b"\0\0\0\x03\x82\x0d\x01", 9, "unknown-call"),
            (b"\0\0\0\x03\x82\x05\x01", 9, "unexpected-pong"),
            (b"\0\0\0\x07\x85\x07\x02\x61a\xa0\xf6", 9, "bad-call-id"),
        ] {
            let mut raw = home.welcomed();
            raw.say(bytes);
            assert_eq!(raw.rest(), last_words(3, status, reason), "after {bytes:02x?}");
        }
    });
}

#[test]
fn an_end_inside_of_a_frame_is_taken_for_a_loss() {
    beside_a_good_client(Config::default(), |home| {
        for bytes in [&b""[..], b"\0", b"\0\0\0\x09", b"\0\0\0\x09\x85\x07\x01"] {
            let mut raw = home.welcomed();
            raw.say(bytes);
            raw.0.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(raw.rest(), b"", "after {bytes:02x?}");
            let mut raw = home.raw();
            raw.say(&[HELLO, bytes].concat()[..HELLO.len() - 1]);
            raw.0.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(raw.rest(), b"");
        }
    });
}

#[test]
fn a_peer_that_shuts_its_half_loses_its_calls_and_their_handlers_learn_it() {
    let (sender, learned) = std::sync::mpsc::channel();
    let began = std::sync::Arc::new(common::Gate::default());
    let late = common::until_cancelled(&began, sender);
    let home =
        Home::of(Server::builder().handle("pool", late.clone()).handle_inline("inline", late));
    for (count, channel) in [&b"\x64pool"[..], b"\x66inline"].into_iter().enumerate() {
        let mut raw = home.welcomed();
        raw.frame(&[&[0x85, 7, 1], channel, &[0xa0, 0xf6]].concat());
        began.wait_for(count + 1);
        raw.0.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(learned.recv().unwrap().as_bytes(), &channel[1..]);
        assert_eq!(raw.hear(), None);
        common::wait_until(|| home.server.peers().is_empty());
    }
}

#[test]
fn a_peer_that_says_hello_and_nothing_more_may_stay() {
    beside_a_good_client(Config::default(), |home| {
        let mut silent = home.welcomed();
        let others: Vec<_> = (0..50).map(|_| home.welcomed()).collect();
        // It is there and well: what it says at last is answered.
        silent.say(GOODBYE);
        assert_eq!(silent.hear().unwrap(), GOODBYE[4..]);
        assert_eq!(silent.hear(), None);
        drop(others);
    });
}

// Threat 31.
#[test]
fn a_peer_that_never_reads_is_given_up() {
    let mut config = Config::default();
    config.write_stall = Duration::from_millis(100);
    beside_a_good_client(config, |home| {
        let mut deaf = home.welcomed();
        // An answer of 10 MB that it does not read.
        deaf.frame(b"\x85\x07\x01\x65large\xa0\x1a\x00\x98\x96\x80");
        // The server hangs up: nothing can be said any more.
        while std::io::Write::write(&mut deaf.0, b"\0\0\0\x02\x81\x18").is_ok() {
            thread::yield_now();
        }
        // What was on its way is a part of one frame.
        assert!(deaf.rest().len() < 10_000_000);
    });
}

// Threat 23.
#[test]
fn calls_above_max_calls_are_refused_and_struck() {
    let mut config = Config::default();
    config.max_calls = 0;
    let home = Home::of(Server::builder().config(config).handle("add", |_, ()| Ok(())));
    let mut raw = home.welcomed();
    for id in 0..17 {
        raw.frame(&[0x85, 7, 0x18, 101 + 2 * id, 0x61, b'a', 0xa0, 0xf6]);
    }
    // Answers that were not written when the last one came are dropped for the last words.
    let end = last_words(3, 8, "too-many-strikes");
    for id in 0..17 {
        let frame = raw.hear().unwrap();
        if frame == end[4..] {
            assert_eq!(raw.hear(), None);
            return;
        }
        assert_eq!(frame[..5], [0x85, 9, 0x18, 101 + 2 * id, 8]);
    }
    panic!("17 strikes are borne");
}

#[test]
fn a_flood_of_pings_that_nobody_reads_ends_its_own_connection_only() {
    let mut config = Config::default();
    config.write_stall = Duration::from_millis(100);
    beside_a_good_client(config, |home| {
        let mut flood = home.welcomed();
        let pings = framed(b"\x82\x04\x05").repeat(1000);
        while std::io::Write::write_all(&mut flood.0, &pings).is_ok() {}
        // Pongs, and perhaps the last words: never more than was said.
        let _ = flood.rest();
    });
}
