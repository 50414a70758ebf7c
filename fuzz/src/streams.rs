//! Target `streams`: any operations on the streams and subscriptions of a client and a server that are
//! joined in memory. Items and values carry numbers, so that order and losses can be told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use switchboard::{
    CallId, CloseReason, Command, Config, Event, Failure, Item, Options, Payload, Policy,
    Publication, Status, from_payload, to_payload,
};
use switchboard_testkit::{Chunking, Link, Pair, Side};

use crate::script;

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Op {
    Call {
        client: bool,
        streams: u8,
        deadline: u8,
    },
    Item {
        client: bool,
        which: u8,
        size: u8,
    },
    End {
        client: bool,
        which: u8,
    },
    Take {
        client: bool,
        count: u8,
    },
    Respond {
        client: bool,
        which: u8,
        fails: bool,
    },
    Cancel {
        client: bool,
        which: u8,
    },
    Subscribe {
        client: bool,
        policy: u8,
    },
    Unsubscribe {
        client: bool,
        which: u8,
    },
    Deliver {
        client: bool,
        which: u8,
        size: u8,
    },
    EndSubscription {
        client: bool,
        which: u8,
    },
    Message {
        client: bool,
        size: u8,
    },
    Ping {
        client: bool,
    },
    Drive,
    Wait(u8),
    Link {
        to_client: bool,
        window: u8,
        one_byte: bool,
    },
    /// An end is rare, or nothing goes deep: with one value of the byte only.
    Close {
        client: bool,
        sure: u8,
    },
    Cut {
        sure: u8,
    },
}

#[derive(Debug, Default)]
struct Part {
    /// Calls that it made, and those that it was asked.
    made: Vec<CallId>,
    asked: Vec<CallId>,
    /// Own subscriptions: the next value that is due.
    own: BTreeMap<CallId, u32>,
    /// The peer's: how many values were delivered.
    subscriptions: BTreeMap<CallId, u32>,
    /// The number of the next item, out and in.
    out: BTreeMap<CallId, u32>,
    into: BTreeMap<CallId, u32>,
    items: VecDeque<(CallId, Item)>,
    ended: BTreeMap<CallId, bool>,
    /// The peer's calls whose items go nowhere any more.
    stopped: BTreeSet<CallId>,
    closed: bool,
}

#[derive(Debug)]
struct Play {
    pair: Pair,
    parts: [Part; 2],
}

/// Decodes operations, runs them, and checks what must hold.
///
/// # Panics
///
/// If anything does not hold.
pub fn streams(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let Ok(small) = bool::arbitrary(&mut bytes) else { return };
    let mut play = Play::new(small);
    // Not as a `Vec`, which asks before each whether there is one more.
    while !bytes.is_empty() {
        let Ok(op) = Op::arbitrary(&mut bytes) else { break };
        play.run(op);
        play.read();
    }
    play.rest();
}

fn numbered(number: u32, size: u8) -> Payload {
    let value = (number, vec![0u8; script::size(size)]);
    to_payload(&value).expect("a value that can be written")
}

fn number(payload: &Payload) -> u32 {
    let value: Result<(u32, Vec<u8>), _> = from_payload(payload, &Default::default());
    value.expect("what was sent").0
}

fn pick<T: Copy>(from: &[T], which: u8) -> Option<T> {
    from.len().checked_sub(1 + usize::from(which) % from.len().max(1)).map(|at| from[at])
}

impl Play {
    fn new(small: bool) -> Self {
        let mut config = Config::default();
        (config.takes_items, config.offers_topics) = (true, true);
        if small {
            (config.max_calls, config.max_unsent, config.max_unanswered) = (4, 3000, 4000);
            (config.stream_window, config.max_deliveries) = (500, 4);
        }
        let config = Arc::new(config);
        let mut pair = Pair::opened(config.clone(), config);
        pair.trace.silence();
        Self { pair, parts: Default::default() }
    }

    const fn of(&mut self, client: bool) -> (&mut Side, &mut Part) {
        let [first, second] = &mut self.parts;
        if client { (&mut self.pair.client, first) } else { (&mut self.pair.server, second) }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Drive => self.pair.drive(),
            Op::Wait(byte) => self.pair.drive_for(script::time(byte)),
            Op::Cut { sure: 7 } => self.pair.cut(),
            Op::Link { to_client, window, one_byte } => {
                let chunking = if one_byte { Chunking::OneByte } else { Chunking::Whole };
                let link = Link::new().window(usize::from(window) * 20).chunking(chunking);
                if to_client {
                    self.pair.set_link_to_client(link);
                } else {
                    self.pair.set_link_to_server(link);
                }
            }
            Op::Close { client, sure: 7 } => self.of(client).0.close("bye"),
            Op::Message { client, size } => {
                let _ = self.of(client).0.send("m", &numbered(0, size));
            }
            Op::Ping { client } => {
                let side = self.of(client).0;
                let now = side.now;
                let _ = side.connection().ping(now, 1);
            }
            Op::Subscribe { .. }
            | Op::Unsubscribe { .. }
            | Op::Deliver { .. }
            | Op::EndSubscription { .. } => self.topic(op),
            _ => self.stream(op),
        }
    }

    fn stream(&mut self, op: Op) {
        match op {
            Op::Call { client, streams, deadline } => {
                let mut options = Options::new().no_deadline();
                options =
                    if deadline > 200 { options.deadline(script::time(deadline)) } else { options };
                options = if streams & 1 == 0 { options.send_items() } else { options };
                options = if streams & 2 == 0 { options.take_items() } else { options };
                let (side, part) = self.of(client);
                part.made.extend(side.call("c", &Payload::null(), &options, 0));
            }
            Op::Item { client, which, size } => {
                let (side, part) = self.of(client);
                let all: Vec<_> = part.made.iter().chain(&part.asked).copied().collect();
                let Some(call) = pick(&all, which) else { return };
                let (now, next) = (side.now, part.out.entry(call).or_default());
                if side.connection().item(now, call, &numbered(*next, size)).is_ok() {
                    *next += 1;
                }
            }
            Op::End { client, which } => {
                let (side, part) = self.of(client);
                let now = side.now;
                let _ = pick(&part.made, which).map(|call| side.connection().end(now, call));
            }
            Op::Take { client, count } => {
                let (side, part) = self.of(client);
                let (now, count) = (side.now, usize::from(count).min(part.items.len()));
                for (call, item) in part.items.drain(..count) {
                    side.connection().taken(now, call, &item);
                }
            }
            Op::Respond { client, which, fails } => {
                let (side, part) = self.of(client);
                let Some(call) = pick(&part.asked, which) else { return };
                let failure = Failure::new(Status::ABORTED, "no");
                let null = Payload::null();
                let _ = side.answer(call, if fails { Err(&failure) } else { Ok(&null) });
            }
            Op::Cancel { client, which } => {
                let (side, part) = self.of(client);
                let _ = pick(&part.made, which).map(|call| side.cancel(call.number()));
            }
            _ => {}
        }
    }

    fn topic(&mut self, op: Op) {
        match op {
            Op::Subscribe { client, policy } => {
                let policy = if policy % 2 == 0 { Policy::DropOldest } else { Policy::DropNewest };
                let options = Options::new().no_deadline().policy(policy);
                let (side, part) = self.of(client);
                let now = side.now;
                if let Ok(call) = side.connection().subscribe(now, "t", &options, 0) {
                    part.own.insert(call, 0);
                }
            }
            Op::Unsubscribe { client, which } => {
                let (side, part) = self.of(client);
                let (now, own) = (side.now, part.own.keys().copied().collect::<Vec<_>>());
                let Some(subscription) = pick(&own, which) else { return };
                let options = Options::new().no_deadline();
                if side.connection().unsubscribe(now, subscription, &options, 0).is_ok() {
                    part.own.remove(&subscription);
                }
            }
            Op::Deliver { client, which, size } => {
                let (side, part) = self.of(client);
                let all: Vec<_> = part.subscriptions.keys().copied().collect();
                let Some(subscription) = pick(&all, which) else { return };
                let (now, next) = (side.now, part.subscriptions.entry(subscription).or_default());
                let value = Publication::new("t", &numbered(*next, size), &Options::new());
                let publication = value.expect("a good topic");
                let deliver = Command::Deliver { subscription, publication };
                if side.connection().apply(now, deliver).is_ok() {
                    *next += 1;
                }
            }
            Op::EndSubscription { client, which } => {
                let (side, part) = self.of(client);
                let all: Vec<_> = part.subscriptions.keys().copied().collect();
                let Some(subscription) = pick(&all, which) else { return };
                let failure = Failure::new(Status::ABORTED, "no more");
                let now = side.now;
                let end = Command::EndSubscription { subscription, failure };
                let _ = side.connection().apply(now, end);
            }
            _ => {}
        }
    }

    /// What both were told.
    fn read(&mut self) {
        for client in [true, false] {
            let (side, _) = self.of(client);
            side.run();
            for event in std::mem::take(&mut side.events) {
                self.told(client, event);
            }
        }
    }

    fn told(&mut self, client: bool, event: Event) {
        let (side, part) = self.of(client);
        assert!(!part.closed, "{event:?} behind Closed");
        let now = side.now;
        match event {
            Event::Request { call, .. } => part.asked.push(call),
            Event::Item { call, item } => {
                assert!(!part.ended.contains_key(&call), "{call} has ended, and an item came");
                let next = part.into.entry(call).or_default();
                assert_eq!(number(item.payload()), *next, "items of {call}");
                *next += 1;
                part.items.push_back((call, item));
            }
            Event::Answer { call, outcome, .. } => {
                assert!(part.ended.insert(call, outcome.is_ok()).is_none(), "{call} ended twice");
            }
            Event::Cancelled { call, .. } => drop(part.stopped.insert(call)),
            Event::Subscribe(wanted) => {
                let subscription = wanted.subscription;
                let accept = Command::Subscribe { subscription, retained: vec![] };
                // Unless the connection has ended meanwhile.
                if side.connection().apply(now, accept).is_ok() {
                    part.subscriptions.insert(subscription, 0);
                }
            }
            Event::Delivery { subscription, publication } => {
                let next = part.own.get_mut(&subscription).expect("nothing behind an unsubscribe");
                assert_eq!(number(&publication.payload()), *next, "{subscription}");
                *next += 1;
            }
            Event::Lagged { subscription, dropped } => {
                *part.own.get_mut(&subscription).expect("likewise") += dropped as u32;
            }
            Event::SubscriptionEnded { subscription, .. } => drop(part.own.remove(&subscription)),
            Event::Closed(reason) => {
                let broken =
                    matches!(reason, CloseReason::Protocol(_) | CloseReason::PeerError { .. });
                let late = reason.to_string().contains("timeout");
                assert!(!broken || late, "{reason}");
                part.closed = true;
            }
            _ => {}
        }
    }

    /// Nothing holds up anything any more: all that was sent is there.
    fn rest(&mut self) {
        self.pair.set_links(Link::new());
        for _ in 0..200 {
            self.pair.drive();
            self.read();
            for client in [true, false] {
                self.stream(Op::Take { client, count: u8::MAX });
            }
        }
        if self.parts.iter().any(|part| part.closed) {
            self.pair.drive_for(Duration::from_secs(30));
            return self.read();
        }
        let [client, server] = &self.parts;
        for (one, other) in [(client, server), (server, client)] {
            for call in one.made.iter().filter(|call| one.ended.get(call) == Some(&true)) {
                assert_eq!(one.into.get(call).unwrap_or(&0), other.out.get(call).unwrap_or(&0));
            }
            let open = one.made.iter().filter(|call| !one.ended.contains_key(call));
            for call in open {
                for (out, into) in [(&one.out, &other.into), (&other.out, &one.into)] {
                    let (out, into) = (out.get(call).unwrap_or(&0), into.get(call).unwrap_or(&0));
                    let stopped = !other.asked.contains(call) || other.stopped.contains(call);
                    assert!(out == into || stopped, "{call}: {into} of {out} items came");
                }
            }
        }
    }
}
