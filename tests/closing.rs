//! Graceful closing, last words, abort and end of stream (`docs/protocol.md` section 7).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{GOODBYE, Pair, Side, blob, config, framed, hex, millis, seconds, words};
use switchboard::{CloseReason, Event, Instant, Payload, Rejected};

#[test]
fn an_idle_connection_closes_at_once_on_both_sides() {
    let mut pair = Pair::open();
    pair.client.close("bye");
    assert!(!pair.client.connection().is_open());
    pair.drive();
    assert_eq!(pair.client.happened(), ["closed: closed by this side: bye"]);
    assert_eq!(pair.server.happened(), ["closing bye", "closed: closed by the peer: bye"]);
    assert!(pair.client.shut && pair.server.shut);
    pair.client.is_over();
    pair.server.is_over();
}

#[test]
fn open_calls_both_ways_are_answered_before_it_is_over() {
    let mut pair = Pair::open();
    pair.client.request("c").unwrap();
    pair.server.request("s").unwrap();
    pair.drive();
    pair.server.close("restart");
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 2 asks s", "closing restart"]);
    assert_eq!(pair.server.happened(), ["call 1 asks c"]);
    pair.client.respond(2).unwrap();
    pair.drive();
    assert_eq!((pair.client.done.is_some(), pair.server.done.is_some()), (false, false));
    assert_eq!(pair.server.happened(), ["call 2 ended well"]);
    pair.server.respond(1).unwrap();
    pair.drive();
    let closed = "closed: closed by the peer: restart";
    assert_eq!(pair.client.happened(), ["call 1 ended well", closed]);
    assert_eq!(pair.server.happened(), ["closed: closed by this side: restart"]);
    pair.client.is_over();
    pair.server.is_over();
}

#[test]
fn closes_that_cross_end_both_sides_gracefully() {
    let mut pair = Pair::open();
    pair.client.close("from the client");
    pair.server.close("from the server");
    assert_eq!(pair.client.said(), ["goodbye 0 from the client"]);
    pair.client.feed(&framed("84 03 00 60 f6"));
    assert_eq!(pair.client.said(), Vec::<String>::new(), "a goodbye is not answered twice");
    let mut pair = Pair::open();
    pair.client.close("from the client");
    pair.server.close("from the server");
    pair.drive();
    assert_eq!(pair.client.happened(), ["closed: closed by this side: from the client"]);
    assert_eq!(pair.server.happened(), ["closed: closed by this side: from the server"]);
}

#[test]
fn a_closing_side_opens_nothing_and_refuses_what_crosses_its_goodbye() {
    let mut pair = Pair::open();
    pair.server.request("open").unwrap();
    pair.drive();
    pair.server.close("bye");
    assert_eq!(pair.server.request("s"), Err(Rejected::Closed));
    assert_eq!(pair.server.send("log", &Payload::null()), Err(Rejected::Closed));
    assert_eq!(pair.server.connection().ping(Instant::ZERO, 1), Err(Rejected::Closed));
    pair.client.request("crosses").unwrap();
    pair.client.send("crosses", &Payload::null()).unwrap();
    pair.drive();
    let refused = "call 1 ended failed UNAVAILABLE: closing";
    assert_eq!(pair.client.happened(), ["call 2 asks open", "closing bye", refused]);
    assert_eq!(pair.server.happened(), ["message crosses of 1 B"]);
    assert_eq!(pair.client.request("late"), Err(Rejected::Closed));
    assert_eq!(pair.client.send("late", &Payload::null()), Err(Rejected::Closed));
}

#[test]
fn a_server_says_when_to_come_back_and_a_client_does_not() {
    let again = Some(millis(250));
    let mut pair = Pair::open();
    pair.server.connection().close(Instant::ZERO, "restart", again);
    pair.drive();
    let closed = CloseReason::PeerClosed { message: "restart".into(), reconnect_after: again };
    assert!(
        matches!(pair.client.events[0], Event::Closing { reconnect_after, .. } if reconnect_after == again)
    );
    assert_eq!(pair.client.done, Some(closed));

    let mut client = Side::open(true, Arc::default());
    client.connection().close(Instant::ZERO, "", again);
    assert_eq!(client.written(), hex(GOODBYE), "a client sends null");
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("84 03 00 60 18fa"));
    assert!(
        matches!(server.events[0], Event::Closing { reconnect_after: None, .. }),
        "a server ignores what it sends"
    );
}

#[test]
fn words_are_cut_at_1024_bytes_between_two_characters() {
    let mut pair = Pair::open();
    pair.client.close(&format!("x{}", "é".repeat(600)));
    pair.drive();
    let cut = format!("x{}", "é".repeat(511));
    assert_eq!(pair.server.happened()[0], format!("closing {cut}"));
}

#[test]
fn a_second_close_is_left_alone() {
    let mut pair = Pair::open();
    pair.client.request("c").unwrap();
    pair.drive();
    pair.client.close("first");
    pair.client.close("second");
    pair.drive();
    assert_eq!(pair.server.happened(), ["call 1 asks c", "closing first"]);
    pair.server.close("third");
    pair.server.respond(1).unwrap();
    pair.drive();
    assert_eq!(pair.server.happened(), ["closed: closed by the peer: first"]);
    pair.client.close("fourth");
    assert_eq!(pair.client.happened(), ["call 1 ended well", "closed: closed by this side: first"]);
}

#[test]
fn what_was_queued_before_the_close_is_written_first() {
    let mut pair = Pair::open();
    pair.client.send("last", &blob(100_000)).unwrap();
    pair.client.close("bye");
    pair.drive();
    let expected = ["message last of 100005 B", "closing bye", "closed: closed by the peer: bye"];
    assert_eq!(pair.server.happened(), expected);
}

#[test]
fn a_peer_that_reads_slowly_still_gets_what_was_queued_before_goodbye() {
    // Both goodbyes are said, but not yet written: `linger` does not run, `drain` does.
    for crossing in [false, true] {
        let mut server = Side::open(false, Arc::default());
        server.send("last", &blob(1000)).unwrap();
        if crossing {
            server.close("bye");
        }
        server.feed(&hex(GOODBYE));
        let mut bytes = Vec::new();
        for _ in 0..3 {
            server.wait(seconds(1));
            bytes.extend(server.write(300));
        }
        assert!(!server.shut && server.done.is_none(), "crossing {crossing}");
        bytes.extend(server.written());
        let words = if crossing { "goodbye 0 bye" } else { "goodbye 0 " };
        assert_eq!(words::frames(&bytes), ["message last", words]);
        assert!(server.shut, "all is written");
        server.wait(seconds(1));
        assert!(server.done.is_some(), "linger");
    }
}

#[test]
fn calls_that_do_not_end_within_drain_are_given_up() {
    let mut pair = Pair::opened(config(|config| config.drain = seconds(60)), Arc::default());
    pair.client.request("slow").unwrap();
    pair.drive();
    pair.server.close("bye");
    pair.drive_for(millis(4999));
    assert_eq!(pair.client.happened(), ["closing bye"]);
    assert_eq!(pair.server.happened(), ["call 1 asks slow"]);
    pair.drive_for(millis(1));
    let why = "the peer ended the connection: DEADLINE_EXCEEDED: drain-timeout";
    let lost = format!("call 1 ended disconnected MayHaveRun: {why}");
    assert_eq!(pair.client.happened(), [lost, format!("closed: {why}")]);
    let slow = "closed: open calls did not end in time for the close";
    assert_eq!(pair.server.happened(), [slow]);
    assert_eq!(pair.server.respond(1), Err(Rejected::UnknownCall));
}

#[test]
fn a_peer_that_never_ends_its_half_is_left_after_linger() {
    let mut server = Side::open(false, Arc::default());
    server.feed(&hex(GOODBYE));
    assert_eq!(server.said(), ["goodbye 0 "]);
    assert!(server.shut);
    server.wait(millis(999));
    assert_eq!(server.done, None);
    server.wait(millis(1));
    assert!(matches!(server.done, Some(CloseReason::PeerClosed { .. })));
    server.events.clear();
    server.is_over();
}
