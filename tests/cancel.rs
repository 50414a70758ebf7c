//! Calls that are given up: cancelled or overdue, at either side (`docs/protocol.md` sections 4.2 and
//! 9). A call's end comes exactly once and says whether it may have run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{Pair, Side, blob, config, framed, millis, seconds, words};
use switchboard::{Event, Instant, Options, Payload, Rejected};

fn within(time: core::time::Duration) -> Options {
    Options::new().deadline(time)
}

// Threat 19.
#[test]
fn a_cancelled_call_ends_at_once_and_its_late_answer_only_frees_the_slot() {
    let mut pair = Pair::opened(Arc::default(), config(|config| config.max_calls = 1));
    pair.client.request("slow").unwrap();
    pair.drive();
    pair.client.cancel(1).unwrap();
    assert_eq!(pair.client.happened(), ["call 1 ended cancelled MayHaveRun"]);
    assert_eq!(pair.client.cancel(1), Err(Rejected::UnknownCall));
    assert_eq!(pair.client.request("next"), Err(Rejected::Busy), "the handler still runs");
    pair.drive();
    assert_eq!(pair.server.happened(), ["call 1 asks slow", "call 1 stopped CANCELLED"]);
    pair.server.respond(1).unwrap();
    assert_eq!(words::frames(&pair.server.written()), ["failure 1 CANCELLED"]);
    pair.client.feed(&framed("85 09 01 01 60 f6"));
    assert_eq!(pair.client.happened(), Vec::<String>::new());
    assert!(pair.client.request("next").is_ok());
}

// Threat 19.
#[test]
fn an_answer_that_crosses_the_cancel_is_dropped() {
    let mut pair = Pair::open();
    pair.client.request("quick").unwrap();
    pair.drive();
    pair.server.respond(1).unwrap();
    pair.client.cancel(1).unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 ended cancelled MayHaveRun"]);
    assert_eq!(pair.server.happened(), ["call 1 asks quick"]);
}

// Threat 21.
#[test]
fn a_late_answer_ends_its_own_call_and_no_later_one() {
    let mut pair = Pair::open();
    let null = Payload::null();
    pair.client.call("a", &null, &within(seconds(1)), 70).unwrap();
    pair.drive();
    pair.client.wait(seconds(1));
    pair.client.call("b", &null, &within(seconds(1)), 71).unwrap();
    pair.server.respond(1).unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 ended late MayHaveRun"]);
    pair.server.respond(3).unwrap();
    pair.drive();
    let Event::Answer { token, .. } = pair.client.events[0] else { panic!("no answer") };
    assert_eq!((token, pair.client.happened()), (71, vec!["call 3 ended well".into()]));
}

#[test]
fn an_unsent_request_vanishes_with_its_cancel_and_its_neighbours_are_intact() {
    for size in [0, 4095, 4096, 4097, 100_000] {
        for written in [0, 1, 9, 10, 11, 500] {
            let mut client = Side::open(true, Arc::default());
            let options = Options::new().no_deadline();
            client.send("before", &blob(600)).unwrap();
            for channel in ["first", "gone", "last"] {
                client.call(channel, &blob(size), &options, 0).unwrap();
            }
            client.send("behind", &Payload::null()).unwrap();
            let mut bytes = client.write(written);
            client.cancel(3).unwrap();
            assert_eq!(client.happened(), ["call 3 ended cancelled NeverSent"]);
            bytes.extend(client.written());
            let expected =
                ["message before", "request 1 first", "request 5 last", "message behind"];
            assert_eq!(words::frames(&bytes), expected, "size {size}, written {written}");
            let mut server = Side::open(false, Arc::default());
            server.feed(&bytes);
            let Event::Request { request, .. } = server.events.remove(2) else { panic!("no call") };
            assert_eq!(request.into_payload(), blob(size), "size {size}, written {written}");
        }
    }
}

#[test]
fn a_request_of_which_one_byte_is_written_is_written_whole_and_cancelled_behind() {
    for (size, at_once) in [(10, 1), (10, 12), (100_000, 1), (100_000, 50_000)] {
        let mut client = Side::open(true, Arc::default());
        client.call("big", &blob(size), &Options::new().no_deadline(), 0).unwrap();
        client.send("behind", &Payload::null()).unwrap();
        let mut bytes = client.write(at_once);
        assert_eq!(bytes.len(), at_once.min(bytes.len()));
        client.cancel(1).unwrap();
        assert_eq!(client.happened(), ["call 1 ended cancelled MayHaveRun"]);
        bytes.extend(client.written());
        let mut frames = words::frames(&bytes);
        frames.sort();
        assert_eq!(frames, ["cancel 1", "message behind", "request 1 big"], "{size}, {at_once}");
        let mut server = Side::open(false, Arc::default());
        server.feed(&bytes);
        assert_eq!(server.happened().last().unwrap(), "call 1 stopped CANCELLED");
    }
}

// Threat 21.
#[test]
fn every_unsent_request_may_vanish_in_any_order() {
    for order in [[1, 3, 5, 7], [7, 5, 3, 1], [3, 7, 1, 5], [5, 1, 7, 3]] {
        for size in [3, 5000] {
            let mut client = Side::open(true, Arc::default());
            client.send("m", &blob(100)).unwrap();
            let mut bytes = client.write(7);
            for _ in 0..4 {
                client.call("c", &blob(size), &Options::new().no_deadline(), 0).unwrap();
            }
            for call in order {
                client.cancel(call).unwrap();
            }
            assert_eq!(client.happened().len(), 4);
            bytes.extend(client.written());
            assert_eq!(words::frames(&bytes), ["message m"]);
            assert_eq!(client.connection().unsent(), 0);
            assert_eq!(client.request("c").unwrap().number(), 9, "ids are not used again");
            assert_eq!(client.said(), ["request 9 c"]);
        }
    }
}

#[test]
fn request_and_cancel_a_thousand_times_leaves_nothing_behind() {
    let mut client = Side::open(true, Arc::default());
    for _ in 0..1000 {
        let call = client.request("c").unwrap();
        client.cancel(call.number()).unwrap();
    }
    assert_eq!(client.happened().len(), 1000);
    assert_eq!(client.written(), Vec::<u8>::new());
    assert_eq!(client.connection().poll_timeout(), None);
}

// Threat 24.
#[test]
fn running_handlers_never_exceed_max_calls_however_often_calls_are_cancelled() {
    let mut server = Side::open(false, config(|config| config.max_calls = 1));
    server.feed(&framed("85 07 01 6161 a0 f6"));
    server.feed(&framed("82 0d 01"));
    server.feed(&framed("85 07 03 6161 a0 f6"));
    assert_eq!(server.said(), ["failure 3 RESOURCE_EXHAUSTED"]);
    assert_eq!(server.happened(), ["call 1 asks a", "call 1 stopped CANCELLED"]);
}

#[test]
fn a_deadline_ends_the_call_at_both_sides_each_by_its_own_clock() {
    let mut pair = Pair::open();
    pair.client.call("slow", &Payload::null(), &within(millis(1500)), 0).unwrap();
    pair.drive();
    pair.drive_for(millis(1499));
    assert_eq!(pair.client.happened(), Vec::<String>::new());
    assert_eq!(pair.server.happened(), ["call 1 asks slow"]);
    pair.drive_for(millis(1));
    assert_eq!(pair.client.happened(), ["call 1 ended late MayHaveRun"]);
    assert_eq!(pair.server.happened(), ["call 1 stopped DEADLINE_EXCEEDED"]);
    pair.server.respond(1).unwrap();
    assert_eq!(words::frames(&pair.server.written()), ["failure 1 DEADLINE_EXCEEDED"]);
}

#[test]
fn a_cancel_behind_the_callees_deadline_changes_nothing() {
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("85 07 01 6161 a1000a f6"));
    server.wait(millis(10));
    server.feed(&framed("82 0d 01"));
    assert_eq!(server.happened(), ["call 1 asks a", "call 1 stopped DEADLINE_EXCEEDED"]);
    server.respond(1).unwrap();
    assert_eq!(server.said(), ["failure 1 DEADLINE_EXCEEDED"]);
}

#[test]
fn a_second_cancel_of_an_open_call_breaks_the_protocol() {
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("85 07 01 6161 a10102 f6"));
    server.feed(&framed("82 0d 01"));
    server.feed(&framed("82 0d 01"));
    assert_eq!(server.said(), ["goodbye 9 unexpected-frame"]);
}

#[test]
fn credit_behind_a_cancel_of_an_open_call_breaks_the_protocol() {
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("85 07 01 6161 a10102 f6"));
    server.feed(&framed("82 0d 01"));
    server.feed(&framed("83 0c 01 01"));
    assert_eq!(server.said(), ["goodbye 9 unexpected-frame"]);
}

#[test]
fn frames_of_the_caller_that_cross_the_answer_are_ignored() {
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("85 07 01 6161 a10102 f6"));
    server.respond(1).unwrap();
    for late in ["82 0d 01", "82 0d 01", "83 0c 01 01", "82 0b 01", "83 0a 01 f6"] {
        server.feed(&framed(late));
    }
    assert_eq!(server.said(), ["response 1"]);
    assert_eq!(server.happened(), ["call 1 asks a"]);
}

#[test]
fn a_request_that_is_unsent_at_its_deadline_is_never_sent() {
    let mut client = Side::open(true, Arc::default());
    client.call("c", &Payload::null(), &within(seconds(1)), 0).unwrap();
    client.wait(seconds(1));
    assert_eq!(client.happened(), ["call 1 ended late NeverSent"]);
    assert_eq!(client.written(), Vec::<u8>::new());
}

#[test]
fn a_deadline_of_0_ends_unsent_here_and_is_refused_there() {
    let mut client = Side::open(true, Arc::default());
    client.call("c", &Payload::null(), &within(millis(0)), 0).unwrap();
    assert_eq!(client.happened(), ["call 1 ended late NeverSent"]);
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("85 07 01 6161 a10000 f6"));
    assert_eq!(server.said(), ["failure 1 DEADLINE_EXCEEDED"]);
    assert_eq!(server.happened(), Vec::<String>::new());
}

#[test]
fn a_deadline_travels_in_whole_milliseconds_rounded_up_and_at_most_a_day() {
    let day = 86_400_000u64;
    let nanos = core::time::Duration::from_nanos;
    let rows = [
        (nanos(1), "0001"),
        (nanos(1_000_000), "0001"),
        (nanos(1_000_001), "0002"),
        (millis(1500), "001905dc"),
        (millis(day), "001a05265c00"),
        (core::time::Duration::MAX, "001a05265c00"),
    ];
    for (deadline, header) in rows {
        let mut client = Side::open(true, Arc::default());
        client.call("a", &Payload::null(), &within(deadline), 0).unwrap();
        let bytes = client.write(usize::MAX);
        assert_eq!(bytes, framed(&format!("85 07 01 6161 a1 {header} f6")), "{deadline:?}");
    }
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("85 07 01 6161 a1 001bffffffffffffffff f6"));
    let Event::Request { deadline, .. } = server.events[0] else { panic!("no call") };
    assert_eq!(deadline, Some(Instant::from(millis(day))));
}

#[test]
fn a_call_without_options_has_the_configs_deadline_and_may_have_none() {
    let config = config(|config| config.call_deadline = Some(millis(7)));
    let mut client = Side::open(true, config);
    client.call("a", &Payload::null(), &Options::new(), 0).unwrap();
    client.call("a", &Payload::null(), &Options::new().no_deadline(), 0).unwrap();
    let expected = [framed("85 07 01 6161 a10007 f6"), framed("85 07 03 6161 a0 f6")].concat();
    assert_eq!(client.written(), expected);
    client.wait(millis(7));
    assert_eq!(client.said(), ["cancel 1"]);
    client.wait(seconds(1_000_000));
    assert_eq!(client.happened(), ["call 1 ended late MayHaveRun"]);
}

#[test]
fn deadlines_pass_in_their_own_order_not_in_that_of_the_calls() {
    let mut client = Side::open(true, Arc::default());
    for ms in [30, 10, 20, 10] {
        client.call("a", &Payload::null(), &within(millis(ms)), 0).unwrap();
    }
    client.written();
    let ended = |client: &mut Side| -> Vec<u64> {
        let calls = client.events.drain(..).map(|event| match event {
            Event::Answer { call, .. } => call.number(),
            other => panic!("{other:?}"),
        });
        calls.collect()
    };
    client.wait(millis(9));
    assert_eq!(ended(&mut client), []);
    client.wait(millis(1));
    assert_eq!(ended(&mut client), [3, 7]);
    client.wait(millis(10));
    assert_eq!(ended(&mut client), [5]);
    client.wait(millis(10));
    assert_eq!(ended(&mut client), [1]);
}
