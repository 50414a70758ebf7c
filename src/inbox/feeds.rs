//! The subscriptions of this side: what was delivered and not taken (`docs/protocol.md` section 5). Called by
//! the inbox; knows backlogs.

use alloc::collections::{BTreeMap, VecDeque};
use core::task::Poll;

use super::Inbox;
use crate::backlog::{Allowance, Backlog, Due, Overflow};
use crate::config::Config;
use crate::delivery::DeliveryError;
use crate::error::Rejected;
use crate::failure::Failure;
use crate::id::CallId;
use crate::instant::Instant;
use crate::options::Options;
use crate::publication::Publication;
use crate::session::Session;
use crate::status::Status;

/// The subscriptions that somebody wants, and those that are to be ended.
#[derive(Debug, Default)]
pub(super) struct Feeds {
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

impl Feeds {
    pub(super) fn open(&mut self, subscription: CallId, options: &Options, config: &Config) {
        let policy = options.when_full().unwrap_or(config.policy);
        let room = Allowance::new(config.max_deliveries, config.max_delivery_bytes);
        let feed = Feed { backlog: Backlog::new(policy), room, ended: None };
        self.of.insert(subscription, feed);
    }

    /// A value came. One that nobody wants any more is about to be ended.
    pub(super) fn deliver(&mut self, subscription: CallId, publication: Publication) {
        if let Some(feed) = self.of.get_mut(&subscription).filter(|feed| feed.ended.is_none()) {
            if let Err(Overflow) = feed.backlog.push(publication, &mut feed.room) {
                let text = "this subscriber was too slow, and is not to lose anything";
                feed.ended = Some(Failure::new(Status::RESOURCE_EXHAUSTED, text));
            }
        }
    }

    /// So many are missing here.
    pub(super) fn lag(&mut self, subscription: CallId, dropped: u64) {
        if let Some(feed) = self.of.get_mut(&subscription) {
            feed.backlog.lag(dropped);
        }
    }

    /// The peer has ended it.
    pub(super) fn end(&mut self, subscription: CallId, failure: Failure) {
        if let Some(feed) = self.of.get_mut(&subscription) {
            feed.ended.get_or_insert(failure);
        }
    }

    pub(super) fn next(&mut self, subscription: CallId) -> Poll<Result<Due, DeliveryError>> {
        let Some(feed) = self.of.get_mut(&subscription) else { return Poll::Pending };
        match (feed.backlog.pop(&mut feed.room), &feed.ended) {
            (Some(due), _) => Poll::Ready(Ok(due)),
            (None, Some(failure)) => Poll::Ready(Err(DeliveryError::Ended(failure.clone()))),
            (None, None) => Poll::Pending,
        }
    }

    /// Nobody wants it any more.
    pub(super) fn close(&mut self, subscription: CallId) {
        self.of.remove(&subscription);
        self.leaving.push_back(subscription);
    }

    /// The next one that is to be ended.
    pub(super) fn leaving(&self) -> Option<CallId> {
        self.leaving.front().copied()
    }

    pub(super) fn has_left(&mut self, subscription: CallId) {
        self.leaving.retain(|other| *other != subscription);
    }
}

impl Inbox {
    /// Subscribes; gives a ticket for the answer and the subscription's id. What comes for it is kept from
    /// now on, within [`Config::max_deliveries`](crate::Config::max_deliveries) and
    /// [`Config::max_delivery_bytes`](crate::Config::max_delivery_bytes).
    ///
    /// # Errors
    ///
    /// As of [`Connection::subscribe`](crate::Connection::subscribe).
    pub fn subscribe(
        &mut self,
        now: Instant,
        session: &mut Session,
        pattern: &str,
        options: &Options,
    ) -> Result<(usize, CallId), Rejected> {
        let begun = self.begin(|ticket| session.subscribe(now, pattern, options, ticket))?;
        self.feeds.open(begun.1, options, session.connection().config());
        Ok(begun)
    }

    /// Nobody wants this subscription any more: it is ended, as soon as there is room to say so.
    pub fn unsubscribe(&mut self, now: Instant, session: &mut Session, subscription: CallId) {
        self.feeds.close(subscription);
        self.send_unsubscribes(now, session);
    }

    /// Ends the subscriptions that nobody wants any more, as far as there is room.
    pub(super) fn send_unsubscribes(&mut self, now: Instant, session: &mut Session) {
        while let Some(subscription) = self.feeds.leaving() {
            let left = self
                .begin(|ticket| session.unsubscribe(now, subscription, &Options::new(), ticket));
            match left {
                Err(Rejected::Full | Rejected::Busy) => return,
                Ok((ticket, _)) => self.abandon(ticket),
                // It has not begun, or has ended already, and then this does nothing.
                Err(_) => {
                    let _ = session.cancel(now, subscription);
                }
            }
            self.feeds.has_left(subscription);
        }
    }

    /// What a subscription gets next, if it is here.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Ended`] and [`DeliveryError::Disconnected`]: the last thing.
    pub fn next_delivery(&mut self, subscription: CallId) -> Poll<Result<Due, DeliveryError>> {
        match (self.feeds.next(subscription), &self.closed) {
            (Poll::Pending, Some(reason)) => {
                Poll::Ready(Err(DeliveryError::Disconnected((**reason).clone())))
            }
            (next, _) => next,
        }
    }
}
