//! What a session does for calls and subscriptions that outlive a connection: which are sent again, in which
//! order, and what their users are told. Part of `Life`.

use alloc::boxed::Box;

use super::life::{Life, Stage};
use super::next::{SessionNext, SessionStatus};
use super::queue::{Call, Sending, Verb};
use crate::connection::Connection;
use crate::error::{CallError, Fate, Rejected};
use crate::event::Event;
use crate::id::CallId;
use crate::instant::Instant;
use crate::options::Options;
use crate::payload::Payload;
use crate::status::Status;

/// A subscription that is live for its user.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) pattern: Box<str>,
    pub(super) options: Options,
    /// Its user has ended it, and the peer does not know yet.
    pub(super) leaving: bool,
}

/// Why the end of a call is of interest.
#[derive(Debug)]
pub(super) enum Care {
    /// It may be sent again, or it is a subscription that may be restored.
    Sent(Box<Sending>),
    /// It restores the subscription with its id.
    Again,
    /// It ends that subscription.
    Unsubscribe(CallId),
}

/// How a call ended.
type Outcome = Result<Payload, CallError>;

impl Life {
    pub(super) fn tell(&mut self, call: Call, outcome: Outcome) {
        let event = Event::Answer { call: call.id, token: call.token, outcome };
        self.told.push_back(SessionNext::Event(event));
    }

    /// Tells the caller of a send how it ended, or counts it.
    pub(super) fn tell_end(&mut self, end: Option<(Call, CallError)>) {
        match end {
            Some((call, error)) => self.tell(call, Err(error)),
            None => self.dropped += 1,
        }
    }

    /// Ends calls that have waited too long; whether there were any.
    pub(super) fn end_overdue(&mut self, connection: &mut Connection, now: Instant) -> bool {
        let mut any = false;
        while let Some(send) = self.queue.take_overdue(now) {
            self.keep_subscription(connection, send.verb);
            self.tell_end(send.end(CallError::Deadline));
            any = true;
        }
        any
    }

    /// Gives up a call that waits; `None`: the connection knows whether it has one with this id.
    pub(super) fn cancel(
        &mut self,
        connection: &mut Connection,
        call: CallId,
    ) -> Option<Result<(), Rejected>> {
        if let Some(Care::Again) = self.cares.get(&call) {
            // Its user's call has ended long ago.
            return Some(Err(Rejected::UnknownCall));
        }
        let send = self.queue.take_first(|send| send.id() == Some(call))?;
        self.keep_subscription(connection, send.verb);
        self.tell_end(send.end(CallError::Cancelled));
        Some(Ok(()))
    }

    /// A subscription lives on if its end was given up before it was sent.
    fn keep_subscription(&mut self, connection: &mut Connection, verb: Verb) {
        if let Verb::Unsubscribe(subscription) = verb {
            connection.mute(subscription, false);
            self.is_leaving(subscription, false);
        }
    }

    fn is_leaving(&mut self, subscription: CallId, leaving: bool) {
        if let Some(wanted) = self.subscriptions.get_mut(&subscription) {
            wanted.leaving = leaving;
        }
    }

    /// The connection has gone, and with it what was to be unsubscribed.
    pub(super) fn leave_unsubscribed(&mut self) {
        self.subscriptions.retain(|_, wanted| !wanted.leaving);
        let is_end = |send: &Sending| matches!(send.verb, Verb::Unsubscribe(_));
        while let Some(Sending { call: Some(call), .. }) = self.queue.take_first(is_end) {
            self.tell(call, Ok(Payload::null()));
        }
    }

    /// A send has been handed to the connection.
    pub(super) fn has_sent(&mut self, send: Sending) {
        let Some(id) = send.id() else { return };
        let care = match send.verb {
            Verb::Unsubscribe(subscription) => Care::Unsubscribe(subscription),
            _ => {
                if send.options.may_repeat() {
                    self.queue.charge(send.cost());
                } else if send.verb != Verb::Subscribe {
                    return;
                }
                Care::Sent(Box::new(send))
            }
        };
        self.cares.insert(id, care);
    }

    /// Sends what waits, as far as the connection takes it: first what restores the session, in the order
    /// of its ids, then the rest.
    pub(super) fn send_waiting(&mut self, connection: &mut Connection, now: Instant) {
        if !self.queues {
            return;
        }
        match self.stage {
            Stage::Restoring { until } if until <= now => {
                return connection.handshake_timed_out(now);
            }
            _ if !connection.is_open() => return,
            _ => {}
        }
        if let Stage::Restoring { .. } = self.stage {
            self.restore(connection, now);
            if !self.restoring.is_empty() || self.unanswered > 0 {
                return;
            }
            self.stage = Stage::Ready { since: now };
            self.become_status(SessionStatus::Ready);
        }
        if let Stage::Ready { .. } = self.stage {
            while !self.queue.is_empty() && self.send_first(connection, now) {}
            self.queues = !self.queue.is_empty();
            connection.hold_ids(now, self.queues);
        }
    }

    /// Sends the first that waits; whether it is gone.
    fn send_first(&mut self, connection: &mut Connection, now: Instant) -> bool {
        let Some(send) = self.queue.front() else { return false };
        let sent = send.hand_over(connection, now);
        if let Err(Rejected::Full | Rejected::Busy | Rejected::Closed | Rejected::NotReady) = sent {
            return false;
        }
        let Some(send) = self.queue.pop() else { return false };
        match (sent, send.call) {
            (Ok(()), _) => self.has_sent(send),
            // Who wants to end what has ended has it.
            (Err(Rejected::UnknownSubscription), Some(call)) => {
                self.tell(call, Ok(Payload::null()));
            }
            (Err(_), Some(Call { fate: Fate::MayHaveRun, .. })) => self.give_up(&send),
            (Err(rejected), _) => self.tell_end(send.end(|_| rejected.into())),
        }
        true
    }

    /// Ends a call that cannot be sent again for why it ended the first time.
    fn give_up(&mut self, send: &Sending) {
        let reason = self.lost.clone();
        self.tell_end(send.end(|fate| CallError::Disconnected(reason, fate)));
    }

    fn restore(&mut self, connection: &mut Connection, now: Instant) {
        while let Some(&subscription) = self.restoring.front() {
            let older = |send: &Sending| send.id().is_some_and(|id| id < subscription);
            while self.queue.front().is_some_and(older) {
                // One place is the subscription's.
                if connection.free_slots() > 1 && self.send_first(connection, now) {
                    continue;
                }
                if connection.is_unsent_full() || self.unanswered > 0 {
                    return;
                }
                // Calls that were sent again leave no room, and who knows when they end: subscriptions
                // wait for none.
                let Some(send) = self.queue.pop() else { return };
                self.give_up(&send);
            }
            let Some(wanted) = self.subscriptions.get(&subscription) else {
                self.restoring.pop_front();
                continue;
            };
            let options = wanted.options.clone().no_deadline();
            let subscribe = |connection: &mut Connection| {
                connection.subscribe(now, &wanted.pattern, &options, 0).map(drop)
            };
            if connection.with_id(subscription, subscribe).is_err() {
                return;
            }
            self.restoring.pop_front();
            self.cares.insert(subscription, Care::Again);
            self.unanswered += 1;
        }
    }

    /// A call of the present connection has ended: what its user is told.
    pub(super) fn answered(
        &mut self,
        connection: &mut Connection,
        call: CallId,
        token: u64,
        outcome: Outcome,
    ) -> Option<Event> {
        let outcome = match self.cares.remove(&call) {
            None => outcome,
            Some(Care::Again) => return self.restored(connection, call, outcome),
            Some(Care::Unsubscribe(subscription)) => {
                self.unsubscribed(subscription, &outcome);
                outcome
            }
            Some(Care::Sent(send)) => self.sent_answered(*send, outcome)?,
        };
        Some(Event::Answer { call, token, outcome })
    }

    /// A call that is kept has ended. `None`: it is sent again, or ends with the session.
    fn sent_answered(&mut self, mut send: Sending, outcome: Outcome) -> Option<Outcome> {
        let repeats = send.options.may_repeat();
        if repeats {
            self.queue.release(send.cost());
        }
        let outcome = outcome.map_err(|error| at_worst(error, send.call.map(|call| call.fate)));
        match &outcome {
            Err(CallError::Disconnected(_, fate)) if repeats => {
                if let Some(call) = &mut send.call {
                    call.fate = *fate;
                }
                self.queue.put_back(send);
                None
            }
            Ok(_) if send.verb == Verb::Subscribe => {
                let Sending { name: pattern, options, .. } = send;
                self.subscriptions
                    .insert(send.call?.id, Wanted { pattern, options, leaving: false });
                Some(outcome)
            }
            _ => Some(outcome),
        }
    }

    /// A subscription lives again, or does not.
    fn restored(
        &mut self,
        connection: &mut Connection,
        subscription: CallId,
        outcome: Outcome,
    ) -> Option<Event> {
        self.unanswered -= 1;
        match outcome {
            Ok(_) => {
                if self.subscriptions.get(&subscription).is_none_or(|wanted| wanted.leaving) {
                    connection.mute(subscription, true);
                }
                None
            }
            // A server that goes refuses everything: the next one is asked.
            Err(CallError::Failed(failure))
                if failure.status != Status::UNAVAILABLE || connection.is_open() =>
            {
                let wanted = self.subscriptions.remove(&subscription)?;
                let ended = Event::SubscriptionEnded { subscription, failure };
                (!wanted.leaving).then_some(ended)
            }
            Err(_) => None,
        }
    }

    fn unsubscribed(&mut self, subscription: CallId, outcome: &Outcome) {
        let lives = match outcome {
            Err(CallError::Failed(failure)) => failure.status != Status::NOT_FOUND,
            Err(CallError::Cancelled(fate) | CallError::Deadline(fate)) => *fate == Fate::NeverSent,
            _ => false,
        };
        if lives {
            self.is_leaving(subscription, false);
        } else {
            self.subscriptions.remove(&subscription);
        }
    }
}

/// The error of a call that may have run on an earlier connection.
fn at_worst(error: CallError, before: Option<Fate>) -> CallError {
    if before != Some(Fate::MayHaveRun) {
        return error;
    }
    match error {
        CallError::Deadline(_) => CallError::Deadline(Fate::MayHaveRun),
        CallError::Cancelled(_) => CallError::Cancelled(Fate::MayHaveRun),
        CallError::Disconnected(reason, _) => CallError::Disconnected(reason, Fate::MayHaveRun),
        error => error,
    }
}
