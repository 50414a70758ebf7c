//! The subscriptions of a link: what was delivered and not taken, and how threads wait for it
//! (`docs/protocol.md` section 5). Called by `subscription`; knows `link`, `seat`, `state` and the core.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use switchboard::{
    Allowance, Backlog, CallError, CallId, Due, Event, Failure, FromPayload, Options, Overflow,
    Payload, Policy, Status, ToPayload,
};

use crate::link::Link;

/// The subscriptions of this side that somebody holds, and those that are to be ended.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    of: BTreeMap<CallId, Feed>,
    leaving: VecDeque<CallId>,
}

/// What one subscription got.
#[derive(Debug)]
struct Feed {
    backlog: Backlog,
    room: Allowance,
    /// Why nothing more comes.
    ended: Option<Failure>,
}

/// What a subscriber gets next.
pub(crate) enum Got {
    Due(Due),
    /// Nothing now.
    Nothing,
    /// It was ended.
    End(Failure),
}

impl Feeds {
    fn open(&mut self, subscription: CallId, policy: Policy, room: Allowance) {
        let feed = Feed { backlog: Backlog::new(policy), room, ended: None };
        self.of.insert(subscription, feed);
    }

    /// Takes note of an event that concerns subscriptions, and hands others back.
    pub(crate) fn take(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Delivery { subscription, publication } => {
                // One that nobody holds any more is about to be ended.
                if let Some(feed) = self.of.get_mut(&subscription).filter(|f| f.ended.is_none()) {
                    if let Err(Overflow) = feed.backlog.push(publication, &mut feed.room) {
                        let text = "this subscriber was too slow, and is not to lose anything";
                        feed.ended = Some(Failure::new(Status::RESOURCE_EXHAUSTED, text));
                    }
                }
            }
            Event::Lagged { subscription, dropped } => {
                if let Some(feed) = self.of.get_mut(&subscription) {
                    feed.backlog.lag(dropped);
                }
            }
            Event::SubscriptionEnded { subscription, failure } => {
                if let Some(feed) = self.of.get_mut(&subscription) {
                    feed.ended.get_or_insert(failure);
                }
            }
            other => return Some(other),
        }
        None
    }

    pub(crate) fn next(&mut self, subscription: CallId) -> Got {
        let Some(feed) = self.of.get_mut(&subscription) else { return Got::Nothing };
        match (feed.backlog.pop(&mut feed.room), &feed.ended) {
            (Some(due), _) => Got::Due(due),
            (None, Some(failure)) => Got::End(failure.clone()),
            (None, None) => Got::Nothing,
        }
    }

    /// Nobody holds it any more.
    fn close(&mut self, subscription: CallId) {
        self.of.remove(&subscription);
        self.leaving.push_back(subscription);
    }

    /// The next one that is to be ended.
    pub(crate) fn leaving(&self) -> Option<CallId> {
        self.leaving.front().copied()
    }

    pub(crate) fn has_left(&mut self, subscription: CallId) {
        self.leaving.retain(|other| *other != subscription);
    }
}

impl Link {
    /// Subscribes, and waits until that is accepted; gives the subscription's id, and how many retained
    /// values come first.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        pattern: &str,
        options: &Options,
    ) -> Result<(CallId, u64), CallError> {
        let config = &self.config;
        let policy = options.when_full().unwrap_or(config.policy);
        let room = Allowance::new(config.max_deliveries, config.max_delivery_bytes);
        let (waiter, id) = self.when_there_is_room(options, |state, options, now| {
            let opened = state.waiter(|connection, waiter| {
                connection.subscribe(now, pattern, options, waiter as u64)
            })?;
            state.feeds.open(opened.1, policy, room);
            Ok(opened)
        })?;
        // Deliveries come also while nobody waits.
        self.read_in_background();
        let count = self
            .answer(waiter)
            .and_then(|count| u64::from_payload(count, &config.payload).map_err(CallError::from));
        match count {
            Ok(count) => Ok((id, count)),
            Err(error) => {
                self.unsubscribe(id);
                Err(error)
            }
        }
    }

    /// Ends a subscription without waiting.
    pub(crate) fn unsubscribe(self: &Arc<Self>, subscription: CallId) {
        let mut state = self.enter();
        state.feeds.close(subscription);
        state.leave_feeds();
        self.nudge(&mut state);
    }

    /// Publishes, once there is room.
    pub(crate) fn publish(
        self: &Arc<Self>,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<(), CallError> {
        let payload = value.to_payload()?;
        self.when_there_is_room(options, |state, options, now| {
            state.pump.connection().publish(now, topic, &payload, options)
        })?;
        self.nudge(&mut self.enter());
        Ok(())
    }

    /// Publishes, and waits to learn how many subscriptions got it.
    pub(crate) fn publish_counted(
        self: &Arc<Self>,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<u64, CallError> {
        let payload: Payload = value.to_payload()?;
        let (waiter, _) = self.when_there_is_room(options, |state, options, now| {
            state.waiter(|connection, waiter| {
                connection.publish_counted(now, topic, &payload, options, waiter as u64)
            })
        })?;
        Ok(u64::from_payload(self.answer(waiter)?, &self.config.payload)?)
    }
}
