//! Messages, publications and subscriptions that are dropped. Called by the list of cases; knows the home.

use futures_util::StreamExt;
use switchboard::Options;
use switchboard_futures::Subscription;

use crate::Attempt;
use crate::home::{Home, narrow};
use crate::world::{self, finish};

/// 1 and 3, and 2 between them if that one came to its end.
fn with_two(came: bool) -> Vec<u32> {
    if came { vec![1, 2, 3] } else { vec![1, 3] }
}

pub(crate) fn a_message(attempt: &mut Attempt) {
    let home = Home::with(narrow());
    finish(home.client.send("n", &1)).unwrap();
    let sent = attempt.of(home.client.send("n", &2));
    finish(home.client.send("n", &3)).unwrap();
    world::settle();
    assert_eq!(home.served.messages(), with_two(sent.map(Result::unwrap).is_some()));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn a_message_to_a_peer(attempt: &mut Attempt) {
    let home = Home::with(narrow());
    finish(home.peer.send("n", &1)).unwrap();
    let sent = attempt.of(home.peer.send("n", &2));
    finish(home.peer.send("n", &3)).unwrap();
    world::settle();
    assert_eq!(home.called.messages(), with_two(sent.map(Result::unwrap).is_some()));
    home.both_are_as_before();
    home.ends();
}

/// All that has come.
fn taken(subscription: &mut Subscription<u32>) -> Vec<u32> {
    world::settle();
    std::iter::from_fn(|| subscription.try_next()).map(|taken| taken.unwrap().value).collect()
}

pub(crate) fn a_publication(attempt: &mut Attempt) {
    let home = Home::with(narrow());
    let mut subscription = finish(home.client.subscribe("n")).unwrap();
    finish(home.client.publish("n", &1)).unwrap();
    let sent = attempt.of(home.client.publish("n", &2));
    finish(home.client.publish("n", &3)).unwrap();
    assert_eq!(taken(&mut subscription), with_two(sent.map(Result::unwrap).is_some()));
    drop(subscription);
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn a_counted_publication(attempt: &mut Attempt) {
    let home = Home::with(narrow());
    let mut subscription = finish(home.client.subscribe("n")).unwrap();
    finish(home.client.publish("n", &1)).unwrap();
    let counted = attempt.of(home.client.publish_counted("n", &2));
    finish(home.client.publish("n", &3)).unwrap();
    let taken = taken(&mut subscription);
    match counted {
        Some(counted) => assert_eq!((counted, &*taken), (Ok(1), &[1, 2, 3][..])),
        // It had been published, or not.
        None => assert!(taken == with_two(true) || taken == with_two(false), "{taken:?}"),
    }
    drop(subscription);
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn a_new_subscription(attempt: &mut Attempt) {
    let home = Home::new();
    let subscribed = attempt.of(home.client.subscribe::<u32>("n"));
    let count = usize::from(subscribed.is_some());
    world::settle();
    assert_eq!(home.peer.counters().unwrap().subscriptions, count);
    assert_eq!(home.server.publish("n", &1, &Options::new()), Ok(count as u64));
    drop(subscribed);
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn a_delivery(attempt: &mut Attempt) {
    let home = Home::new();
    let mut subscription = finish(home.client.subscribe::<u32>("n")).unwrap();
    home.server.publish("n", &1, &Options::new()).unwrap();
    let first = attempt.of(subscription.next());
    is_whole(home, subscription, first.map(|first| first.unwrap().unwrap().value));
}

pub(crate) fn a_delivery_of_a_stream(attempt: &mut Attempt) {
    let home = Home::new();
    let mut subscription = finish(home.client.subscribe::<u32>("n")).unwrap();
    home.server.publish("n", &1, &Options::new()).unwrap();
    let first = attempt.of(StreamExt::next(&mut subscription));
    is_whole(home, subscription, first.map(|first| first.unwrap().unwrap().value));
}

fn is_whole(home: Home, mut subscription: Subscription<u32>, first: Option<u32>) {
    home.server.publish("n", &2, &Options::new()).unwrap();
    let all: Vec<u32> = first.into_iter().chain(taken(&mut subscription)).collect();
    assert_eq!(all, [1, 2]);
    drop(subscription);
    home.both_are_as_before();
    home.ends();
}
