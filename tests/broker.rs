//! The broker alone: events in, commands out (`docs/protocol.md` section 5).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use switchboard::hub::RetainedSize;
use switchboard::{
    Asked, Broker, BrokerLimits, CallId, CloseReason, Command, ConnectionId, Event, Failure,
    Options, Owner, Payload, Publication, Status, Subscribe, to_payload,
};

fn connection(number: u64) -> ConnectionId {
    ConnectionId::new(number).unwrap()
}

fn call(number: u64) -> CallId {
    CallId::new(number).unwrap()
}

fn limits(change: impl FnOnce(&mut BrokerLimits)) -> BrokerLimits {
    let mut limits = BrokerLimits::default();
    change(&mut limits);
    limits.check().unwrap();
    limits
}

/// A broker with connections 1, 2 and so on, each of the owner with its number.
fn broker_of(connections: u64, limits: BrokerLimits) -> Broker {
    let mut broker = Broker::new(limits);
    (1..=connections).for_each(|number| broker.join(connection(number), Owner(number), ""));
    broker
}

fn broker(connections: u64) -> Broker {
    broker_of(connections, BrokerLimits::default())
}

/// A `subscribe` with this number; the pattern may end in `!` for retained values, `@group` for a group.
fn subscribe(broker: &mut Broker, from: u64, number: u64, pattern: &str) -> Vec<String> {
    let (pattern, group) = match pattern.split_once('@') {
        Some((pattern, group)) => (pattern, Some(group.to_string())),
        None => (pattern, None),
    };
    let mut asked = Subscribe::new(call(number), pattern.trim_end_matches('!'));
    asked.retained = pattern.ends_with('!');
    asked.group = group;
    assert!(broker.handle(connection(from), Event::Subscribe(Box::new(asked))).is_none());
    commands(broker)
}

fn publication(topic: &str, value: &str, options: Options) -> Publication {
    Publication::new(topic, &to_payload(value).unwrap(), &options).unwrap()
}

/// A `publish`, with a number if it is above 0.
fn publish(broker: &mut Broker, from: u64, number: u64, what: Publication) -> Vec<String> {
    let event = Event::Publish { call: CallId::new(number), publication: what };
    assert!(broker.handle(connection(from), event).is_none());
    commands(broker)
}

fn say(broker: &mut Broker, from: u64, topic: &str) -> Vec<String> {
    publish(broker, from, 99, publication(topic, "", Options::new()))
}

fn words((to, command): (ConnectionId, Command)) -> String {
    let value = |publication: &Publication| {
        let value: String =
            switchboard::from_payload(&publication.payload(), &Default::default()).unwrap();
        format!("{} {value}", publication.topic()).trim_end().to_string()
    };
    let what = match command {
        Command::Subscribe { subscription, retained } => {
            let retained: Vec<_> = retained.iter().map(value).collect();
            format!("subscribed {} [{}]", subscription.number(), retained.join(", "))
        }
        Command::Deliver { subscription, publication } => {
            format!("deliver {} {}", subscription.number(), value(&publication))
        }
        Command::EndSubscription { subscription, failure } => {
            format!("end {} {}", subscription.number(), failure.status)
        }
        Command::Published { call, count } => format!("published {} {count}", call.number()),
        Command::Refuse { call, failure } => {
            format!("refuse {} {}", call.number(), failure.status)
        }
        Command::Send { channel, .. } => format!("send {channel}"),
        Command::Request { channel, token, .. } => format!("request {channel} {token}"),
        other => format!("{other:?}"),
    };
    format!("{}: {what}", to.number())
}

fn commands(broker: &mut Broker) -> Vec<String> {
    core::iter::from_fn(|| broker.poll_command()).map(words).collect()
}

#[test]
fn a_publication_goes_to_all_whom_it_concerns_and_then_is_counted() {
    let mut broker = broker(3);
    assert_eq!(subscribe(&mut broker, 1, 1, "a.*"), ["1: subscribed 1 []"]);
    subscribe(&mut broker, 2, 1, "a.>");
    subscribe(&mut broker, 2, 3, "a.b");
    subscribe(&mut broker, 3, 1, "b");
    let all = say(&mut broker, 3, "a.b");
    assert_eq!(all.len(), 4);
    for delivery in ["1: deliver 1 a.b", "2: deliver 1 a.b", "2: deliver 3 a.b"] {
        assert!(all.contains(&delivery.to_string()), "{all:?}");
    }
    assert_eq!(all[3], "3: published 99 3");
    assert_eq!(say(&mut broker, 3, "c"), ["3: published 99 0"]);
    let without_answer = publication("b", "x", Options::new());
    assert_eq!(publish(&mut broker, 1, 0, without_answer), ["3: deliver 1 b x"]);
}

#[test]
fn a_publisher_gets_its_own_publication_unless_it_asks_for_none() {
    let mut broker = broker(2);
    subscribe(&mut broker, 1, 1, "a");
    subscribe(&mut broker, 2, 1, "a");
    let echo = publication("a", "", Options::new());
    let all = ["1: deliver 1 a", "2: deliver 1 a", "1: published 5 2"];
    assert_eq!(publish(&mut broker, 1, 5, echo), all);
    let silent = publication("a", "", Options::new().echo(false));
    assert_eq!(publish(&mut broker, 1, 7, silent), ["2: deliver 1 a", "1: published 7 1"]);
}

#[test]
fn a_group_gets_one_delivery_which_counts_once() {
    let mut broker = broker(3);
    subscribe(&mut broker, 1, 1, "jobs.*@workers");
    subscribe(&mut broker, 2, 1, "jobs.>@workers");
    subscribe(&mut broker, 3, 1, "jobs.a");
    let first = ["3: deliver 1 jobs.a", "1: deliver 1 jobs.a", "3: published 99 2"];
    assert_eq!(say(&mut broker, 3, "jobs.a"), first);
    assert_eq!(say(&mut broker, 3, "jobs.a")[1], "2: deliver 1 jobs.a");
    // Connection 1 would be next, but does not read; when it does again it has waited longest.
    broker.set_full(connection(1), true);
    assert_eq!(say(&mut broker, 3, "jobs.a")[1], "2: deliver 1 jobs.a");
    subscribe(&mut broker, 1, 3, "jobs.a@workers");
    assert_eq!(say(&mut broker, 3, "jobs.a")[1], "2: deliver 1 jobs.a");
    broker.set_full(connection(1), false);
    assert_eq!(say(&mut broker, 3, "jobs.a")[1], "1: deliver 1 jobs.a");
}

#[test]
fn retained_values_come_with_the_subscription_until_they_are_forgotten() {
    let mut broker = broker(2);
    let retain = |topic, value| publication(topic, value, Options::new().retain());
    publish(&mut broker, 1, 0, retain("t.b", "1"));
    publish(&mut broker, 1, 0, retain("t.a", "2"));
    publish(&mut broker, 2, 0, retain("t.b", "3"));
    assert_eq!(subscribe(&mut broker, 2, 1, "t.*!"), ["2: subscribed 1 [t.a 2, t.b 3]"]);
    assert_eq!(subscribe(&mut broker, 2, 3, "t.*"), ["2: subscribed 3 []"]);
    broker.handle(connection(2), Event::Unsubscribe { subscription: call(3) });
    // To forget is a publication like others.
    let forget = publication("t.b", "4", Options::new().forget());
    assert_eq!(publish(&mut broker, 1, 0, forget), ["2: deliver 1 t.b 4"]);
    assert_eq!(subscribe(&mut broker, 1, 1, ">!"), ["1: subscribed 1 [t.a 2]"]);
    // They outlive whoever published them.
    broker.handle(connection(1), closed());
    assert_eq!(subscribe(&mut broker, 2, 5, ">!"), ["2: subscribed 5 [t.a 2]"]);
    assert_eq!(broker.publish("", publication("t.a", "", Options::new().forget())), Ok(2));
    commands(&mut broker);
    assert_eq!(subscribe(&mut broker, 2, 7, ">!"), ["2: subscribed 7 []"]);
}

fn closed() -> Event {
    Event::Closed(CloseReason::Closed { message: String::new() })
}

// Threat 40.
#[test]
fn whoever_goes_amid_a_fan_out_gets_nothing_more_and_nobody_else_misses_it() {
    let goes: [fn(&mut Broker); 4] = [
        |broker| {
            let event = Event::Unsubscribe { subscription: call(1) };
            assert!(broker.handle(connection(3), event).is_none());
        },
        |broker| assert!(broker.handle(connection(3), closed()).is_some()),
        |broker| {
            let why = Failure::new(Status::PERMISSION_DENIED, "no longer");
            assert!(broker.end_subscription(connection(3), call(1), why));
        },
        |broker| {
            let closing = Event::Closing { message: String::new(), reconnect_after: None };
            assert!(broker.handle(connection(3), closing).is_some());
        },
    ];
    for go in goes {
        for polled in 0..=5 {
            let mut broker = broker(5);
            (1..=5).for_each(|number| drop(subscribe(&mut broker, number, 1, "a")));
            assert_eq!(broker.publish("", publication("a", "", Options::new())), Ok(5));
            let mut told: Vec<_> =
                (0..polled).map(|_| words(broker.poll_command().unwrap())).collect();
            go(&mut broker);
            broker.join(connection(6), Owner(6), "");
            told.extend(subscribe(&mut broker, 6, 1, "a"));
            told.retain(|words| words.contains("deliver"));
            let expected = (1..=5).filter(|number| *number != 3 || polled >= 3);
            let expected: Vec<_> = expected.map(|to| format!("{to}: deliver 1 a")).collect();
            assert_eq!(told, expected, "after {polled}");
            assert_eq!(broker.publish("", publication("a", "", Options::new())), Ok(5));
        }
    }
}

#[test]
fn what_does_not_concern_it_is_handed_back() {
    let mut broker = broker(1);
    for event in
        [Event::End { call: call(1) }, Event::Pong { token: 1, round_trip: Default::default() }]
    {
        assert!(broker.handle(connection(1), event).is_some());
    }
    // A request's; then that of a subscription that its connection had not heard of yet.
    let cancelled = || Event::Cancelled { call: call(1), status: Status::CANCELLED };
    assert!(broker.handle(connection(1), cancelled()).is_some());
    subscribe(&mut broker, 1, 1, "a");
    assert!(broker.handle(connection(1), cancelled()).is_none());
    assert_eq!(say(&mut broker, 1, "a"), ["1: published 99 0"]);
}

#[test]
fn scopes_are_worlds_of_their_own() {
    let mut broker = Broker::default();
    for number in 1..=4 {
        let scope = if number % 2 == 0 { "even" } else { "odd" };
        broker.join(connection(number), Owner(7), scope);
        subscribe(&mut broker, number, 1, ">");
    }
    let retain = publication("a", "x", Options::new().retain());
    let told = publish(&mut broker, 1, 3, retain);
    assert_eq!(told, ["1: deliver 1 a x", "3: deliver 1 a x", "1: published 3 2"]);
    assert_eq!(subscribe(&mut broker, 2, 3, "a!"), ["2: subscribed 3 []"]);
    assert_eq!(subscribe(&mut broker, 3, 3, "a!"), ["3: subscribed 3 [a x]"]);
    assert_eq!(broker.broadcast("even", "news", Payload::null(), Options::new()), 2);
    assert_eq!(broker.survey("odd", "who", Payload::null(), Options::new(), 5), 2);
    assert_eq!(broker.broadcast("", "news", Payload::null(), Options::new()), 0);
    let told = commands(&mut broker);
    assert_eq!(told, ["2: send news", "4: send news", "1: request who 5", "3: request who 5"]);
    assert_eq!(broker.connections("odd").collect::<Vec<_>>(), [connection(1), connection(3)]);
}

#[test]
fn a_connection_that_has_not_joined_takes_no_part() {
    let mut broker = broker(1);
    subscribe(&mut broker, 1, 1, "a");
    assert_eq!(subscribe(&mut broker, 2, 1, "a"), ["2: refuse 1 UNAVAILABLE"]);
    assert_eq!(say(&mut broker, 2, "a"), ["2: refuse 99 UNAVAILABLE"]);
    assert!(publish(&mut broker, 2, 0, publication("a", "", Options::new())).is_empty());
}

// Threat 43.
#[test]
fn an_owner_has_one_quota_of_subscriptions_however_many_connections_it_has() {
    let mut broker = Broker::new(limits(|limits| limits.owner_subscriptions = 4));
    (1..=3).for_each(|number| broker.join(connection(number), Owner(1), ""));
    broker.join(connection(4), Owner(2), "");
    for (from, number) in [(1, 1), (1, 3), (2, 1), (3, 1)] {
        assert_eq!(
            subscribe(&mut broker, from, number, "a")[0].split(' ').nth(1),
            Some("subscribed")
        );
    }
    for (from, number) in [(1, 5), (2, 3), (3, 3)] {
        let refused = [format!("{from}: refuse {number} RESOURCE_EXHAUSTED")];
        assert_eq!(subscribe(&mut broker, from, number, "b"), refused);
    }
    assert_eq!(subscribe(&mut broker, 4, 1, "a"), ["4: subscribed 1 []"], "another's quota");
    broker.handle(connection(1), closed());
    assert_eq!(subscribe(&mut broker, 2, 5, "a"), ["2: subscribed 5 []"]);
    assert_eq!(subscribe(&mut broker, 3, 5, "a"), ["3: subscribed 5 []"]);
    assert_eq!(subscribe(&mut broker, 3, 7, "a"), ["3: refuse 7 RESOURCE_EXHAUSTED"]);
}

// Threat 43.
#[test]
fn an_owner_retains_its_share_and_nobody_is_crowded_out() {
    let owner_retained = RetainedSize { values: 2, bytes: 4 << 10 };
    let scope_retained = RetainedSize { values: 4, bytes: 16 << 10 };
    let mut broker = broker_of(
        3,
        limits(|limits| {
            limits.owner_retained = owner_retained;
            limits.scope_retained = scope_retained;
        }),
    );
    let mut retain = |from, topic: &str, size| {
        let value = publication(topic, &"x".repeat(size), Options::new().retain());
        let told = publish(&mut broker, from, 99, value);
        told.last().unwrap().split(' ').nth(1).unwrap() == "published"
    };
    assert!(retain(1, "a", 0) && retain(1, "b", 0) && !retain(1, "c", 0));
    assert!(retain(1, "a", 2000) && !retain(1, "b", 2000), "its bytes");
    assert!(retain(2, "c", 0) && retain(2, "d", 0) && !retain(2, "e", 0));
    assert!(!retain(3, "e", 0), "the scope has four");
    // A value that another owner replaces counts for that one.
    assert!(!retain(2, "a", 0));
    assert!(retain(3, "a", 0) && retain(3, "c", 0) && !retain(3, "b", 0));
    assert!(!retain(1, "e", 0), "the scope still has four");
    assert!(retain(1, "d", 0) && retain(2, "b", 0), "in the place of another");
    let forget = publication("b", "", Options::new().forget());
    publish(&mut broker, 3, 0, forget);
    // The program itself has no quota but the scope's.
    for topic in ["b", "a", "c", "d"] {
        let value = publication(topic, "", Options::new().retain());
        assert_eq!(broker.publish("", value), Ok(0));
    }
    assert!(broker.publish("", publication("e", "", Options::new().retain())).is_err());
}

#[test]
fn a_publication_that_cannot_be_retained_is_refused_whole() {
    let none = RetainedSize::default();
    let mut broker = broker_of(2, limits(|limits| limits.owner_retained = none));
    subscribe(&mut broker, 2, 1, ">");
    let value = || publication("a", "", Options::new().retain());
    assert_eq!(publish(&mut broker, 1, 3, value()), ["1: refuse 3 RESOURCE_EXHAUSTED"]);
    assert!(publish(&mut broker, 1, 0, value()).is_empty());
    let told = ["2: deliver 1 a", "1: published 99 1"];
    assert_eq!(say(&mut broker, 1, "a"), told, "one that need not be");
    assert_eq!(broker.publish("", value()), Ok(1), "the program's own");
}

/// What a program does that lets connection 2 see and say nothing under `secret`.
fn check(from: ConnectionId, asked: &Asked<'_>) -> Result<(), Failure> {
    let secret = match asked {
        Asked::Publish(publication) => publication.topic().starts_with("secret"),
        Asked::Subscribe { pattern, .. } => pattern.starts_with("secret"),
        _ => false,
    };
    if secret && from == connection(2) {
        return Err(Failure::new(Status::PERMISSION_DENIED, "not for you"));
    }
    Ok(())
}

#[test]
fn the_central_check_is_asked_before_and_what_it_refuses_never_happens() {
    let mut broker = broker(2);
    subscribe(&mut broker, 1, 1, "secret.>");
    let asked = |number| Event::Subscribe(Box::new(Subscribe::new(call(number), "secret.a")));
    let publish = |call| {
        let publication = publication("secret.a", "", Options::new());
        Event::Publish { call, publication }
    };
    for from in [1, 2] {
        for event in [asked(3), publish(Some(call(5))), publish(None)] {
            let from = connection(from);
            match check(from, &Asked::of(&event).unwrap()) {
                Ok(()) => assert!(broker.handle(from, event).is_none()),
                Err(failure) => broker.refuse(from, event, failure),
            }
        }
    }
    let allowed = [
        "1: subscribed 3 []",
        "1: deliver 1 secret.a",
        "1: deliver 3 secret.a",
        "1: published 5 2",
        "1: deliver 1 secret.a",
        "1: deliver 3 secret.a",
        "2: refuse 3 PERMISSION_DENIED",
        "2: refuse 5 PERMISSION_DENIED",
    ];
    assert_eq!(commands(&mut broker), allowed);
}

#[test]
fn a_permission_that_is_taken_back_holds_for_what_is_still_queued() {
    let mut broker = broker(2);
    for (number, pattern) in [(1, "secret.a"), (3, "open"), (5, "secret.>@g")] {
        subscribe(&mut broker, 2, number, pattern);
    }
    assert_eq!(broker.publish("", publication("secret.a", "", Options::new())), Ok(2));
    let refused: Vec<_> = broker
        .subscriptions(connection(2))
        .filter_map(|(number, asked)| Some((number, check(connection(2), &asked).err()?)))
        .collect();
    for (number, failure) in refused {
        assert!(broker.end_subscription(connection(2), number, failure));
    }
    let told = ["2: end 1 PERMISSION_DENIED", "2: end 5 PERMISSION_DENIED"];
    assert_eq!(commands(&mut broker), told);
    let why = Failure::new(Status::PERMISSION_DENIED, "");
    assert!(!broker.end_subscription(connection(2), call(1), why), "it has ended");
    assert_eq!(say(&mut broker, 2, "open"), ["2: deliver 3 open", "2: published 99 1"]);
}

#[test]
fn limits_that_make_no_sense_are_named() {
    let limits = |change: fn(&mut BrokerLimits)| {
        let mut limits = BrokerLimits::default();
        change(&mut limits);
        limits.check().unwrap_err().to_string()
    };
    let named = limits(|limits| limits.owner_subscriptions = 0);
    assert_eq!(named, "config: owner_subscriptions must be above 0");
    let named = limits(|limits| limits.owner_retained.bytes = usize::MAX);
    assert_eq!(named, "config: owner_retained must be at most scope_retained");
    let named = limits(|limits| limits.scope_retained.values = 0);
    assert_eq!(named, "config: owner_retained must be at most scope_retained");
}
