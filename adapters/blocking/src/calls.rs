//! What both ends of a link ask of the other: calls, messages, pings. Called by `client`, `peer` and
//! `server`; knows `link`, `seat`, `state` and the core.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use switchboard::{
    Attempt, CallError, CallId, CloseReason, FromPayload, Options, Payload, Rejected, ToPayload,
};

use crate::call::Call;
use crate::link::Link;
use crate::state::State;

impl Link {
    /// Calls and waits for the answer.
    pub(crate) fn request<R: FromPayload>(
        self: &Arc<Self>,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<R, CallError> {
        let payload = args.to_payload()?;
        let (ticket, _) = self.open_call(channel, &payload, options)?;
        drop(payload);
        R::from_payload(self.answer(ticket)?, &self.config.payload).map_err(CallError::from)
    }

    /// Calls, and lets the caller wait later. It is written at once, or with what follows.
    pub(crate) fn start<R: FromPayload>(
        self: &Arc<Self>,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<Call<R>, CallError> {
        let (ticket, id) = self.open_call(channel, &args.to_payload()?, options)?;
        self.nudge_soon(&mut self.enter());
        Ok(Call::new(Arc::clone(self), ticket, id))
    }

    /// The same for one of many targets: it does not wait until there is room.
    pub(crate) fn start_now<R: FromPayload>(
        self: &Arc<Self>,
        channel: &str,
        args: &Payload,
        options: &Options,
    ) -> Result<Call<R>, CallError> {
        let mut state = self.enter();
        let opened = state
            .begin(|session, now, ticket| session.request(now, channel, args, options, ticket));
        let (ticket, id) = opened.map_err(|rejected| state.call_error(rejected))?;
        self.nudge(&mut state);
        drop(state);
        Ok(Call::new(Arc::clone(self), ticket, id))
    }

    fn open_call(
        self: &Arc<Self>,
        channel: &str,
        args: &Payload,
        options: &Options,
    ) -> Result<(usize, CallId), CallError> {
        self.when_there_is_room(options, |state, options| {
            state.begin(|session, now, ticket| session.request(now, channel, args, options, ticket))
        })
    }

    /// Waits for the end of a call.
    pub(crate) fn answer(self: &Arc<Self>, ticket: usize) -> Result<Payload, CallError> {
        self.wait_for(Some(ticket), None, |state| state.inbox.answer(ticket))
    }

    /// Sends a message, once there is room.
    pub(crate) fn send(
        self: &Arc<Self>,
        channel: &str,
        message: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<(), CallError> {
        let payload = message.to_payload()?;
        self.when_there_is_room(options, |state, options| {
            state.session.send(state.now, channel, &payload, options)
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
        let sent = state.session.send(now, channel, message, options);
        sent.map_err(|rejected| state.call_error(rejected))?;
        self.nudge(&mut state);
        Ok(())
    }

    /// The time to the peer and back.
    pub(crate) fn ping(self: &Arc<Self>, options: &Options) -> Result<Duration, CallError> {
        let until = options.time_left(&self.config).map(|left| self.now() + left);
        let ticket = self.when_there_is_room(options, |state, _| {
            state.inbox.ping(state.now, &mut state.session)
        })?;
        self.wait_for(Some(ticket), until, |state| state.inbox.pong(ticket, state.now, until))
    }

    /// Begins to close gracefully.
    pub(crate) fn close(self: &Arc<Self>, message: &str, reconnect_after: Option<Duration>) {
        let mut state = self.enter();
        let now = state.now;
        state.session.close(now, message, reconnect_after);
        self.nudge(&mut state);
    }

    /// Ends the connection at once.
    pub(crate) fn abort(self: &Arc<Self>, message: &str) {
        let mut state = self.enter();
        state.session.abort(message);
        self.nudge(&mut state);
    }

    /// Stops reading, or goes on with it.
    pub(crate) fn pause(self: &Arc<Self>, paused: bool) {
        let mut state = self.enter();
        state.session.pause(paused);
        self.nudge(&mut state);
    }

    /// Drives the link until it has ended, or waits until somebody else has.
    pub(crate) fn drive_to_the_end(self: &Arc<Self>) -> CloseReason {
        self.wait_for(None, None, |state| match state.inbox.closed() {
            Some(reason) if state.done => Poll::Ready(reason.clone()),
            _ => Poll::Pending,
        })
    }

    /// Tries a command until the connection takes it, or the deadline passes.
    pub(crate) fn when_there_is_room<T>(
        self: &Arc<Self>,
        options: &Options,
        mut command: impl FnMut(&mut State, &Options) -> Result<T, Rejected>,
    ) -> Result<T, CallError> {
        let mut attempt = Attempt::new();
        let mut poll = |state: &mut State, attempt: &mut Attempt| {
            attempt
                .poll(state.now, options, &self.config, |options| command(state, options))
                .map_err(|error| state.call_error(error))
        };
        if let Poll::Ready(done) = poll(&mut self.enter(), &mut attempt) {
            return done;
        }
        let until = attempt.until();
        self.wait_for(None, until, |state| poll(state, &mut attempt))
    }
}
