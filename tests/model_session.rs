//! A session against a reference model: generated commands, transports that open or not, cuts at any byte,
//! servers that refuse, close and hesitate, and time. A failure shrinks to a script of a few lines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "model_session/model.rs"]
mod model;
#[path = "model_session/ops.rs"]
mod ops;

use std::collections::BTreeSet;

use common::host::Host;
use common::{millis, seconds};
use model::{Complaint, Ending, Kind, Model};
use ops::{Op, Script, script};
use proptest::prelude::*;
use switchboard::{
    Backoff, CallError, CallId, Command, Event, Failure, Fate, Instant, Options, Payload,
    Publication, Rejected, Status,
};

/// The longest delay, after which a connection has held.
const LONGEST: u64 = 800;

struct Play {
    host: Host,
    model: Model,
    attempts: Option<u32>,
    waits: bool,
    /// Attempts in a row.
    tries: u32,
    /// Since when it may have been ready.
    ready: Option<u64>,
    /// When it was looked at last.
    looked: u64,
    /// The user has closed it.
    closes: bool,
    /// Something happened after which a session may not come back.
    may_end: bool,
}

impl Play {
    fn new(script: &Script) -> Self {
        let Script { attempts, waits, limit, seed, .. } = *script;
        let backoff = Backoff::new().first(millis(100)).longest(millis(LONGEST)).attempts(attempts);
        let backoff = if waits { backoff } else { backoff.fail_while_down() };
        let mut host = Host::with(Default::default(), backoff, seed);
        host.manners.answers = false;
        if let Some(limit) = limit {
            let mut limits = (*host.manners.config).clone();
            limits.max_calls = limit;
            host.manners.config = limits.into();
        }
        Self {
            host,
            model: Model::new(limit.is_some()),
            attempts,
            waits,
            tries: 0,
            ready: None,
            looked: 0,
            closes: false,
            may_end: attempts.is_some(),
        }
    }

    fn now(&self) -> u64 {
        (self.host.now - Instant::ZERO).as_millis() as u64
    }

    fn play(&mut self, op: Op) -> Result<(), Complaint> {
        self.host.ask();
        self.read()?;
        match op {
            Op::Send => self.send(|host, name| {
                host.session.send(host.now, &format!("n{name}"), &Payload::null(), &Options::new())
            })?,
            Op::Publish => self.send(|host, name| {
                let topic = format!("n{name}");
                host.session.publish(host.now, &topic, &Payload::null(), &Options::new())
            })?,
            Op::Call { again, within } => {
                self.call(Kind::Call, again, within, |host, name, options| {
                    let channel = format!("n{name}");
                    host.session.request(host.now, &channel, &Payload::null(), options, 0)
                })?;
            }
            Op::Subscribe { again } => {
                self.call(Kind::Subscribe, again, None, |host, name, options| {
                    host.session.subscribe(host.now, &format!("n{name}"), options, 0)
                })?;
            }
            Op::Unsubscribe { back, within } => {
                let live = self.model.live();
                if let Some(&id) = live.iter().rev().nth(back.into()) {
                    let kind = Kind::Unsubscribe(id);
                    let subscription = CallId::new(id).unwrap();
                    self.call(kind, false, within, |host, _, options| {
                        host.session.unsubscribe(host.now, subscription, options, 0)
                    })?;
                }
            }
            Op::Cancel { back } => self.cancel(back)?,
            Op::Close => {
                (self.closes, self.model.leaves) = (true, true);
                self.host.session.close(self.host.now, "bye", None);
            }
            Op::Abort => {
                (self.closes, self.model.leaves) = (true, true);
                self.host.session.abort("out");
            }
            Op::Hesitate(hesitates) => self.host.manners.hesitates = hesitates,
            Op::Reject(rejects) => {
                self.host.manners.subscriptions = rejects.then_some(Status::PERMISSION_DENIED);
                self.model.rejects |= rejects;
            }
            Op::Refuse(how) => {
                self.may_end |= how == Some(false);
                self.host.manners.refuses =
                    how.map(|passing| (Status::RESOURCE_EXHAUSTED, passing.then_some(millis(50))));
            }
            happening => self.happens(happening)?,
        }
        self.host.ask();
        self.read()
    }

    fn happens(&mut self, op: Op) -> Result<(), Complaint> {
        match op {
            Op::Open => self.host.open(),
            Op::OpenUnwritten => self.host.open_unwritten(),
            Op::Fail => self.host.fail(),
            Op::Cut(bytes) => self.host.cut_within(bytes.into()),
            Op::Deliver => {
                self.host.settle();
                self.read()?;
                if self.host.server.is_some()
                    && !self.host.manners.hesitates
                    && self.host.wanted.is_empty()
                {
                    self.model.is_delivered(&self.accepted())?;
                }
            }
            Op::Answer { back } => {
                let asked = self.host.asked.len();
                if let Some(at) = asked.checked_sub(1 + usize::from(back)) {
                    self.answer(at)?;
                }
            }
            Op::AnswerAll => {
                while !self.host.asked.is_empty() {
                    self.answer(0)?;
                }
            }
            Op::Values => {
                let value = Publication::new("t", &Payload::null(), &Options::new()).unwrap();
                let now = self.host.now;
                for &subscription in &self.host.accepted {
                    let Some(server) = &mut self.host.server else { break };
                    let deliver = Command::Deliver { subscription, publication: value.clone() };
                    let _ = server.connection().apply(now, deliver);
                }
                self.host.settle();
            }
            Op::Accept => self.host.accept_wanted(),
            Op::Goodbye(after) => {
                self.may_end |= after.is_none();
                self.model.leaves = self.host.server.is_some();
                self.host.goodbye(after.map(|ms| millis(ms.into())));
            }
            Op::ServerFails { passing } => {
                self.may_end |= !passing;
                let status = if passing { Status::INTERNAL } else { Status::PERMISSION_DENIED };
                if let Some(server) = &mut self.host.server {
                    server.now = self.host.now;
                    let now = server.now;
                    server.connection().fail_with(now, Failure::new(status, "no"));
                    self.model.leaves = true;
                }
                self.host.settle();
            }
            Op::Pass(ms) => self.host.pass(millis(ms.into())),
            _ => {}
        }
        Ok(())
    }

    fn answer(&mut self, at: usize) -> Result<(), Complaint> {
        let call = self.host.asked.remove(at).unwrap();
        let Some(server) = &mut self.host.server else { return Ok(()) };
        if server.answer(call, Ok(&Payload::null())).is_ok() {
            self.model.answers(call.number())?;
        }
        Ok(())
    }

    fn accepted(&self) -> BTreeSet<u64> {
        self.host.accepted.iter().map(|id| id.number()).collect()
    }

    /// A command is refused only for a reason.
    fn refused(&self, rejected: Rejected, kind: Kind) -> Result<(), Complaint> {
        let may = match rejected {
            Rejected::Down => !self.waits && !self.model.open,
            Rejected::Busy => self.model.limited && self.model.open,
            Rejected::Closed => self.model.over || self.model.goodbye || self.closes,
            Rejected::UnknownSubscription => {
                matches!(kind, Kind::Unsubscribe(_)) && self.model.over
            }
            _ => false,
        };
        if may { Ok(()) } else { Err(format!("{kind:?} refused with {rejected:?}")) }
    }

    fn send(
        &mut self,
        send: impl FnOnce(&mut Host, usize) -> Result<(), Rejected>,
    ) -> Result<(), Complaint> {
        match send(&mut self.host, self.model.next_number()) {
            Ok(()) => self.model.sends(Kind::Message, None, None, false),
            Err(rejected) => self.refused(rejected, Kind::Message),
        }
    }

    fn call(
        &mut self,
        kind: Kind,
        again: bool,
        within: Option<u16>,
        call: impl FnOnce(&mut Host, usize, &Options) -> Result<CallId, Rejected>,
    ) -> Result<(), Complaint> {
        let options = match within {
            Some(ms) => Options::new().deadline(millis(ms.into())),
            None => Options::new().no_deadline(),
        };
        let options = if again { options.idempotent() } else { options };
        let due = within.map(|ms| self.now() + u64::from(ms));
        match call(&mut self.host, self.model.next_number(), &options) {
            Ok(id) => self.model.sends(kind, Some(id.number()), due, again),
            Err(rejected) => self.refused(rejected, kind),
        }
    }

    fn cancel(&mut self, back: u8) -> Result<(), Complaint> {
        let calls = self.model.calls();
        let Some(&id) = calls.iter().rev().nth(back.into()) else { return Ok(()) };
        let cancelled = self.host.session.cancel(self.host.now, CallId::new(id).unwrap());
        cancelled.map_err(|error| format!("{id} is open and not cancelled: {error}"))?;
        self.host.ask();
        match (self.host.events.pop_front(), self.host.log.pop()) {
            (Some(Event::Answer { call, outcome, .. }), Some(_)) if call.number() == id => {
                self.model.cancelled(id, ending(outcome))
            }
            (other, _) => Err(format!("{id} is cancelled and this is told: {other:?}")),
        }
    }

    /// Tells the model what was heard and told.
    fn read(&mut self) -> Result<(), Complaint> {
        let (accepted, now) = (self.accepted(), self.now());
        for line in std::mem::take(&mut self.host.log) {
            if let Some(heard) = line.strip_prefix("< ") {
                self.hear(heard)?;
            } else if let Some(status) = line.strip_prefix("- ") {
                self.status(status, &accepted)?;
            } else if line == "-> connect" {
                if self.attempts.is_some_and(|most| self.tries > most) {
                    return Err(format!("{} attempts in a row", self.tries));
                }
                self.tries += 1;
            } else if line != "-> drop" {
                let event = self.host.events.pop_front().unwrap();
                self.told(event, now)?;
            }
        }
        self.looked = now;
        self.model.kept_what_may_be_sent_again()?;
        self.model.is_on_time(now)?;
        let until = self.host.until.map(|until| (until - Instant::ZERO).as_millis() as u64);
        match self.model.next_due() {
            Some(due) if until.is_none_or(|until| until > due) => {
                Err(format!("{due} ms is due, and the session sleeps until {until:?}"))
            }
            _ => Ok(()),
        }
    }

    fn status(&mut self, status: &str, accepted: &BTreeSet<u64>) -> Result<(), Complaint> {
        let now = self.now();
        self.model.status(status, accepted)?;
        match status {
            "Ready" => self.ready = Some(self.looked),
            "Connected" => self.model.hand_again(),
            "Disconnected" if self.ready.is_some_and(|since| now - since >= LONGEST) => {
                (self.ready, self.tries) = (None, 1);
            }
            "Disconnected" => self.ready = None,
            _ => {}
        }
        Ok(())
    }

    fn hear(&mut self, heard: &str) -> Result<(), Complaint> {
        let words: Vec<&str> = heard.split(' ').collect();
        match words[..] {
            ["subscription", id, "to", _] => self.model.hears_subscribe(id.parse().unwrap()),
            ["message", name, ..] | ["call", _, "asks", name] | ["publish", _, name, ..] => {
                self.model.hears(name[1..].parse().unwrap())
            }
            _ => Ok(()),
        }
    }

    fn told(&mut self, event: Event, now: u64) -> Result<(), Complaint> {
        match event {
            Event::Answer { call, outcome, .. } => {
                if self.host.accepted.contains(&call) {
                    self.model.answers(call.number())?;
                }
                self.model.ends(call.number(), ending(outcome), now)
            }
            Event::SubscriptionEnded { subscription, .. } => {
                self.model.subscription_ends(subscription.number())
            }
            Event::Delivery { subscription, .. } => self.model.delivers(subscription.number()),
            Event::Closing { reconnect_after, .. } => {
                self.model.open = false;
                self.model.goodbye = reconnect_after.is_none();
                Ok(())
            }
            Event::Closed(reason) if !self.may_end && !self.closes => {
                Err(format!("over, though trying again would help: {reason}"))
            }
            Event::Closed(_) => self.model.closed(),
            _ => Ok(()),
        }
    }

    /// The user closes, and it is over.
    fn end(&mut self) -> Result<(), Complaint> {
        self.play(Op::Close)?;
        self.play(Op::Pass(6000))?;
        if self.host.done.is_none() || !self.model.over {
            return Err("closed, and not over".into());
        }
        self.host.pass(seconds(1000));
        match self.host.until {
            None => self.read(),
            Some(until) => Err(format!("scheduled behind the end: {until:?}")),
        }
    }
}

fn ending(outcome: Result<Payload, CallError>) -> Ending {
    let ran = |fate| fate == Fate::MayHaveRun;
    match outcome {
        Ok(_) => Ending::Value,
        Err(CallError::Failed(failure)) if failure.status == Status::UNAVAILABLE => Ending::Closing,
        Err(CallError::Deadline(fate)) => Ending::Late(ran(fate)),
        Err(CallError::Cancelled(fate)) => Ending::Cancelled(ran(fate)),
        Err(CallError::Disconnected(_, fate)) => Ending::Lost(ran(fate)),
        Err(_) => Ending::Refused,
    }
}

fn play(script: Script) -> Result<(), String> {
    let mut play = Play::new(&script);
    let mut trace = Vec::new();
    for op in script.ops {
        trace.push(format!("{op:?}"));
        play.play(op).map_err(|complaint| format!("{complaint}\nbehind: {trace:#?}"))?;
    }
    play.end()
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn sessions_keep_to_the_model(script in script()) {
        play(script).map_err(TestCaseError::fail)?;
    }
}
