//! What both ends of a link ask of the other: calls, messages, pings. Called by `client`, `peer` and
//! `server`; knows `link`, `seat`, `state` and the core.

use std::sync::Arc;
use std::time::Duration;

use switchboard::{
    CallError, CallId, CloseReason, Fate, FromPayload, Instant, Options, Payload, Rejected,
    ToPayload,
};

use crate::call::Call;
use crate::link::Link;
use crate::state::{Outcome, State};

impl Link {
    /// Calls and waits for the answer.
    pub(crate) fn request<R: FromPayload>(
        self: &Arc<Self>,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<R, CallError> {
        let payload = args.to_payload()?;
        let (waiter, _) = self.open_call(channel, &payload, options)?;
        drop(payload);
        R::from_payload(self.answer(waiter)?, &self.config.payload).map_err(CallError::from)
    }

    /// Calls, and lets the caller wait later. It is written at once, or with what follows.
    pub(crate) fn start<R: FromPayload>(
        self: &Arc<Self>,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<Call<R>, CallError> {
        let (waiter, id) = self.open_call(channel, &args.to_payload()?, options)?;
        self.nudge_soon(&mut self.enter());
        Ok(Call::new(Arc::clone(self), waiter, id))
    }

    /// The same for one of many targets: it does not wait until there is room.
    pub(crate) fn start_now<R: FromPayload>(
        self: &Arc<Self>,
        channel: &str,
        args: &Payload,
        options: &Options,
    ) -> Result<Call<R>, CallError> {
        let mut state = self.enter();
        let now = state.now;
        let opened = state.waiter(|connection, waiter| {
            connection.request(now, channel, args, options, waiter as u64)
        });
        let (waiter, id) = opened.map_err(|rejected| state.call_error(rejected))?;
        self.nudge(&mut state);
        drop(state);
        Ok(Call::new(Arc::clone(self), waiter, id))
    }

    fn open_call(
        self: &Arc<Self>,
        channel: &str,
        args: &Payload,
        options: &Options,
    ) -> Result<(usize, CallId), CallError> {
        self.when_there_is_room(options, |state, options, now| {
            state.waiter(|connection, waiter| {
                connection.request(now, channel, args, options, waiter as u64)
            })
        })
    }

    /// Waits for the end of a call.
    pub(crate) fn answer(self: &Arc<Self>, waiter: usize) -> Result<Payload, CallError> {
        match self.wait_for(Some(waiter), None, |state| state.settled(waiter)) {
            Outcome::Answer(answer) => answer,
            Outcome::Closed(reason) => Err(CallError::Disconnected(reason, Fate::MayHaveRun)),
            Outcome::Pong(_) => unreachable!("the core answers a call as a call"),
        }
    }

    /// Sends a message, once there is room.
    pub(crate) fn send(
        self: &Arc<Self>,
        channel: &str,
        message: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<(), CallError> {
        let payload = message.to_payload()?;
        self.when_there_is_room(options, |state, options, now| {
            state.pump.connection().send(now, channel, &payload, options)
        })?;
        self.nudge(&mut self.enter());
        Ok(())
    }

    /// The same for one of many targets: it does not wait until there is room.
    pub(crate) fn send_now(
        self: &Arc<Self>,
        channel: &str,
        message: &Payload,
        options: &Options,
    ) -> Result<(), CallError> {
        let mut state = self.enter();
        let now = state.now;
        let sent = state.pump.connection().send(now, channel, message, options);
        sent.map_err(|rejected| state.call_error(rejected))?;
        self.nudge(&mut state);
        Ok(())
    }

    /// The time to the peer and back.
    pub(crate) fn ping(self: &Arc<Self>, options: &Options) -> Result<Duration, CallError> {
        let until = options.time_left(&self.config).map(|left| self.now() + left);
        let (waiter, ()) = self.when_there_is_room(options, |state, _, now| {
            // The core counts pings with 32 bits; so many waiters there never are.
            state.waiter(|connection, waiter| connection.ping(now, waiter as u32))
        })?;
        self.wait_for(Some(waiter), until, |state| match state.settled(waiter) {
            Some(Outcome::Pong(round_trip)) => Some(Ok(round_trip)),
            Some(Outcome::Closed(reason)) => {
                Some(Err(CallError::Disconnected(reason, Fate::MayHaveRun)))
            }
            Some(Outcome::Answer(_)) => unreachable!("the core answers a ping as a ping"),
            None if until.is_some_and(|until| until <= state.now) => {
                state.abandon(waiter);
                Some(Err(CallError::Deadline(Fate::MayHaveRun)))
            }
            None => None,
        })
    }

    /// Begins to close gracefully.
    pub(crate) fn close(self: &Arc<Self>, message: &str, reconnect_after: Option<Duration>) {
        let mut state = self.enter();
        let now = state.now;
        state.pump.connection().close(now, message, reconnect_after);
        self.nudge(&mut state);
    }

    /// Ends the connection at once.
    pub(crate) fn abort(self: &Arc<Self>, message: &str) {
        let mut state = self.enter();
        state.pump.connection().abort(message);
        self.nudge(&mut state);
    }

    /// Stops reading, or goes on with it.
    pub(crate) fn pause(self: &Arc<Self>, paused: bool) {
        let mut state = self.enter();
        state.pump.pause(paused);
        self.nudge(&mut state);
    }

    /// Drives the link until it has ended, or waits until somebody else has.
    pub(crate) fn drive_to_the_end(self: &Arc<Self>) -> CloseReason {
        self.wait_for(
            None,
            None,
            |state| if state.done { state.closed.get().cloned() } else { None },
        )
    }

    /// Tries a command until the connection takes it, or the deadline passes.
    pub(crate) fn when_there_is_room<T>(
        self: &Arc<Self>,
        options: &Options,
        mut command: impl FnMut(&mut State, &Options, Instant) -> Result<T, Rejected>,
    ) -> Result<T, CallError> {
        let until = {
            let mut state = self.enter();
            let now = state.now;
            match command(&mut state, options, now) {
                Err(rejected) if is_passing(rejected) => {
                    options.time_left(&self.config).map(|left| now + left)
                }
                result => return result.map_err(|rejected| state.call_error(rejected)),
            }
        };
        self.wait_for(None, until, |state| {
            let now = state.now;
            if until.is_some_and(|until| until <= now) {
                return Some(Err(CallError::Deadline(Fate::NeverSent)));
            }
            let options = options.clone();
            let options = match until {
                Some(until) => options.deadline(until - now),
                None => options,
            };
            match command(state, &options, now) {
                Err(rejected) if is_passing(rejected) => None,
                result => Some(result.map_err(|rejected| state.call_error(rejected))),
            }
        })
    }
}

/// Whether waiting helps.
const fn is_passing(rejected: Rejected) -> bool {
    matches!(rejected, Rejected::Full | Rejected::Busy | Rejected::TooManyPings)
}
