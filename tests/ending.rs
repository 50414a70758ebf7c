//! Last words, abort, end of stream and failed writes (`docs/protocol.md` sections 7.2 and 7.3).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::stages::Stage;
use common::{GOODBYE, Pair, Side, blob, config, framed, hex, millis, seconds, words};
use switchboard::{CallId, CloseReason, Event, Instant, Payload, Rejected, Timer};

#[test]
fn after_last_words_nothing_more_is_said_and_what_comes_is_dropped() {
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("85 07 01 6161 a0 f6"));
    server.request("s").unwrap();
    server.written();
    server.feed(&framed("82 13 00"));
    assert_eq!(server.respond(1), Err(Rejected::UnknownCall));
    assert_eq!(server.send("log", &Payload::null()), Err(Rejected::Closed));
    server.close("again");
    assert_eq!(server.said(), ["goodbye 3 unknown-kind"]);
    for late in ["82 04 05", "84 03 0d 60 f6", "83 08 02 f6", "85 07 03 6161 a0 f6", "f6"] {
        server.feed(&framed(late));
    }
    assert_eq!(server.said(), Vec::<String>::new());
    let closed = "the peer broke the protocol: unknown-kind";
    let lost = format!("call 2 ended disconnected MayHaveRun: {closed}");
    assert_eq!(server.happened(), ["call 1 asks a".into(), lost, format!("closed: {closed}")]);
    server.end();
    server.is_over();
}

#[test]
fn a_call_that_is_cancelled_behind_last_words_adds_none() {
    let mut client = Side::open(true, Arc::default());
    client.request("c").unwrap();
    client.close("bye");
    client.written();
    // The drain is over, and nobody has asked for the events yet.
    client.now = Instant::from(seconds(5));
    client.connection().handle_timeout(Instant::from(seconds(5)));
    assert_eq!(client.cancel(1), Err(Rejected::UnknownCall), "it has ended with the connection");
    assert_eq!(client.said(), ["goodbye 4 drain-timeout"]);
    let happened = client.happened();
    assert!(happened[0].starts_with("call 1 ended disconnected MayHaveRun"), "{happened:?}");
    assert_eq!(happened.len(), 2);
}

#[test]
fn last_words_drop_what_is_unsent_but_finish_the_frame_that_was_begun() {
    for (written, expected) in [
        (0, &["goodbye 3 malformed-frame"][..]),
        (1, &["message big", "goodbye 3 malformed-frame"]),
        (5000, &["message big", "goodbye 3 malformed-frame"]),
    ] {
        let mut client = Side::open(true, Arc::default());
        client.send("big", &blob(10_000)).unwrap();
        client.request("c").unwrap();
        let mut bytes = client.write(written);
        client.feed(&framed("f6"));
        bytes.extend(client.written());
        assert_eq!(words::frames(&bytes), expected, "{written}");
        let happened = client.happened();
        assert!(happened[0].starts_with("call 1 ended disconnected NeverSent"), "{happened:?}");
    }
}

#[test]
fn last_words_are_written_to_a_peer_that_has_ended_its_half_already() {
    let beginnings = [
        (Stage::Greeting, framed("82 04 05"), "reject 3 not-switchboard"),
        (Stage::Deciding, framed("82 04 05"), "reject 9 unexpected-frame"),
        (Stage::Open, framed("f6"), "goodbye 3 malformed-frame"),
    ];
    for (stage, bytes, words) in beginnings {
        let mut server = stage.reach(false).unwrap();
        server.pump.space()[..bytes.len()].copy_from_slice(&bytes);
        server.pump.filled(Instant::ZERO, bytes.len());
        server.end();
        assert_eq!(server.said(), [words], "{stage:?}");
        assert!(server.done.is_some(), "nothing is left to read or write");
        server.events.clear();
        server.is_over();
    }
}

#[test]
fn last_words_are_finished_in_pieces_though_the_peer_has_ended_its_half() {
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("f6"));
    server.end();
    let mut bytes = server.write(1);
    assert_eq!(server.done, None, "more is to be written");
    bytes.extend(server.written());
    assert_eq!(words::frames(&bytes), ["goodbye 3 malformed-frame"]);
    assert!(server.done.is_some());
}

#[test]
fn a_peer_that_ended_its_half_and_reads_nothing_is_left_after_linger_or_a_failed_write() {
    for fails in [false, true] {
        let mut server = Side::open(false, Arc::default());
        server.feed(&framed("f6"));
        server.end();
        assert_eq!(server.done, None, "last words wait");
        if fails {
            server.pump.write_failed(Instant::ZERO);
            server.run();
        } else {
            server.wait(seconds(1));
        }
        assert!(matches!(server.done, Some(CloseReason::Protocol(_))));
        server.events.clear();
        server.is_over();
    }
}

#[test]
fn the_reason_does_not_change_when_last_words_cannot_be_written_either() {
    let mut client = Side::open(true, config(|config| config.write_stall = seconds(1)));
    client.send("log", &Payload::null()).unwrap();
    client.wait(millis(500));
    client.feed(&framed("f6"));
    client.wait(seconds(10));
    let Some(Event::Closed(told)) = client.events.pop() else { panic!("not closed") };
    assert_eq!(client.done, Some(told));
}

#[test]
fn abort_ends_it_without_a_word_and_the_peer_is_lost() {
    let mut pair = Pair::open();
    pair.client.request("c").unwrap();
    pair.drive();
    pair.client.connection().abort("enough");
    pair.client.connection().abort("more");
    assert_eq!(pair.client.said(), Vec::<String>::new());
    let aborted = "aborted by this side: enough";
    let lost = format!("call 1 ended disconnected MayHaveRun: {aborted}");
    assert_eq!(pair.client.happened(), [lost, format!("closed: {aborted}")]);
    pair.client.is_over();
    pair.drive();
    assert_eq!(pair.server.happened(), ["call 1 asks c", "closed: the connection was lost"]);
    pair.server.is_over();
}

// Threat 6.
#[test]
fn end_of_stream_is_graceful_only_behind_a_goodbye_and_between_frames() {
    let graceful = |side: &Side| {
        matches!(side.done, Some(CloseReason::Closed { .. } | CloseReason::PeerClosed { .. }))
    };
    let mut said = Side::open(true, Arc::default());
    said.close("bye");
    said.written();
    said.end();
    assert!(graceful(&said), "this side has said it");

    let mut inside = Side::open(true, Arc::default());
    inside.close("bye");
    inside.written();
    inside.feed(&hex(GOODBYE)[..6]);
    inside.end();
    assert_eq!(inside.done, Some(CloseReason::Lost), "inside a frame");

    let mut open = Side::open(true, Arc::default());
    open.request("c").unwrap();
    open.close("bye");
    open.written();
    open.end();
    assert_eq!(open.done, Some(CloseReason::Lost), "a call is open");

    let mut served = Side::open(true, Arc::default());
    served.feed(&framed("85 07 02 6161 a0 f6"));
    served.close("bye");
    served.written();
    served.end();
    assert_eq!(served.done, Some(CloseReason::Lost), "a call of the peer is open");

    let mut idle = Side::open(true, Arc::default());
    idle.end();
    assert_eq!(idle.done, Some(CloseReason::Lost), "nobody has said goodbye");
}

#[test]
fn whole_frames_in_front_of_the_end_of_stream_are_delivered() {
    let mut client = Side::open(true, Arc::default());
    client.request("c").unwrap();
    client.written();
    let bytes = [framed("83 08 01 f6"), framed("84 06 636c6f67 a0 f6"), vec![0, 0]].concat();
    client.pump.space()[..bytes.len()].copy_from_slice(&bytes);
    client.pump.filled(Instant::ZERO, bytes.len());
    client.end();
    let lost = "closed: the connection was lost";
    assert_eq!(client.happened(), ["call 1 ended well", "message log of 1 B", lost]);
}

#[test]
fn a_failed_write_still_lets_the_peers_last_words_be_read() {
    let mut client = Side::open(true, Arc::default());
    client.request("written").unwrap();
    client.written();
    client.request("unsent").unwrap();
    let before = client.connection().counters();
    client.pump.write_failed(Instant::ZERO);
    assert!(!client.connection().is_open());
    let after = client.connection().counters();
    assert_eq!((after.frames_out, after.bytes_out), (before.frames_out, before.bytes_out));
    assert_eq!(client.request("late"), Err(Rejected::Closed));
    client.feed(&framed("83 08 01 f6"));
    client.feed(&framed("84 03 08 646f6f7073 f6"));
    let why = "the peer ended the connection: RESOURCE_EXHAUSTED: oops";
    let lost = format!("call 3 ended disconnected NeverSent: {why}");
    assert_eq!(client.happened(), ["call 1 ended well".into(), lost, format!("closed: {why}")]);
    client.is_over();
}

#[test]
fn a_failed_write_and_silence_end_it_after_linger() {
    for stage in Stage::ALL {
        for client in [true, false] {
            let Some(mut side) = stage.reach(client) else { continue };
            side.pump.write_failed(Instant::ZERO);
            side.wait(millis(999));
            assert_eq!(side.done.is_some(), stage == Stage::Closed, "{stage:?}");
            side.wait(millis(1));
            assert!(side.done.is_some(), "{stage:?}");
            side.events.clear();
            side.is_over();
        }
    }
}

#[test]
fn a_peer_that_reads_nothing_is_given_up_and_a_slow_one_is_not() {
    let mut client = Side::open(true, Arc::default());
    client.send("log", &blob(100)).unwrap();
    for _ in 0..5 {
        client.wait(millis(9_999));
        assert_eq!(client.write(1).len(), 1);
    }
    client.wait(millis(9_999));
    client.write(0);
    assert_eq!(client.done, None, "a write of nothing is no progress");
    client.wait(millis(1));
    assert_eq!(client.done, Some(CloseReason::Timeout(Timer::Write)));
    assert_eq!(client.said(), Vec::<String>::new());

    let mut idle = Side::open(true, Arc::default());
    idle.wait(seconds(1_000_000));
    assert_eq!(idle.done, None);
    assert_eq!(idle.request("c").map(CallId::number), Ok(1));
}
