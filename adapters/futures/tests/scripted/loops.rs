//! Loops that wait for one of several things, again and again, and drop what did not come first: nothing is
//! missing at their end.

use std::cell::Cell;
use std::pin::pin;
use std::task::Poll;

use futures_util::future::{Either, join, poll_fn, select};
use switchboard::Options;

use crate::home::Home;
use crate::streams::{lent, one_by_one};
use crate::world::{self, finish};

const MANY: u32 = 300;

/// Ready at every third time that it is asked, and wakes nobody for that.
async fn sometimes(asked: &Cell<u32>) {
    poll_fn(|_| {
        asked.set(asked.get() + 1);
        if asked.get() % 3 == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Takes many of what `next` gives, each attempt against something that is sometimes ready first.
async fn take_many<T>(mut next: impl AsyncFnMut() -> T) -> (Vec<T>, u32) {
    let (asked, mut taken, mut dropped) = (Cell::new(0), Vec::new(), 0);
    while taken.len() < MANY as usize {
        match select(pin!(next()), pin!(sometimes(&asked))).await {
            Either::Left((value, _)) => taken.push(value),
            Either::Right(_) => dropped += 1,
        }
    }
    (taken, dropped)
}

fn is_whole(taken: &[u32], dropped: u32, what: &str) {
    assert!(taken.iter().copied().eq(0..MANY), "{what}: {taken:?}");
    assert!(dropped > MANY / 10, "{what}: only {dropped} were dropped");
}

#[test]
fn a_subscription_in_a_loop_loses_nothing() {
    let home = Home::new();
    let mut subscription = finish(home.client.subscribe::<u32>("n")).unwrap();
    world::set(true, 5);
    let publish = async {
        for n in 0..MANY {
            home.peer.ping().await.unwrap();
            home.server.publish("n", &n, &Options::new()).unwrap();
        }
    };
    let take = take_many(async || subscription.next().await.unwrap().unwrap().value);
    let ((), (taken, dropped)) = finish(join(publish, take));
    is_whole(&taken, dropped, "subscription");
    drop(subscription);
    home.both_are_as_before();
    home.ends();
}

#[test]
fn both_sides_of_a_call_in_loops_lose_nothing() {
    let home = Home::with(one_by_one());
    let (exchange, mut items, sender) = lent(&home);
    let (ours, mut theirs) = exchange.split();
    let (mut there, mut back) = (0..MANY, 0..MANY);
    let (mut next_there, mut next_back) = (there.next(), back.next());
    world::set(true, 6);
    // A send that was dropped is tried again: it was not sent.
    let send = take_many(async || {
        ours.send(&next_there).await.unwrap();
        std::mem::replace(&mut next_there, there.next()).unwrap()
    });
    let answer = take_many(async || {
        sender.send(&next_back).await.unwrap();
        std::mem::replace(&mut next_back, back.next()).unwrap()
    });
    let come = take_many(async || theirs.next::<u32>().await.unwrap().unwrap());
    let arrive = take_many(async || items.next().await.unwrap().unwrap());
    let ((sent, answered), (came, arrived)) = finish(join(join(send, answer), join(come, arrive)));
    for (what, (taken, dropped)) in
        [("sent", sent), ("answered", answered), ("came", came), ("arrived", arrived)]
    {
        is_whole(&taken, dropped, what);
    }
    drop((ours, theirs, items, sender));
    home.both_are_as_before();
    home.ends();
}

#[test]
fn a_call_that_is_put_aside_in_a_loop_is_answered_once() {
    let home = Home::alone();
    world::set(true, 7);
    for n in 0..20 {
        let (asked, mut aside) = (Cell::new(0), 0);
        let sum = finish(async {
            let mut call = home.client.request::<u32>("add", &(n, 1));
            loop {
                match select(&mut call, pin!(sometimes(&asked))).await {
                    Either::Left((sum, _)) => break sum,
                    Either::Right(_) => aside += 1,
                }
            }
        });
        assert_eq!(sum, Ok(n + 1));
        assert!(aside > 0, "it was put aside");
    }
    home.is_as_before();
    home.ends();
}
