//! Publish and subscribe: who gets what, counts, retained values, groups, scopes, and who may. Called by the
//! macro of the tests.

use std::sync::Arc;

use switchboard::{
    Asked, CallError, Config, DeliveryError, Failure, HeaderValue, Headers, Options, Rejected,
    Status, to_payload,
};

use super::home::{Home, echo, everybody, number, patient, read, value, values, wait_until};
use crate::{Serves, Setup};

/// Sections 5.1 and 5.3: one delivery for each subscription that matches, the publisher's own included.
pub fn every_pattern_gets_what_matches_it_in_order(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let [publisher, other] = [(); 2].map(|()| home.client(Serves::default()));
    let topics = ["news.sport", "news.weather", "news.sport.local", "news"];
    let cases: [(&str, &[u64]); 5] = [
        ("news.sport", &[0]),
        ("news.*", &[0, 1]),
        ("*.sport", &[0]),
        ("news.>", &[0, 1, 2]),
        (">", &[0, 1, 2, 3]),
    ];
    for client in [&publisher, &other] {
        let subscribe = |pattern| client.subscribe(pattern, &patient()).unwrap();
        let mut held = cases.map(|(pattern, _)| subscribe(pattern));
        for n in 0..400 {
            publisher.publish(topics[n % 4], &number(n as u64), &patient()).unwrap();
        }
        for ((pattern, takes), subscription) in cases.iter().zip(&mut held) {
            let due: Vec<u64> = (0..400).filter(|n| takes.contains(&(n % 4))).collect();
            assert_eq!(values(&mut **subscription, due.len()), due, "{pattern}");
        }
    }
}

/// Section 5.3: a delivery repeats its publication.
pub fn a_delivery_tells_topic_and_headers(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let client = home.client(Serves::default());
    let mut all = client.subscribe(">", &patient()).unwrap();
    let mut headers = Headers::default();
    headers.insert("kind", HeaderValue::Text("test")).unwrap();
    client.publish("a.ü", &number(7), &patient().headers(headers)).unwrap();
    let delivery = all.next().unwrap().unwrap();
    assert_eq!((delivery.topic.as_str(), read(delivery.value)), ("a.ü", 7));
    assert_eq!(delivery.headers.get("kind"), Some(HeaderValue::Text("test")));
}

/// Section 5.1: before anything is sent.
pub fn names_that_are_none_are_refused(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let client = home.client(Serves::default());
    let bad = CallError::Rejected(Rejected::BadTopic);
    for topic in ["", "a b", "a..b", "a.*", ">", "$a"] {
        let (value, options) = (number(1), patient());
        assert_eq!(client.publish(topic, &value, &options), Err(bad.clone()), "{topic}");
        assert_eq!(client.publish_counted(topic, &value, &options), Err(bad.clone()), "{topic}");
        assert_eq!(home.server.publish("", topic, &value, &options), Err(bad.clone()), "{topic}");
    }
    for pattern in ["", "a b", "a.>.b", "a*", "$a"] {
        assert_eq!(client.subscribe(pattern, &patient()).map(drop), Err(bad.clone()), "{pattern}");
    }
    assert_eq!(client.closed(), None);
}

/// Section 5.4: by the server, by a client, and by one that leaves itself out.
pub fn publications_are_counted_whoever_publishes(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let [client, other] = [(); 2].map(|()| home.client(Serves::default()));
    let mut held = ["a", "*", "b"].map(|pattern| client.subscribe(pattern, &patient()).unwrap());
    let _others = other.subscribe("a", &patient()).unwrap();
    assert_eq!(client.publish_counted("a", &number(1), &patient()), Ok(3));
    assert_eq!(home.server.publish("", "a", &number(2), &patient()), Ok(3));
    assert_eq!(client.publish_counted("a", &number(3), &patient().echo(false)), Ok(1));
    assert_eq!(other.publish_counted("a", &number(4), &patient()), Ok(3));
    assert_eq!(home.server.publish("", "c.d", &number(5), &patient()), Ok(0));
    for subscription in &mut held[..2] {
        assert_eq!(values(&mut **subscription, 3), [1, 2, 4]);
    }
    assert_eq!(home.server.publish("", "b", &number(6), &patient()), Ok(2));
    assert_eq!(value(&mut *held[2]), 6, "nothing came before");
}

/// Sections 5.2 and 5.4: in the order of their topics, and then what is new.
pub fn retained_values_come_first_and_are_counted(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let client = home.client(Serves::default());
    for (topic, value) in [("b", 1), ("a", 2), ("b", 3)] {
        client.publish_counted(topic, &number(value), &patient().retain()).unwrap();
    }
    home.server.publish("", "c.d", &number(4), &patient().retain()).unwrap();
    let wants = |pattern| client.subscribe(pattern, &patient().retained()).unwrap();
    let mut late = wants("*");
    assert_eq!(late.retained(), 2);
    client.publish("c", &number(5), &patient()).unwrap();
    assert_eq!(values(&mut *late, 3), [2, 3, 5]);
    client.publish_counted("a", &number(6), &patient().forget()).unwrap();
    assert_eq!(value(&mut *late), 6, "what forgets is delivered");
    assert_eq!([wants("*").retained(), wants(">").retained(), wants("x").retained()], [1, 2, 0]);
    let mut indifferent = client.subscribe(">", &patient()).unwrap();
    assert_eq!(indifferent.retained(), 0);
    client.publish("b", &number(7), &patient()).unwrap();
    assert_eq!(value(&mut *indifferent), 7);
}

/// Section 5.4: each publication goes to one member, in turn, and to everybody outside.
pub fn a_group_shares_the_work(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let clients = [(); 5].map(|()| home.client(Serves::default()));
    let group = patient().group("workers");
    let member = |pattern, n: usize| clients[n].subscribe(pattern, &group).unwrap();
    let mut members = [member("job", 0), member("job", 1), member("*", 2), member(">", 3)];
    let mut outside = clients[4].subscribe("job", &patient()).unwrap();
    for n in 0..400 {
        assert_eq!(clients[4].publish_counted("job", &number(n), &patient()), Ok(2));
    }
    assert_eq!(values(&mut *outside, 400), (0..400).collect::<Vec<_>>());
    let mut all: Vec<u64> = Vec::new();
    members.iter_mut().for_each(|member| all.extend(values(&mut **member, 100)));
    all.sort_unstable();
    assert_eq!(all, (0..400).collect::<Vec<_>>(), "each once, to equal shares");
}

/// Section 3.2: topics and retained values of other scopes do not exist.
pub fn scopes_do_not_exist_for_each_other(setup: &Setup) {
    let home = Home::of(setup, Serves { authorize: Some(everybody()), ..Serves::default() });
    let scopes = ["", "red", "blue"];
    let clients = scopes.map(|scope| home.client(Serves { scope, ..Serves::default() }));
    let mut held = clients.each_ref().map(|client| client.subscribe(">", &patient()).unwrap());
    for (n, (scope, client)) in scopes.iter().zip(&clients).enumerate() {
        let [one, other] = [n as u64, n as u64 + 10].map(number);
        assert_eq!(client.publish_counted("a", &one, &patient().retain()), Ok(1));
        assert_eq!(home.server.publish(scope, "b", &other, &patient()), Ok(1));
    }
    for (n, (subscription, client)) in (0..).zip(held.iter_mut().zip(&clients)) {
        assert_eq!(values(&mut **subscription, 2), [n, n + 10]);
        let mut late = client.subscribe(">", &patient().retained()).unwrap();
        assert_eq!((late.retained(), value(&mut *late)), (1, n));
    }
}

/// Section 5.2: others go on.
pub fn a_subscription_that_is_dropped_gets_no_more(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let [client, other] = [(); 2].map(|()| home.client(Serves::default()));
    let mut stays = client.subscribe("a", &patient()).unwrap();
    for client in [&client, &other] {
        (0..20).for_each(|_| drop(client.subscribe("a", &patient()).unwrap()));
    }
    wait_until(|| home.server.publish("", "a", &number(1), &patient()) == Ok(1));
    assert_eq!(value(&mut *stays), 1);
    let _leaves = other.subscribe("a", &patient()).unwrap();
    assert_eq!(home.server.publish("", "a", &number(2), &patient()), Ok(2));
    drop(other);
    wait_until(|| home.server.peers().len() == 1);
    assert_eq!(home.server.publish("", "a", &number(3), &patient()), Ok(1));
    drop(stays);
    wait_until(|| home.server.publish("", "a", &number(4), &patient()) == Ok(0));
}

/// Section 8: as many as allowed are not refused, and one that has ended makes room.
pub fn a_subscription_over_the_limit_is_refused(setup: &Setup) {
    let mut few = Config::default();
    few.max_subscriptions = 3;
    let home = Home::of(setup, Serves::config(few));
    let client = home.client(Serves::default());
    let subscribe = || client.subscribe("a", &patient());
    let mut held = [(); 3].map(|()| Some(subscribe().unwrap()));
    let error = subscribe().map(drop).unwrap_err();
    assert_eq!(error.status(), Status::RESOURCE_EXHAUSTED);
    held[0] = None;
    wait_until(|| subscribe().is_ok());
}

/// Section 6: who asks is told; a one-way frame is dropped.
pub fn a_check_refuses_topics_and_calls(setup: &Setup) {
    let denied = Failure::new(Status::PERMISSION_DENIED, "not you").with_data(number(7));
    let why = denied.clone();
    let check = move |asked: Asked<'_>| {
        let name = match asked {
            Asked::Request(request) => request.channel(),
            Asked::Publish(publication) => publication.topic(),
            Asked::Subscribe { pattern, .. } => pattern,
            _ => "",
        };
        if name == "secret" { Err(why.clone()) } else { Ok(()) }
    };
    let serves = Serves::default().handle("secret", echo).handle("echo", echo);
    let home = Home::of(setup, Serves { check: Some(Arc::new(check)), ..serves });
    let client = home.client(Serves::default());
    let mut all = client.subscribe(">", &patient()).unwrap();
    let denied = CallError::Failed(denied);
    assert_eq!(client.subscribe("secret", &patient()).map(drop), Err(denied.clone()));
    assert_eq!(client.request("secret", &number(1), &patient()), Err(denied.clone()));
    assert_eq!(client.publish_counted("secret", &number(2), &patient()), Err(denied));
    client.publish("secret", &number(3), &patient()).unwrap();
    client.publish("news", &number(4), &patient()).unwrap();
    assert_eq!(value(&mut *all), 4);
    assert_eq!(read(client.request("echo", &number(5), &patient()).unwrap()), 5);
}

/// Section 1.3: a bad payload is a matter of that value only.
pub fn a_value_that_is_none_is_told_in_its_place(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let mut flat = Config::default();
    flat.payload.max_depth = 1;
    let client = home.client(Serves::config(flat));
    let mut all = client.subscribe(">", &patient()).unwrap();
    let publish = |topic, value| home.server.publish("", topic, &value, &Options::new()).unwrap();
    publish("a", number(1));
    publish("b.deep", to_payload(&[[2]]).unwrap());
    publish("c", number(3));
    assert_eq!(value(&mut *all), 1);
    let error = all.next().unwrap().unwrap_err();
    assert!(matches!(&error, DeliveryError::Decode { topic, .. } if topic == "b.deep"), "{error}");
    assert_eq!(value(&mut *all), 3);
}
