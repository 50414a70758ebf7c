//! What each frame of the peer does on an open connection (`docs/protocol.md` sections 4 and 9). Part
//! of the connection; one function a frame kind where there is anything to decide.

use super::calls::{Asked, Served};
use super::commands::{MOST_PINGS, is_channel, stopped_text};
use super::outbox::Counted;
use super::phase::Phase;
use super::subscriptions::Own;
use super::{Connection, duration, strikes};
use crate::error::{CallError, ProtocolError};
use crate::event::{Event, Item, Received};
use crate::failure::Failure;
use crate::id::CallId;
use crate::instant::Instant;
use crate::options::Streams;
use crate::payload::Payload;
use crate::publication::Publication;
use crate::status::Status;
use crate::wire::{Decoder, Frame, HeaderMap};

/// What is left to do once the borrowed frame is let go.
pub(super) enum Then {
    /// Drop the frame.
    Skip,
    /// Keep its end as a message.
    Message(usize, Received),
    /// Keep its end as the arguments of a call.
    Request(usize, Received, CallId, Streams),
    /// Keep its payload as an item of a call, which cost so much.
    Item(usize, CallId, u32),
    /// Keep its end as what is published, and with which call.
    Publish(usize, Publication, Option<CallId>),
    /// Keep its end as what a subscription gets.
    Delivery(usize, Publication, CallId),
    /// Keep its payload as the data of a subscription's end.
    Ended(usize, CallId, Failure),
    /// Keep its payload as the answer to a call.
    Answer(usize, CallId, Result<(), Failure>),
}

impl Connection {
    /// Takes the next frame; whether there was one.
    pub(super) fn receive(&mut self, now: Instant, input: &mut Decoder) -> bool {
        input.set_max_frame(self.config.max_frame.max(crate::wire::LEAST_MAX_FRAME));
        let handled = match input.peek() {
            Ok(None) => return false,
            Ok(Some(bytes)) => Frame::decode(bytes).and_then(|frame| self.frame(now, bytes, frame)),
            Err(error) => Err(error),
        };
        match handled {
            Ok(Then::Skip) => input.skip(),
            Ok(Then::Message(length, layout)) => {
                let message = layout.with_bytes(input.take_tail(length));
                self.events.push_back(Event::Message(message));
            }
            Ok(Then::Request(length, layout, call, streams)) => {
                let request = layout.with_bytes(input.take_tail(length));
                let deadline = self.served.last().and_then(|served| served.due);
                self.events.push_back(Event::Request { call, deadline, streams, request });
            }
            Ok(Then::Item(length, call, cost)) => {
                let item = Item::new(Payload::from_peer(input.take_unpinned(length)), cost);
                self.events.push_back(Event::Item { call, item });
            }
            Ok(Then::Publish(length, layout, call)) => {
                let publication = layout.with_bytes(input.take_unpinned(length));
                self.events.push_back(Event::Publish { call, publication });
            }
            Ok(Then::Delivery(length, layout, subscription)) => {
                let publication = layout.with_bytes(input.take_unpinned(length));
                self.events.push_back(Event::Delivery { subscription, publication });
            }
            Ok(Then::Ended(length, subscription, failure)) => {
                let failure = failure.with_data(Payload::from_peer(input.take_tail(length)));
                self.events.push_back(Event::SubscriptionEnded { subscription, failure });
            }
            Ok(Then::Answer(length, call, outcome)) => {
                let payload = Payload::from_peer(input.take_tail(length));
                self.answered(now, call, outcome, payload);
            }
            Err(error) => self.fail(now, error),
        }
        true
    }

    fn frame(
        &mut self,
        now: Instant,
        bytes: &[u8],
        frame: Frame<'_>,
    ) -> Result<Then, ProtocolError> {
        match frame {
            Frame::Hello { .. } | Frame::Welcome { .. } | Frame::Reject { .. } => {
                Err(ProtocolError::UnexpectedFrame)
            }
            Frame::Goodbye { error, reason, reconnect_after_ms } => {
                self.goodbye(now, error, reason, reconnect_after_ms.map(duration))
            }
            Frame::Ping { token } => self.pinged(now, token),
            Frame::Pong { token } => self.ponged(now, token),
            Frame::Message { channel, headers, payload } => {
                self.message(now, bytes, channel, &headers, payload)
            }
            Frame::Request { id, channel, headers, payload } => {
                let (layout, kept) = Received::layout(bytes, channel, &headers, payload);
                let streams = Streams::from_bits(headers.streams.unwrap_or(0));
                let opened = self.opened(now, id, channel, headers.deadline, streams, kept)?;
                Ok(if opened { Then::Request(kept, layout, id, streams) } else { Then::Skip })
            }
            Frame::Response { id, payload } => {
                self.check_made(id)?;
                Ok(Then::Answer(payload.len(), id, Ok(())))
            }
            Frame::Failure { id, error, reason, payload } => {
                let failure = Failure::new(error, super::cut(reason));
                if let Some(own) = self.own.remove(&id) {
                    return Ok(match own {
                        Own::Live => Then::Ended(payload.len(), id, failure),
                        Own::Leaving => Then::Skip,
                    });
                }
                self.check_made(id)?;
                Ok(Then::Answer(payload.len(), id, Err(failure)))
            }
            Frame::Item { id, payload } => self.item_came(now, id, bytes.len(), payload.len()),
            Frame::End { id } => self.end_came(id),
            Frame::Credit { id, amount } => self.credit_came(id, amount),
            Frame::Cancel { id } => self.cancelled(now, id),
            Frame::Subscribe { id, pattern, headers } => {
                self.subscribe_came(now, id, pattern, &headers, bytes.len())
            }
            Frame::Unsubscribe { id, subscription } => self.unsubscribe_came(now, id, subscription),
            Frame::Publish { id, topic, headers, payload } => {
                let publication = || Publication::of_frame(topic, &headers, bytes, payload);
                match id {
                    Some(id) => self.publish_came(now, id, topic, payload, publication),
                    None => self.one_way_publish_came(now, topic, payload, publication),
                }
            }
            Frame::Delivery { subscription, topic, headers, payload } => {
                let publication = || Publication::of_frame(topic, &headers, bytes, payload);
                self.delivery_came(now, subscription, topic, publication)
            }
            Frame::Lagged { subscription, dropped } => self.lagged_came(subscription, dropped),
            Frame::Extension { .. } => Ok(Then::Skip),
        }
    }

    /// Whether the peer has said `goodbye`: it opens and sends nothing new.
    pub(super) const fn peer_has_closed(&self) -> bool {
        matches!(&self.phase, Phase::Closing { closing, .. } if closing.peer_said())
    }

    fn pinged(&mut self, now: Instant, token: u32) -> Result<Then, ProtocolError> {
        if self.outbox.pongs() >= MOST_PINGS {
            return Err(ProtocolError::TooManyPings);
        }
        // A pong is too short to be too large.
        let _ = self.push(now, &Frame::Pong { token }, None, Counted::Pong);
        Ok(Then::Skip)
    }

    fn ponged(&mut self, now: Instant, token: u32) -> Result<Then, ProtocolError> {
        match self.pings.pop_front() {
            Some((ping, at)) if ping.token == token && !self.outbox.is_unsent(at) => {
                if ping.asked {
                    self.events.push_back(Event::Pong { token, round_trip: now - ping.sent });
                }
                Ok(Then::Skip)
            }
            _ => Err(ProtocolError::UnexpectedPong),
        }
    }

    fn message(
        &mut self,
        now: Instant,
        bytes: &[u8],
        channel: &str,
        headers: &HeaderMap<'_>,
        payload: &[u8],
    ) -> Result<Then, ProtocolError> {
        if self.peer_has_closed() {
            return Err(ProtocolError::UnexpectedFrame);
        }
        if !is_channel(channel) {
            self.came.dropped += 1;
            self.note_strike(now)?;
            return Ok(Then::Skip);
        }
        let (layout, kept) = Received::layout(bytes, channel, headers, payload);
        Ok(Then::Message(kept, layout))
    }

    /// The peer offended in a way that costs a message only; too often is fatal.
    pub(super) fn note_strike(&mut self, now: Instant) -> Result<(), ProtocolError> {
        self.came.strikes += 1;
        if self.strikes.get_or_insert_default().strike(now) {
            Err(ProtocolError::TooManyStrikes)
        } else {
            Ok(())
        }
    }

    /// Takes note that a one-way message of the peer was not what its listener takes. 16 such strikes
    /// in any minute are borne, the next ends the connection (`docs/protocol.md` section 8).
    pub fn strike(&mut self, now: Instant) {
        if let Err(error) = self.note_strike(now) {
            self.fail(now, error);
        }
    }

    /// A call with this id begins.
    pub(super) fn open_id(&mut self, id: CallId) -> Result<(), ProtocolError> {
        self.their_ids.open(id)?;
        if self.peer_has_closed() { Err(ProtocolError::UnexpectedFrame) } else { Ok(()) }
    }

    fn is_full(&self) -> bool {
        self.served.len() + self.outbox.answers() >= self.config.max_calls as usize
    }

    /// Why no call can begin now, whatever it asks for.
    pub(super) fn refusal(&self) -> Option<(Status, &'static str)> {
        if self.is_full() {
            Some((Status::RESOURCE_EXHAUSTED, "more calls than max-calls are open"))
        } else if !matches!(self.phase, Phase::Open) {
            Some((Status::UNAVAILABLE, "closing"))
        } else {
            None
        }
    }

    /// Answers a call that nobody here gets to see.
    pub(super) fn refuse_call(
        &mut self,
        now: Instant,
        id: CallId,
        (status, why): (Status, &str),
    ) -> Result<Then, ProtocolError> {
        if self.is_full() {
            self.note_strike(now)?;
            // No strike is forgotten while its answer waits: they would pile up at a slow reader's.
            let most = self.config.max_calls as usize + strikes::MOST;
            if self.served.len() + self.outbox.answers() >= most {
                return Err(ProtocolError::TooManyStrikes);
            }
        }
        self.answer_failure(now, id, status, why);
        Ok(Then::Skip)
    }

    /// A request begins; whether somebody here is to see it.
    fn opened(
        &mut self,
        now: Instant,
        id: CallId,
        channel: &str,
        deadline: Option<u64>,
        streams: Streams,
        bytes: usize,
    ) -> Result<bool, ProtocolError> {
        self.open_id(id)?;
        let refusal = if let Some(refusal) = self.refusal() {
            Some(refusal)
        } else if !is_channel(channel) {
            Some((Status::INVALID_ARGUMENT, "a channel is 1 to 255 bytes of text"))
        } else if streams.caller_sends && !self.config.takes_items {
            Some((Status::INVALID_ARGUMENT, "the handler takes no stream"))
        } else if deadline == Some(0) {
            Some((Status::DEADLINE_EXCEEDED, "the deadline had passed before the call came"))
        } else if self.unanswered + bytes > self.config.max_unanswered {
            Some((Status::RESOURCE_EXHAUSTED, "too many bytes of requests are unanswered"))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.refuse_call(now, id, refusal)?;
            return Ok(false);
        }
        let due = deadline.map(|ms| now + duration(ms));
        self.unanswered += bytes;
        let stream = self.new_stream(streams.caller_takes, streams.caller_sends);
        let (stopped, cancelled) = (None, false);
        let asked = Asked::Request;
        self.served.insert(id, Served { asked, due, stream, stopped, bytes, cancelled });
        Ok(true)
    }

    /// A frame of the callee must be of a call that is open and whose request was written.
    pub(super) fn check_made(&mut self, id: CallId) -> Result<(), ProtocolError> {
        let made = self.made.get_mut(id).ok_or(ProtocolError::UnknownCall)?;
        if self.outbox.is_unsent(made.request) {
            return Err(ProtocolError::UnknownCall);
        }
        Ok(())
    }

    fn answered(
        &mut self,
        now: Instant,
        call: CallId,
        outcome: Result<(), Failure>,
        payload: Payload,
    ) {
        let Some(mut made) = self.made.remove(call) else { return };
        self.free(call, made.stream.as_mut().map_or_else(Default::default, |stream| stream.end()));
        self.wish_answered(call, &made, outcome.as_ref().err());
        if !self.given_up.is_empty() {
            // There is room for one call more.
            self.leave_given_up(now);
        }
        if !made.settled {
            let outcome = match outcome {
                Ok(()) => Ok(payload),
                Err(failure) => Err(CallError::Failed(failure.with_data(payload))),
            };
            self.events.push_back(Event::Answer { call, token: made.token, outcome });
        }
        self.finish_if_done(now);
    }

    fn cancelled(&mut self, now: Instant, id: CallId) -> Result<Then, ProtocolError> {
        if let Some(served) = self.served.get_mut(id) {
            if core::mem::replace(&mut served.cancelled, true) {
                return Err(ProtocolError::UnexpectedFrame);
            }
            if served.stopped.is_none() {
                self.stop_served(now, id, Status::CANCELLED);
            }
            return Ok(Then::Skip);
        }
        if self.their_ids.was_opened(id) { Ok(Then::Skip) } else { Err(ProtocolError::UnknownCall) }
    }

    /// Nobody waits for a call of the peer any more. One that is answered already, but for items that
    /// wait before the answer, ends at once.
    pub(super) fn stop_served(&mut self, now: Instant, call: CallId, status: Status) {
        let Some(served) = self.served.get_mut(call) else { return };
        let answered = served.is_answered();
        served.stopped = Some(status);
        let freed = served.stream.as_mut().map_or_else(Default::default, |stream| stream.stop());
        self.free(call, freed);
        if answered {
            self.forget_served(call);
            self.answer_failure(now, call, status, stopped_text(status));
        } else {
            self.events.push_back(Event::Cancelled { call, status });
        }
    }

    /// A call of the peer has its answer.
    pub(super) fn forget_served(&mut self, call: CallId) -> Option<Served> {
        let mut served = self.served.remove(call)?;
        let freed = served.stream.as_mut().map_or_else(Default::default, |stream| stream.end());
        self.free(call, freed);
        self.unanswered -= served.bytes;
        if let Asked::Subscribe(_) = served.asked {
            self.subscribing -= 1;
        }
        Some(served)
    }
}
