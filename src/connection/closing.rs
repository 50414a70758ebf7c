//! How a connection ends (`docs/protocol.md` section 7). Part of the connection.

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use super::outbox::Counted;
use super::phase::{By, Closing, Phase};
use super::receive::Then;
use super::{Connection, Role, cut, milliseconds};
use crate::close_reason::{CloseReason, Timer};
use crate::config::LONGEST;
use crate::error::{CallError, Fate, ProtocolError};
use crate::event::Event;
use crate::failure::Failure;
use crate::instant::Instant;
use crate::status::Status;
use crate::wire::Frame;

impl Connection {
    /// Closes gracefully: what is queued is written, open calls go on for at most
    /// [`Config::drain`](crate::Config::drain), new ones are refused, and the peer is told. Before
    /// the handshake is complete a server refuses the client with UNAVAILABLE, a client just goes.
    ///
    /// `reconnect_after` asks a client to come back then; `None` asks it not to. A connection that
    /// is closing or closed already is left alone.
    pub fn close(&mut self, now: Instant, message: &str, reconnect_after: Option<Duration>) {
        let message = cut(message);
        let reason = || CloseReason::Closed { message: message.into() };
        match (&self.phase, self.role) {
            (Phase::Greeting { .. } | Phase::Deciding { .. }, Role::Server) => {
                let failure = Failure::new(Status::UNAVAILABLE, message);
                self.reject(now, &failure, reconnect_after, reason());
            }
            (Phase::Greeting { .. }, Role::Client) => self.close_at_once(reason()),
            (Phase::Open, _) => {
                let closing = Closing { message: message.into(), by: By::Us { answered: false } };
                self.say_goodbye(now, closing, reconnect_after);
            }
            _ => {}
        }
    }

    /// Ends the connection at once, without a word to the peer. `message` is for this side's eyes.
    pub fn abort(&mut self, message: &str) {
        let reason = CloseReason::Aborted { message: message.into() };
        self.close_at_once(reason);
    }

    /// Ends the connection with an error, which the peer is told: what is queued is dropped, open calls
    /// end. Before the handshake is complete a server refuses the client with it, a client just goes.
    /// A connection that has ended is left alone.
    pub fn fail_with(&mut self, now: Instant, failure: Failure) {
        let reason = CloseReason::Failed { failure: failure.clone() };
        self.last_words(now, failure.status, &failure.message, reason);
    }

    /// The peer's end of the stream. `inside_frame` tells that bytes of an incomplete frame are left.
    pub fn handle_end(&mut self, inside_frame: bool) {
        let reason = match &mut self.phase {
            // It may still read: the last words first.
            Phase::Ending { peer_ended, .. } if !self.outbox.is_empty() => {
                *peer_ended = true;
                return;
            }
            // Ours counts when it has been written.
            Phase::Closing { closing, .. }
                if !inside_frame && (closing.peer_said() || self.outbox.is_empty()) =>
            {
                Some(closing.reason())
            }
            _ => None,
        };
        self.close_at_once(reason.filter(|_| self.is_idle()).unwrap_or(CloseReason::Lost));
    }

    /// A write failed: nothing can be sent any more. What the peer said before that is still read, for
    /// at most [`Config::linger`](crate::Config::linger): its last words may be there.
    pub fn handle_write_error(&mut self, now: Instant) {
        if !self.outbox.is_severed() {
            self.outbox.sever();
            self.write_until = None;
            self.severed_until = Some(now + self.config.linger.min(LONGEST));
            self.finish_if_done(now);
        }
    }

    /// Whether the write half is to be shut now. Says so once; a transport that cannot shut one half
    /// ignores it.
    pub fn poll_shut(&mut self) -> bool {
        match &mut self.phase {
            Phase::Ending { shut, .. } if !*shut && self.outbox.is_empty() => {
                *shut = true;
                true
            }
            _ => false,
        }
    }

    /// Why it ended, once there is nothing more to read or write: then drop the transport.
    #[must_use]
    pub fn closed(&self) -> Option<&CloseReason> {
        match &self.phase {
            Phase::Closed(reason) => Some(reason),
            _ => None,
        }
    }

    /// Why nothing more can be sent, though it has not told so yet: it has ended, or a write has failed and
    /// the peer's last words are still to be read.
    pub(crate) fn cut(&self) -> Option<&CloseReason> {
        match &self.phase {
            Phase::Closed(reason) => Some(reason),
            _ if self.outbox.is_severed() => Some(&CloseReason::Lost),
            _ => None,
        }
    }

    pub(super) fn say_goodbye(
        &mut self,
        now: Instant,
        closing: Closing,
        reconnect_after: Option<Duration>,
    ) {
        let reason = if let By::Us { .. } = closing.by { &closing.message[..] } else { "" };
        let reconnect_after_ms =
            milliseconds(reconnect_after.filter(|_| self.role == Role::Server));
        let goodbye = Frame::Goodbye { error: None, reason, reconnect_after_ms };
        self.flush_deliveries();
        // Its text is cut, so that it fits the least max-frame.
        let _ = self.push(now, &goodbye, None, Counted::No);
        let until = now + self.config.drain.min(LONGEST);
        self.phase = Phase::Closing { until, closing };
        self.finish_if_done(now);
    }

    /// The peer says `goodbye`.
    pub(super) fn goodbye(
        &mut self,
        now: Instant,
        error: Option<Status>,
        reason: &str,
        reconnect_after: Option<Duration>,
    ) -> Result<Then, ProtocolError> {
        let message = String::from(cut(reason));
        // Only a server asks its clients to come back.
        let reconnect_after = reconnect_after.filter(|_| self.role == Role::Client);
        if let Some(status) = error {
            let reason = match &self.phase {
                // It had closed already and just did not hear our answer: its first word counts.
                Phase::Closing {
                    closing: closing @ Closing { by: By::Peer { .. }, .. }, ..
                } if self.is_idle() => closing.reason(),
                _ => CloseReason::PeerError { status, message },
            };
            self.close_at_once(reason);
            return Ok(Then::Skip);
        }
        // What the peer delivered ends here.
        self.own.clear();
        match &mut self.phase {
            Phase::Open => {
                self.events.push_back(Event::Closing { message: message.clone(), reconnect_after });
                let closing = Closing { message, by: By::Peer { reconnect_after } };
                self.say_goodbye(now, closing, None);
            }
            Phase::Closing { closing: Closing { by: By::Us { answered }, .. }, .. }
                if !*answered =>
            {
                *answered = true;
                self.finish_if_done(now);
            }
            _ => return Err(ProtocolError::UnexpectedFrame),
        }
        Ok(Then::Skip)
    }

    /// The peer broke a rule.
    pub(super) fn fail(&mut self, now: Instant, error: ProtocolError) {
        let reason = CloseReason::Protocol(error);
        self.last_words(now, error.status(), error.name(), reason);
    }

    pub(super) fn time_out(&mut self, now: Instant, timer: Timer) {
        let reason = CloseReason::Timeout(timer);
        match timer {
            Timer::Write => self.close_at_once(reason),
            timer => {
                let words = match timer {
                    Timer::Handshake => "handshake-timeout",
                    Timer::Keepalive => "keepalive-timeout",
                    _ => "drain-timeout",
                };
                self.last_words(now, Status::DEADLINE_EXCEEDED, words, reason);
            }
        }
    }

    /// Says what is wrong, if it can still be said, and ends.
    pub(super) fn last_words(
        &mut self,
        now: Instant,
        status: Status,
        words: &str,
        reason: CloseReason,
    ) {
        match (&self.phase, self.role) {
            (Phase::Greeting { .. } | Phase::Deciding { .. }, Role::Server) => {
                self.reject(now, &Failure::new(status, words), None, reason);
            }
            (Phase::Open | Phase::Closing { .. }, _) => {
                self.forget_turns();
                self.outbox.remove_unsent();
                let error = Some(status);
                let reason_words = cut(words);
                let goodbye =
                    Frame::Goodbye { error, reason: reason_words, reconnect_after_ms: None };
                let _ = self.push(now, &goodbye, None, Counted::No);
                self.end_after_last_words(now, reason);
            }
            (Phase::Greeting { .. } | Phase::Deciding { .. }, Role::Client) => {
                self.close_at_once(reason);
            }
            (Phase::Ending { .. } | Phase::Closed(_), _) => {}
        }
    }

    pub(super) fn end_after_last_words(&mut self, now: Instant, reason: CloseReason) {
        self.let_go();
        let until = now + self.config.linger.min(LONGEST);
        let reason = Box::new(reason);
        self.phase = Phase::Ending { until, reason, shut: false, peer_ended: false };
        self.note_unsent(now);
    }

    /// Nothing of the peer's is served any more.
    fn let_go(&mut self) {
        while let Some((call, served)) = self.served.pop_back() {
            if served.stopped.is_none() && !served.is_answered() {
                self.orphans.push(call);
            }
        }
        self.served.clear();
        self.unanswered = 0;
        self.pings.clear();
        self.own.clear();
        self.given_up.clear();
        self.subscribing = 0;
        self.forget_turns();
    }

    /// Nothing takes a turn any more.
    fn forget_turns(&mut self) {
        self.turns.clear();
        self.subscriptions.clear();
        self.refused.clear();
        self.waiting = 0;
    }

    /// Ends without another byte, for this reason unless it has ended for another one already.
    pub(super) fn close_at_once(&mut self, reason: CloseReason) {
        if self.closed().is_none() {
            let reason = self.phase.ended().cloned().unwrap_or(reason);
            self.let_go();
            self.outbox.sever();
            self.write_until = None;
            self.severed_until = None;
            self.phase = Phase::Closed(Box::new(reason));
        }
    }

    /// No call is open, as each side counts: the caller until the answer is read, the callee until it
    /// is written.
    fn is_idle(&self) -> bool {
        self.made.is_empty() && self.served.is_empty() && self.outbox.answers() == 0
    }

    /// A graceful close is complete once both `goodbye`s are sent and no call is open; an end whose
    /// last words nobody answers, once they are written.
    pub(super) fn finish_if_done(&mut self, now: Instant) {
        match &self.phase {
            Phase::Closing { closing, .. }
                if closing.peer_said() && self.is_idle() && self.outbox.is_empty() =>
            {
                let reason = closing.reason();
                self.end_after_last_words(now, reason);
            }
            Phase::Ending { peer_ended: true, reason, .. } if self.outbox.is_empty() => {
                let reason = (**reason).clone();
                self.close_at_once(reason);
            }
            _ => {}
        }
    }

    /// Ends the next open call of an ended connection for its user.
    pub(super) fn settle_next(&mut self, reason: &CloseReason) -> Option<Event> {
        loop {
            let (call, made) = self.made.pop_front()?;
            if made.settled {
                continue;
            }
            let unsent = self.outbox.is_unsent(made.request);
            let fate = if unsent { Fate::NeverSent } else { Fate::MayHaveRun };
            let outcome = Err(CallError::Disconnected(reason.clone(), fate));
            return Some(Event::Answer { call, token: made.token, outcome });
        }
    }
}
