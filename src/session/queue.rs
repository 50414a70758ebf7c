//! `Queue`: what waits until a session is ready, in order. Called by the session only; knows how to hand a
//! send to a connection.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::connection::Connection;
use crate::error::{CallError, Fate, Rejected};
use crate::id::CallId;
use crate::instant::Instant;
use crate::options::Options;
use crate::payload::Payload;
use crate::topic::{is_pattern, is_topic};
use crate::wire::LONGEST_CHANNEL;

/// What it costs to keep a send, beside its name, headers and payload, in a queue that doubles when it grows.
const KEPT: usize = 256;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Message,
    Publish,
    Request,
    Subscribe,
    PublishCounted,
    /// The end of that subscription.
    Unsubscribe(CallId),
}

/// The part of a send that is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) token: u64,
    pub(super) due: Option<Instant>,
    /// Whether an earlier connection may have brought it to the peer.
    pub(super) fate: Fate,
}

/// A message, publication or call that waits, or that is kept to be sent again.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) verb: Verb,
    /// Channel, topic or pattern.
    pub(super) name: Box<str>,
    pub(super) payload: Payload,
    pub(super) options: Options,
    pub(super) call: Option<Call>,
}

impl Sending {
    /// How much memory it takes to keep it.
    pub(super) fn cost(&self) -> usize {
        cost(&self.name, &self.payload, &self.options)
    }

    pub(super) fn id(&self) -> Option<CallId> {
        self.call.map(|call| call.id)
    }

    /// How its caller is told that it ended.
    pub(super) fn end(&self, error: impl FnOnce(Fate) -> CallError) -> Option<(Call, CallError)> {
        self.call.map(|call| (call, error(call.fate)))
    }

    /// Sends it.
    pub(super) fn hand_over(
        &self,
        connection: &mut Connection,
        now: Instant,
    ) -> Result<(), Rejected> {
        let (name, payload) = (&*self.name, &self.payload);
        let Some(Call { id, token, due, .. }) = self.call else {
            return match self.verb {
                Verb::Publish => connection.publish(now, name, payload, &self.options),
                _ => connection.send(now, name, payload, &self.options),
            };
        };
        let options = match due {
            Some(due) => self.options.clone().deadline(due - now),
            None => self.options.clone().no_deadline(),
        };
        connection.with_id(id, |connection| {
            match self.verb {
                Verb::Subscribe => connection.subscribe(now, name, &options, token),
                Verb::PublishCounted => {
                    connection.publish_counted(now, name, payload, &options, token)
                }
                Verb::Unsubscribe(subscription) => {
                    connection.mute(subscription, false);
                    let left = connection.unsubscribe(now, subscription, &options, token);
                    connection.mute(subscription, true);
                    left
                }
                _ => connection.request(now, name, payload, &options, token),
            }
            .map(drop)
        })
    }
}

pub(super) fn cost(name: &str, payload: &Payload, options: &Options) -> usize {
    KEPT + name.len() + payload.len() + options.size()
}

/// Whether a connection would take it, as far as that can be known without one.
pub(super) fn check(verb: Verb, name: &str, options: &Options) -> Result<(), Rejected> {
    let topic = || if is_topic(name) { Ok(()) } else { Err(Rejected::BadTopic) };
    let channel = || {
        let good = (1..=LONGEST_CHANNEL).contains(&name.len());
        if good { Ok(()) } else { Err(Rejected::BadChannel) }
    };
    let headers = |good| if good { Ok(()) } else { Err(Rejected::BadHeaders) };
    match verb {
        Verb::Message => channel(),
        // A deadline at its longest.
        Verb::Request => {
            channel()?;
            headers(options.request_map(Some(u64::from(u32::MAX))).is_within_limits())
        }
        Verb::Publish | Verb::PublishCounted => {
            topic()?;
            headers(options.publish_map().is_within_limits())
        }
        Verb::Subscribe if !is_pattern(name) => Err(Rejected::BadTopic),
        Verb::Subscribe => options.checked_subscribe_map().map(drop),
        Verb::Unsubscribe(_) => Ok(()),
    }
}

/// Sends in order, and how much they and those that are kept cost together.
#[derive(Debug)]
pub(super) struct Queue {
    sends: VecDeque<Sending>,
    /// How many there may be, and their bytes.
    most: (usize, usize),
    /// How many there are, those included that are kept elsewhere, and their bytes.
    kept: (usize, usize),
    /// At or before the earliest deadline; found anew when it has passed.
    earliest: Option<Instant>,
}

impl Queue {
    pub(super) const fn new(max_sends: usize, max_bytes: usize) -> Self {
        Self { sends: VecDeque::new(), most: (max_sends, max_bytes), kept: (0, 0), earliest: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.sends.len()
    }

    /// The next deadline: maybe early, never late.
    pub(super) const fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// Whether one more of this cost may wait or be kept.
    pub(super) const fn has_room(&self, cost: usize) -> bool {
        self.kept.0 < self.most.0 && self.kept.1.saturating_add(cost) <= self.most.1
    }

    /// Something of this cost is kept elsewhere.
    pub(super) const fn charge(&mut self, cost: usize) {
        self.kept = (self.kept.0 + 1, self.kept.1 + cost);
    }

    /// It is not any more.
    pub(super) const fn release(&mut self, cost: usize) {
        self.kept = (self.kept.0 - 1, self.kept.1 - cost);
    }

    fn note(&mut self, send: &Sending) {
        self.charge(send.cost());
        if let Some(due) = send.call.and_then(|call| call.due) {
            self.earliest = Some(self.earliest.map_or(due, |earliest| earliest.min(due)));
        }
    }

    pub(super) fn push(&mut self, send: Sending) {
        self.note(&send);
        self.sends.push_back(send);
    }

    /// What was sent before goes before all that never was, in the order of its ids.
    pub(super) fn put_back(&mut self, send: Sending) {
        self.note(&send);
        let id = send.id();
        let earlier = |other: &&Sending| other.id().is_some_and(|other| Some(other) < id);
        let at = self.sends.iter().take_while(earlier).count();
        self.sends.insert(at, send);
    }

    pub(super) fn front(&self) -> Option<&Sending> {
        self.sends.front()
    }

    pub(super) fn pop(&mut self) -> Option<Sending> {
        self.take(0)
    }

    fn take(&mut self, index: usize) -> Option<Sending> {
        let send = self.sends.remove(index)?;
        self.release(send.cost());
        if self.sends.is_empty() {
            self.earliest = None;
        }
        Some(send)
    }

    /// Takes out the first of which this holds.
    pub(super) fn take_first(&mut self, holds: impl Fn(&Sending) -> bool) -> Option<Sending> {
        self.take(self.sends.iter().position(holds)?)
    }

    /// Takes out a call whose deadline has passed.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<Sending> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return None;
        }
        let due = |send: &Sending| send.call.and_then(|call| call.due);
        let overdue = self.take_first(|send| due(send).is_some_and(|due| due <= now));
        if overdue.is_none() {
            self.earliest = self.sends.iter().filter_map(due).min();
        }
        overdue
    }
}
