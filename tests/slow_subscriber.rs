//! One of many subscribers does not read: it alone misses something, and is told (`docs/protocol.md`
//! sections 5.3 and 8).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{config, millis, seconds};
use switchboard::{CallId, Command, ConnectionId, Event, Options, Publication, to_payload};
use switchboard_testkit::{Link, Net};

/// A server that hands every publication on to everybody.
fn net(clients: usize) -> (Net, Vec<ConnectionId>) {
    let mut net = Net::with_config(config(|config| {
        config.offers_topics = true;
        config.max_deliveries = 8;
    }));
    net.trace.silence();
    let mut subscriptions: Vec<(ConnectionId, CallId)> = Vec::new();
    net.on_event(move |server, from, event| {
        let apply = |server: &mut switchboard_testkit::Server, to, command| {
            let side = server.side(to);
            let now = side.now;
            let _ = side.connection().apply(now, command);
        };
        match event {
            Event::Subscribe(wanted) => {
                let subscription = wanted.subscription;
                subscriptions.push((from, subscription));
                apply(server, from, Command::Subscribe { subscription, retained: vec![] });
                None
            }
            Event::Publish { publication, .. } => {
                for (to, subscription) in &subscriptions {
                    let (subscription, publication) = (*subscription, publication.clone());
                    apply(server, *to, Command::Deliver { subscription, publication });
                }
                None
            }
            other => Some(other),
        }
    });
    let clients: Vec<_> = (0..clients).map(|_| net.connect()).collect();
    for id in &clients {
        let side = net.client(*id);
        let now = side.now;
        side.connection().subscribe(now, "t.>", &Options::new(), 0).unwrap();
    }
    net.drive();
    for id in &clients {
        assert_eq!(net.client(*id).happened(), ["call 1 ended well"]);
    }
    (net, clients)
}

fn publish(net: &mut Net, id: ConnectionId, number: u64) {
    let value = to_payload(&number).unwrap();
    let side = net.client(id);
    let now = side.now;
    side.connection().publish(now, "t.a", &value, &Options::new()).unwrap();
}

/// The numbers that a client got, and how many it was told are missing.
fn got(net: &mut Net, id: ConnectionId) -> (Vec<u64>, u64) {
    let (mut numbers, mut missing) = (Vec::new(), 0);
    for event in std::mem::take(&mut net.client(id).events) {
        match event {
            Event::Delivery { publication, .. } => {
                let number = switchboard::from_payload(&publication.payload(), &Default::default());
                numbers.push(number.unwrap());
            }
            Event::Lagged { dropped, .. } => missing += dropped,
            other => panic!("{other:?}"),
        }
    }
    (numbers, missing)
}

// Threats 33, 35.
#[test]
fn of_a_hundred_subscribers_only_the_one_that_does_not_read_misses_anything() {
    let (mut net, clients) = net(100);
    let (slow, publisher) = (clients[42], clients[7]);
    net.set_links(slow, Link::new().window(0));
    for id in clients.iter().filter(|id| **id != slow) {
        net.set_links(*id, Link::new().latency(millis(1)));
    }
    for number in 0..50 {
        publish(&mut net, publisher, number);
        net.drive_for(millis(3));
        for id in clients.iter().filter(|id| **id != slow) {
            assert_eq!(got(&mut net, *id), (vec![number], 0), "{id} after 3 ms");
        }
    }
    // It wakes up: in order, nothing twice, and all that is missing is told.
    net.set_links(slow, Link::new());
    net.drive_for(seconds(1));
    let (numbers, missing) = got(&mut net, slow);
    assert!(numbers.is_sorted() && numbers.len() as u64 + missing == 50, "{numbers:?}, {missing}");
    assert!(missing > 0 && numbers.last() == Some(&49));
    publish(&mut net, slow, 50);
    net.drive_for(millis(5));
    assert_eq!(got(&mut net, slow), (vec![50], 0));
}

#[test]
fn a_subscriber_that_is_cut_off_disturbs_nobody() {
    let (mut net, clients) = net(5);
    for number in 0..20 {
        publish(&mut net, clients[0], number);
        if number == 7 {
            net.cut(clients[2]);
        }
        net.drive();
    }
    for id in [0, 1, 3, 4] {
        assert_eq!(got(&mut net, clients[id]), ((0..20).collect(), 0));
    }
}

#[test]
fn a_publication_is_the_same_for_all() {
    let payload = to_payload(&vec![7u8; 100_000]).unwrap();
    let one = Publication::new("t", &payload, &Options::new()).unwrap();
    let pointer = |publication: &Publication| publication.payload().as_cbor().as_ptr();
    let other = one.clone();
    assert_eq!((pointer(&one), &one), (pointer(&other), &other));
    assert_eq!(pointer(&one), payload.as_cbor().as_ptr(), "a large payload is not copied");
}
