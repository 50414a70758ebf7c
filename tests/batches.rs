//! Publications one behind the other for the same subscriptions: carried and written together, and nothing
//! else is different (`docs/protocol.md` sections 5.3 and 5.4).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::topics::{accept, apply, id, offers, options, publication, subscribe, subscribed};
use common::{Pair, Side};
use switchboard::{
    Broker, Command, ConnectionId, Event, Failure, Owner, Policy, Publication, Rejected, Status,
    Subscribe,
};

fn connection(number: u64) -> ConnectionId {
    ConnectionId::new(number).unwrap()
}

/// A broker with connections 1 to 3, each with a subscription, number 1; of this group, if any.
fn broker(group: Option<&str>) -> Broker {
    let mut broker = Broker::default();
    for number in 1..=3 {
        broker.join(connection(number), Owner(number), "");
        join(&mut broker, number, group);
    }
    assert!(broker.is_pressing());
    while broker.poll_command().is_some() {}
    broker
}

fn join(broker: &mut Broker, number: u64, group: Option<&str>) {
    let mut asked = Subscribe::new(id(1), "t.>");
    asked.group = group.map(Into::into);
    assert!(broker.handle(connection(number), Event::Subscribe(Box::new(asked))).is_none());
}

fn publish(broker: &mut Broker, topic: &str, size: usize) {
    broker.publish("", publication(topic, size)).unwrap();
}

/// Who gets which topics, one entry a command.
fn carried(broker: &mut Broker) -> Vec<(u64, Vec<String>)> {
    let topics = |values: &[Publication]| values.iter().map(|v| v.topic().to_owned()).collect();
    let entry = |(to, command): (ConnectionId, Command)| match command {
        Command::Deliver { publication, .. } => (to.number(), topics(&[publication])),
        Command::DeliverAll { publications, .. } => (to.number(), topics(&publications)),
        Command::Subscribe { .. } => (to.number(), vec!["subscribed".into()]),
        other => panic!("{other:?}"),
    };
    core::iter::from_fn(|| broker.poll_command()).map(entry).collect()
}

fn texts(topics: &[&str]) -> Vec<String> {
    topics.iter().map(|topic| (*topic).into()).collect()
}

#[test]
fn what_goes_to_the_same_is_carried_together_and_in_order() {
    let mut broker = broker(None);
    for topic in ["t.a", "t.b", "t.c"] {
        publish(&mut broker, topic, 10);
        assert!(broker.has_commands() && !broker.is_pressing());
    }
    let all = texts(&["t.a", "t.b", "t.c"]);
    assert_eq!(carried(&mut broker), [(1, all.clone()), (2, all.clone()), (3, all)]);
    assert!(!broker.has_commands());
}

#[test]
fn whoever_comes_or_goes_in_between_gets_what_is_due_to_it() {
    let mut broker = broker(None);
    publish(&mut broker, "t.a", 10);
    publish(&mut broker, "t.b", 10);
    broker.join(connection(4), Owner(4), "");
    join(&mut broker, 4, None);
    assert!(broker.is_pressing());
    publish(&mut broker, "t.c", 10);
    assert!(broker.end_subscription(connection(2), id(1), Failure::new(Status::ABORTED, "")));
    let mut due = vec![Vec::new(); 5];
    while let Some((to, command)) = broker.poll_command() {
        match command {
            Command::Deliver { publication, .. } => {
                due[to.number() as usize].push(publication.topic().to_owned());
            }
            Command::DeliverAll { publications, .. } => {
                let topics = publications.iter().map(|value| value.topic().to_owned());
                due[to.number() as usize].extend(topics);
            }
            _ => {}
        }
    }
    let all = texts(&["t.a", "t.b", "t.c"]);
    assert_eq!(due[1..], [all.clone(), vec![], all, texts(&["t.c"])]);
}

#[test]
fn nothing_joins_what_is_being_carried() {
    let mut broker = broker(None);
    publish(&mut broker, "t.a", 10);
    assert!(broker.poll_command().is_some());
    publish(&mut broker, "t.b", 10);
    let (a, b) = (texts(&["t.a"]), texts(&["t.b"]));
    assert_eq!(
        carried(&mut broker),
        [(2, a.clone()), (3, a), (1, b.clone()), (2, b.clone()), (3, b)]
    );
}

#[test]
fn a_group_and_a_full_batch_do_not_wait() {
    let mut grouped = broker(Some("g"));
    publish(&mut grouped, "t.a", 10);
    assert!(grouped.is_pressing(), "whose turn is next depends on who has room");

    let mut broker = broker(None);
    let mut count = 0;
    while !broker.has_enough() {
        publish(&mut broker, "t.a", 1000);
        count += 1;
        assert!(count < 20 && !broker.is_pressing());
    }
    assert!(count > 10);
    publish(&mut broker, "t.a", 1000);
    assert!(broker.is_pressing());
    assert_eq!(carried(&mut broker).len(), 3);
    assert!(!broker.has_enough() && !broker.is_pressing());
}

fn deliver_all(side: &mut Side, values: &[Publication]) -> Result<(), Rejected> {
    let publications = Arc::new(values.to_vec());
    apply(side, Command::DeliverAll { subscription: id(1), publications })
}

#[test]
fn together_they_are_the_same_bytes_as_one_by_one() {
    for (count, size) in [(1, 0), (3, 10), (40, 1000), (3, 5000), (400, 64)] {
        let values: Vec<_> = (0..count).map(|n| publication(&format!("t.{n}"), size)).collect();
        let written = |deliver: &dyn Fn(&mut Side)| {
            let mut pair = subscribed(offers(|_| ()), &options());
            deliver(&mut pair.server);
            pair.server.written()
        };
        let together = written(&|side| deliver_all(side, &values).unwrap());
        let one_by_one = written(&|side| {
            for publication in values.iter().cloned() {
                apply(side, Command::Deliver { subscription: id(1), publication }).unwrap();
            }
        });
        assert_eq!(together, one_by_one, "{count} of {size} bytes");
    }
}

#[test]
fn of_many_at_once_no_more_than_the_limits_wait_and_the_rest_is_told() {
    let values: Vec<_> = (0..100).map(|n| publication(&format!("t.{n}"), 1000)).collect();
    let config = offers(|config| config.max_deliveries = 10);
    let mut pair = subscribed(config, &options().policy(Policy::DropNewest));
    deliver_all(&mut pair.server, &values).unwrap();
    let counters = pair.server.connection().counters();
    assert!(counters.unsent <= 16 * 1024, "{} bytes cannot be taken back", counters.unsent);
    assert_eq!(counters.deliveries_waiting, 10);
    // A second batch goes behind the first.
    deliver_all(&mut pair.server, &values[..5]).unwrap();
    pair.drive();
    let happened = pair.client.happened();
    let (told, came) = happened.split_last().unwrap();
    assert!((20..=26).contains(&came.len()), "{}", came.len());
    for (n, delivery) in came.iter().enumerate() {
        assert!(delivery.starts_with(&format!("delivery 1 t.{n} ")), "{delivery}");
    }
    assert!(told.contains(&(105 - came.len()).to_string()), "{told}");
}

#[test]
fn they_are_refused_for_whom_there_is_no_subscription() {
    let mut pair = Pair::opened(Arc::default(), offers(|_| ()));
    let values = [publication("t.a", 1), publication("t.b", 1)];
    assert_eq!(deliver_all(&mut pair.server, &values), Err(Rejected::UnknownSubscription));
    subscribe(&mut pair.client, &options()).unwrap();
    pair.drive();
    accept(&mut pair.server, 1);
    assert_eq!(deliver_all(&mut pair.server, &values), Ok(()));
}
