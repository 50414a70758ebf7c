//! The deadlines of a connection (`docs/protocol.md` section 8). Part of the connection.
//!
//! The time that is due lives with what it belongs to: the phase, the outbox, each call. Here they
//! meet: the earliest is what the driver waits for.

use super::Connection;
use super::keepalive::KeepaliveDue;
use super::phase::Phase;
use crate::close_reason::{CloseReason, Timer};
use crate::error::CallError;
use crate::instant::Instant;
use crate::status::Status;

impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) must be called next, and what for. May be early,
    /// never late.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let mut next = self.phase.until();
        let mut consider = |at: Option<Instant>, timer| {
            if let Some(at) = at {
                if next.is_none_or(|(next, _)| at < next) {
                    next = Some((at, timer));
                }
            }
        };
        consider(self.write_until, Timer::Write);
        consider(self.severed_until, Timer::Linger);
        if let Phase::Open | Phase::Closing { .. } = self.phase {
            consider(self.made.earliest(), Timer::Call);
            consider(self.served.earliest(), Timer::Call);
            consider(
                self.keepalive.as_ref().and_then(|keepalive| keepalive.due()),
                Timer::Keepalive,
            );
        }
        next
    }

    /// Does what is due. Afterwards [`poll_timeout`](Self::poll_timeout) is `None` or later than
    /// `now`. Calling it early or twice does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((until, timer)) = self.poll_timeout() {
            if until > now {
                return;
            }
            match timer {
                Timer::Call => self.call_timeouts(now),
                Timer::Handshake | Timer::Drain | Timer::Write => self.time_out(now, timer),
                Timer::Keepalive => {
                    match self.keepalive.as_mut().map(|keepalive| keepalive.take_due(now)) {
                        None | Some(KeepaliveDue::Nothing) => {}
                        Some(KeepaliveDue::Speak) => self.speak(now),
                        Some(KeepaliveDue::Dead) => self.time_out(now, timer),
                    }
                }
                Timer::Linger => self.close_at_once(CloseReason::Lost),
            }
        }
    }

    fn call_timeouts(&mut self, now: Instant) {
        for call in self.made.take_overdue(now) {
            // An overdue call is open, so that it can be given up.
            let _ = self.give_up(now, call, CallError::Deadline);
        }
        for call in self.served.take_overdue(now) {
            self.stop_served(now, call, Status::DEADLINE_EXCEEDED);
        }
    }
}
