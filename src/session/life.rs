//! `Life`: what a session that comes back has beside its pump: where it stands, and when it tries again.
//! Called by the session only. What it does for calls and subscriptions is in `cares.rs`.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::ToString;
use alloc::sync::Arc;
use core::time::Duration;

use super::backoff::{Backoff, Jitter};
use super::cares::{Care, Wanted};
use super::healing::Healing;
use super::next::{SessionNext, SessionStatus};
use super::queue::Queue;
use crate::close_reason::CloseReason;
use crate::config::{Config, LONGEST};
use crate::connection::{Connection, Hello};
use crate::error::{CallError, Rejected};
use crate::event::Event;
use crate::failure::Failure;
use crate::id::CallId;
use crate::instant::Instant;
use crate::pump::{Next, Pump};

/// How it stands with the transport.
#[derive(Debug)]
pub(super) enum Stage {
    /// One is to be opened.
    Wanted,
    /// The driver opens one.
    Opening,
    /// The handshake is under way.
    Greeting,
    /// Subscriptions are made again, until then.
    Restoring { until: Instant },
    /// All may be sent.
    Ready { since: Instant },
    /// The connection has ended and says its last words; then the session waits.
    Leaving { until: Instant },
    /// There is none until then.
    Waiting { until: Instant },
    /// The end: for the driver when the transport is dropped.
    Over { reason: CloseReason, transport: bool },
}

/// What becomes of a send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The connection takes it.
    Through,
    /// It waits its turn on a connection that is there.
    Behind,
    /// It waits for a connection.
    Wait,
}

#[derive(Debug)]
pub(super) struct Life {
    config: Arc<Config>,
    hello: Hello,
    pub(super) backoff: Backoff,
    jitter: Jitter,
    status: SessionStatus,
    /// The one that was told last.
    pub(super) told_status: SessionStatus,
    pub(super) stage: Stage,
    /// What is told next, before anything of the connection's.
    pub(super) told: VecDeque<SessionNext>,
    /// How many attempts to come back there have been in a row.
    attempts: u32,
    /// What the peer's `goodbye` asked for, if it has said one.
    goodbye: Option<Option<Duration>>,
    /// The application has closed it.
    stopped: bool,
    /// Why the last connection ended.
    pub(super) lost: CloseReason,
    pub(super) queue: Queue,
    /// The queue must be looked at: until it is empty on a connection that is ready.
    pub(super) queues: bool,
    /// Sends that waited in vain and have no caller to tell.
    pub(super) dropped: u64,
    /// Subscriptions that are live for the user.
    pub(super) subscriptions: BTreeMap<CallId, Wanted>,
    /// Open calls of the present connection whose end is of interest here.
    pub(super) cares: BTreeMap<CallId, Care>,
    /// Subscriptions that are to be made again on this connection, in order.
    pub(super) restoring: VecDeque<CallId>,
    /// How many of them are not answered.
    pub(super) unanswered: usize,
}

impl Life {
    pub(super) fn new(config: Arc<Config>, hello: Hello, backoff: Backoff, seed: u64) -> Self {
        let queue = Queue::new(backoff.max_waiting, backoff.max_waiting_bytes);
        Self {
            config,
            hello,
            backoff,
            jitter: Jitter(seed),
            status: SessionStatus::Idle,
            told_status: SessionStatus::Idle,
            stage: Stage::Wanted,
            told: VecDeque::new(),
            attempts: 0,
            goodbye: None,
            stopped: false,
            lost: CloseReason::Lost,
            queue,
            queues: true,
            dropped: 0,
            subscriptions: BTreeMap::new(),
            cares: BTreeMap::new(),
            restoring: VecDeque::new(),
            unanswered: 0,
        }
    }

    pub(super) fn next(&mut self, pump: &mut Pump, now: Instant) -> SessionNext {
        loop {
            if let Some(told) = self.told.pop_front() {
                if let SessionNext::Status(status) = told {
                    self.told_status = status;
                }
                return told;
            }
            if self.end_overdue(pump.connection(), now) {
                continue;
            }
            match self.stage {
                Stage::Wanted if self.status == SessionStatus::Idle => {
                    self.become_status(SessionStatus::Connecting);
                }
                Stage::Wanted => {
                    self.stage = Stage::Opening;
                    return SessionNext::Connect;
                }
                Stage::Waiting { until } if until <= now => self.stage = Stage::Wanted,
                Stage::Waiting { until } => {
                    return SessionNext::Wait { until: self.no_later_than(Some(until)) };
                }
                Stage::Opening => return SessionNext::Wait { until: self.no_later_than(None) },
                Stage::Over { ref reason, transport: false } => {
                    return SessionNext::Done(reason.clone());
                }
                _ => {
                    if let Some(next) = self.go_on(pump, now) {
                        return next;
                    }
                }
            }
        }
    }

    /// There is a transport.
    fn go_on(&mut self, pump: &mut Pump, now: Instant) -> Option<SessionNext> {
        self.send_waiting(pump.connection(), now);
        if !self.told.is_empty() {
            return None;
        }
        if let Stage::Leaving { .. } = self.stage {
            if let Some(event) = pump.connection().take_orphan() {
                return Some(SessionNext::Event(event));
            }
        }
        match pump.next(now) {
            Next::Event(event) => self.event(pump.connection(), now, event).map(SessionNext::Event),
            Next::Io { read, write, until } => {
                let until = self.no_later_than(until);
                Some(SessionNext::Io { read, write, until })
            }
            Next::Done(_) => match &mut self.stage {
                Stage::Leaving { until } => {
                    self.stage = Stage::Waiting { until: *until };
                    self.become_status(SessionStatus::Reconnecting);
                    Some(SessionNext::Drop)
                }
                Stage::Over { transport, .. } => {
                    *transport = false;
                    None
                }
                // Its end was told before, with the event.
                _ => None,
            },
            next @ (Next::Shut | Next::Yield) => Some(next.into()),
        }
    }

    /// The time at which something of the session's own is due, or earlier.
    fn no_later_than(&self, until: Option<Instant>) -> Option<Instant> {
        let restored = match self.stage {
            Stage::Restoring { until } => Some(until),
            _ => None,
        };
        [until, restored, self.queue.earliest()].into_iter().flatten().min()
    }

    pub(super) fn become_status(&mut self, status: SessionStatus) {
        if self.status != status {
            self.status = status;
            self.told.push_back(SessionNext::Status(status));
        }
    }

    /// The driver has a transport.
    pub(super) fn connected(&mut self, pump: &mut Pump, now: Instant) {
        if !matches!(self.stage, Stage::Opening) {
            return;
        }
        let (config, before) = (Arc::clone(&self.config), pump.connection());
        match Connection::client_after(config, &self.hello, now, before) {
            Ok(connection) => pump.renew(connection),
            // Not with the hello that was looked at when the session was made.
            Err(rejected) => {
                let failure = Failure::new(rejected.status(), rejected.to_string());
                return self.is_over(CloseReason::Failed { failure }, false);
            }
        }
        self.stage = Stage::Greeting;
        self.queues = true;
        self.become_status(SessionStatus::Connected);
    }

    /// The driver has none.
    pub(super) fn failed(&mut self, now: Instant, reason: CloseReason) {
        if matches!(self.stage, Stage::Opening) {
            self.ended(now, reason);
        }
    }

    fn event(&mut self, connection: &mut Connection, now: Instant, event: Event) -> Option<Event> {
        match event {
            Event::Welcome(_) => {
                self.begin_restoring(now);
                self.send_waiting(connection, now);
                Some(event)
            }
            Event::Closing { reconnect_after, .. } => {
                self.goodbye = Some(reconnect_after);
                Some(event)
            }
            Event::Answer { call, token, outcome } => {
                self.answered(connection, call, token, outcome)
            }
            Event::SubscriptionEnded { subscription, .. } => {
                self.subscriptions.remove(&subscription);
                Some(event)
            }
            Event::Closed(reason) => {
                self.ended(now, reason);
                None
            }
            event => Some(event),
        }
    }

    fn begin_restoring(&mut self, now: Instant) {
        let until = now + self.config.handshake_timeout.min(LONGEST);
        self.stage = Stage::Restoring { until };
        self.restoring = self.subscriptions.keys().copied().collect();
        self.unanswered = 0;
    }

    /// How many attempts in a row there have been: a connection that held lets them begin anew.
    fn attempts(&self, now: Instant) -> u32 {
        match self.stage {
            Stage::Ready { since } if now - since >= self.backoff.longest_delay() => 0,
            _ => self.attempts,
        }
    }

    /// Whether it comes back after this end, and what the server wishes.
    fn healing(&self, now: Instant, reason: &CloseReason) -> Healing {
        if self.stopped || !self.backoff.allows(self.attempts(now)) {
            return Healing::None;
        }
        Healing::of(reason, self.goodbye)
    }

    /// The connection has ended, or an attempt to have one.
    fn ended(&mut self, now: Instant, reason: CloseReason) {
        let transport = !matches!(self.stage, Stage::Opening);
        let Healing::Return(wish) = self.healing(now, &reason) else {
            return self.is_over(reason, transport);
        };
        let attempts = self.attempts(now);
        let until = now + self.backoff.delay(attempts, wish, &mut self.jitter);
        self.attempts = attempts.saturating_add(1);
        self.goodbye = None;
        self.lost = reason;
        self.restoring.clear();
        self.leave_unsubscribed();
        if transport {
            self.stage = Stage::Leaving { until };
            self.become_status(SessionStatus::Disconnected);
        } else {
            self.stage = Stage::Waiting { until };
            if self.status == SessionStatus::Connecting {
                self.become_status(SessionStatus::Disconnected);
            }
            self.become_status(SessionStatus::Reconnecting);
        }
    }

    /// It has ended for its user.
    fn is_over(&mut self, reason: CloseReason, transport: bool) {
        while let Some(send) = self.queue.pop() {
            let end = send.end(|fate| CallError::Disconnected(reason.clone(), fate));
            self.tell_end(end);
        }
        self.subscriptions.clear();
        self.restoring.clear();
        self.become_status(SessionStatus::Disconnected);
        self.told.push_back(SessionNext::Event(Event::Closed(reason.clone())));
        self.stage = Stage::Over { reason, transport };
    }

    /// The application wants its end, for this reason unless a connection is there to end for its own.
    pub(super) fn stop(&mut self, reason: CloseReason) {
        self.stopped = true;
        match self.stage {
            Stage::Wanted | Stage::Opening | Stage::Waiting { .. } => self.is_over(reason, false),
            Stage::Leaving { .. } => self.is_over(reason, true),
            Stage::Greeting
            | Stage::Restoring { .. }
            | Stage::Ready { .. }
            | Stage::Over { .. } => {}
        }
    }

    /// Whether there is and will be no connection.
    pub(super) fn has_gone(&self) -> bool {
        let over = matches!(self.stage, Stage::Over { .. });
        over || self.stopped || self.goodbye == Some(None)
    }

    /// What becomes of a send now.
    ///
    /// # Errors
    ///
    /// [`Rejected::Closed`] if there is and will be no connection, [`Rejected::Down`] if it may not wait.
    pub(super) fn route(&self, connection: &Connection) -> Result<Route, Rejected> {
        match self.stage {
            _ if self.has_gone() => Err(Rejected::Closed),
            Stage::Ready { .. } if connection.is_open() => {
                Ok(if self.queues { Route::Behind } else { Route::Through })
            }
            _ if self.backoff.waits => Ok(Route::Wait),
            _ => Err(Rejected::Down),
        }
    }
}
