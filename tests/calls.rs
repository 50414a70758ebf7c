//! Calls and messages that go well, and the limits on them (`docs/protocol.md` sections 4 and 5.1).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{Pair, Side, blob, config, framed, millis, seconds};
use switchboard::{
    CallError, CallId, Event, Failure, HeaderValue, Headers, Instant, Options, Payload, Rejected,
    Status, from_payload, to_payload,
};

fn respond(side: &mut Side, call: u64, answer: Result<&Payload, &Failure>) -> Result<(), Rejected> {
    let (now, call) = (side.now, CallId::new(call).unwrap());
    side.connection().respond(now, call, answer)
}

#[test]
fn a_call_carries_channel_headers_and_arguments_there_and_the_value_back() {
    let mut pair = Pair::open();
    let mut headers = Headers::new();
    headers.insert("traceparent", "00-ab").unwrap();
    let options = Options::new().headers(headers).deadline(seconds(2));
    let call = pair.client.call("add", &to_payload(&(1, 2)).unwrap(), &options, 40).unwrap();
    pair.drive();
    let Event::Request { call: asked, deadline, request, .. } = pair.server.events.remove(0) else {
        panic!("no request")
    };
    assert_eq!((asked, deadline), (call, Some(Instant::from(seconds(2)))));
    assert_eq!((request.channel(), request.headers().len()), ("add", 1));
    assert_eq!(request.headers().get("traceparent"), Some(HeaderValue::Text("00-ab")));
    let (a, b): (i32, i32) = from_payload(&request.into_payload(), &Default::default()).unwrap();
    respond(&mut pair.server, 1, Ok(&to_payload(&(a + b)).unwrap())).unwrap();
    pair.drive();
    let Event::Answer { call: ended, token, outcome } = pair.client.events.remove(0) else {
        panic!("no answer")
    };
    assert_eq!((ended, token), (call, 40));
    assert_eq!(from_payload::<i32>(&outcome.unwrap(), &Default::default()), Ok(3));
    assert!(pair.client.events.is_empty());
}

#[test]
fn a_failure_arrives_with_status_words_and_data() {
    let mut pair = Pair::open();
    pair.client.request("find").unwrap();
    pair.drive();
    let data = to_payload("who").unwrap();
    let failure = Failure::new(Status::new(4711).unwrap(), "gone").with_data(data);
    respond(&mut pair.server, 1, Err(&failure)).unwrap();
    pair.drive();
    let Event::Answer { outcome, .. } = pair.client.events.remove(0) else { panic!("no answer") };
    assert_eq!(outcome, Err(CallError::Failed(failure)));
}

#[test]
fn many_calls_are_answered_in_any_order_in_both_directions() {
    let mut pair = Pair::open();
    for _ in 0..50 {
        pair.client.request("c").unwrap();
        pair.server.request("s").unwrap();
    }
    pair.drive();
    // Client: 1, 3, 5, ...; server: 2, 4, 6, ...; answered from the middle outwards.
    let middle_out = (0..50u64).map(|i| if i % 2 == 0 { 25 + i / 2 } else { 24 - i / 2 });
    let mut expected = (Vec::new(), Vec::new());
    for index in middle_out {
        let (odd, even) = (2 * index + 1, 2 * index + 2);
        pair.server.respond(odd).unwrap();
        pair.client.respond(even).unwrap();
        expected.0.push(format!("call {odd} ended well"));
        expected.1.push(format!("call {even} ended well"));
    }
    pair.client.events.clear();
    pair.server.events.clear();
    pair.drive();
    assert_eq!((pair.client.happened(), pair.server.happened()), expected);
}

// Threat 27.
#[test]
fn a_handler_may_call_back_before_it_answers() {
    let mut pair = Pair::opened(config(|c| c.max_calls = 1), config(|c| c.max_calls = 1));
    pair.client.request("outer").unwrap();
    pair.drive();
    assert_eq!(pair.server.happened(), ["call 1 asks outer"]);
    pair.server.request("inner").unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 2 asks inner"]);
    pair.client.respond(2).unwrap();
    pair.drive();
    assert_eq!(pair.server.happened(), ["call 2 ended well"]);
    pair.server.respond(1).unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 ended well"]);
}

// Threat 20.
#[test]
fn a_call_is_answered_once_and_a_second_answer_is_the_applications_mistake() {
    let mut pair = Pair::open();
    pair.client.request("add").unwrap();
    pair.drive();
    assert_eq!(pair.server.respond(1), Ok(()));
    assert_eq!(pair.server.respond(1), Err(Rejected::UnknownCall));
    assert_eq!(pair.server.respond(3), Err(Rejected::UnknownCall), "never opened");
    assert_eq!(pair.server.respond(2), Err(Rejected::UnknownCall), "not the client's");
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 ended well"]);
}

// Threat 23.
#[test]
fn one_call_over_the_peers_max_calls_is_busy_until_an_answer_is_read() {
    let mut pair = Pair::opened(Arc::default(), config(|config| config.max_calls = 3));
    for _ in 0..2 {
        pair.client.request("c").unwrap();
    }
    assert_eq!(pair.client.request("c").map(CallId::number), Ok(5), "the third is the limit");
    assert_eq!(pair.client.request("c"), Err(Rejected::Busy));
    pair.drive();
    assert_eq!(pair.client.request("c"), Err(Rejected::Busy));
    pair.server.respond(3).unwrap();
    assert_eq!(pair.client.request("c"), Err(Rejected::Busy), "the answer is not read");
    pair.drive();
    assert_eq!(pair.client.request("c").map(CallId::number), Ok(7));
    assert_eq!(pair.server.request("s").map(CallId::number), Ok(2), "that limit is the server's");
}

#[test]
fn a_peer_that_takes_no_calls_gets_none() {
    let mut pair = Pair::opened(Arc::default(), config(|config| config.max_calls = 0));
    assert_eq!(pair.client.request("c"), Err(Rejected::Busy));
    assert_eq!(pair.client.send("log", &Payload::null()), Ok(()));
}

// Threat 23.
#[test]
fn calls_over_max_calls_are_refused_by_the_callee_until_the_17th_in_a_minute_ends_it() {
    let mut server = Side::open(false, config(|config| config.max_calls = 2));
    let request = |n: usize| framed(&format!("85 07 18{:02x} 6161 a0 f6", 2 * n + 25));
    server.feed(&[request(0), request(1)].concat());
    assert_eq!(server.happened(), ["call 25 asks a", "call 27 asks a"]);
    for n in 2..18 {
        server.feed(&request(n));
        assert_eq!(server.said(), [format!("failure {} RESOURCE_EXHAUSTED", 2 * n + 25)]);
    }
    assert_eq!(server.happened(), Vec::<String>::new());
    server.feed(&request(18));
    assert_eq!(server.said(), ["goodbye 8 too-many-strikes"]);
}

#[test]
fn calls_that_are_no_requests_count_against_max_calls_too() {
    let mut server = Side::open(false, config(|config| config.max_calls = 1));
    server.feed(&framed("85 07 01 6161 a0 f6"));
    server.feed(&framed("84 0e 03 6161 a0"));
    server.feed(&framed("83 0f 05 03"));
    server.feed(&framed("85 10 07 6161 a0 f6"));
    let refused = [3, 5, 7].map(|call| format!("failure {call} RESOURCE_EXHAUSTED"));
    assert_eq!(server.said(), refused);
}

#[test]
fn an_answer_that_is_not_written_still_counts_against_max_calls() {
    let mut server = Side::open(false, config(|config| config.max_calls = 1));
    server.feed(&framed("85 07 01 6161 a0 f6"));
    server.respond(1).unwrap();
    server.feed(&framed("85 07 03 6161 a0 f6"));
    assert_eq!(server.said(), ["response 1", "failure 3 RESOURCE_EXHAUSTED"]);
    server.feed(&framed("85 07 05 6161 a0 f6"));
    assert_eq!(server.happened(), ["call 1 asks a", "call 5 asks a"]);
}

#[test]
fn a_message_without_a_channel_is_a_strike_and_strikes_are_forgotten_after_a_minute() {
    let nameless = framed("84 06 60 a0 f6");
    let mut server = Side::open(false, Arc::default());
    for _ in 0..16 {
        server.feed(&nameless);
    }
    server.wait(seconds(60));
    for _ in 0..16 {
        server.feed(&nameless);
    }
    assert_eq!((server.happened(), server.said()), (vec![], vec![]));
    server.wait(millis(59_999));
    server.feed(&nameless);
    assert_eq!(server.said(), ["goodbye 8 too-many-strikes"]);
}

#[test]
fn a_channel_has_1_to_255_bytes_at_the_sender_and_at_the_receiver() {
    let mut pair = Pair::open();
    for (length, fits) in [(0, false), (1, true), (255, true), (256, false)] {
        let name = "é".repeat(length / 2) + &"c".repeat(length % 2);
        let expected = if fits { Ok(()) } else { Err(Rejected::BadChannel) };
        assert_eq!(pair.client.send(&name, &Payload::null()), expected, "{length}");
        assert_eq!(pair.client.request(&name).map(drop), expected, "{length}");
        let mut server = Side::open(false, Arc::default());
        let head = if length > 255 { format!("79{length:04x}") } else { format!("78{length:02x}") };
        let text = if length < 24 { format!("{:02x}", 0x60 + length) } else { head };
        let text = text + &"63".repeat(length);
        server.feed(&framed(&format!("84 06 {text} a0 f6")));
        server.feed(&framed(&format!("85 07 01 {text} a0 f6")));
        if fits {
            assert_eq!((server.happened().len(), server.said()), (2, vec![]), "{length}");
        } else {
            assert_eq!(server.said(), ["failure 1 INVALID_ARGUMENT"], "{length}");
            assert_eq!(server.happened(), Vec::<String>::new(), "{length}");
        }
    }
}

#[test]
fn what_is_larger_than_the_peer_takes_is_refused_and_nothing_of_it_is_queued() {
    let mut pair = Pair::opened(Arc::default(), config(|config| config.max_frame = 20_000));
    // Of 20,000: 1 array, 1 kind, 2 channel, 1 headers, 3 the byte string's length; a call's id is 1.
    assert_eq!(pair.client.send("m", &blob(19_993)), Err(Rejected::TooLarge));
    let options = Options::new().no_deadline();
    let large = pair.client.call("m", &blob(19_992), &options, 0);
    assert_eq!(large, Err(Rejected::TooLarge));
    assert_eq!(pair.client.connection().unsent(), 0);
    assert_eq!(pair.client.send("m", &blob(19_992)), Ok(()));
    let fits = pair.client.call("m", &blob(19_991), &options, 0);
    assert_eq!(fits.map(CallId::number), Ok(1), "a refused call uses no id up");
    pair.drive();
    assert_eq!(pair.server.happened(), ["message m of 19995 B", "call 1 asks m"]);
}

#[test]
fn an_answer_that_is_too_large_becomes_a_failure() {
    let mut pair = Pair::opened(config(|config| config.max_frame = 16_384), Arc::default());
    for _ in 0..3 {
        pair.client.request("big").unwrap();
    }
    pair.drive();
    respond(&mut pair.server, 1, Ok(&blob(16_384 - 6))).unwrap();
    respond(&mut pair.server, 3, Ok(&blob(16_384 - 5))).unwrap();
    let failure = Failure::new(Status::NOT_FOUND, "é".repeat(1000)).with_data(blob(20_000));
    respond(&mut pair.server, 5, Err(&failure)).unwrap();
    pair.drive();
    let happened = pair.client.happened();
    assert_eq!(happened[0], "call 1 ended well");
    assert!(happened[1].starts_with("call 3 ended failed RESOURCE_EXHAUSTED"), "{happened:?}");
    let cut = "é".repeat(512);
    assert_eq!(happened[2], format!("call 5 ended failed NOT_FOUND: {cut}"));
}

#[test]
fn messages_and_calls_are_refused_while_max_unsent_bytes_wait() {
    let mut client = Side::open(true, config(|config| config.max_unsent = 100));
    // A frame of "m" and null is 10 bytes: 4 length, 1 array, 1 kind, 2 channel, 1 headers, 1 null.
    client.send("m", &blob(89 - 11)).unwrap();
    client.send("m", &Payload::null()).unwrap();
    assert_eq!(client.connection().unsent(), 99);
    let mut other = Side::open(true, config(|config| config.max_unsent = 99));
    other.send("m", &blob(89 - 11)).unwrap();
    other.send("m", &Payload::null()).unwrap();
    assert_eq!(other.send("m", &Payload::null()), Err(Rejected::Full), "99 of 99");
    assert_eq!(client.send("m", &blob(1000)), Ok(()), "99 of 100");
    assert_eq!(client.send("m", &Payload::null()), Err(Rejected::Full), "101 and more");
    assert_eq!(client.request("c"), Err(Rejected::Full));
    assert_eq!(
        client.connection().ping(Instant::ZERO, 1),
        Ok(()),
        "pings have a limit of their own"
    );
    client.written();
    assert!(client.request("c").is_ok());
}

#[test]
fn headers_and_a_deadline_that_are_too_much_together_are_refused() {
    let mut pair = Pair::open();
    let mut headers = Headers::new();
    for name in "abcdefghijklmnop".chars() {
        headers.insert(&name.to_string(), true).unwrap();
    }
    let options = Options::new().headers(headers);
    let null = Payload::null();
    assert_eq!(pair.client.call("c", &null, &options, 0), Err(Rejected::BadHeaders));
    assert_eq!(pair.client.connection().unsent(), 0);
    let call = pair.client.call("c", &null, &options.no_deadline(), 0);
    assert_eq!(call.map(CallId::number), Ok(1));
    pair.drive();
    assert_eq!(pair.server.happened(), ["call 1 asks c"]);
}

#[test]
fn a_caller_that_wants_to_send_a_stream_is_told_that_no_handler_takes_one() {
    let mut server = Side::open(false, Arc::default());
    server.feed(&framed("85 07 01 6161 a10101 f6"));
    // Its items and their end were on the way: they belong to an ended call.
    server.feed(&[framed("83 0a 01 f6"), framed("82 0b 01"), framed("83 0c 01 01")].concat());
    assert_eq!(server.said(), ["failure 1 INVALID_ARGUMENT"]);
    assert_eq!(server.happened(), Vec::<String>::new());
}

#[test]
fn pings_are_answered_in_order_and_at_most_16_wait() {
    let mut pair = Pair::open();
    for token in 0..16 {
        assert_eq!(pair.client.connection().ping(Instant::ZERO, token), Ok(()));
    }
    assert_eq!(pair.client.connection().ping(Instant::ZERO, 16), Err(Rejected::TooManyPings));
    pair.client.now = Instant::from(millis(3));
    pair.drive();
    let expected: Vec<String> = (0..16).map(|token| format!("pong {token}")).collect();
    let Event::Pong { round_trip, .. } = pair.client.events[0] else { panic!("no pong") };
    assert_eq!((pair.client.happened(), round_trip), (expected, millis(3)));
    assert_eq!(pair.client.connection().ping(Instant::ZERO, 16), Ok(()));
}
