//! Publishers and subscribers whose connections are cut at any moment and made again by hand, held to what the
//! server has taken: a subscriber gets the values of each publisher in order and none twice, and misses none
//! untold but between two of its connections. Chance is by a seed, which a failure names; with it in
//! `SWITCHBOARD_TEST_SEED` the same chances are taken again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::array;
use std::env;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use common::{Home, no_hurry, patient, wait_until};
use switchboard::{
    Asked, CallError, CloseReason, Config, Delivery, DeliveryError, Failure, Options, Rejected,
};
use switchboard_blocking::{Client, OpenError, Peer, Server};
use switchboard_testkit::Dice;

const SEED: &str = "SWITCHBOARD_TEST_SEED";
const PUBLISHERS: usize = 4;
const SUBSCRIBERS: usize = 8;
/// What each publisher publishes while connections are cut.
const VALUES: usize = 1500;
/// The topic on which subscribers learn that nothing is cut any more.
const CALM: &str = "calm";
/// The last value of each publisher.
const LAST: &str = "last";

/// How many values of each publisher.
type Counts = [usize; PUBLISHERS];

/// What all threads share.
struct Stage {
    home: Home,
    history: Arc<History>,
}

/// What has happened, and how to wait for it.
#[derive(Default)]
struct History {
    so_far: Mutex<SoFar>,
    changed: Condvar,
}

#[derive(Default)]
struct SoFar {
    /// The values that the server has taken of each publisher, in order.
    taken: [Vec<u64>; PUBLISHERS],
    /// Publishers that wait for calm.
    waiting: usize,
    /// Subscribers that know of it.
    calm: usize,
    /// What should not have happened.
    wrong: Vec<String>,
}

impl SoFar {
    fn total(&self) -> usize {
        self.taken.iter().map(Vec::len).sum()
    }

    fn counts(&self) -> Counts {
        array::from_fn(|publisher| self.taken[publisher].len())
    }
}

impl History {
    fn with<R>(&self, what: impl FnOnce(&mut SoFar) -> R) -> R {
        let result = what(&mut self.so_far.lock().unwrap());
        self.changed.notify_all();
        result
    }

    fn wait_until(&self, so: impl Fn(&SoFar) -> bool) {
        let so_far = self.so_far.lock().unwrap();
        drop(self.changed.wait_while(so_far, |so_far| !so(so_far)).unwrap());
    }

    /// Waits until so many more were taken, or nobody publishes.
    fn pass(&self, more: usize) {
        let mark = self.with(|so_far| so_far.total() + more);
        self.wait_until(|so_far| so_far.total() >= mark || so_far.waiting == PUBLISHERS);
    }

    fn is_over(&self) -> bool {
        self.with(|so_far| so_far.waiting == PUBLISHERS)
    }

    fn wrong(&self, what: String) {
        self.with(|so_far| so_far.wrong.push(what));
    }
}

/// A topic names publisher and value.
fn numbered(topic: &str) -> Option<(usize, u64)> {
    let (publisher, value) = topic.split_once('.')?;
    Some((publisher.parse().unwrap(), value.parse().unwrap()))
}

/// Queues that are full soon.
fn small() -> Config {
    let mut config = no_hurry();
    (config.max_deliveries, config.max_unsent) = (32, 32 << 10);
    config
}

impl Stage {
    fn new() -> Self {
        let history = Arc::new(History::default());
        let takes = Arc::clone(&history);
        let check = move |_: &Peer, asked: Asked<'_>| -> Result<(), Failure> {
            if let Asked::Publish(publication) = asked {
                let (publisher, value) = numbered(publication.topic()).unwrap();
                takes.with(|so_far| so_far.taken[publisher].push(value));
            }
            Ok(())
        };
        Self { home: Home::of(Server::builder().config(small()).check(check)), history }
    }

    /// A client, however often it is cut before it is one.
    fn client(&self) -> Client {
        loop {
            match Client::builder().config(small()).connect(&self.home.address) {
                Ok(client) => return client.with(patient()),
                Err(OpenError::Closed(CloseReason::Lost)) => {}
                Err(error) => self.history.wrong(error.to_string()),
            }
        }
    }

    /// Cuts connections at the server's end until nobody publishes any more.
    fn cut(&self, mut dice: Dice) {
        while !self.history.is_over() {
            self.history.pass(20 + dice.roll(80));
            let peers = self.home.server.peers();
            if let Some(peer) = peers.get(dice.roll(peers.len())) {
                peer.abort("");
            }
        }
    }
}

struct Publisher<'a> {
    stage: &'a Stage,
    number: usize,
    client: Client,
    next: u64,
    /// Those published over this connection of which nothing is known yet.
    unknown: Vec<u64>,
}

impl<'a> Publisher<'a> {
    fn new(stage: &'a Stage, number: usize) -> Self {
        Self { stage, number, client: stage.client(), next: 0, unknown: Vec::new() }
    }

    /// Publishes one more, and says whether it is known to have been taken.
    fn publish(&mut self, value: &str, counted: bool) -> bool {
        let topic = format!("{}.{}", self.number, self.next);
        self.unknown.push(self.next);
        self.next += 1;
        let published = if counted {
            self.client.publish_counted(&topic, value).map(drop)
        } else {
            self.client.publish(&topic, value)
        };
        match published {
            Ok(()) if counted => {
                let unknown = core::mem::take(&mut self.unknown);
                let all =
                    self.stage.history.with(|so_far| so_far.taken[self.number].ends_with(&unknown));
                if !all {
                    self.stage.history.wrong(format!("{topic}, or one before it, was not taken"));
                }
                return true;
            }
            Ok(()) => {}
            Err(CallError::Disconnected(..) | CallError::Rejected(Rejected::Closed)) => {
                self.connect_again()
            }
            Err(error) => self.stage.history.wrong(format!("{topic}: {error}")),
        }
        false
    }

    /// Values have an order only within a connection: what was on its way over the old one comes first.
    fn connect_again(&mut self) {
        let old = self.client.welcome().connection;
        self.client.abort("");
        wait_until(|| self.stage.home.server.peers().iter().all(|peer| peer.id() != old));
        self.client = self.stage.client();
        self.unknown.clear();
    }

    fn run(mut self, mut dice: Dice) {
        for _ in 0..VALUES {
            let value = "x".repeat(dice.roll(3000));
            self.publish(&value, dice.roll(4) == 0);
            if dice.roll(300) == 0 {
                self.connect_again();
            }
        }
        while !self.publish("", true) {}
        self.stage.history.with(|so_far| so_far.waiting += 1);
        self.stage.history.wait_until(|so_far| so_far.calm == SUBSCRIBERS);
        // It may have been cut since.
        self.connect_again();
        self.publish(LAST, true);
    }
}

/// What a subscriber saw over one connection.
struct Life {
    /// What was taken when it was about to subscribe, when it had subscribed, and when that had ended.
    before: Counts,
    begun: Counts,
    ended: Counts,
    seen: Vec<Seen>,
}

enum Seen {
    Value(usize, u64),
    Lost(u64),
}

impl Stage {
    /// A subscriber, until it has the last value of each publisher.
    fn subscribe(&self, mut dice: Dice) -> Vec<Life> {
        let mut lives = Vec::new();
        loop {
            let client = self.client();
            let before = self.history.with(|so_far| so_far.counts());
            let mut life = Life { before, begun: before, ended: before, seen: Vec::new() };
            let last = self.live(&client, &mut life, &mut dice);
            life.ended = self.history.with(|so_far| so_far.counts());
            lives.push(life);
            if last {
                return lives;
            }
        }
    }

    /// Says whether all has come.
    fn live(&self, client: &Client, life: &mut Life, dice: &mut Dice) -> bool {
        let wants = patient().retained();
        let mut all = match client.with(wants).subscribe::<String>(">") {
            Ok(all) => all,
            Err(CallError::Disconnected(..) | CallError::Rejected(Rejected::Closed)) => {
                return false;
            }
            Err(error) => {
                self.history.wrong(error.to_string());
                return false;
            }
        };
        life.begun = self.history.with(|so_far| so_far.counts());
        let (mut calm, mut last) = (false, 0);
        while last < PUBLISHERS {
            match all.next().unwrap() {
                Ok(Delivery { topic, .. }) if topic == CALM => {
                    calm = true;
                    self.history.with(|so_far| so_far.calm += 1);
                }
                Ok(Delivery { topic, value, .. }) => {
                    let (publisher, n) = numbered(&topic).unwrap();
                    life.seen.push(Seen::Value(publisher, n));
                    last += usize::from(value == LAST);
                }
                Err(DeliveryError::Lagged(count)) => life.seen.push(Seen::Lost(count)),
                Err(DeliveryError::Disconnected(_)) => return false,
                Err(error) => {
                    self.history.wrong(error.to_string());
                    return false;
                }
            }
            match dice.roll(800) {
                _ if calm => {}
                0 => {
                    client.abort("");
                    return false;
                }
                1 => self.history.pass(100),
                2 => {
                    client.pause();
                    self.history.pass(400);
                    client.resume();
                }
                _ => {}
            }
        }
        true
    }
}

/// Holds what a subscriber saw to what was taken; how much it was told to have missed.
fn check(lives: &[Life], taken: &[Vec<u64>; PUBLISHERS]) -> u64 {
    let (mut next, mut missed) = ([0; PUBLISHERS], 0);
    for life in lives {
        // Where the next value of each publisher may stand among those taken, at the earliest and at the
        // latest. They differ for the first: what was taken while it subscribed came to it or did not, and
        // so did the one of each publisher that was taken just before and was not delivered yet.
        let mut from = life.before.map(|count| count.saturating_sub(1));
        let mut to = life.begun;
        let (mut told, mut least, mut most) = (0, 0, 0);
        for seen in &life.seen {
            match *seen {
                Seen::Lost(count) => told += count,
                Seen::Value(publisher, n) => {
                    let at = taken[publisher].binary_search(&n).expect("a value that was taken");
                    assert!(at >= next[publisher], "{publisher}.{n} came late, or once more");
                    assert!(
                        at >= from[publisher],
                        "{publisher}.{n} came before it was subscribed to"
                    );
                    least += at.saturating_sub(to[publisher]) as u64;
                    most += (at - from[publisher]) as u64;
                    assert!(told >= least, "before {publisher}.{n} something is missing, untold");
                    next[publisher] = at + 1;
                    (from[publisher], to[publisher]) = (at + 1, at + 1);
                }
            }
        }
        for (ended, from) in life.ended.iter().zip(from) {
            most += ended.saturating_sub(from) as u64;
        }
        assert!(told <= most, "told of {told} losses, of which {most} can be");
        missed += told;
    }
    let all: Counts = array::from_fn(|publisher| taken[publisher].len());
    assert_eq!(next, all, "the last one came, too");
    missed
}

fn run(seed: u64) {
    let stage = Stage::new();
    let dice = |thread: usize| Dice(seed.wrapping_add(thread as u64));
    let lives: Vec<Vec<Life>> = thread::scope(|scope| {
        let stage = &stage;
        let subscribers: Vec<_> =
            (0..SUBSCRIBERS).map(|n| scope.spawn(move || stage.subscribe(dice(n)))).collect();
        for n in 0..PUBLISHERS {
            scope.spawn(move || Publisher::new(stage, n).run(dice(100 + n)));
        }
        stage.cut(dice(1000));
        // Whoever hears of it is connected, and stays so.
        stage.home.server.publish(CALM, "", &Options::new().retain()).unwrap();
        subscribers.into_iter().map(|subscriber| subscriber.join().unwrap()).collect()
    });
    let so_far = stage.history.so_far.lock().unwrap();
    assert!(so_far.wrong.is_empty(), "{:?}", so_far.wrong);
    let missed: u64 = lives.iter().map(|lives| check(lives, &so_far.taken)).sum();
    let cut = lives.iter().map(Vec::len).sum::<usize>() - SUBSCRIBERS;
    assert!(cut > 0 && missed > 0, "there was something to hold: {cut} cuts, {missed} missed");
}

// Threat 35.
#[test]
fn whoever_is_cut_gets_each_value_once_and_misses_none_untold_while_connected() {
    let seed = env::var(SEED).map(|seed| seed.parse().unwrap());
    let seed = seed.unwrap_or_else(|_| RandomState::new().hash_one(0));
    // Its name is in whatever a failure prints.
    let thread = thread::Builder::new().name(format!("{SEED}={seed}"));
    thread.spawn(move || run(seed)).unwrap().join().unwrap();
}
