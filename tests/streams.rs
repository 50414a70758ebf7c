//! Streams of items: order, credit, turns, limits (`docs/protocol.md` sections 4.3 and 4.4).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::streams::{call, end, item, options, pair, take_all};
use common::{Pair, Side, blob, config, millis};
use switchboard::{Event, Rejected};
use switchboard_testkit::Link;

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
    assert_eq!(pair.client.connection().counters().open_made, 0);
    assert_eq!(pair.server.connection().counters().open_served, 0);
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
