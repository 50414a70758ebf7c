//! Subscriptions, both sides of them: begin, end, and what crosses (`docs/protocol.md` sections 5.2 and
//! 9).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::topics::{
    accept, apply, deliver, id, offers, options, pair, publication, subscribe, subscribed,
    unsubscribe,
};
use common::{GOODBYE, Pair, Side, blob, framed, hex, millis};
use switchboard::{
    Command, Event, Failure, Headers, Payload, Policy, Rejected, Status, from_payload, to_payload,
};
use switchboard_testkit::Link;

#[test]
fn a_subscription_begins_with_its_answer_and_gets_what_is_delivered_in_order() {
    let mut pair = pair();
    let mut headers = Headers::new();
    headers.insert("trace", 7u64).unwrap();
    let options = options().policy(Policy::DropNewest).group("g").headers(headers.clone());
    subscribe(&mut pair.client, &options).unwrap();
    pair.drive();
    let Event::Subscribe(wanted) = pair.server.events.remove(0) else { panic!() };
    assert_eq!((wanted.subscription, &wanted.pattern[..]), (id(1), "t.>"));
    assert_eq!((wanted.policy, wanted.retained), (Policy::DropNewest, false));
    assert_eq!((wanted.group.as_deref(), &wanted.headers), (Some("g"), &headers));
    assert_eq!(
        deliver(&mut pair.server, 1, &publication("t.a", 1)),
        Err(Rejected::UnknownSubscription)
    );
    accept(&mut pair.server, 1);
    for number in 0..3 {
        deliver(&mut pair.server, 1, &publication("t.a", number)).unwrap();
    }
    pair.drive();
    let Event::Answer { call, token: 5, outcome: Ok(count) } = pair.client.events.remove(0) else {
        panic!()
    };
    assert_eq!((call, from_payload::<u64>(&count, &Default::default()).unwrap()), (id(1), 0));
    let told = ["delivery 1 t.a of 1 B", "delivery 1 t.a of 2 B", "delivery 1 t.a of 3 B"];
    assert_eq!(pair.client.happened(), told);
}

#[test]
fn retained_values_come_first_all_of_them_and_are_counted_in_the_answer() {
    let mut pair = Pair::opened(Arc::default(), offers(|config| config.max_deliveries = 2));
    subscribe(&mut pair.client, &options().retained()).unwrap();
    subscribe(&mut pair.client, &options()).unwrap();
    pair.drive();
    let Event::Subscribe(wanted) = &pair.server.events[0] else { panic!() };
    assert!(wanted.retained);
    let retained: Vec<_> = (0..5).map(|number| publication(&format!("t.{number}"), 1)).collect();
    apply(&mut pair.server, Command::Subscribe { subscription: id(1), retained }).unwrap();
    deliver(&mut pair.server, 1, &publication("t.new", 1)).unwrap();
    pair.drive();
    let Event::Answer { outcome: Ok(count), .. } = pair.client.events.remove(0) else { panic!() };
    assert_eq!(count, to_payload(&5u64).unwrap());
    let topics = ["t.0", "t.1", "t.2", "t.3", "t.4", "t.new"];
    let told = topics.map(|topic| format!("delivery 1 {topic} of 2 B"));
    assert_eq!(pair.client.happened(), told);
}

#[test]
fn a_refused_subscription_is_none() {
    let mut pair = pair();
    subscribe(&mut pair.client, &options()).unwrap();
    pair.drive();
    let failure = Failure::new(Status::PERMISSION_DENIED, "not yours");
    apply(&mut pair.server, Command::Refuse { call: id(1), failure: failure.clone() }).unwrap();
    let again = apply(&mut pair.server, Command::Refuse { call: id(1), failure });
    assert_eq!(again, Err(Rejected::UnknownCall));
    assert_eq!(pair.server.respond(1), Err(Rejected::UnknownCall));
    pair.drive();
    let told = "call 1 ended failed PERMISSION_DENIED: not yours";
    assert_eq!(pair.client.happened(), [told]);
    assert_eq!(unsubscribe(&mut pair.client, 1), Err(Rejected::UnknownSubscription));
}

#[test]
fn without_topics_calls_about_them_are_answered_and_publications_dropped() {
    let mut pair = Pair::open();
    let now = pair.now();
    subscribe(&mut pair.client, &options()).unwrap();
    let client = pair.client.connection();
    client.publish_counted(now, "t.a", &blob(1), &options(), 0).unwrap();
    client.publish(now, "t.a", &blob(1), &options()).unwrap();
    pair.drive();
    assert!(pair.server.happened().is_empty());
    let told = pair.client.happened();
    assert!(told.iter().all(|event| event.contains("UNIMPLEMENTED")), "{told:?}");
    assert_eq!((told.len(), pair.server.connection().counters().dropped), (2, 1));
}

#[test]
fn bad_headers_of_a_subscription_are_refused() {
    for (headers, status) in [
        ("a10203", "INVALID_ARGUMENT"),
        ("a203f5046167", "INVALID_ARGUMENT"),
        ("a203f4046167", "INVALID_ARGUMENT"),
    ] {
        let mut side = Side::open(false, offers(|_| ()));
        side.feed(&framed(&format!("84 0e 01 6174 {headers}")));
        assert_eq!(side.said(), [format!("failure 1 {status}")], "{headers}");
    }
    let mut side = Side::open(true, Arc::default());
    for options in
        [options().group("g").retained(), options().group(""), options().group("g".repeat(256))]
    {
        assert_eq!(subscribe(&mut side, &options), Err(Rejected::BadHeaders));
    }
}

#[test]
fn subscriptions_are_limited() {
    let mut pair = Pair::opened(Arc::default(), offers(|config| config.max_subscriptions = 2));
    for _ in 0..3 {
        subscribe(&mut pair.client, &options()).unwrap();
    }
    pair.drive();
    // Those that nobody has answered count, too.
    let text = "call 5 ended failed RESOURCE_EXHAUSTED: too many subscriptions";
    assert_eq!(pair.client.happened(), [text]);
    accept(&mut pair.server, 1);
    accept(&mut pair.server, 3);
    pair.drive();
    unsubscribe(&mut pair.client, 3).unwrap();
    subscribe(&mut pair.client, &options()).unwrap();
    pair.drive();
    accept(&mut pair.server, 9);
    pair.drive();
    assert_eq!(pair.client.happened().last().unwrap(), "call 9 ended well");
    assert_eq!(pair.server.connection().counters().subscriptions, 2);
}

#[test]
fn nothing_comes_behind_the_answer_of_an_unsubscribe_nor_after_the_command() {
    let mut pair = subscribed(offers(|_| ()), &options());
    pair.set_link_to_client(Link::new().latency(millis(5)));
    pair.set_link_to_server(Link::new().latency(millis(5)));
    deliver(&mut pair.server, 1, &publication("t.a", 1)).unwrap();
    pair.step();
    unsubscribe(&mut pair.client, 1).unwrap();
    assert_eq!(unsubscribe(&mut pair.client, 1), Err(Rejected::UnknownSubscription));
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 3 ended well"]);
    assert_eq!(pair.server.happened(), ["subscription 1 is not wanted"]);
    let late = deliver(&mut pair.server, 1, &publication("t.a", 1));
    assert_eq!(late, Err(Rejected::UnknownSubscription));
}

#[test]
fn an_unsubscribe_drops_what_waits() {
    let mut pair = subscribed(offers(|_| ()), &options());
    pair.set_link_to_client(Link::new().window(0));
    for _ in 0..100 {
        deliver(&mut pair.server, 1, &publication("t.a", 20_000)).unwrap();
    }
    unsubscribe(&mut pair.client, 1).unwrap();
    pair.drive();
    assert_eq!(pair.server.connection().counters().deliveries_waiting, 0);
    pair.set_link_to_client(Link::new());
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 3 ended well"]);
    let deliveries = pair.trace.lines().filter(|line| line.contains("delivery")).count();
    assert_eq!(deliveries, 1, "the one on its way");
}

#[test]
fn a_subscription_whose_call_was_given_up_is_ended_by_itself() {
    // The answer crosses the cancel.
    let mut pair = pair();
    pair.set_links(Link::new().latency(millis(5)));
    subscribe(&mut pair.client, &options()).unwrap();
    pair.step();
    pair.step();
    accept(&mut pair.server, 1);
    deliver(&mut pair.server, 1, &publication("t.a", 1)).unwrap();
    pair.client.cancel(1).unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 ended cancelled MayHaveRun"]);
    let told = ["subscription 1 to t.>", "subscription 1 is not wanted"];
    assert_eq!(pair.server.happened(), told);
    assert_eq!(pair.client.done.clone().or_else(|| pair.server.done.clone()), None);
    assert_eq!(pair.client.connection().counters().open_made, 0);
    // The cancel comes first.
    subscribe(&mut pair.client, &options()).unwrap();
    pair.drive();
    let call = pair.server.events.iter().find_map(|event| match event {
        Event::Subscribe(wanted) => Some(wanted.subscription),
        _ => None,
    });
    pair.server.events.clear();
    pair.client.cancel(call.unwrap().number()).unwrap();
    pair.drive();
    accept(&mut pair.server, call.unwrap().number());
    pair.drive();
    assert_eq!(pair.server.connection().counters().subscriptions, 0);
}

#[test]
fn the_peer_may_end_a_subscription() {
    let mut pair = subscribed(offers(|_| ()), &options());
    deliver(&mut pair.server, 1, &publication("t.a", 1)).unwrap();
    let failure = Failure::new(Status::PERMISSION_DENIED, "no more").with_data(blob(3));
    let end = Command::EndSubscription { subscription: id(1), failure };
    apply(&mut pair.server, end.clone()).unwrap();
    assert_eq!(apply(&mut pair.server, end), Err(Rejected::UnknownSubscription));
    pair.drive();
    let ended = "subscription 1 ended: PERMISSION_DENIED: no more";
    assert_eq!(pair.client.happened(), ["delivery 1 t.a of 2 B", ended]);
    assert_eq!(unsubscribe(&mut pair.client, 1), Err(Rejected::UnknownSubscription));
    // It crosses an unsubscribe.
    let mut pair = subscribed(offers(|_| ()), &options());
    pair.set_links(Link::new().latency(millis(5)));
    unsubscribe(&mut pair.client, 1).unwrap();
    let failure = Failure::new(Status::PERMISSION_DENIED, "no more");
    apply(&mut pair.server, Command::EndSubscription { subscription: id(1), failure }).unwrap();
    pair.drive();
    let told = ["call 3 ended failed NOT_FOUND: no such subscription"];
    assert_eq!(
        (pair.client.happened(), pair.client.done.clone()),
        (told.map(String::from).to_vec(), None)
    );
}

#[test]
fn deliveries_end_with_the_goodbye_of_whoever_sends_them() {
    let mut side = Side::open(true, Arc::default());
    subscribe(&mut side, &options()).unwrap();
    side.written();
    side.feed(&framed("83 08 01 00"));
    side.close("bye");
    side.written();
    side.feed(&framed("85 11 01 6174 a0 f6"));
    assert_eq!(side.happened(), ["call 1 ended well", "delivery 1 t of 1 B"]);
    side.feed(&hex(GOODBYE));
    side.feed(&framed("85 11 01 6174 a0 f6"));
    assert!(side.done.is_none() || side.said().is_empty());
}

#[test]
fn deliveries_outside_a_subscriptions_life_are_fatal() {
    for frame in ["85 11 01 6174 a0 f6", "83 12 01 01"] {
        for (before, fatal) in [
            (&[][..], true),
            (&["83 08 01 00"], false),
            (&["85 09 01 05 60 f6"], true),
            (&["83 08 01 00", "85 09 01 05 60 f6"], true),
        ] {
            let mut side = Side::open(true, Arc::default());
            subscribe(&mut side, &options()).unwrap();
            side.written();
            for frame in before {
                side.feed(&framed(frame));
            }
            side.feed(&framed(frame));
            let expected: &[&str] = if fatal { &["goodbye 9 unknown-subscription"] } else { &[] };
            assert_eq!(side.said(), expected, "{frame} behind {before:?}");
        }
    }
}

#[test]
fn both_sides_may_offer_topics() {
    let mut pair = Pair::opened(offers(|_| ()), offers(|_| ()));
    subscribe(&mut pair.server, &options()).unwrap();
    subscribe(&mut pair.client, &options()).unwrap();
    pair.drive();
    accept(&mut pair.client, 2);
    accept(&mut pair.server, 1);
    deliver(&mut pair.client, 2, &publication("t.a", 1)).unwrap();
    deliver(&mut pair.server, 1, &publication("t.b", 1)).unwrap();
    pair.drive();
    assert_eq!(pair.server.happened().last().unwrap(), "delivery 2 t.a of 2 B");
    assert_eq!(pair.client.happened().last().unwrap(), "delivery 1 t.b of 2 B");
}

#[test]
fn commands_send_call_and_end_the_connection() {
    let mut pair = pair();
    let (channel, payload, options) = (Arc::from("m"), Payload::null(), Arc::default());
    let send = Command::Send { channel, payload, options };
    apply(&mut pair.server, send).unwrap();
    let (channel, payload, options) = (Arc::from("r"), Payload::null(), Arc::default());
    let request = Command::Request { channel, payload, options, token: 4 };
    apply(&mut pair.server, request).unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["message m of 1 B", "call 2 asks r"]);
    let failure = Failure::new(Status::RESOURCE_EXHAUSTED, "too much");
    apply(&mut pair.server, Command::Fail(failure)).unwrap();
    pair.drive();
    let told = pair.server.happened();
    assert_eq!(told.last().unwrap(), "closed: ended by this side: RESOURCE_EXHAUSTED: too much");
    let told = pair.client.happened();
    let text = "closed: the peer ended the connection: RESOURCE_EXHAUSTED: too much";
    assert_eq!(told.last().unwrap(), text);
}

#[test]
fn retained_values_of_a_second_subscription_keep_to_the_limits_while_the_first_wait() {
    let mut pair = Pair::opened(Arc::default(), offers(|config| config.max_deliveries = 2));
    for _ in 0..2 {
        subscribe(&mut pair.client, &options().retained()).unwrap();
    }
    pair.drive();
    pair.set_link_to_client(Link::new().window(0));
    for number in [1, 3] {
        let retained = vec![publication("t.a", 20_000); 4];
        let subscription = id(number);
        apply(&mut pair.server, Command::Subscribe { subscription, retained }).unwrap();
    }
    pair.set_link_to_client(Link::new());
    pair.drive();
    let told = pair.client.happened();
    let of = |words: &str| told.iter().filter(|event| event.starts_with(words)).count();
    assert_eq!((of("delivery 1"), of("delivery 3"), of("lagged 3 by 2")), (4, 2, 1), "{told:?}");
}

#[test]
fn a_subscription_that_is_accepted_during_a_close_does_not_begin() {
    let mut pair = pair();
    subscribe(&mut pair.client, &options()).unwrap();
    pair.drive();
    pair.server.close("bye");
    accept(&mut pair.server, 1);
    let late = deliver(&mut pair.server, 1, &publication("t.a", 1));
    assert_eq!(late, Err(Rejected::UnknownSubscription));
    pair.drive();
    assert!(pair.client.happened().contains(&"call 1 ended failed UNAVAILABLE: closing".into()));
}

#[test]
fn an_end_whose_data_is_too_large_is_told_without() {
    let small = common::config(|config| config.max_frame = 16 << 10);
    let mut pair = Pair::opened(small, offers(|_| ()));
    subscribe(&mut pair.client, &options()).unwrap();
    pair.drive();
    accept(&mut pair.server, 1);
    let failure = Failure::new(Status::ABORTED, "no more").with_data(blob(20_000));
    apply(&mut pair.server, Command::EndSubscription { subscription: id(1), failure }).unwrap();
    pair.drive();
    let Some(Event::SubscriptionEnded { failure, .. }) = pair.client.events.pop() else { panic!() };
    assert_eq!((failure.status, failure.data), (Status::ABORTED, Payload::null()));
}

#[test]
fn an_unsubscribe_that_fails_leaves_the_subscription_and_one_that_is_given_up_ends_it() {
    let mut side = Side::open(true, Arc::default());
    subscribe(&mut side, &options()).unwrap();
    side.written();
    side.feed(&framed("83 08 01 00"));
    // Refused for another reason than that it is not live.
    unsubscribe(&mut side, 1).unwrap();
    side.written();
    side.feed(&framed("85 09 03 08 60 f6"));
    side.feed(&framed("85 11 01 6174 a0 f6"));
    side.happened();
    // Given up before a byte of it was written: it lives on.
    unsubscribe(&mut side, 1).unwrap();
    side.cancel(5).unwrap();
    assert_eq!(side.happened(), ["call 5 ended cancelled NeverSent"]);
    side.feed(&framed("85 11 01 6174 a0 f6"));
    assert_eq!(side.happened(), ["delivery 1 t of 1 B"]);
    // Given up behind that: no cancel, and nothing more is told.
    unsubscribe(&mut side, 1).unwrap();
    side.written();
    side.cancel(7).unwrap();
    assert_eq!(side.said(), [""; 0]);
    side.feed(&framed("85 11 01 6174 a0 f6"));
    side.feed(&framed("83 12 01 05"));
    side.feed(&framed("83 08 07 f6"));
    assert_eq!(side.happened(), ["call 7 ended cancelled MayHaveRun"]);
    side.feed(&framed("85 11 01 6174 a0 f6"));
    assert_eq!(side.said(), ["goodbye 9 unknown-subscription"]);
}

#[test]
fn what_is_asked_and_not_answered_is_limited_in_bytes() {
    let mut side = Side::open(false, offers(|config| config.max_unanswered = 20));
    side.feed(&framed("84 0e 01 6174 a0"));
    side.feed(&framed("85 10 03 6174 a0 4c000000000000000000000000"));
    side.feed(&framed("84 0e 05 6e7474747474747474747474747474 a0"));
    assert_eq!(side.said(), ["failure 3 RESOURCE_EXHAUSTED", "failure 5 RESOURCE_EXHAUSTED"]);
    accept(&mut side, 1);
    side.feed(&framed("85 10 07 6174 a0 4c000000000000000000000000"));
    assert_eq!(side.said(), ["response 1"]);
}
