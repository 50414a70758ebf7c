//! What a broker allocates, counted by the allocator of this test program: one copy of a publication
//! whoever gets it, never more than its limits say, and nothing once all have gone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod counting;

use std::sync::Arc;

use bytes::BytesMut;
use counting::counted;
use switchboard::hub::RetainedSize;
use switchboard::wire::{Frame, HeaderMap};
use switchboard::{
    Broker, BrokerLimits, CallId, Command, Config, ConnectionId, Event, Options, Owner, Payload,
    Publication, Subscribe,
};
use switchboard_testkit::Side;

fn connection(number: u64) -> ConnectionId {
    ConnectionId::new(number).unwrap()
}

fn subscribe(broker: &mut Broker, from: u64, number: u64, pattern: &str, group: Option<&str>) {
    let mut asked = Subscribe::new(CallId::new(number).unwrap(), pattern);
    asked.group = group.map(Into::into);
    assert!(broker.handle(connection(from), Event::Subscribe(Box::new(asked))).is_none());
    while broker.poll_command().is_some() {}
}

// Threat 41.
#[test]
fn a_mebibyte_for_a_thousand_subscribers_is_one_mebibyte() {
    const SUBSCRIBERS: u64 = 1000;
    let mut broker = Broker::default();
    for number in 1..=SUBSCRIBERS {
        broker.join(connection(number), Owner(1), "");
        subscribe(&mut broker, number, 1, "a.*", None);
    }
    let payload = Payload::bytes(&vec![7; 1 << 20]);
    let mut deliveries = Vec::with_capacity(SUBSCRIBERS as usize);
    let ((), count) = counted(|| {
        let publication = Publication::new("a.b", &payload, &Options::new()).unwrap();
        let event = Event::Publish { call: None, publication };
        assert!(broker.handle(connection(1), event).is_none());
        deliveries.extend(core::iter::from_fn(|| broker.poll_command()));
    });
    assert_eq!(deliveries.len(), SUBSCRIBERS as usize);
    assert!(count.peak <= 128 * SUBSCRIBERS as isize, "{} bytes beside the payload", count.peak);
    let at = payload.as_cbor().as_ptr();
    for (_, command) in deliveries {
        let Command::Deliver { publication, .. } = command else { panic!("{command:?}") };
        assert_eq!(publication.payload().as_cbor().as_ptr(), at, "a copy");
    }
}

/// A server's side whose handshake is complete, to be fed by hand.
fn server() -> Side {
    let mut config = Config::default();
    config.offers_topics = true;
    Side::open(false, Arc::new(config))
}

#[test]
fn a_retained_value_keeps_nothing_of_the_buffer_that_it_came_in() {
    const VALUES: u64 = 64;
    let payload = Payload::bytes(&[7; 1500]);
    let mut frames = BytesMut::new();
    for number in 0..VALUES {
        let topic = format!("t.{number}");
        let mut headers = HeaderMap::default();
        headers.retain = Some(true);
        let payload = payload.as_cbor();
        Frame::Publish { id: None, topic: &topic, headers, payload }.encode(&mut frames);
        // So that each stands in another buffer.
        Frame::Extension { kind: 24, elements: 2, rest: &[0; 15 << 10] }.encode(&mut frames);
    }
    let mut broker = Broker::default();
    broker.join(connection(1), Owner(1), "");
    let ((), count) = counted(|| {
        let mut side = server();
        for piece in frames.chunks(4096) {
            side.feed(piece);
            for event in side.events.drain(..) {
                assert!(matches!(event, Event::Publish { .. }), "{event:?}");
                assert!(broker.handle(connection(1), event).is_none());
            }
        }
    });
    let mut asked = Subscribe::new(CallId::new(1).unwrap(), ">");
    asked.retained = true;
    broker.handle(connection(1), Event::Subscribe(Box::new(asked)));
    let Some((_, Command::Subscribe { retained, .. })) = broker.poll_command() else { panic!() };
    assert_eq!(retained.len() as u64, VALUES);
    let each = count.live / VALUES as isize;
    assert!(each < 1500 + 512, "{each} bytes for a value of 1,500");
}

/// The most that peers do: all the subscriptions and values that each owner may have, and more.
fn fill(broker: &mut Broker, owners: u64) {
    // As long as they may be, and different from the first byte on.
    let long = |number: u64| format!("{number:x>255}");
    for owner in 1..=owners {
        broker.join(connection(owner), Owner(owner), &format!("scope {}", owner % 2));
        for number in 0..100 {
            let name = long(1000 * owner + number);
            let group = (number % 2 == 0).then_some(&*name);
            subscribe(broker, owner, 2 * number + 1, &name, group);
            let size = if number % 3 == 0 { 20 } else { 2000 };
            let payload = Payload::bytes(&vec![7; size]);
            // As from a peer: a slice of something larger.
            let publication = Publication::new(&name, &payload, &Options::new().retain()).unwrap();
            let event = Event::Publish { call: None, publication };
            assert!(broker.handle(connection(owner), event).is_none());
            while broker.poll_command().is_some() {}
        }
    }
}

#[test]
fn no_peers_make_a_broker_hold_more_than_its_bound() {
    const OWNERS: u64 = 4;
    let mut limits = BrokerLimits::default();
    limits.owner_subscriptions = 64;
    limits.owner_retained = RetainedSize { values: 32, bytes: 64 << 10 };
    limits.check().unwrap();
    let (mut broker, count) = counted(|| {
        let mut broker = Broker::new(limits);
        fill(&mut broker, OWNERS);
        broker
    });
    let bound = limits.memory_bound(OWNERS as usize) as isize;
    assert!(count.live <= bound && count.peak <= bound, "{count:?}, at most {bound}");
    assert!(bound <= 3 * count.live, "the bound is far from anything that happens: {count:?}");
    let ((), count) = counted(|| (1..=OWNERS).for_each(|number| broker.leave(connection(number))));
    assert!(count.live < 0);
    for number in 1..=OWNERS {
        assert_eq!(broker.subscriptions(connection(number)).count(), 0);
    }
}

// Threat 36.
#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let round = |broker: &mut Broker| {
        for number in 1..=100 {
            broker.join(connection(number), Owner(number), "scope");
            for subscription in 1..=10 {
                subscribe(broker, number, subscription, "a.*", Some("group"));
            }
            let publication =
                Publication::new("a.b", &Payload::null(), &Options::new().retain()).unwrap();
            let event = Event::Publish { call: None, publication };
            assert!(broker.handle(connection(number), event).is_none());
        }
        let forget = Publication::new("a.b", &Payload::null(), &Options::new().forget()).unwrap();
        assert_eq!(broker.publish("scope", forget), Ok(1));
        // Whoever is to carry the commands has gone, too.
        (1..=100).for_each(|number| broker.leave(connection(number)));
        while broker.poll_command().is_some() {}
    };
    let mut broker = Broker::default();
    round(&mut broker);
    let ((), count) = counted(|| (0..10).for_each(|_| round(&mut broker)));
    assert_eq!(count.live, 0);
    let ((), count) = counted(|| {
        let mut broker = Broker::default();
        round(&mut broker);
    });
    assert_eq!(count.live, 0);
}
