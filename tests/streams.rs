//! Streams of items: order, credit, ends, cancel and deadline in every phase, turns
//! (`docs/protocol.md` sections 4.2, 4.3, 4.4 and 9).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Pair, Side, blob, config, framed, hex, millis, seconds};
use switchboard::{CallId, Config, Event, Failure, Options, Payload, Rejected, Status};
use switchboard_testkit::Link;

fn id(number: u64) -> CallId {
    CallId::new(number).unwrap()
}

fn takes(window: u32) -> Arc<Config> {
    config(|config| {
        config.takes_items = true;
        config.stream_window = window;
    })
}

/// Both take items with such a window.
fn pair(window: u32) -> Pair {
    Pair::opened(takes(window), takes(window))
}

fn options() -> Options {
    Options::new().no_deadline()
}

fn call(side: &mut Side, options: &Options) -> CallId {
    side.call("c", &Payload::null(), options, 0).unwrap()
}

fn item(side: &mut Side, call: u64, payload: &Payload) -> Result<(), Rejected> {
    let now = side.now;
    side.connection().item(now, id(call), payload)
}

fn end(side: &mut Side, call: u64) -> Result<(), Rejected> {
    let now = side.now;
    side.connection().end(now, id(call))
}

/// Says that every item in the events was used.
fn take_all(side: &mut Side) {
    side.run();
    let now = side.now;
    for event in std::mem::take(&mut side.events) {
        match event {
            Event::Item { call, item } => side.connection().taken(now, call, &item),
            other => side.events.push(other),
        }
    }
}

#[test]
fn items_go_both_ways_in_order_and_end_with_their_ends() {
    let mut pair = pair(1000);
    call(&mut pair.client, &options().send_items().take_items());
    pair.drive();
    for number in 0..3 {
        item(&mut pair.client, 1, &blob(10 + number)).unwrap();
        item(&mut pair.server, 1, &blob(20 + number)).unwrap();
    }
    end(&mut pair.client, 1).unwrap();
    pair.drive();
    pair.server.respond(1).unwrap();
    pair.drive();
    let server =
        ["call 1 asks c", "call 1 item of 11 B", "call 1 item of 12 B", "call 1 item of 13 B"];
    assert_eq!(pair.server.happened()[..4], server);
    let client =
        ["call 1 item of 21 B", "call 1 item of 22 B", "call 1 item of 23 B", "call 1 ended well"];
    assert_eq!(pair.client.happened(), client);
    assert_eq!(pair.client.connection().counters().calls_made, 0);
    assert_eq!(pair.server.connection().counters().calls_served, 0);
}

#[test]
fn the_end_of_the_callers_items_is_told_behind_them() {
    let mut pair = pair(1000);
    call(&mut pair.client, &options().send_items());
    item(&mut pair.client, 1, &blob(1)).unwrap();
    end(&mut pair.client, 1).unwrap();
    assert_eq!(item(&mut pair.client, 1, &blob(1)), Err(Rejected::NoStream));
    assert_eq!(end(&mut pair.client, 1), Err(Rejected::NoStream));
    pair.drive();
    let told = ["call 1 asks c", "call 1 item of 2 B", "call 1 items complete"];
    assert_eq!(pair.server.happened(), told);
    pair.server.respond(1).unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 ended well"]);
}

#[test]
fn only_a_call_that_asked_for_it_has_a_stream() {
    let mut pair = pair(1000);
    let all = [options(), options().send_items(), options().take_items()];
    for options in &all {
        call(&mut pair.client, options);
    }
    pair.drive();
    let client = [1, 3, 5].map(|call| item(&mut pair.client, call, &blob(1)));
    assert_eq!(client, [Err(Rejected::NoStream), Ok(()), Err(Rejected::NoStream)]);
    let server = [1, 3, 5].map(|call| item(&mut pair.server, call, &blob(1)));
    assert_eq!(server, [Err(Rejected::NoStream), Err(Rejected::NoStream), Ok(())]);
    assert_eq!(end(&mut pair.server, 3), Err(Rejected::UnknownCall), "the callee's has no end");
    assert_eq!(item(&mut pair.client, 7, &blob(1)), Err(Rejected::UnknownCall));
}

#[test]
fn a_callee_that_takes_no_items_refuses_before_anyone_sees_the_call() {
    let mut pair = Pair::open();
    call(&mut pair.client, &options().send_items());
    for _ in 0..3 {
        item(&mut pair.client, 1, &blob(1)).unwrap();
    }
    pair.drive();
    assert_eq!(pair.server.happened(), [""; 0]);
    let text = "call 1 ended failed INVALID_ARGUMENT: the handler takes no stream";
    assert_eq!(pair.client.happened(), [text]);
}

// Threat 29.
#[test]
fn a_sender_waits_for_credit_which_comes_half_a_window_at_a_time() {
    let mut pair = pair(1000);
    call(&mut pair.client, &options().send_items());
    pair.drive();
    // An item of 96 bytes of content costs 101: ten pass, the last of them below 0.
    for _ in 0..10 {
        item(&mut pair.client, 1, &blob(96)).unwrap();
        pair.drive();
    }
    assert_eq!(item(&mut pair.client, 1, &blob(96)), Err(Rejected::NoCredit));
    let mut items: Vec<_> = pair.server.events.drain(1..).collect();
    assert_eq!(items.len(), 10);
    let mut take = |pair: &mut Pair| {
        let Event::Item { call, item } = items.remove(0) else { panic!() };
        let now = pair.now();
        pair.server.connection().taken(now, call, &item);
        pair.drive();
    };
    for _ in 0..4 {
        take(&mut pair);
    }
    assert!(pair.client.happened().is_empty(), "404 of 1,000 are not worth a frame");
    take(&mut pair);
    assert_eq!(pair.client.happened(), ["call 1 room"]);
    for _ in 0..5 {
        item(&mut pair.client, 1, &blob(96)).unwrap();
    }
    assert_eq!(item(&mut pair.client, 1, &blob(96)), Err(Rejected::NoCredit), "495 again");
    pair.drive();
    assert_eq!(pair.server.done, None);
}

#[test]
fn an_item_larger_than_the_window_passes_and_is_paid_back() {
    let mut pair = pair(1);
    call(&mut pair.client, &options().send_items());
    pair.drive();
    for round in 0..5 {
        item(&mut pair.client, 1, &blob(100_000)).unwrap();
        assert_eq!(item(&mut pair.client, 1, &blob(1)), Err(Rejected::NoCredit), "{round}");
        pair.drive();
        take_all(&mut pair.server);
        pair.drive();
        assert_eq!(pair.client.happened(), ["call 1 room"], "{round}");
    }
}

#[test]
fn no_credit_is_lost_however_long_a_stream_runs() {
    let mut pair = pair(300);
    call(&mut pair.client, &options().send_items().take_items());
    pair.drive();
    let (mut up, mut down) = (0, 0);
    for round in 0..2000_usize {
        let size = round * 7 % 90;
        up += usize::from(item(&mut pair.client, 1, &blob(size)).is_ok());
        down += usize::from(item(&mut pair.server, 1, &blob(size)).is_ok());
        pair.drive();
        take_all(&mut pair.server);
        take_all(&mut pair.client);
        pair.drive();
    }
    assert_eq!((up, down), (2000, 2000));
}

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
        assert_eq!(pair.server.connection().counters().calls_served, 0);
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
    assert_eq!(pair.client.connection().counters().calls_made, 0);
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
        assert_eq!(pair.client.connection().counters().calls_made, 0, "{phase}");
        assert_eq!(pair.server.connection().counters().calls_served, 0, "{phase}");
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
fn streams_take_turns_item_by_item() {
    let mut pair = pair(1 << 20);
    for _ in 0..3 {
        call(&mut pair.client, &options().send_items());
    }
    pair.drive();
    pair.server.events.clear();
    pair.set_links(Link::new().window(0));
    for call in [1, 3, 5] {
        for _ in 0..3 {
            item(&mut pair.client, call, &blob(20_000)).unwrap();
        }
    }
    pair.set_links(Link::new());
    pair.drive();
    let order: Vec<String> =
        pair.server.happened().iter().map(|event| event[5..6].to_string()).collect();
    // The very first one found nobody else waiting.
    assert_eq!(order.concat(), "113513535");
}

/// How long a ping takes while so much is streamed; the link carries 64 KiB a millisecond.
fn ping_beside(items: usize) -> Duration {
    const ITEM: usize = 64 << 10;
    let mut pair = pair(1 << 20);
    pair.trace.silence();
    call(&mut pair.client, &options().send_items());
    pair.drive();
    pair.server.events.clear();
    pair.set_link_to_server(Link::new().window(ITEM).latency(millis(1)));
    pair.server.on_event(|side, event| {
        let now = side.now;
        let Event::Item { call, item } = event else { return Some(event) };
        side.connection().taken(now, call, &item);
        None
    });
    let payload = blob(ITEM - 12);
    let mut left = items;
    let mut push = move |side: &mut Side| {
        while left > 0 && item(side, 1, &payload).is_ok() {
            left -= 1;
        }
        left
    };
    push(&mut pair.client);
    let mut longest = Duration::ZERO;
    for round in 0.. {
        let now = pair.now();
        if round % 50 == 0 {
            pair.client.connection().ping(now, round).unwrap();
        }
        pair.drive_for(millis(1));
        for event in std::mem::take(&mut pair.client.events) {
            if let Event::Pong { round_trip, .. } = event {
                longest = longest.max(round_trip);
            }
        }
        if push(&mut pair.client) == 0 && round > 4 {
            return longest;
        }
    }
    longest
}

#[test]
fn a_stream_of_100_mib_delays_a_ping_by_one_frame() {
    let alone = ping_beside(0);
    let beside = ping_beside(1600);
    // What is on the wire already, and the one frame that waits to be written.
    assert!(beside <= alone + millis(2), "{beside:?}, alone {alone:?}");
}

#[test]
fn messages_that_fill_the_outbox_do_not_stop_a_stream() {
    let mut pair = pair(1 << 20);
    call(&mut pair.client, &options().send_items());
    pair.drive();
    pair.server.events.clear();
    pair.set_link_to_server(Link::new().window(4096).latency(millis(1)));
    let (mut items, mut messages) = (0, 0);
    for _ in 0..200 {
        while pair.client.send("m", &blob(1000)).is_ok() {}
        while item(&mut pair.client, 1, &blob(1000)).is_ok() {}
        pair.drive_for(millis(10));
        take_all(&mut pair.server);
        for event in pair.server.happened() {
            messages += usize::from(event.starts_with("message"));
        }
        items = pair.trace.lines().filter(|line| line.contains("item 1")).count().max(items);
    }
    assert!(messages > 100 && items > 100, "{messages} messages, {items} items");
}

#[test]
fn full_and_room_follow_what_waits() {
    let mut pair = pair(8 << 20);
    call(&mut pair.client, &options().send_items());
    call(&mut pair.client, &options().send_items());
    pair.drive();
    pair.set_links(Link::new().window(0));
    let mut taken = 0;
    while item(&mut pair.client, 1, &blob(10_000)).is_ok() {
        taken += 1;
    }
    // 64 KiB and one more wait for their turn, beside the one that is written next.
    assert_eq!(taken, 8);
    assert_eq!(item(&mut pair.client, 1, &blob(1)), Err(Rejected::Full));
    item(&mut pair.client, 3, &blob(10_000)).expect("another stream has room of its own");
    pair.set_links(Link::new());
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 room"]);
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

#[test]
fn an_item_that_is_larger_than_a_frame_of_the_peer_is_refused_here() {
    let small = config(|config| {
        config.takes_items = true;
        config.max_frame = 16 << 10;
    });
    let mut pair = Pair::opened(Arc::default(), small);
    call(&mut pair.client, &options().send_items());
    pair.drive();
    // Three bytes of the frame's head, three of the byte string's.
    for (size, outcome) in [(16377, Ok(())), (16378, Ok(())), (16379, Err(Rejected::TooLarge))] {
        assert_eq!(item(&mut pair.client, 1, &blob(size)), outcome, "{size}");
        pair.drive();
    }
    assert_eq!(pair.server.done, None);
}
