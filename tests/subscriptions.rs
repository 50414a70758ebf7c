//! Subscriptions and publications, both sides of them: begin, deliveries, losses, end, and what crosses
//! (`docs/protocol.md` sections 5 and 9).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{GOODBYE, Pair, Side, blob, config, framed, hex, millis, seconds};
use switchboard::{
    CallId, Command, Config, Event, Failure, Headers, Options, Payload, Policy, Publication,
    Rejected, Status, from_payload, to_payload,
};
use switchboard_testkit::Link;

fn id(number: u64) -> CallId {
    CallId::new(number).unwrap()
}

fn offers(change: impl FnOnce(&mut Config)) -> Arc<Config> {
    config(|config| {
        config.offers_topics = true;
        change(config);
    })
}

/// The server offers topics.
fn pair() -> Pair {
    Pair::opened(Arc::default(), offers(|_| ()))
}

fn options() -> Options {
    Options::new().no_deadline()
}

fn subscribe(side: &mut Side, options: &Options) -> Result<CallId, Rejected> {
    let now = side.now;
    side.connection().subscribe(now, "t.>", options, 5)
}

fn unsubscribe(side: &mut Side, subscription: u64) -> Result<CallId, Rejected> {
    let now = side.now;
    side.connection().unsubscribe(now, id(subscription), &options(), 6)
}

fn publication(topic: &str, size: usize) -> Publication {
    Publication::new(topic, &blob(size), &Options::new()).unwrap()
}

fn apply(side: &mut Side, command: Command) -> Result<(), Rejected> {
    let now = side.now;
    side.connection().apply(now, command)
}

fn accept(side: &mut Side, subscription: u64) {
    let (subscription, retained) = (id(subscription), vec![]);
    apply(side, Command::Subscribe { subscription, retained }).unwrap();
}

fn deliver(side: &mut Side, subscription: u64, value: &Publication) -> Result<(), Rejected> {
    let (subscription, publication) = (id(subscription), value.clone());
    apply(side, Command::Deliver { subscription, publication })
}

/// A pair whose client has a subscription, number 1.
fn subscribed(server: Arc<Config>, options: &Options) -> Pair {
    let mut pair = Pair::opened(Arc::default(), server);
    subscribe(&mut pair.client, options).unwrap();
    pair.drive();
    accept(&mut pair.server, 1);
    pair.drive();
    pair.client.events.clear();
    pair.server.events.clear();
    pair.trace.clear();
    pair
}

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
    assert_eq!(pair.client.connection().counters().calls_made, 0);
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
