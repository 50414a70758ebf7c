//! What the application commands on an open connection (`docs/protocol.md` sections 4 and 5). Part of
//! the connection.

use alloc::boxed::Box;
use core::time::Duration;

use super::calls::{Asked, Made, Wish};
use super::outbox::{Counted, TooLarge};
use super::phase::Phase;
use super::stream::{Stream, Tail};
use super::subscriptions::Own;
use super::{Connection, Ping, cut, whole_milliseconds};
use crate::error::{CallError, Fate, Rejected};
use crate::event::Event;
use crate::failure::Failure;
use crate::id::CallId;
use crate::instant::Instant;
use crate::options::Options;
use crate::payload::Payload;
use crate::status::Status;
use crate::wire::{Frame, LONGEST_CHANNEL, item_len};

/// Pings of a side that may be unanswered (section 3).
pub(super) const MOST_PINGS: usize = 16;
/// An answer of so many bytes is taken even if much waits: refusals need no waiting, and `max-calls`
/// bounds how many there are.
const SMALL_ANSWER: usize = 128;

/// A call that is to be opened.
pub(super) struct Call {
    pub(super) token: u64,
    pub(super) left: Option<Duration>,
    pub(super) wish: Wish,
    pub(super) stream: Option<Box<Stream>>,
}

impl Connection {
    /// Sends a one-way message: at most once, in order with everything else that is sent.
    ///
    /// # Errors
    ///
    /// [`Rejected`], and nothing was queued: `NotReady`, `Closed`, `Full`, `TooLarge`, `BadChannel`,
    /// `BadHeaders`.
    pub fn send(
        &mut self,
        now: Instant,
        channel: &str,
        payload: &Payload,
        options: &Options,
    ) -> Result<(), Rejected> {
        self.may_send(channel)?;
        let headers = options.headers.as_map();
        let frame = Frame::Message { channel, headers, payload: &[] };
        self.push(now, &frame, Some(payload), Counted::No).map_err(|_| Rejected::TooLarge)?;
        Ok(())
    }

    /// Makes a call. `token` comes back with its [`Event::Answer`], which comes exactly once.
    ///
    /// # Errors
    ///
    /// [`Rejected`], and nothing was queued: `NotReady`, `Closed`, `Full`, `Busy`, `TooLarge`,
    /// `BadChannel`, `BadHeaders`, `IdsExhausted`.
    pub fn request(
        &mut self,
        now: Instant,
        channel: &str,
        payload: &Payload,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        self.may_send(channel)?;
        let left = options.time_left(&self.config);
        let headers = options.request_map(left.map(whole_milliseconds));
        if !headers.is_within_limits() {
            return Err(Rejected::BadHeaders);
        }
        let streams = options.streams();
        let stream = self.new_stream(streams.caller_sends, streams.caller_takes);
        let call = Call { token, left, wish: Wish::Answer, stream };
        self.open_call(now, call, Some(payload), |id| Frame::Request {
            id,
            channel,
            headers,
            payload: &[],
        })
    }

    /// Opens a call with the frame that this makes for its id.
    pub(super) fn open_call<'f>(
        &mut self,
        now: Instant,
        call: Call,
        payload: Option<&Payload>,
        frame: impl FnOnce(CallId) -> Frame<'f>,
    ) -> Result<CallId, Rejected> {
        if self.made.len() >= self.peer_max_calls as usize {
            return Err(Rejected::Busy);
        }
        let id = self.our_ids.peek().ok_or(Rejected::IdsExhausted)?;
        let request =
            self.push(now, &frame(id), payload, Counted::No).map_err(|_| Rejected::TooLarge)?;
        self.our_ids.take();
        let Call { token, left, wish, stream } = call;
        let due = left.map(|left| now + left);
        self.made.insert(id, Made { wish, token, due, request, stream, settled: false });
        Ok(id)
    }

    /// Answers a call of the peer. A call that was cancelled, or whose deadline passed, is answered
    /// with that instead. An answer that is longer than the peer takes becomes a failure
    /// [`Status::RESOURCE_EXHAUSTED`]; of a failure that is too long the data is left out.
    ///
    /// # Errors
    ///
    /// - [`Rejected::UnknownCall`] if it has been answered or the connection has ended: harmless, as
    ///   nobody waits for the answer any more.
    /// - [`Rejected::Full`] if too much waits to be written: let some go out, then answer again. An
    ///   answer of at most 128 bytes is always taken.
    pub fn respond(
        &mut self,
        now: Instant,
        call: CallId,
        answer: Result<&Payload, &Failure>,
    ) -> Result<(), Rejected> {
        let size = match answer {
            Ok(payload) => payload.len(),
            Err(failure) => failure.data.len() + failure.message.len(),
        };
        let call = self.on_wire(call).ok_or(Rejected::UnknownCall)?;
        self.orphans.retain(|orphan| *orphan != call);
        let served = self.served.get_mut(call).filter(|served| !served.is_answered());
        let served = served.filter(|served| served.asked == Asked::Request);
        let streams = served.ok_or(Rejected::UnknownCall)?.stream.is_some();
        if size > SMALL_ANSWER && self.is_unsent_full() {
            return Err(Rejected::Full);
        }
        if let Ok(payload) = answer {
            if streams && self.answer_behind_items(call, payload) {
                self.note_unsent(now);
                return Ok(());
            }
        }
        self.answer_now(now, call, answer)
    }

    /// Answers any call of the peer.
    pub(super) fn answer_now(
        &mut self,
        now: Instant,
        call: CallId,
        answer: Result<&Payload, &Failure>,
    ) -> Result<(), Rejected> {
        let served = self.forget_served(call).ok_or(Rejected::UnknownCall)?;
        match (served.stopped, answer) {
            (Some(status), _) => self.answer_failure(now, call, status, stopped_text(status)),
            (None, Ok(payload)) => {
                let frame = Frame::Response { id: call, payload: &[] };
                if self.push(now, &frame, Some(payload), Counted::Answer).is_err() {
                    let text = "the answer is larger than the caller takes in one frame";
                    self.answer_failure(now, call, Status::RESOURCE_EXHAUSTED, text);
                }
            }
            (None, Err(failure)) => {
                let reason = cut(&failure.message);
                let error = failure.status;
                let frame = Frame::Failure { id: call, error, reason, payload: &[] };
                if self.push(now, &frame, Some(&failure.data), Counted::Answer).is_err() {
                    self.answer_failure(now, call, error, reason);
                }
            }
        }
        self.finish_if_done(now);
        Ok(())
    }

    /// Lets an answer that is taken by the caller wait behind the items before it, if any do.
    fn answer_behind_items(&mut self, call: CallId, payload: &Payload) -> bool {
        let length = item_len(call, payload.len());
        let fits = length <= self.peer_max_frame as usize;
        let outgoing = self.outgoing(call).filter(|outgoing| outgoing.has_work());
        let Some(outgoing) = outgoing.filter(|_| fits) else { return false };
        outgoing.tail = Tail::Answer(payload.clone());
        outgoing.waiting += length;
        self.waiting += length;
        true
    }

    /// Answers with a failure of the protocol's own, which is always short enough.
    pub(super) fn answer_failure(&mut self, now: Instant, id: CallId, error: Status, reason: &str) {
        let frame = Frame::Failure { id, error, reason, payload: &[] };
        let queued = self.push(now, &frame, Some(&Payload::null()), Counted::Answer);
        debug_assert!(queued.is_ok(), "a short failure fits the least max-frame");
    }

    /// Gives up a call of this side. Its [`Event::Answer`] comes at once, with
    /// [`CallError::Cancelled`]; the peer is told, unless nothing of the call was written: then it
    /// never hears of it.
    ///
    /// # Errors
    ///
    /// [`Rejected::UnknownCall`] if it has ended already.
    pub fn cancel(&mut self, now: Instant, call: CallId) -> Result<(), Rejected> {
        self.give_up(now, call, CallError::Cancelled)
    }

    /// Ends a call for its user, whatever the peer does.
    pub(super) fn give_up(
        &mut self,
        now: Instant,
        call: CallId,
        error: impl FnOnce(Fate) -> CallError,
    ) -> Result<(), Rejected> {
        // With the connection its calls have ended; `poll_event` tells them one by one.
        let ended = self.phase.ended().is_some();
        let made = self.made.get_mut(call).filter(|made| !made.settled && !ended);
        let made = made.ok_or(Rejected::UnknownCall)?;
        let (token, request, wish) = (made.token, made.request, made.wish);
        let freed = made.stream.as_mut().map_or_else(Default::default, |stream| stream.end());
        self.free(call, freed);
        let fate = if self.outbox.is_unsent(request) {
            self.made.remove(call);
            self.outbox.remove(request);
            if let Wish::Unsubscribe(subscription) = wish {
                if let Some(own) = self.own.get_mut(&subscription) {
                    *own = Own::Live;
                }
            }
            Fate::NeverSent
        } else {
            if let Some(made) = self.made.get_mut(call) {
                made.settled = true;
            }
            // To take back an `unsubscribe` would help nobody.
            if !matches!(wish, Wish::Unsubscribe(_)) {
                // A cancel is too short to be too large.
                let _ = self.push(now, &Frame::Cancel { id: call }, None, Counted::No);
            }
            Fate::MayHaveRun
        };
        self.events.push_back(Event::Answer { call, token, outcome: Err(error(fate)) });
        self.note_unsent(now);
        self.finish_if_done(now);
        Ok(())
    }

    /// Asks the peer for a sign of life: [`Event::Pong`] comes with `token`.
    ///
    /// # Errors
    ///
    /// [`Rejected::NotReady`], [`Rejected::Closed`], or [`Rejected::TooManyPings`] if 16 are
    /// unanswered.
    pub fn ping(&mut self, now: Instant, token: u32) -> Result<(), Rejected> {
        self.may_speak()?;
        if self.pings.len() >= MOST_PINGS {
            return Err(Rejected::TooManyPings);
        }
        self.push_ping(now, Ping { token, sent: now, asked: true }).map_err(|_| Rejected::TooLarge)
    }

    /// Keeps the promise of `Config::keepalive`, unless something waits already: that goes first.
    pub(super) fn speak(&mut self, now: Instant) {
        if self.outbox.is_empty() && self.pings.len() < MOST_PINGS {
            // A ping is too short to be too large.
            let _ = self.push_ping(now, Ping { token: 0, sent: now, asked: false });
        }
    }

    fn push_ping(&mut self, now: Instant, ping: Ping) -> Result<(), TooLarge> {
        let token = ping.token;
        let position = self.push(now, &Frame::Ping { token }, None, Counted::No)?;
        self.pings.push_back((ping, position));
        Ok(())
    }

    /// Whether a new message or request may be queued.
    fn may_send(&self, channel: &str) -> Result<(), Rejected> {
        self.may_speak()?;
        if is_channel(channel) { self.may_queue() } else { Err(Rejected::BadChannel) }
    }

    /// Whether something new may be queued.
    pub(super) fn may_queue(&self) -> Result<(), Rejected> {
        self.may_speak()?;
        if self.is_unsent_full() { Err(Rejected::Full) } else { Ok(()) }
    }

    pub(crate) fn is_unsent_full(&self) -> bool {
        self.outbox.queued() >= self.config.max_unsent as u64
    }

    /// Whether something of an open call may be said.
    pub(super) const fn may_go_on(&self) -> Result<(), Rejected> {
        match self.phase {
            Phase::Closing { .. } if !self.outbox.is_severed() => Ok(()),
            _ => self.may_speak(),
        }
    }

    const fn may_speak(&self) -> Result<(), Rejected> {
        match self.phase {
            Phase::Open if !self.outbox.is_severed() => Ok(()),
            Phase::Greeting { .. } | Phase::Deciding { .. } => Err(Rejected::NotReady),
            _ => Err(Rejected::Closed),
        }
    }

    /// Queues a frame for an open connection.
    pub(super) fn push(
        &mut self,
        now: Instant,
        frame: &Frame<'_>,
        payload: Option<&Payload>,
        counted: Counted,
    ) -> Result<super::outbox::Position, TooLarge> {
        let position = self.outbox.push(frame, payload, self.peer_max_frame, counted)?;
        self.turns.owe((position.end - position.start) as usize);
        self.note_unsent(now);
        Ok(position)
    }
}

/// Whether the bytes of a frame's channel are a channel's name (section 5).
pub(super) fn is_channel(text: &str) -> bool {
    (1..=LONGEST_CHANNEL).contains(&text.len())
}

/// What a caller that no longer waits is told.
pub(super) const fn stopped_text(status: Status) -> &'static str {
    match status {
        Status::RESOURCE_EXHAUSTED => "too many bytes of items are not taken",
        Status::DEADLINE_EXCEEDED => "the deadline passed before the handler ended",
        _ => "cancelled",
    }
}
