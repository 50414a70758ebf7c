//! What transports do that nobody expects: pieces of a byte, signals, wakings for nothing, writes of nothing.

use futures_util::future::join_all;
use switchboard::{CallError, Options, Payload};

use crate::home::{Home, drain, patient};
use crate::world::{self, Mischief, finish};

/// Everything once, while transports do this.
fn all_goes_on(bytewise: bool, mischief: Mischief) {
    let home = Home::new();
    world::set(bytewise, 1);
    world::annoy(mischief);
    for round in 0..20 {
        assert_eq!(finish(home.client.request::<u32>("add", &(round, 1))), Ok(round + 1));
        assert_eq!(finish(home.peer.request::<u32>("add", &(round, 2))), Ok(round + 2));
        finish(home.client.send("n", &round)).unwrap();
    }
    world::settle();
    assert_eq!(home.served.messages(), Vec::from_iter(0..20));
    let mut subscription = finish(home.client.subscribe::<Payload>("big")).unwrap();
    let big = Payload::bytes(&[7; 5000]);
    for _ in 0..2 {
        home.server.publish("big", &big, &Options::new()).unwrap();
    }
    let exchange = finish(home.client.open("count", &50)).unwrap();
    assert_eq!(drain(exchange), (Vec::from_iter(0..50), 50));
    for _ in 0..2 {
        assert_eq!(finish(subscription.next()).unwrap().unwrap().value, big);
    }
    drop(subscription);
    home.both_are_as_before();
    home.ends();
}

#[test]
fn one_byte_at_a_time() {
    all_goes_on(true, Mischief::Nothing);
}

#[test]
fn reads_and_writes_that_are_interrupted_are_repeated() {
    all_goes_on(false, Mischief::Interrupts);
    all_goes_on(true, Mischief::Interrupts);
}

#[test]
fn being_woken_for_nothing_costs_nothing() {
    all_goes_on(false, Mischief::WakesForNothing);
    all_goes_on(true, Mischief::WakesForNothing);
}

#[test]
fn a_write_of_nothing_is_not_tried_for_ever() {
    let home = Home::new();
    world::annoy(Mischief::WritesNothing);
    let call = home.client.request::<u32>("add", &(1, 2));
    world::settle();
    // What the server may have said last is still read.
    assert_eq!(home.client.closed(), None);
    home.peer.abort("that was all");
    let ended = finish(call);
    assert!(matches!(ended, Err(CallError::Disconnected(..))), "{ended:?}");
    home.ends();
}

#[test]
fn a_write_that_had_room_before_anybody_was_woken_for_it_is_not_the_last() {
    let mut config = patient();
    config.turn_frames = 4;
    for seed in 0..500 {
        world::annoy(Mischief::Nothing);
        let home = Home::with(config.clone());
        world::set(false, seed);
        world::annoy(Mischief::WritesAtOnce);
        home.client.pause();
        let bytes = Payload::bytes(&[0; 10_000]);
        while home.peer.counters().unwrap().unsent == 0 {
            finish(home.peer.send("nobody", &bytes)).unwrap();
            world::settle();
        }
        // More than one turn of calls comes while the server waits for room.
        let calls: Vec<_> = (0..43).map(|n| home.client.request::<u32>("add", &(n, 1))).collect();
        home.client.resume();
        let sums = finish(join_all(calls));
        assert!(sums.into_iter().eq((1..=43).map(Ok)), "seed {seed}");
        home.ends();
    }
}

#[test]
fn room_that_cannot_be_watched_for_is_asked_for_again_and_not_all_the_time() {
    let home = Home::new();
    world::annoy(Mischief::CannotWait);
    home.client.pause();
    let bytes = Payload::bytes(&[0; 10_000]);
    let unsent = || home.peer.counters().unwrap().unsent;
    while unsent() == 0 {
        finish(home.peer.send("nobody", &bytes)).unwrap();
        // Here it would go on for ever.
        world::settle();
    }
    home.client.resume();
    world::until(|| unsent() == 0);
    home.both_are_as_before();
    home.ends();
}
