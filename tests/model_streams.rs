//! Streams and subscriptions against a reference model: generated operations of two programs, over a wire
//! that stops, trickles and goes on. The model counts credit and values by itself, from what the programs
//! did alone. A failure shrinks to a script of a few lines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "model_streams/model.rs"]
mod model;
#[path = "model_streams/ops.rs"]
mod ops;

use std::collections::{BTreeMap, VecDeque};

use common::{Chunking, Pair, Side, config};
use model::{Call, Complaint, Subscription, WAITING, WINDOW, id, must, number};
use ops::{Op, Script, script};
use proptest::prelude::*;
use switchboard::{
    CallId, Command, Event, Failure, Item, Options, Payload, Publication, Rejected, Status,
    to_payload,
};
use switchboard_testkit::Link;

struct Play {
    pair: Pair,
    links: [Link; 2],
    numbers: u32,
    calls: BTreeMap<u64, Call>,
    subscriptions: BTreeMap<u64, Subscription>,
    /// Calls of `unsubscribe`, and of which subscription.
    leaving: BTreeMap<u64, u64>,
    /// Items that a program has and has not used: the client's, the server's.
    items: [VecDeque<(CallId, Item)>; 2],
    messages: [(VecDeque<u32>, usize); 2],
}

impl Play {
    fn new() -> Self {
        let limits = config(|config| {
            config.stream_window = WINDOW as u32;
            config.max_unsent = 4000;
            config.max_deliveries = WAITING;
            (config.takes_items, config.offers_topics) = (true, true);
        });
        let mut pair = Pair::opened(limits.clone(), limits);
        pair.trace.silence();
        Self {
            pair,
            links: [Link::new(), Link::new()],
            numbers: 0,
            calls: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            leaving: BTreeMap::new(),
            items: [VecDeque::new(), VecDeque::new()],
            messages: Default::default(),
        }
    }

    const fn side(&mut self, client: bool) -> &mut Side {
        if client { &mut self.pair.client } else { &mut self.pair.server }
    }

    fn numbered(&mut self, size: u16) -> (u32, Payload) {
        self.numbers += 1;
        (self.numbers, to_payload(&(self.numbers, vec![0u8; size.into()])).unwrap())
    }

    fn newest<T>(of: &BTreeMap<u64, T>, back: u8) -> Option<u64> {
        of.keys().rev().nth(back.into()).copied()
    }

    fn play(&mut self, op: Op) -> Result<(), Complaint> {
        match op {
            Op::Call { sends, takes } => self.call(sends, takes),
            Op::Item { client, back, size } => self.item(client, back, size, false)?,
            Op::End(back) => self.end(back)?,
            Op::Take { client, count } => self.take(client, count),
            Op::Respond { back, fails } => self.respond(back, fails),
            Op::Cancel(back) => self.cancel(back),
            Op::Subscribe(policy) => {
                let options = Options::new().no_deadline().policy(policy);
                let now = self.pair.client.now;
                let client = self.pair.client.connection();
                if let Ok(call) = client.subscribe(now, "t", &options, 0) {
                    self.subscriptions.insert(call.number(), Subscription::default());
                }
            }
            Op::Unsubscribe(back) => self.unsubscribe(back)?,
            Op::Value { back, size } => self.value(back, size)?,
            Op::EndSubscription(back) => self.end_subscription(back),
            Op::Send { client, size } => {
                let (number, payload) = self.numbered(size);
                if self.side(client).send("m", &payload).is_ok() {
                    self.messages[usize::from(!client)].0.push_back(number);
                }
            }
            Op::Step => self.pair.drive_for(common::millis(1)),
            Op::Deliver => self.deliver()?,
            Op::Window { to_client, bytes } => {
                self.link(to_client, |link| link.window(bytes.into()));
            }
            Op::Pieces { to_client, seed } => {
                let pieces = seed.map_or(Chunking::Whole, |seed| Chunking::seeded(seed.into()));
                self.link(to_client, |link| link.chunking(pieces));
            }
        }
        self.read()
    }

    fn link(&mut self, to_client: bool, change: impl FnOnce(Link) -> Link) {
        let link = &mut self.links[usize::from(to_client)];
        *link = change(link.clone());
        let link = link.clone();
        if to_client {
            self.pair.set_link_to_client(link);
        } else {
            self.pair.set_link_to_server(link);
        }
    }

    fn call(&mut self, sends: bool, takes: bool) {
        let mut options = Options::new().no_deadline();
        options = if sends { options.send_items() } else { options };
        options = if takes { options.take_items() } else { options };
        if let Ok(call) = self.pair.client.call("c", &Payload::null(), &options, 0) {
            let mut model = Call::default();
            (model.up.allowed, model.down.allowed) = (sends, takes);
            self.calls.insert(call.number(), model);
        }
    }

    fn item(&mut self, client: bool, back: u8, size: u16, quiet: bool) -> Result<(), Complaint> {
        let Some(call) = Self::newest(&self.calls, back) else { return Ok(()) };
        let (number, payload) = self.numbered(size);
        let side = self.side(client);
        let now = side.now;
        let told = side.connection().item(now, id(call), &payload);
        // 1 array, 1 kind, the id.
        let id_length = if call < 24 { 1 } else { 2 };
        let cost = (2 + id_length + payload.len()).max(64) as u64;
        let model = self.calls.get_mut(&call).unwrap();
        let goes_on = if client {
            !model.over && !model.given_up
        } else {
            model.seen && model.answered.is_none()
        };
        if told == Err(Rejected::UnknownCall) {
            return must(!goes_on || model.given_up, || format!("call {call} is unknown"));
        }
        must(goes_on, || format!("call {call} is over, and {told:?}"))?;
        let flow = if client { &mut model.up } else { &mut model.down };
        flow.sends(number, cost, told, quiet)
    }

    fn end(&mut self, back: u8) -> Result<(), Complaint> {
        let Some(call) = Self::newest(&self.calls, back) else { return Ok(()) };
        let now = self.pair.client.now;
        let told = self.pair.client.connection().end(now, id(call));
        let model = self.calls.get_mut(&call).unwrap();
        let may = model.up.allowed && !model.up.complete && !model.over && !model.given_up;
        must(told.is_ok() == may, || format!("the end of call {call}: {told:?}, {model:?}"))?;
        model.up.complete |= may;
        Ok(())
    }

    fn take(&mut self, client: bool, count: u8) {
        for _ in 0..count {
            let Some((call, item)) = self.items[usize::from(!client)].pop_front() else { return };
            let side = self.side(client);
            let now = side.now;
            side.connection().taken(now, call, &item);
            let model = self.calls.get_mut(&call.number()).unwrap();
            let flow = if client { &mut model.down } else { &mut model.up };
            flow.used += u64::from(item.cost());
        }
    }

    fn respond(&mut self, back: u8, fails: bool) {
        let asked =
            self.calls.iter_mut().rev().filter(|(_, call)| call.seen && call.answered.is_none());
        let Some((number, call)) = asked.into_iter().nth(back.into()) else { return };
        let failure = Failure::new(Status::ABORTED, "no");
        let null = Payload::null();
        let answer = if fails { Err(&failure) } else { Ok(&null) };
        self.pair.server.answer(id(*number), answer).unwrap();
        call.answered = Some(fails);
    }

    fn cancel(&mut self, back: u8) {
        let Some(call) = Self::newest(&self.calls, back) else { return };
        if self.pair.client.cancel(call).is_ok() {
            self.calls.get_mut(&call).unwrap().given_up = true;
        }
    }

    fn unsubscribe(&mut self, back: u8) -> Result<(), Complaint> {
        let Some(subscription) = Self::newest(&self.subscriptions, back) else { return Ok(()) };
        self.read()?;
        let now = self.pair.client.now;
        let options = Options::new().no_deadline();
        let client = self.pair.client.connection();
        let told = client.unsubscribe(now, id(subscription), &options, 0);
        let model = self.subscriptions.get_mut(&subscription).unwrap();
        match told {
            Ok(call) => {
                must(model.live && !model.leaving, || format!("not live: {model:?}"))?;
                model.leaving = true;
                self.leaving.insert(call.number(), subscription);
            }
            Err(Rejected::Full | Rejected::Busy) => {}
            Err(error) => must(!model.live || model.leaving, || format!("live, and {error}"))?,
        }
        Ok(())
    }

    fn value(&mut self, back: u8, size: u16) -> Result<(), Complaint> {
        let Some(subscription) = Self::newest(&self.subscriptions, back) else { return Ok(()) };
        let model = self.subscriptions.get_mut(&subscription).unwrap();
        let value = to_payload(&(model.values, vec![0u8; size.into()])).unwrap();
        let publication = Publication::new("t", &value, &Options::new()).unwrap();
        let subscription = id(subscription);
        let now = self.pair.server.now;
        let deliver = Command::Deliver { subscription, publication };
        match self.pair.server.connection().apply(now, deliver) {
            Ok(()) => {
                must(!model.gone, || format!("delivered to what is gone: {model:?}"))?;
                model.values += 1;
            }
            Err(error) => must(error == Rejected::UnknownSubscription, || error.to_string())?,
        }
        Ok(())
    }

    fn end_subscription(&mut self, back: u8) {
        let Some(subscription) = Self::newest(&self.subscriptions, back) else { return };
        let now = self.pair.server.now;
        let failure = Failure::new(Status::ABORTED, "no more");
        let end = Command::EndSubscription { subscription: id(subscription), failure };
        if self.pair.server.connection().apply(now, end).is_ok() {
            self.subscriptions.get_mut(&subscription).unwrap().gone = true;
        }
    }

    /// Everything gets through, and everything that was sent is there.
    fn deliver(&mut self) -> Result<(), Complaint> {
        let links = self.links.clone();
        self.link(true, |_| Link::new());
        self.link(false, |_| Link::new());
        self.pair.drive();
        self.read()?;
        self.pair.drive();
        self.read()?;
        for (number, call) in &self.calls {
            let open = call.answered.is_none() && !call.given_up;
            must(!open || (call.up.is_delivered() && call.seen), || {
                format!("call {number}: items are missing: {call:?}")
            })?;
            must(!open || call.up.complete == call.ended_up, || {
                format!("call {number}: its end: {call:?}")
            })?;
            let whole = call.answered != Some(true) && !call.given_up;
            must(!whole || call.down.is_delivered(), || format!("call {number}: {call:?}"))?;
            let over = call.answered.is_some() || (call.given_up && !call.seen);
            must(!over || call.over, || format!("call {number} is answered, and open: {call:?}"))?;
        }
        for (number, one) in &self.subscriptions {
            let whole = one.live && !one.leaving && !one.gone;
            must(!whole || one.known == one.values, || {
                format!("subscription {number}: a loss that is not told: {one:?}")
            })?;
        }
        for (sent, came) in &self.messages {
            must(sent.len() == *came, || format!("{came} of {} messages came", sent.len()))?;
        }
        let open = [self.pair.client.done.clone(), self.pair.server.done.clone()];
        must(open == [None, None], || format!("it has ended: {open:?}"))?;
        // What was used has come back as credit.
        for back in 0..3 {
            self.item(true, back, 1, true)?;
            self.item(false, back, 1, true)?;
        }
        [self.links[0], self.links[1]] = links;
        let (up, down) = (self.links[0].clone(), self.links[1].clone());
        self.link(false, |_| up);
        self.link(true, |_| down);
        Ok(())
    }

    /// What both programs were told.
    fn read(&mut self) -> Result<(), Complaint> {
        // The server first: what the client is told follows from what the server was.
        for client in [false, true] {
            self.side(client).run();
            for event in std::mem::take(&mut self.side(client).events) {
                self.told(client, event)?;
            }
        }
        Ok(())
    }

    fn told(&mut self, client: bool, event: Event) -> Result<(), Complaint> {
        match event {
            Event::Request { call, .. } => self.calls.get_mut(&call.number()).unwrap().seen = true,
            Event::Item { call, item } => {
                let model = self.calls.get_mut(&call.number()).unwrap();
                let quiet =
                    if client { model.over || model.given_up } else { model.answered.is_some() };
                must(!quiet, || format!("{call} is over, and an item came: {model:?}"))?;
                let flow = if client { &mut model.down } else { &mut model.up };
                flow.comes(number(item.payload()))?;
                self.items[usize::from(!client)].push_back((call, item));
            }
            Event::End { call } => {
                let model = self.calls.get_mut(&call.number()).unwrap();
                must(model.up.is_delivered(), || {
                    format!("{call} ends before its items: {model:?}")
                })?;
                model.ended_up = true;
            }
            Event::Answer { call, outcome, .. } => self.answered(call.number(), outcome.is_ok())?,
            Event::Subscribe(wanted) => {
                let accept =
                    Command::Subscribe { subscription: wanted.subscription, retained: vec![] };
                let now = self.pair.server.now;
                self.pair.server.connection().apply(now, accept).unwrap();
            }
            Event::Unsubscribe { subscription } => {
                self.subscriptions.get_mut(&subscription.number()).unwrap().gone = true;
            }
            Event::Delivery { subscription, publication } => {
                let model = self.subscriptions.get_mut(&subscription.number()).unwrap();
                must(model.live && !model.leaving && !model.over, || {
                    format!("{model:?}: a delivery")
                })?;
                let number = number(&publication.payload());
                must(number == model.known, || format!("{number} came, known {}", model.known))?;
                model.known += 1;
            }
            Event::Lagged { subscription, dropped } => {
                let model = self.subscriptions.get_mut(&subscription.number()).unwrap();
                must(model.live && !model.leaving && !model.over, || format!("{model:?}: a loss"))?;
                model.known += dropped as u32;
                must(model.known <= model.values, || format!("too many losses: {model:?}"))?;
            }
            Event::SubscriptionEnded { subscription, .. } => {
                let model = self.subscriptions.get_mut(&subscription.number()).unwrap();
                must(model.gone && !model.leaving, || format!("ended: {model:?}"))?;
                (model.leaving, model.over) = (true, true);
            }
            Event::Message(message) => {
                let (sent, came) = &mut self.messages[usize::from(client)];
                let number = number(&message.into_payload());
                must(sent.get(*came) == Some(&number), || format!("message {number}"))?;
                *came += 1;
            }
            Event::Closed(reason) => return Err(format!("closed: {reason}")),
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, number: u64, good: bool) -> Result<(), Complaint> {
        if let Some(one) = self.subscriptions.get_mut(&number) {
            one.live = true;
            return must(good, || format!("subscription {number} was refused"));
        }
        if let Some(subscription) = self.leaving.remove(&number) {
            let one = self.subscriptions.get_mut(&subscription).unwrap();
            one.over = true;
            return must(one.gone, || format!("subscription {subscription} is over: {one:?}"));
        }
        let call = self.calls.get_mut(&number).unwrap();
        must(!std::mem::replace(&mut call.over, true), || format!("call {number} ended twice"))?;
        let right = call.given_up || call.answered == Some(!good);
        must(right, || format!("call {number} ended, good: {good}: {call:?}"))?;
        let whole = !good || call.down.is_delivered();
        must(whole, || format!("call {number} has its answer before its items: {call:?}"))
    }
}

fn play(Script(ops): Script) -> Result<(), String> {
    let mut play = Play::new();
    let ended =
        ops.into_iter().try_for_each(|op| play.play(op)).and_then(|()| play.play(Op::Deliver));
    ended.map_err(|complaint| format!("{complaint}\nwhat passed:\n{}", play.pair.trace))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    // Threats 29, 35.
    #[test]
    fn streams_and_subscriptions_keep_to_the_model(script in script()) {
        play(script).map_err(TestCaseError::fail)?;
    }
}
