//! What is done with the items of a call, and dropped. Called by the list of cases; knows the home.

use std::pin::pin;

use futures_util::StreamExt;
use futures_util::future::join;
use switchboard::Config;
use switchboard_futures::{Exchange, ExchangeReceiver, ItemSender, Items};

use crate::Attempt;
use crate::home::{Home, drain, patient};
use crate::world::{self, finish};

/// One item at a time is under way.
pub(crate) fn one_by_one() -> Config {
    let mut config = patient();
    config.stream_window = 1;
    config
}

/// 1 and 3, and 2 between them if that one came to its end.
fn with_two(came: bool) -> Vec<u32> {
    if came { vec![1, 2, 3] } else { vec![1, 3] }
}

pub(crate) fn opening(attempt: &mut Attempt) {
    let home = Home::new();
    let opened = attempt.of(home.client.open("hang", &()));
    drop(opened.map(Result::unwrap));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn opening_to_a_peer(attempt: &mut Attempt) {
    let home = Home::new();
    let opened = attempt.of(home.peer.open("hang", &()));
    drop(opened.map(Result::unwrap));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn an_item_to_send(attempt: &mut Attempt) {
    let home = Home::with(one_by_one());
    let exchange = finish(home.client.open("collect", &())).unwrap();
    finish(exchange.send(&1)).unwrap();
    let sent = attempt.of(exchange.send(&2));
    finish(exchange.send(&3)).unwrap();
    exchange.finish().unwrap();
    finish(exchange.answer::<()>()).unwrap();
    assert_eq!(home.served.collected(), with_two(sent.map(Result::unwrap).is_some()));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn an_item_of_a_half_to_send(attempt: &mut Attempt) {
    let home = Home::with(one_by_one());
    let (sender, receiver) = finish(home.peer.open("collect", &())).unwrap().split();
    finish(sender.send(&1)).unwrap();
    let sent = attempt.of(sender.send(&2));
    finish(sender.send(&3)).unwrap();
    sender.finish().unwrap();
    finish(receiver.answer::<()>()).unwrap();
    drop(sender);
    assert_eq!(home.called.collected(), with_two(sent.map(Result::unwrap).is_some()));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn an_item_to_come(attempt: &mut Attempt) {
    let home = Home::with(one_by_one());
    let mut exchange = finish(home.client.open("count", &3)).unwrap();
    let first = attempt.of(exchange.next::<u32>()).map(|first| first.unwrap().unwrap());
    let (rest, answer) = drain(exchange);
    let all: Vec<u32> = first.into_iter().chain(rest).collect();
    assert_eq!((all, answer), (vec![0, 1, 2], 3));
    home.both_are_as_before();
    home.ends();
}

/// What is still to come of a half is all of `0..3` but the first, if that came.
fn is_whole(home: Home, mut receiver: ExchangeReceiver, first: Option<u32>) {
    let mut all = Vec::from_iter(first);
    while let Some(item) = finish(receiver.next::<u32>()) {
        all.push(item.unwrap());
    }
    assert_eq!((all, finish(receiver.answer())), (vec![0, 1, 2], Ok(3)));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn an_item_of_a_half_to_come(attempt: &mut Attempt) {
    let home = Home::with(one_by_one());
    let (sender, mut receiver) = finish(home.peer.open("count", &3)).unwrap().split();
    drop(sender);
    let first = attempt.of(receiver.next::<u32>()).map(|first| first.unwrap().unwrap());
    is_whole(home, receiver, first);
}

pub(crate) fn an_item_of_a_stream_to_come(attempt: &mut Attempt) {
    let home = Home::with(one_by_one());
    let (sender, mut receiver) = finish(home.client.open("count", &3)).unwrap().split();
    drop(sender);
    let first = {
        let mut items = pin!(receiver.items::<u32>());
        attempt.of(items.next()).map(|first| first.unwrap().unwrap())
    };
    is_whole(home, receiver, first);
}

pub(crate) fn an_answer_behind_items(attempt: &mut Attempt) {
    let home = Home::with(one_by_one());
    let exchange = finish(home.client.open("count", &3)).unwrap();
    let answer = attempt.of(exchange.answer::<u32>());
    assert!(answer.is_none_or(|answer| answer == Ok(3)));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn an_answer_without_end(attempt: &mut Attempt) {
    let home = Home::new();
    let (sender, receiver) = finish(home.client.open("hang", &())).unwrap().split();
    drop(sender);
    attempt.of_endless(receiver.answer::<()>());
    home.both_are_as_before();
    home.ends();
}

/// A call whose streams the test has in place of its handler.
pub(crate) fn lent(home: &Home) -> (Exchange, Items<u32>, ItemSender) {
    let exchange = finish(home.client.open("lend", &())).unwrap();
    world::settle();
    let (items, sender) = home.served.lent.lock().unwrap().take().unwrap();
    (exchange, items, sender.unwrap())
}

pub(crate) fn an_item_for_a_handler(attempt: &mut Attempt) {
    let home = Home::with(one_by_one());
    let (exchange, mut items, sender) = lent(&home);
    finish(exchange.send(&1)).unwrap();
    let first = attempt.of(items.next()).map(|first| first.unwrap().unwrap());
    is_whole_for_the_handler(home, exchange, items, first);
    drop(sender);
}

pub(crate) fn an_item_of_a_stream_for_a_handler(attempt: &mut Attempt) {
    let home = Home::with(one_by_one());
    let (exchange, mut items, sender) = lent(&home);
    finish(exchange.send(&1)).unwrap();
    let first = attempt.of(StreamExt::next(&mut items)).map(|first| first.unwrap().unwrap());
    is_whole_for_the_handler(home, exchange, items, first);
    drop(sender);
}

fn is_whole_for_the_handler(
    home: Home,
    exchange: Exchange,
    mut items: Items<u32>,
    first: Option<u32>,
) {
    let send = async {
        exchange.send(&2).await.unwrap();
        exchange.finish().unwrap();
    };
    let take = async {
        let mut all = Vec::from_iter(first);
        while let Some(item) = items.next().await {
            all.push(item.unwrap());
        }
        all
    };
    assert_eq!(finish(join(send, take)).1, [1, 2]);
    drop((exchange, items));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn an_item_of_a_handler(attempt: &mut Attempt) {
    let home = Home::with(one_by_one());
    let (mut exchange, items, sender) = lent(&home);
    finish(sender.send(&1)).unwrap();
    // It goes when the first was taken.
    let second = attempt.of(async {
        let taken = exchange.next::<u32>().await.unwrap().unwrap();
        assert_eq!(taken, 1);
        sender.send(&2).await.unwrap();
    });
    let taken = exchange_has(&mut exchange);
    let rest = finish(join(sender.send(&3), exchange.next::<u32>()));
    rest.0.unwrap();
    let mut all: Vec<u32> = taken;
    all.push(rest.1.unwrap().unwrap());
    while let Some(item) = world::here(exchange.next::<u32>()) {
        all.push(item.unwrap().unwrap());
    }
    assert!(all.ends_with(&with_two(second.is_some())[1..]), "{all:?}");
    drop((exchange, items, sender));
    home.both_are_as_before();
    home.ends();
}

/// What has come of an exchange's items.
fn exchange_has(exchange: &mut Exchange) -> Vec<u32> {
    std::iter::from_fn(|| world::here(exchange.next::<u32>()))
        .map(|item| item.unwrap().unwrap())
        .filter(|item| *item != 1)
        .collect()
}
