//! Publish and subscribe over real sockets: order, patterns, retained values, groups, scopes, slow
//! subscribers, and what ends a subscription.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Home, no_hurry, patient, wait_until};
use switchboard::{
    Asked, CallError, Config, Delivery, DeliveryError, Failure, HeaderValue, Headers, Options,
    Policy, Rejected, Restart, Status, Welcome,
};
use switchboard_blocking::{Client, Peer, Server, ServerBuilder, Subscription};

fn server() -> ServerBuilder {
    Server::builder().config(no_hurry()).handle("null", |_, ()| Ok(()))
}

fn values<T: switchboard::FromPayload>(subscription: &mut Subscription<T>, count: usize) -> Vec<T> {
    subscription.take(count).map(|delivery| delivery.unwrap().value).collect()
}

#[test]
fn whoever_has_subscribed_gets_what_is_published_in_order() {
    let home = Home::of(server());
    let (publisher, one, other) = (home.client(), home.client(), home.client());
    let mut exact = one.subscribe::<u32>("news.sport").unwrap();
    let mut all = other.subscribe::<u32>("news.>").unwrap();
    let mut own = publisher.subscribe::<u32>("*.sport").unwrap();
    for n in 0..500 {
        publisher.publish("news.sport", &n).unwrap();
    }
    assert_eq!(publisher.publish_counted("news.weather", &500).unwrap(), 1);
    assert_eq!(publisher.publish_counted("old.weather", &501).unwrap(), 0);
    assert_eq!(values(&mut exact, 500), (0..500).collect::<Vec<_>>());
    assert_eq!(values(&mut all, 501), (0..=500).collect::<Vec<_>>());
    assert_eq!(values(&mut own, 500), (0..500).collect::<Vec<_>>());
    assert!(exact.try_next().is_none() && own.try_next().is_none());
}

#[test]
fn a_delivery_tells_topic_and_headers() {
    let home = Home::of(server());
    let client = home.client();
    let mut all = client.subscribe::<String>(">").unwrap();
    let mut headers = Headers::default();
    headers.insert("kind", HeaderValue::Text("test")).unwrap();
    client.with(Options::new().headers(headers)).publish("a.b", "c").unwrap();
    let Delivery { topic, headers, value, .. } = all.next().unwrap().unwrap();
    assert_eq!((topic.as_str(), value.as_str()), ("a.b", "c"));
    assert_eq!(headers.get("kind"), Some(HeaderValue::Text("test")));
}

#[test]
fn the_server_publishes_and_a_publisher_may_leave_itself_out() {
    let home = Home::of(server());
    let client = home.client();
    let mut all = client.subscribe::<u32>(">").unwrap();
    let silent = client.with(Options::new().echo(false));
    assert_eq!(silent.publish_counted("a", &1).unwrap(), 0);
    assert_eq!(home.server.publish("a", &2, &Options::new()).unwrap(), 1);
    assert_eq!(values(&mut all, 1), [2]);
    let error = home.server.publish("a b", &2, &Options::new()).unwrap_err();
    assert_eq!(error, CallError::Rejected(Rejected::BadTopic));
    assert_eq!(client.publish("", &2), Err(CallError::Rejected(Rejected::BadTopic)));
    assert!(matches!(
        client.subscribe::<u32>("a.>.b"),
        Err(CallError::Rejected(Rejected::BadTopic))
    ));
}

#[test]
fn retained_values_come_first_and_are_counted_until_they_are_forgotten() {
    let home = Home::of(server());
    let client = home.client();
    let keeps = client.with(Options::new().retain());
    for (topic, value) in [("b", 1), ("a", 2), ("b", 3)] {
        keeps.publish_counted(topic, &value).unwrap();
    }
    let wants = client.with(Options::new().retained());
    let mut late = wants.subscribe::<u32>("*").unwrap();
    assert_eq!(late.retained(), 2);
    client.publish("c", &4).unwrap();
    assert_eq!(values(&mut late, 3), [2, 3, 4], "in the order of their topics, then what is new");
    client.with(Options::new().forget()).publish_counted("a", &0).unwrap();
    assert_eq!(wants.subscribe::<u32>("*").unwrap().retained(), 1);
    assert_eq!(client.subscribe::<u32>("*").unwrap().retained(), 0);
}

#[test]
fn the_members_of_a_group_share_the_work() {
    let home = Home::of(server());
    let clients: Vec<Client> = (0..4).map(|_| home.client()).collect();
    let mut members: Vec<_> = clients
        .iter()
        .map(|client| client.with(Options::new().group("workers")).subscribe::<u32>("job").unwrap())
        .collect();
    let mut outside = home.client();
    let mut everything = outside.subscribe::<u32>("job").unwrap();
    for n in 0..400 {
        assert_eq!(outside.publish_counted("job", &n).unwrap(), 2, "the group is one");
    }
    outside = home.client();
    drop(outside);
    assert_eq!(values(&mut everything, 400).len(), 400);
    let shares: Vec<Vec<u32>> = members.iter_mut().map(|member| values(member, 100)).collect();
    let mut all: Vec<u32> = shares.concat();
    all.sort_unstable();
    assert_eq!(all, (0..400).collect::<Vec<_>>(), "each once, to equal shares");
}

#[test]
fn a_subscription_that_is_dropped_ends_and_others_go_on() {
    let home = Home::of(server());
    let client = home.client();
    let mut stays = client.subscribe::<u32>("a").unwrap();
    for _ in 0..50 {
        drop(client.subscribe::<u32>("a").unwrap());
    }
    wait_until(|| client.publish_counted("a", &1).unwrap() == 1);
    assert!(values(&mut stays, 1) == [1]);
    drop(home.client().subscribe::<u32>("a").unwrap());
    wait_until(|| home.server.peers().len() == 1);
    assert_eq!(client.publish_counted("a", &2).unwrap(), 1, "it ended with its connection");
}

#[test]
fn who_reads_too_slowly_loses_its_own_values_only_and_is_told_how_many() {
    let mut config = no_hurry();
    (config.max_deliveries, config.max_unsent) = (64, 64 << 10);
    let home = Home::of(Server::builder().config(config.clone()));
    let slow = home.connect(Client::builder().config(config.clone()));
    let fast = home.connect(Client::builder().config(config));
    let mut behind = slow.subscribe::<(u64, String)>("n").unwrap();
    let mut ahead = fast.subscribe::<(u64, String)>("n").unwrap();
    slow.pause();
    let (count, block) = (2_000_u64, "x".repeat(1000));
    let publisher = home.client();
    for n in 0..count {
        publisher.publish("n", &(n, &block)).unwrap();
        assert_eq!(ahead.next().unwrap().unwrap().value.0, n, "the other one gets everything");
    }
    publisher.publish_counted("n", &(count, &block)).unwrap();
    slow.resume();
    let (mut got, mut lost, mut next) = (0, 0, 0);
    while next <= count {
        match behind.next().unwrap() {
            Ok(Delivery { value: (n, _), .. }) => {
                assert_eq!(n, next, "every gap was told");
                (got, next) = (got + 1, next + 1);
            }
            Err(DeliveryError::Lagged(missing)) => (lost, next) = (lost + missing, next + missing),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(got + lost, count + 1);
    assert!(lost > 0, "it was too slow");
}

#[test]
fn whoever_must_not_lose_anything_is_ended_instead() {
    let mut config = no_hurry();
    config.max_deliveries = 8;
    let home = Home::of(server());
    let client = home.connect(Client::builder().config(config));
    let strict = client.with(Options::new().policy(Policy::Disconnect));
    let mut all = strict.subscribe::<u32>("n").unwrap();
    let publisher = home.client();
    for n in 0..100 {
        publisher.publish_counted("n", &n).unwrap();
    }
    // All of it comes to this side before any of it is taken.
    wait_until(|| client.counters().frames_in > 100 || client.closed().is_some());
    let values: Vec<_> =
        all.by_ref().map_while(Result::ok).map(|delivery| delivery.value).collect();
    assert_eq!(values, (0..8).collect::<Vec<_>>());
    assert!(all.next().is_none(), "the error was the last thing");
}

#[test]
fn a_value_of_another_type_is_told_with_its_topic_and_the_next_one_comes() {
    let home = Home::of(server());
    let client = home.client();
    let mut numbers = client.subscribe::<u32>(">").unwrap();
    client.publish("a.text", "no number").unwrap();
    client.publish("a.number", &7).unwrap();
    let error = numbers.next().unwrap().unwrap_err();
    assert!(matches!(&error, DeliveryError::Decode { topic, .. } if topic == "a.text"), "{error}");
    assert_eq!(values(&mut numbers, 1), [7]);
}

#[test]
fn the_end_of_the_connection_is_the_last_thing_that_a_subscriber_is_told() {
    let home = Home::of(server());
    let client = home.client();
    let all = client.subscribe::<u32>(">").unwrap();
    client.publish_counted("a", &1).unwrap();
    let waits = thread::spawn(move || all.collect::<Vec<_>>());
    home.server.close(Restart::never());
    let told = waits.join().unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].is_ok());
    assert!(matches!(told[1], Err(DeliveryError::Disconnected(_))), "{told:?}");
}

#[test]
fn a_check_sees_everything_and_what_it_takes_back_ends() {
    let open = Arc::new(AtomicBool::new(true));
    let allowed = Arc::clone(&open);
    let check = move |peer: &Peer, asked: Asked<'_>| {
        assert!(peer.credentials().is_some());
        let secret = match asked {
            Asked::Subscribe { pattern, .. } => pattern == "secret",
            Asked::Publish(publication) => publication.topic() == "secret",
            Asked::Request(request) => request.channel() == "secret",
            _ => false,
        };
        if secret && !allowed.load(Ordering::SeqCst) {
            return Err(Failure::new(Status::PERMISSION_DENIED, "not now"));
        }
        Ok(())
    };
    let home = Home::of(server().handle("secret", |_, ()| Ok(())).check(check));
    let client = home.client();
    let mut secret = client.subscribe::<u32>("secret").unwrap();
    let mut news = client.subscribe::<u32>("news").unwrap();
    assert_eq!(client.publish_counted("secret", &1).unwrap(), 1);
    client.request::<()>("secret", &()).unwrap();
    open.store(false, Ordering::SeqCst);
    home.server.check_again();
    let denied = Failure::new(Status::PERMISSION_DENIED, "not now");
    let told: Vec<_> = secret.by_ref().collect();
    assert_eq!(told.last().unwrap(), &Err(DeliveryError::Ended(denied.clone())));
    let denied = CallError::Failed(denied);
    assert_eq!(client.subscribe::<u32>("secret").map(drop), Err(denied.clone()));
    assert_eq!(client.publish_counted("secret", &2), Err(denied.clone()));
    assert_eq!(client.request::<()>("secret", &()), Err(denied));
    client.publish("secret", &3).unwrap();
    client.publish("news", &4).unwrap();
    assert_eq!(values(&mut news, 1), [4], "all else goes on");
}

#[test]
fn scopes_do_not_exist_for_each_other() {
    let home = Home::of(server().authorize(|_, _| Ok(Welcome::new())));
    let clients: BTreeMap<&str, Client> = ["", "red", "blue"]
        .into_iter()
        .map(|scope| (scope, home.connect(Client::builder().scope(scope))))
        .collect();
    let mut all: BTreeMap<&str, Subscription<String>> = clients
        .iter()
        .map(|(scope, client)| (*scope, client.subscribe::<String>(">").unwrap()))
        .collect();
    for (scope, client) in &clients {
        assert_eq!(client.publish_counted("a", scope).unwrap(), 1);
        assert_eq!(home.server.scope(scope).publish("b", scope, &Options::new()).unwrap(), 1);
        assert_eq!(home.server.scope(scope).peers().len(), 1);
    }
    for (scope, subscription) in &mut all {
        assert_eq!(values(subscription, 2), [*scope, *scope]);
    }
    let told = home.server.scope("red").broadcast("m", &1, &Options::new()).unwrap();
    assert_eq!(told.len(), 1);
}

#[test]
fn more_subscriptions_than_allowed_are_refused_and_as_many_as_allowed_are_not() {
    let mut config: Config = no_hurry();
    config.max_subscriptions = 3;
    let home = Home::of(Server::builder().config(config));
    let client = home.client();
    let mut held: Vec<_> = (0..3).map(|_| client.subscribe::<u32>("a").unwrap()).collect();
    let error = client.subscribe::<u32>("a").map(drop).unwrap_err();
    assert_eq!(error.status(), Status::RESOURCE_EXHAUSTED);
    held.pop();
    wait_until(|| client.subscribe::<u32>("a").is_ok());
}

#[test]
fn threads_do_not_multiply_with_subscriptions() {
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let home = Home::of(server());
    let client = home.client();
    let first = client.subscribe::<u32>("a").unwrap();
    client.with(patient()).request::<()>("null", &()).unwrap();
    let before = threads();
    let more: Vec<_> =
        (0..200).map(|n| client.subscribe::<u32>(&format!("a.{n}")).unwrap()).collect();
    // Other tests of this program run at the same time.
    assert!(threads() < before + 100, "{before}, then {}", threads());
    drop((first, more));
}
