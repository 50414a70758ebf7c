//! Publications and deliveries: what is in them, what is lost and told, how they share the wire
//! (`docs/protocol.md` sections 5.1, 5.3 and 5.4).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::topics::{
    accept, apply, deliver, id, offers, options, pair, publication, subscribe, subscribed,
};
use common::{Pair, Side, blob, config, framed, millis, seconds};
use switchboard::{Command, Event, Headers, Options, Policy, Publication, Rejected, to_payload};
use switchboard_testkit::Link;

#[test]
fn publications_come_with_topic_headers_and_what_is_to_be_kept() {
    let mut pair = pair();
    let mut headers = Headers::new();
    headers.insert("x", "y").unwrap();
    let now = pair.now();
    let client = pair.client.connection();
    let options = options().headers(headers.clone()).retain().echo(false);
    client.publish(now, "t.a", &blob(3), &options).unwrap();
    client.publish_counted(now, "t.b", &blob(5000), &Options::new().forget(), 9).unwrap();
    pair.drive();
    let (first, second) = (pair.server.events.remove(0), pair.server.events.remove(0));
    let Event::Publish { call: None, publication } = first else { panic!() };
    assert_eq!((publication.topic(), publication.headers()), ("t.a", headers));
    assert_eq!((publication.retain(), publication.echo()), (Some(true), false));
    assert_eq!(publication.payload(), blob(3));
    let Event::Publish { call: Some(call), publication } = second else { panic!() };
    assert_eq!((publication.retain(), publication.echo()), (Some(false), true));
    assert_eq!((publication.topic(), publication.payload()), ("t.b", blob(5000)));
    apply(&mut pair.server, Command::Published { call, count: 1000 }).unwrap();
    let again = apply(&mut pair.server, Command::Published { call, count: 1 });
    assert_eq!(again, Err(Rejected::UnknownCall));
    pair.drive();
    let Event::Answer { token: 9, outcome: Ok(count), .. } = pair.client.events.remove(0) else {
        panic!()
    };
    assert_eq!(count, to_payload(&1000u64).unwrap());
}

#[test]
fn a_delivery_repeats_its_publication_byte_for_byte() {
    // Header 200 means nothing yet, and travels all the same; the payload is spelled long.
    let head = "63742e61 a4 03f5 18c8f4 616101 61624100";
    for copies in [1, 3000] {
        let rest = format!("{head} 5a{copies:08x}{}", "00".repeat(copies));
        let mut side = Side::open(false, offers(|_| ()));
        side.feed(&framed("84 0e 01 63742e3e a0"));
        accept(&mut side, 1);
        side.feed(&framed(&format!("85 10 f6 {rest}")));
        side.written();
        let Event::Publish { publication, .. } = side.events.pop().unwrap() else { panic!() };
        deliver(&mut side, 1, &publication).unwrap();
        assert_eq!(side.written(), framed(&format!("85 11 01 {rest}")));
    }
}

// Threat 37.
#[test]
fn a_topic_of_any_bad_kind_costs_its_message_only() {
    let long = "a".repeat(256);
    let many = ["a"; 17].join(".");
    let bad = [
        "", ".", "a..b", "a.", ".a", "$a", "a b", "a\0", "\u{7f}", "a.*", "a.>", "*", &long, &many,
    ];
    for topic in bad {
        let mut pair = pair();
        let now = pair.now();
        let client = pair.client.connection();
        assert_eq!(client.publish(now, topic, &blob(1), &options()), Err(Rejected::BadTopic));
        let counted = client.publish_counted(now, topic, &blob(1), &options(), 0);
        assert_eq!(counted, Err(Rejected::BadTopic), "{topic:?}");
        assert!(Publication::new(topic, &blob(1), &options()).is_err());
        // A peer that does not look before it speaks.
        let length = match topic.len() {
            length @ 0..24 => format!("{:02x}", 0x60 + length),
            length @ 24..256 => format!("78{length:02x}"),
            length => format!("79{length:04x}"),
        };
        let text: String = topic.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut side = Side::open(false, offers(|_| ()));
        side.feed(&framed(&format!("85 10 f6 {length}{text} a0 f6")));
        side.feed(&framed(&format!("85 10 01 {length}{text} a0 f6")));
        assert_eq!(side.said(), ["failure 1 INVALID_ARGUMENT"], "{topic:?}");
        let counters = side.connection().counters();
        assert_eq!((counters.dropped, counters.strikes), (1, 1), "{topic:?}");
        let wildcards = topic.contains(['*', '>']);
        side.feed(&framed(&format!("84 0e 03 {length}{text} a0")));
        let told: &[&str] = if wildcards { &[] } else { &["failure 3 INVALID_ARGUMENT"] };
        assert_eq!(side.said(), told, "{topic:?}");
        assert_eq!(side.happened().len(), usize::from(wildcards), "{topic:?}");
        // And in a delivery: a strike, too.
        let mut side = Side::open(true, Arc::default());
        subscribe(&mut side, &options()).unwrap();
        side.written();
        side.feed(&framed("83 08 01 00"));
        side.happened();
        side.feed(&framed(&format!("85 11 01 {length}{text} a0 f6")));
        assert_eq!((side.happened(), side.connection().counters().strikes), (vec![], 1));
    }
}

#[test]
fn publications_with_a_bad_payload_cost_their_message_only() {
    for payload in ["", "f6f6", "9f", "61ff"] {
        let mut side = Side::open(false, offers(|_| ()));
        side.feed(&framed(&format!("85 10 f6 6174 a0 {payload}")));
        side.feed(&framed(&format!("85 10 01 6174 a0 {payload}")));
        assert_eq!(side.said(), ["failure 1 INVALID_ARGUMENT"], "{payload}");
        assert_eq!((side.happened(), side.connection().counters().strikes), (vec![], 1));
    }
    let mut side = Side::open(false, offers(|config| config.payload.max_depth = 1));
    side.feed(&framed("85 10 01 6174 a0 8181f6"));
    assert_eq!(side.said(), ["failure 1 RESOURCE_EXHAUSTED"]);
}

/// What a subscriber gets that reads nothing until 6 deliveries were made, with room for 3 beside the one
/// that is written next.
fn slow(policy: Policy) -> Vec<String> {
    let server = offers(|config| config.max_deliveries = 3);
    let mut pair = subscribed(server, &options().policy(policy));
    pair.set_link_to_client(Link::new().window(0));
    for number in 0..6 {
        let _ = deliver(&mut pair.server, 1, &publication(&format!("t.{number}"), 1));
    }
    pair.set_link_to_client(Link::new());
    pair.drive();
    pair.client.happened()
}

fn delivery(number: u64) -> String {
    format!("delivery 1 t.{number} of 2 B")
}

// Threat 35.
#[test]
fn what_a_slow_subscriber_misses_is_told_in_its_place() {
    let lagged = || String::from("lagged 1 by 2");
    let oldest = [delivery(0), lagged(), delivery(3), delivery(4), delivery(5)];
    assert_eq!(slow(Policy::DropOldest), oldest);
    let newest = [delivery(0), delivery(1), delivery(2), delivery(3), lagged()];
    assert_eq!(slow(Policy::DropNewest), newest);
    let text =
        "closed: the peer ended the connection: RESOURCE_EXHAUSTED: a subscription's queue is full";
    assert_eq!(slow(Policy::Disconnect), [text]);
}

#[test]
fn losses_are_told_without_waiting_for_a_further_delivery() {
    let small = config(|config| config.max_frame = 16 << 10);
    let mut pair = Pair::opened(small, offers(|_| ()));
    subscribe(&mut pair.client, &options()).unwrap();
    pair.drive();
    accept(&mut pair.server, 1);
    pair.drive();
    pair.client.events.clear();
    // What the subscriber takes in no frame is lost, too. The head has 8 bytes, that of the payload 3.
    for size in [16373, 16374] {
        deliver(&mut pair.server, 1, &publication("t.a", size)).unwrap();
    }
    pair.drive();
    assert_eq!(pair.client.happened(), ["delivery 1 t.a of 16376 B", "lagged 1 by 1"]);
}

#[test]
fn if_nothing_waits_a_delivery_of_any_size_is_taken() {
    let server = offers(|config| config.max_delivery_bytes = 100);
    let mut pair = subscribed(server, &options().policy(Policy::DropNewest));
    pair.set_link_to_client(Link::new().window(0));
    for size in [10_000, 10_000, 1, 10_000] {
        deliver(&mut pair.server, 1, &publication("t.a", size)).unwrap();
    }
    pair.set_link_to_client(Link::new());
    pair.drive();
    let large = "delivery 1 t.a of 10003 B";
    assert_eq!(pair.client.happened(), [large, large, "lagged 1 by 2"]);
}

// Threat 31.
#[test]
fn a_subscriber_that_never_reads_is_not_given_up_for_deliveries_alone() {
    let mut pair = subscribed(offers(|_| ()), &options());
    pair.set_link_to_client(Link::new().window(0));
    for _ in 0..5000 {
        deliver(&mut pair.server, 1, &publication("t.a", 2000)).unwrap();
    }
    pair.drive_for(seconds(60));
    assert_eq!(pair.server.done, None);
    let counters = pair.server.connection().counters();
    // 1 MiB of 2,008 bytes each, and what is written next.
    assert_eq!(counters.deliveries_waiting, (1 << 20) / 2008);
    assert!(counters.unsent <= 16 << 10, "{counters:?}");
    // With anything else it is.
    pair.server.send("m", &blob(1)).unwrap();
    pair.drive_for(seconds(9));
    assert_eq!(pair.server.done, None);
    pair.drive_for(seconds(1));
    assert!(pair.server.done.is_some());
}

#[test]
fn a_close_writes_what_waits_for_subscribers_first() {
    let mut pair = subscribed(offers(|_| ()), &options());
    pair.set_link_to_client(Link::new().window(0));
    for number in 0..3 {
        deliver(&mut pair.server, 1, &publication(&format!("t.{number}"), 1)).unwrap();
    }
    pair.server.close("bye");
    let late = deliver(&mut pair.server, 1, &publication("t.a", 1));
    assert_eq!(late, Err(Rejected::UnknownSubscription));
    pair.set_link_to_client(Link::new());
    pair.drive();
    let told = pair.client.happened();
    assert_eq!(told[..4], [delivery(0), delivery(1), delivery(2), "closing bye".into()]);
}

#[test]
fn subscriptions_and_calls_take_turns() {
    let mut pair = subscribed(offers(|_| ()), &options());
    pair.set_link_to_client(Link::new().window(4096).latency(millis(1)));
    let mut longest = 0;
    for round in 0..50 {
        for _ in 0..100 {
            deliver(&mut pair.server, 1, &publication("t.a", 20_000)).unwrap();
        }
        pair.client.request("r").unwrap();
        let start = pair.now();
        while !pair.client.events.iter().any(|event| matches!(event, Event::Answer { .. })) {
            pair.step();
            let asked = pair.server.events.pop();
            if let Some(Event::Request { call, .. }) = asked {
                pair.server.respond(call.number()).unwrap();
            }
        }
        longest = longest.max((pair.now() - start).as_millis());
        pair.client.events.clear();
        assert!(round < 50);
    }
    // What is on the wire, the frame that is written next, and itself: about 20,000 bytes and 4,096.
    assert!(longest <= 8, "{longest} ms");
}

#[test]
fn a_publisher_may_subscribe_to_itself() {
    let mut pair = subscribed(offers(|_| ()), &options());
    pair.server.on_event(|side, event| {
        let Event::Publish { call, publication } = event else { return Some(event) };
        let subscription = id(1);
        if publication.echo() {
            apply(side, Command::Deliver { subscription, publication }).unwrap();
        }
        if let Some(call) = call {
            apply(side, Command::Published { call, count: 1 }).unwrap();
        }
        None
    });
    let now = pair.now();
    let client = pair.client.connection();
    client.publish(now, "t.a", &blob(1), &options()).unwrap();
    client.publish(now, "t.b", &blob(1), &options().echo(false)).unwrap();
    client.publish_counted(now, "t.c", &blob(1), &options(), 0).unwrap();
    pair.drive();
    let mut told = pair.client.happened();
    told.sort();
    let expected = ["call 3 ended well", "delivery 1 t.a of 2 B", "delivery 1 t.c of 2 B"];
    assert_eq!(told, expected);
}
