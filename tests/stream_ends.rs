//! How streams of items end, and what crosses that: answer, cancel, deadline, close, broken rules
//! (`docs/protocol.md` sections 4.2, 4.3, 7 and 9).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::streams::{call, end, id, item, options, pair, takes};
use common::{Pair, Side, blob, config, framed, hex, millis, seconds};
use switchboard::{Failure, Options, Payload, Rejected, Status};
use switchboard_testkit::Link;

// Threat 29.
#[test]
fn hostile_credit_and_items_without_credit_end_the_connection() {
    let most = "1a7fffffff";
    for (frames, said) in [
        // 2^31 - 1 above the window, in one frame or one too many.
        (
            format!("0000000b 85 07 01 6163 a10102 f6 | 83 0c 01 {most}"),
            "goodbye 8 credit-overflow",
        ),
        ("0000000b 85 07 01 6163 a10102 f6 | 83 0c 01 1a7ffbffff".into(), "none"),
        (
            "0000000b 85 07 01 6163 a10102 f6 | 83 0c 01 1a7ffbffff | 83 0c 01 01".into(),
            "goodbye 8 credit-overflow",
        ),
        ("0000000b 85 07 01 6163 a10102 f6 | 83 0c 01 00".into(), "goodbye 3 malformed-frame"),
        (
            "0000000b 85 07 01 6163 a10102 f6 | 83 0c 01 1a80000000".into(),
            "goodbye 3 malformed-frame",
        ),
        ("0000000b 85 07 01 6163 a10101 f6 | 83 0c 01 01".into(), "goodbye 9 unexpected-stream"),
        ("0000000b 85 07 01 6163 a10102 f6 | 83 0a 01 f6".into(), "goodbye 9 unexpected-stream"),
        (
            "0000000b 85 07 01 6163 a10101 f6 | 82 0b 01 | 82 0b 01".into(),
            "goodbye 9 unexpected-stream",
        ),
        (
            "0000000b 85 07 01 6163 a10101 f6 | 82 0b 01 | 83 0a 01 f6".into(),
            "goodbye 9 unexpected-stream",
        ),
        ("83 0a 01 f6".into(), "goodbye 9 unknown-call"),
        ("83 0a 02 f6".into(), "goodbye 9 unknown-call"),
        ("82 0b 02".into(), "goodbye 9 unknown-call"),
        ("83 0c 03 01".into(), "goodbye 9 unknown-call"),
    ] {
        let mut side = Side::open(false, takes(256 << 10));
        for frame in frames.split('|') {
            side.feed(&framed(frame.trim().trim_start_matches("0000000b ")));
        }
        let said_all = side.said();
        assert_eq!(said_all.first().map_or("none", String::as_str), said, "{frames}");
    }
    // The window and not a byte more: the first passes it, the second has no credit.
    for (window, fatal) in [(63, true), (64, true), (65, false)] {
        let mut side = Side::open(false, takes(window));
        side.feed(&framed("85 07 01 6163 a10101 f6"));
        side.feed(&framed("83 0a 01 f6"));
        side.feed(&framed("83 0a 01 f6"));
        let expected: &[&str] = if fatal { &["goodbye 8 no-credit"] } else { &[] };
        assert_eq!(side.said(), expected, "{window}");
    }
}

#[test]
fn an_answer_waits_for_the_items_before_it_and_a_failure_does_not() {
    for fails in [false, true] {
        let mut pair = pair(1 << 20);
        call(&mut pair.client, &options().take_items());
        pair.drive();
        pair.server.events.clear();
        // Nothing gets out for now.
        pair.set_link_to_client(Link::new().window(0));
        for _ in 0..5 {
            item(&mut pair.server, 1, &blob(20_000)).unwrap();
        }
        let failure = Failure::new(Status::ABORTED, "enough");
        let null = Payload::null();
        let answer = if fails { Err(&failure) } else { Ok(&null) };
        pair.server.answer(id(1), answer).unwrap();
        assert_eq!(pair.server.respond(1), Err(Rejected::UnknownCall), "once");
        assert_eq!(item(&mut pair.server, 1, &blob(1)), Err(Rejected::UnknownCall));
        pair.set_link_to_client(Link::new());
        pair.drive();
        let told = pair.client.happened();
        let items = told.iter().filter(|event| event.contains("item")).count();
        let (expected, last) = if fails {
            (1, "call 1 ended failed ABORTED: enough")
        } else {
            (5, "call 1 ended well")
        };
        assert_eq!((items, told.last().map(String::as_str)), (expected, Some(last)));
        assert_eq!(pair.server.connection().counters().open_served, 0);
    }
}

#[test]
fn what_crosses_an_answer_is_ignored() {
    let mut pair = pair(1000);
    call(&mut pair.client, &options().send_items().take_items());
    pair.drive();
    pair.set_links(Link::new().latency(millis(5)));
    pair.server.respond(1).unwrap();
    item(&mut pair.client, 1, &blob(1)).unwrap();
    end(&mut pair.client, 1).unwrap();
    pair.client.cancel(1).unwrap();
    pair.drive();
    assert_eq!((pair.client.done.clone(), pair.server.done.clone()), (None, None));
    assert_eq!(pair.server.happened(), ["call 1 asks c"]);
    // The peer's side of it, by hand: everything that may cross.
    let mut side = Side::open(false, takes(1000));
    side.feed(&framed("85 07 01 6163 a10103 f6"));
    side.respond(1).unwrap();
    for late in ["83 0a 01 f6", "82 0b 01", "83 0c 01 01", "82 0d 01"] {
        side.feed(&framed(late));
    }
    assert_eq!(side.said(), ["response 1"]);
    assert_eq!(side.happened(), ["call 1 asks c"]);
}

#[test]
fn a_cancel_drops_what_waits_in_both_directions() {
    let mut pair = pair(1 << 20);
    call(&mut pair.client, &options().send_items().take_items());
    pair.drive();
    pair.server.events.clear();
    pair.set_links(Link::new().window(0));
    for _ in 0..4 {
        item(&mut pair.client, 1, &blob(20_000)).unwrap();
        item(&mut pair.server, 1, &blob(20_000)).unwrap();
    }
    pair.client.cancel(1).unwrap();
    assert_eq!(item(&mut pair.client, 1, &blob(1)), Err(Rejected::UnknownCall));
    pair.set_links(Link::new());
    pair.drive();
    // The first was on its way to the wire.
    let told = pair.server.happened();
    assert_eq!(told, ["call 1 item of 20003 B", "call 1 stopped CANCELLED"]);
    assert_eq!(item(&mut pair.server, 1, &blob(1)), Err(Rejected::UnknownCall));
    pair.server.respond(1).unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 ended cancelled MayHaveRun"]);
    assert_eq!(pair.client.connection().counters().open_made, 0);
}

#[test]
fn a_call_that_was_never_written_vanishes_with_its_items() {
    let mut pair = pair(1000);
    pair.set_links(Link::new().window(0));
    call(&mut pair.client, &options().send_items());
    for _ in 0..3 {
        item(&mut pair.client, 1, &blob(1)).unwrap();
    }
    pair.client.cancel(1).unwrap();
    pair.set_links(Link::new());
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 ended cancelled NeverSent"]);
    assert_eq!(pair.trace.lines().count(), 0, "{}", pair.trace);
}

#[test]
fn a_deadline_ends_a_stream_in_each_of_its_phases() {
    let within = || Options::new().deadline(seconds(1)).send_items().take_items();
    // Items under way, items complete, answered behind items that wait.
    for phase in 0..3 {
        let mut pair = pair(1 << 20);
        call(&mut pair.client, &within());
        pair.drive();
        item(&mut pair.client, 1, &blob(1)).unwrap();
        if phase >= 1 {
            end(&mut pair.client, 1).unwrap();
        }
        pair.drive();
        pair.server.events.clear();
        if phase == 2 {
            pair.set_link_to_client(Link::new().window(0));
            item(&mut pair.server, 1, &blob(50_000)).unwrap();
            item(&mut pair.server, 1, &blob(50_000)).unwrap();
            pair.server.respond(1).unwrap();
        }
        pair.drive_for(seconds(2));
        assert_eq!(pair.client.happened(), ["call 1 ended late MayHaveRun"], "{phase}");
        let stopped: &[&str] = if phase == 2 { &[] } else { &["call 1 stopped DEADLINE_EXCEEDED"] };
        assert_eq!(pair.server.happened(), stopped, "{phase}");
        if phase < 2 {
            pair.server.respond(1).unwrap();
        }
        pair.set_link_to_client(Link::new());
        pair.drive();
        assert_eq!(pair.client.connection().counters().open_made, 0, "{phase}");
        assert_eq!(pair.server.connection().counters().open_served, 0, "{phase}");
        assert_eq!(pair.client.done, None, "{phase}");
    }
}

#[test]
fn open_streams_go_on_during_a_graceful_close() {
    let mut pair = pair(1000);
    call(&mut pair.client, &options().send_items().take_items());
    pair.drive();
    pair.server.events.clear();
    pair.client.close("bye");
    pair.drive();
    item(&mut pair.client, 1, &blob(1)).unwrap();
    item(&mut pair.server, 1, &blob(1)).unwrap();
    end(&mut pair.client, 1).unwrap();
    pair.drive();
    pair.server.respond(1).unwrap();
    pair.drive();
    let server = ["closing bye", "call 1 item of 2 B", "closed: closed by the peer: bye"];
    let told = pair.server.happened();
    assert_eq!([&told[0], &told[1], told.last().unwrap()], server);
    assert_eq!(pair.client.happened()[..2], ["call 1 item of 2 B", "call 1 ended well"]);
}

// Threat 32.
#[test]
fn items_that_came_with_the_end_of_the_stream_are_delivered_before_it() {
    let mut side = Side::open(true, takes(1000));
    call(&mut side, &options().take_items());
    side.written();
    let items = framed("83 0a 01 f6").repeat(3);
    for last in [hex("00000008 84 03 0d 636f6f70 f6"), vec![]] {
        let mut side = Side::open(true, takes(1000));
        call(&mut side, &options().take_items());
        side.written();
        side.feed(&[items.clone(), last].concat());
        side.end();
        let told = side.happened();
        assert_eq!(told[..3], ["call 1 item of 1 B"; 3]);
        assert!(told[3].starts_with("call 1 ended disconnected MayHaveRun"), "{told:?}");
        assert_eq!(told.len(), 5);
    }
}

#[test]
fn items_that_nobody_takes_end_their_call_at_the_limit_of_memory() {
    let limits = config(|config| {
        config.takes_items = true;
        config.max_unanswered = 10_000;
        config.stream_window = 1 << 20;
    });
    let mut pair = Pair::opened(limits.clone(), limits);
    call(&mut pair.client, &options().send_items().take_items());
    pair.drive();
    for _ in 0..12 {
        item(&mut pair.client, 1, &blob(1000)).unwrap();
    }
    pair.drive();
    let told = pair.server.happened();
    assert_eq!(told.last().map(String::as_str), Some("call 1 stopped RESOURCE_EXHAUSTED"));
    pair.server.respond(1).unwrap();
    pair.drive();
    let text = "call 1 ended failed RESOURCE_EXHAUSTED: too many bytes of items are not taken";
    assert_eq!(pair.client.happened(), [text]);
    // The same the other way: the caller gives up.
    call(&mut pair.client, &options().take_items());
    pair.drive();
    pair.server.events.clear();
    for _ in 0..12 {
        item(&mut pair.server, 3, &blob(1000)).unwrap();
    }
    pair.drive();
    let told = pair.client.happened();
    let text = "call 3 ended failed RESOURCE_EXHAUSTED: too many bytes of items are not taken";
    assert_eq!(told.last().map(String::as_str), Some(text));
    assert_eq!(pair.server.happened(), ["call 3 stopped CANCELLED"]);
}
