//! What the peer's frames about topics do (`docs/protocol.md` section 5). Part of the connection.

use alloc::boxed::Box;
use bytes::Bytes;

use super::Connection;
use super::calls::{Asked, Made, Served, Wish};
use super::outbox::Counted;
use super::receive::Then;
use super::subscriptions::Own;
use crate::error::ProtocolError;
use crate::event::{Event, Subscribe};
use crate::failure::Failure;
use crate::id::CallId;
use crate::instant::Instant;
use crate::payload::{Payload, scan};
use crate::policy::Policy;
use crate::publication::Publication;
use crate::status::Status;
use crate::topic::{is_pattern, is_topic};
use crate::wire::{Dropped, Frame, HeaderMap, Headers};

const BAD_TOPIC: &str = "no topic: 1 to 16 tokens joined by dots, 255 bytes at most, no wildcards";
const BAD_PATTERN: &str =
    "no pattern: 1 to 16 tokens joined by dots, 255 bytes at most, * for one token, > at the end";

impl Connection {
    /// A call about topics begins. `Some`: it was refused.
    fn begin(&mut self, now: Instant, id: CallId) -> Result<Option<Then>, ProtocolError> {
        self.open_id(id)?;
        let offers = self.config.offers_topics;
        let nothing = (Status::UNIMPLEMENTED, "no topics here");
        let refusal = self.refusal().or_else(|| (!offers).then_some(nothing));
        refusal.map(|refusal| self.refuse_call(now, id, refusal)).transpose()
    }

    /// A call about topics is the application's to answer.
    fn serve(&mut self, id: CallId, asked: Asked, bytes: usize) {
        let (due, stream, stopped, cancelled) = (None, None, None, false);
        self.unanswered += bytes;
        self.served.insert(id, Served { asked, due, stream, stopped, bytes, cancelled });
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.unanswered.saturating_add(bytes) <= self.config.max_unanswered
    }

    pub(super) fn subscribe_came(
        &mut self,
        now: Instant,
        id: CallId,
        pattern: &str,
        headers: &HeaderMap<'_>,
        bytes: usize,
    ) -> Result<Then, ProtocolError> {
        if let Some(refused) = self.begin(now, id)? {
            return Ok(refused);
        }
        let policy = headers.when_full.map_or(Some(self.config.policy), Policy::new);
        let subscriptions = self.subscriptions.len() + self.subscribing;
        let wrong = Status::INVALID_ARGUMENT;
        let refusal = if !is_pattern(pattern) {
            (wrong, BAD_PATTERN)
        } else if headers.group.is_some() && headers.retain.is_some() {
            (wrong, "a group gets no retained values")
        } else if subscriptions >= self.config.max_subscriptions as usize {
            (Status::RESOURCE_EXHAUSTED, "too many subscriptions")
        } else if !self.has_room(bytes) {
            (Status::RESOURCE_EXHAUSTED, "too many bytes of requests are unanswered")
        } else if let Some(policy) = policy {
            self.subscribing += 1;
            self.serve(id, Asked::Subscribe(policy), bytes);
            let entries = Bytes::copy_from_slice(headers.entries);
            self.events.push_back(Event::Subscribe(Box::new(Subscribe {
                subscription: id,
                pattern: pattern.into(),
                policy,
                retained: headers.retain == Some(true),
                group: headers.group.map(Into::into),
                headers: Headers::from_checked(entries, headers.count),
            })));
            return Ok(Then::Skip);
        } else {
            (wrong, "no such policy")
        };
        self.refuse_call(now, id, refusal)
    }

    pub(super) fn unsubscribe_came(
        &mut self,
        now: Instant,
        id: CallId,
        subscription: CallId,
    ) -> Result<Then, ProtocolError> {
        if let Some(refused) = self.begin(now, id)? {
            return Ok(refused);
        }
        if !self.forget_subscription(subscription) {
            return self.refuse_call(now, id, (Status::NOT_FOUND, "no such subscription"));
        }
        // A null is too short to be too large.
        let frame = Frame::Response { id, payload: &[] };
        let _ = self.push(now, &frame, Some(&Payload::null()), Counted::Answer);
        self.events.push_back(Event::Unsubscribe { subscription });
        Ok(Then::Skip)
    }

    pub(super) fn publish_came(
        &mut self,
        now: Instant,
        id: CallId,
        topic: &str,
        payload: &[u8],
        publication: impl FnOnce() -> (Publication, usize),
    ) -> Result<Then, ProtocolError> {
        if let Some(refused) = self.begin(now, id)? {
            return Ok(refused);
        }
        if !is_topic(topic) {
            return self.refuse_call(now, id, (Status::INVALID_ARGUMENT, BAD_TOPIC));
        }
        if let Err(error) = scan(payload, &self.config.payload) {
            let text = alloc::format!("the payload: {error}");
            return self.refuse_call(now, id, (error.status(), &text));
        }
        let (layout, kept) = publication();
        if !self.has_room(kept) {
            let text = "too many bytes of requests are unanswered";
            return self.refuse_call(now, id, (Status::RESOURCE_EXHAUSTED, text));
        }
        self.serve(id, Asked::Publish, kept);
        Ok(Then::Publish(kept, layout, Some(id)))
    }

    pub(super) fn one_way_publish_came(
        &mut self,
        now: Instant,
        topic: &str,
        payload: &[u8],
        publication: impl FnOnce() -> (Publication, usize),
    ) -> Result<Then, ProtocolError> {
        if self.peer_has_closed() {
            return Err(ProtocolError::UnexpectedFrame);
        }
        if !self.config.offers_topics {
            self.came.dropped += 1;
            return Ok(Then::Skip);
        }
        if !is_topic(topic) || scan(payload, &self.config.payload).is_err() {
            self.came.dropped += 1;
            self.note_strike(now)?;
            return Ok(Then::Skip);
        }
        let (layout, kept) = publication();
        Ok(Then::Publish(kept, layout, None))
    }

    pub(super) fn delivery_came(
        &mut self,
        now: Instant,
        subscription: CallId,
        topic: &str,
        publication: impl FnOnce() -> (Publication, usize),
    ) -> Result<Then, ProtocolError> {
        match self.own.get(&subscription) {
            None => Err(ProtocolError::UnknownSubscription),
            Some(Own::Leaving) => Ok(Then::Skip),
            Some(Own::Live) if !is_topic(topic) => {
                self.came.dropped += 1;
                self.note_strike(now)?;
                Ok(Then::Skip)
            }
            Some(Own::Live) => {
                let (layout, kept) = publication();
                Ok(Then::Delivery(kept, layout, subscription))
            }
        }
    }

    pub(super) fn lagged_came(
        &mut self,
        subscription: CallId,
        dropped: Dropped,
    ) -> Result<Then, ProtocolError> {
        match self.own.get(&subscription) {
            None => return Err(ProtocolError::UnknownSubscription),
            Some(Own::Leaving) => {}
            Some(Own::Live) => {
                let dropped = dropped.deliveries();
                self.events.push_back(Event::Lagged { subscription, dropped });
            }
        }
        Ok(Then::Skip)
    }

    /// A call of this side that asks for more than its answer has it.
    pub(super) fn wish_answered(&mut self, call: CallId, made: &Made, failure: Option<&Failure>) {
        match (made.wish, failure) {
            (Wish::Answer, _) | (Wish::Subscribe, Some(_)) => {}
            // What was given up lives at the peer all the same: it is to end.
            (Wish::Subscribe, None) if made.settled => {
                self.own.insert(call, Own::Leaving);
                self.given_up.push(call);
            }
            (Wish::Subscribe, None) if !self.peer_has_closed() => {
                self.own.insert(call, Own::Live);
            }
            (Wish::Subscribe, None) => {}
            (Wish::Unsubscribe(subscription), Some(failure))
                if failure.status != Status::NOT_FOUND =>
            {
                // It lives on, and its user knows.
                if !made.settled && self.own.contains_key(&subscription) {
                    self.own.insert(subscription, Own::Live);
                }
            }
            (Wish::Unsubscribe(subscription), _) => {
                self.own.remove(&subscription);
            }
        }
    }
}
