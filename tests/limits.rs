//! What a peer can make a connection hold, and what is counted (section 8).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Side, blob, config, framed};
use switchboard::{CallId, CloseReason, Config, Failure, Payload, ProtocolError, Rejected, Status};

fn call(number: u64) -> CallId {
    CallId::new(number).unwrap()
}

/// A `request` with so many bytes from its channel to its end: 1 for the channel, 1 for no headers.
fn request(id: u8, bytes: usize) -> Vec<u8> {
    let content = bytes - 2 - 3;
    let mut body = vec![0x85, 7, id, 0x61, b'r', 0xa0, 0x59];
    body.extend_from_slice(&(content as u16).to_be_bytes());
    body.resize(body.len() + content, 0);
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

#[test]
fn unanswered_requests_are_bounded_by_their_bytes() {
    let mut side = Side::open(false, config(|config| config.max_unanswered = 3000));
    side.feed(&request(1, 1000));
    side.feed(&request(3, 1999));
    side.feed(&request(5, 1000));
    assert_eq!(side.happened(), ["call 1 asks r", "call 3 asks r"]);
    assert_eq!(side.said(), ["failure 5 RESOURCE_EXHAUSTED"]);
    // One byte less fits exactly, and an answer makes room.
    side.respond(1).unwrap();
    side.feed(&request(7, 1001));
    side.feed(&request(9, 300));
    assert_eq!(side.happened(), ["call 7 asks r"]);
    assert_eq!(side.said(), ["response 1", "failure 9 RESOURCE_EXHAUSTED"]);
    assert_eq!(side.connection().counters().strikes, 0, "it is no offence");
}

/// A `request` without arguments; its id takes nine bytes.
fn long_request(id: u64) -> Vec<u8> {
    framed(&format!("85 07 1b{id:016x} 6172 a0 f6"))
}

#[test]
fn a_peer_that_reads_slowly_cannot_pile_up_refusals() {
    let mut side = Side::open(false, config(|config| config.max_calls = 1));
    let mut ids = (1 << 32..).map(|half| 2 * half + 1);
    side.feed(&long_request(ids.next().unwrap()));
    // As many strikes as a minute bears, and a byte often enough that writing does not stall.
    for _ in 0..10 {
        (&mut ids).take(16).for_each(|id| side.feed(&long_request(id)));
        (0..7).for_each(|_| {
            side.wait(Duration::from_secs(9));
            side.write(1);
        });
    }
    let unsent = side.connection().unsent();
    assert!(unsent < 2000, "{unsent} B of refusals wait");
    assert_eq!(side.done, Some(CloseReason::Protocol(ProtocolError::TooManyStrikes)));
}

#[test]
fn a_large_answer_waits_for_room_and_a_small_one_does_not() {
    let config = config(|config| config.max_unsent = 1000);
    let mut side = Side::open(false, config);
    for id in [1, 3, 5, 7, 9] {
        side.feed(&request(id, 10));
    }
    let now = side.now;
    let connection = side.connection();
    connection.respond(now, call(1), Ok(&blob(989))).unwrap();
    assert_eq!(connection.unsent(), 999, "one byte is free, so that one more frame is taken");
    connection.respond(now, call(3), Ok(&blob(200))).unwrap();
    assert_eq!(connection.respond(now, call(5), Ok(&blob(200))), Err(Rejected::Full));
    assert_eq!(connection.respond(now, call(5), Ok(&blob(200))), Err(Rejected::Full), "as before");
    assert_eq!(connection.respond(now, call(99), Ok(&blob(200))), Err(Rejected::UnknownCall));
    connection.respond(now, call(7), Ok(&Payload::bytes(&[0; 126]))).unwrap();
    let words = Failure::new(Status::NOT_FOUND, "x".repeat(128));
    assert_eq!(connection.respond(now, call(9), Err(&words)), Err(Rejected::Full));
    let words = Failure::new(Status::NOT_FOUND, "x".repeat(127));
    connection.respond(now, call(9), Err(&words)).unwrap();
    side.written();
    let now = side.now;
    side.connection().respond(now, call(5), Ok(&blob(200))).unwrap();
    assert_eq!(side.said(), ["response 5"]);
}

#[test]
fn everything_that_passes_is_counted() {
    let mut side = Side::open(true, Arc::default());
    let before = side.connection().counters();
    assert_eq!((before.frames_in, before.frames_out), (1, 1), "welcome and hello");
    side.request("a").unwrap();
    side.request("b").unwrap();
    side.cancel(3).unwrap();
    side.feed(&framed("85 07 02 6161 a0 f6"));
    side.feed(&framed("84 06 60 a0 f6"));
    side.feed(&framed("85 10 f6 6174 a0 f6"));
    let counters = side.connection().counters();
    assert_eq!((counters.open_made, counters.open_served), (1, 1));
    assert_eq!((counters.frames_in, counters.bytes_in - before.bytes_in), (4, 11 + 9 + 11));
    assert_eq!((counters.dropped, counters.strikes), (2, 1), "a name of 0 bytes, and a topic");
    let unsent = counters.unsent;
    let written = side.written().len() as u64;
    assert_eq!(unsent, written, "the call that was taken back is not among them");
    let counters = side.connection().counters();
    assert_eq!((counters.frames_out, counters.bytes_out - before.bytes_out), (2, written));
    side.respond(2).unwrap();
    assert_eq!(side.connection().counters().open_served, 1, "until the answer is written");
    side.written();
    assert_eq!(side.connection().counters().open_served, 0);
}

#[test]
fn the_memory_bound_follows_every_limit_that_it_is_made_of() {
    let bound = |change: &dyn Fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.memory_bound()
    };
    let default = bound(&|_| {});
    assert!((64 << 20..512 << 20).contains(&default), "{default}");
    assert!(bound(&|config| config.max_frame *= 2) > default);
    assert!(bound(&|config| config.max_calls *= 2) > default);
    assert!(bound(&|config| config.max_unsent *= 2) > default);
    assert!(bound(&|config| config.max_untaken *= 2) > default);
    assert!(bound(&|config| config.max_unanswered *= 2) > default);
}
