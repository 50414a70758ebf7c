//! What both ends of a link ask of the other: messages, pings, items, subscriptions. Called by `client`,
//! `peer` and what they give out; knows `link`, `state` and the core. Calls are in `call`.

use std::sync::Arc;
use std::time::Duration;

use switchboard::{Attempt, CallError, CallId, FromPayload, Options, Payload, Rejected};

use crate::exchange::Exchange;
use crate::link::Link;
use crate::state::State;
use crate::wakers::On;

impl Link {
    /// Sends a message, once there is room.
    pub(crate) async fn send(
        &self,
        channel: &str,
        message: Payload,
        options: &Options,
    ) -> Result<(), CallError> {
        self.when_there_is_room(options, |state, options| {
            state.session.send(state.now, channel, &message, options)
        })
        .await
    }

    /// The same for one of many targets: it does not wait until there is room.
    pub(crate) fn send_now(
        &self,
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
    pub(crate) async fn ping(&self, options: &Options) -> Result<Duration, CallError> {
        let until = options.time_left(&self.config).map(|left| self.now() + left);
        let ticket = self
            .when_there_is_room(options, |state, _| state.inbox.ping(state.now, &mut state.session))
            .await?;
        let held = Ticket::new(self, ticket);
        let pong = self.wait(On::Timed(ticket), |state| {
            let pong = state.inbox.pong(ticket, state.now, until);
            if pong.is_pending() {
                state.wake_at(until);
            }
            pong
        });
        held.used_up(pong.await)
    }

    /// Makes a call with streams both ways.
    pub(crate) async fn open_exchange(
        self: &Arc<Self>,
        channel: &str,
        args: Payload,
        options: Options,
    ) -> Result<Exchange, CallError> {
        let options = options.send_items().take_items();
        let (ticket, id) = self
            .when_there_is_room(&options, |state, options| {
                // From now on somebody drives who is no call.
                state.expects_more = true;
                let opened = state.begin(|session, now, ticket| {
                    session.request(now, channel, &args, options, ticket)
                })?;
                state.inbox.open_items(opened.1);
                Ok(opened)
            })
            .await?;
        self.clear_seat(&mut self.lock());
        Ok(Exchange::new(Arc::clone(self), ticket, id))
    }

    /// Sends an item, once its peer takes it; fails when the call has ended.
    pub(crate) async fn send_item(&self, call: CallId, item: Payload) -> Result<(), CallError> {
        self.wait(On::Call(call), |state| state.send_item(call, &item)).await
    }

    /// Says that all items of a call of this side have been sent.
    pub(crate) fn end_items(&self, call: CallId) -> Result<(), CallError> {
        let mut state = self.enter();
        let now = state.now;
        let ended = state.session.connection().end(now, call);
        ended.map_err(|rejected| state.call_error(rejected))?;
        self.nudge(&mut state);
        Ok(())
    }

    /// Subscribes, and waits until that is accepted; gives the subscription's id, and how many retained
    /// values come first.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        pattern: &str,
        options: &Options,
    ) -> Result<(Subscribed, u64), CallError> {
        let (ticket, id) = self
            .when_there_is_room(options, |state, options| {
                state.expects_more = true;
                let State { inbox, session, now, .. } = state;
                inbox.subscribe(*now, session, pattern, options)
            })
            .await?;
        self.clear_seat(&mut self.lock());
        // From here on dropping this future ends the subscription.
        let subscribed = Subscribed { link: Arc::clone(self), id };
        let count = self.answer(ticket).await?;
        Ok((subscribed, u64::from_payload(count, &self.config.payload)?))
    }

    /// Publishes, once there is room.
    pub(crate) async fn publish(
        &self,
        topic: &str,
        value: Payload,
        options: &Options,
    ) -> Result<(), CallError> {
        self.when_there_is_room(options, |state, options| {
            state.session.publish(state.now, topic, &value, options)
        })
        .await
    }

    /// Publishes, and waits to learn how many subscriptions got it.
    pub(crate) async fn publish_counted(
        &self,
        topic: &str,
        value: Payload,
        options: &Options,
    ) -> Result<u64, CallError> {
        let (ticket, _) = self
            .when_there_is_room(options, |state, options| {
                state.begin(|session, now, ticket| {
                    session.publish_counted(now, topic, &value, options, ticket)
                })
            })
            .await?;
        Ok(u64::from_payload(self.answer(ticket).await?, &self.config.payload)?)
    }

    /// Waits for the end of what has this ticket.
    pub(crate) async fn answer(&self, ticket: usize) -> Result<Payload, CallError> {
        let held = Ticket::new(self, ticket);
        let answer = self.wait(On::Ticket(ticket), |state| state.inbox.answer(ticket));
        held.used_up(answer.await)
    }

    /// Begins to close gracefully.
    pub(crate) fn close(&self, message: &str, reconnect_after: Option<Duration>) {
        let mut state = self.enter();
        let now = state.now;
        state.session.close(now, message, reconnect_after);
        self.nudge(&mut state);
    }

    /// Ends the connection at once.
    pub(crate) fn abort(&self, message: &str) {
        let mut state = self.enter();
        state.session.abort(message);
        self.nudge(&mut state);
    }

    /// Stops reading, or goes on with it.
    pub(crate) fn pause(&self, paused: bool) {
        let mut state = self.enter();
        state.session.pause(paused);
        self.nudge(&mut state);
    }

    /// Tries a command until the connection takes it, or the deadline passes.
    pub(crate) async fn when_there_is_room<T>(
        &self,
        options: &Options,
        mut command: impl FnMut(&mut State, &Options) -> Result<T, Rejected>,
    ) -> Result<T, CallError> {
        let mut attempt = Attempt::new();
        self.wait(On::Room, |state| {
            let tried = attempt
                .poll(state.now, options, &self.config, |options| command(state, options))
                .map_err(|error| state.call_error(error));
            if tried.is_pending() {
                state.wake_at(attempt.until());
            }
            tried
        })
        .await
    }
}

/// Whoever waits with a ticket. Dropping it gives that up.
struct Ticket<'a>(Option<(&'a Link, usize)>);

impl<'a> Ticket<'a> {
    const fn new(link: &'a Link, ticket: usize) -> Self {
        Self(Some((link, ticket)))
    }

    /// It has brought this, and its number is somebody else's.
    fn used_up<T>(mut self, brought: T) -> T {
        self.0 = None;
        brought
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some((link, ticket)) = self.0 {
            link.lock().inbox.abandon(ticket);
        }
    }
}

/// A subscription; dropping it ends that.
pub(crate) struct Subscribed {
    pub(crate) link: Arc<Link>,
    pub(crate) id: CallId,
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        let mut state = self.link.enter();
        let State { inbox, session, now, wakers, .. } = &mut *state;
        inbox.unsubscribe(*now, session, self.id);
        wakers.forget_subscription(self.id);
        self.link.nudge(&mut state);
    }
}
