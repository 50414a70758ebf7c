//! What the application commands a session: what has to wait for a connection, or to outlive one. Part of
//! the session.

use alloc::boxed::Box;
use core::time::Duration;

use super::Session;
use super::cares::Care;
use super::life::{Life, Route, Stage};
use super::queue::{Call, Sending, Verb, check, cost};
use crate::close_reason::CloseReason;
use crate::connection::Connection;
use crate::error::{Fate, Rejected};
use crate::id::CallId;
use crate::instant::Instant;
use crate::options::Options;
use crate::payload::Payload;

/// What is to be sent.
#[derive(Clone, Copy)]
struct Order<'a> {
    verb: Verb,
    name: &'a str,
    payload: &'a Payload,
    options: &'a Options,
}

impl Order<'_> {
    fn keep(&self, call: Option<Call>) -> Sending {
        let Self { verb, name, payload, options } = *self;
        let (payload, options) = (payload.clone(), options.clone());
        Sending { verb, name: Box::from(name), payload, options, call }
    }
}

impl Session {
    /// Sends a message, as [`Connection::send`], or lets it wait.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::send`], [`Rejected::Down`], and [`Rejected::Full`] if too much waits.
    pub fn send(
        &mut self,
        now: Instant,
        channel: &str,
        payload: &Payload,
        options: &Options,
    ) -> Result<(), Rejected> {
        let connection = self.pump.connection();
        if let Some(life) = &mut self.life {
            let route = life.route(connection)?;
            if route != Route::Through {
                let order = Order { verb: Verb::Message, name: channel, payload, options };
                return life.wait(order);
            }
        }
        connection.send(now, channel, payload, options)
    }

    /// Publishes a value, as [`Connection::publish`], or lets it wait.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::publish`], [`Rejected::Down`], and [`Rejected::Full`] if too much waits.
    pub fn publish(
        &mut self,
        now: Instant,
        topic: &str,
        payload: &Payload,
        options: &Options,
    ) -> Result<(), Rejected> {
        let connection = self.pump.connection();
        if let Some(life) = &mut self.life {
            let route = life.route(connection)?;
            if route != Route::Through {
                let order = Order { verb: Verb::Publish, name: topic, payload, options };
                return life.wait(order);
            }
        }
        connection.publish(now, topic, payload, options)
    }

    /// Makes a call, as [`Connection::request`], or lets it wait, within its deadline. One with streams never
    /// waits.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::request`], [`Rejected::Down`], and [`Rejected::Full`] if too much waits or,
    /// of an idempotent one, is kept.
    pub fn request(
        &mut self,
        now: Instant,
        channel: &str,
        payload: &Payload,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        self.call(now, Order { verb: Verb::Request, name: channel, payload, options }, token)
    }

    /// Publishes a value and wants to know how many get it, as [`Connection::publish_counted`], or lets it
    /// wait, within its deadline.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::publish_counted`], and as of [`request`](Self::request).
    pub fn publish_counted(
        &mut self,
        now: Instant,
        topic: &str,
        payload: &Payload,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        self.call(now, Order { verb: Verb::PublishCounted, name: topic, payload, options }, token)
    }

    /// Subscribes, as [`Connection::subscribe`], or lets it wait, within its deadline. Once its call has
    /// ended well, the subscription lives until it is ended or the session is: each new connection begins
    /// with it. If a server refuses it then, [`Event::SubscriptionEnded`](crate::Event::SubscriptionEnded)
    /// tells. The status tells that deliveries may be missing, and nobody knows how many; between
    /// [`SessionStatus::Connected`](crate::SessionStatus::Connected) and `Ready` come retained values, if
    /// they were asked for, though they may have come before.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::subscribe`], and as of [`request`](Self::request).
    pub fn subscribe(
        &mut self,
        now: Instant,
        pattern: &str,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        let payload = &Payload::null();
        self.call(now, Order { verb: Verb::Subscribe, name: pattern, payload, options }, token)
    }

    /// Ends a subscription, as [`Connection::unsubscribe`]. While there is no connection it ends at once.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::unsubscribe`], and [`Rejected::Full`] if too much waits.
    pub fn unsubscribe(
        &mut self,
        now: Instant,
        subscription: CallId,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        let connection = self.pump.connection();
        match &mut self.life {
            None => connection.unsubscribe(now, subscription, options, token),
            Some(life) => life.unsubscribe(connection, now, subscription, options, token),
        }
    }

    /// Gives up a call, as [`Connection::cancel`], whether it was sent or waits.
    ///
    /// # Errors
    ///
    /// [`Rejected::UnknownCall`] if it has ended already.
    pub fn cancel(&mut self, now: Instant, call: CallId) -> Result<(), Rejected> {
        let connection = self.pump.connection();
        if let Some(life) = &mut self.life {
            if let Some(cancelled) = life.cancel(connection, call) {
                return cancelled;
            }
        }
        connection.cancel(now, call)
    }

    /// Asks the peer for a sign of life, as [`Connection::ping`]. It never waits for a connection.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::ping`], and [`Rejected::Down`].
    pub fn ping(&mut self, now: Instant, token: u32) -> Result<(), Rejected> {
        let connection = self.pump.connection();
        if let Some(life) = &self.life {
            if life.has_gone() {
                return Err(Rejected::Closed);
            }
            if !connection.is_open() {
                return Err(Rejected::Down);
            }
        }
        connection.ping(now, token)
    }

    /// Closes gracefully, as [`Connection::close`], and for ever: a session without a connection has ended at
    /// once. What waits is sent first as far as it can be at once; calls that still wait end, as never sent
    /// unless they were sent before.
    pub fn close(&mut self, now: Instant, message: &str, reconnect_after: Option<Duration>) {
        let connection = self.pump.connection();
        if let Some(life) = &mut self.life {
            life.send_waiting(connection, now);
            life.stop(CloseReason::Closed { message: message.into() });
        }
        connection.close(now, message, reconnect_after);
    }

    /// Ends at once and for ever, without a word to the peer, as [`Connection::abort`].
    pub fn abort(&mut self, message: &str) {
        if let Some(life) = &mut self.life {
            life.stop(CloseReason::Aborted { message: message.into() });
        }
        self.pump.connection().abort(message);
    }

    fn call(&mut self, now: Instant, order: Order<'_>, token: u64) -> Result<CallId, Rejected> {
        let connection = self.pump.connection();
        let Order { verb, name, payload, options } = order;
        let mut keeps = false;
        if let Some(life) = &mut self.life {
            let route = life.route(connection)?;
            if route != Route::Through {
                return life.wait_for_answer(connection, now, order, token, route);
            }
            keeps = options.may_repeat();
            if keeps && !life.queue.has_room(cost(name, payload, options)) {
                return Err(Rejected::Full);
            }
        }
        let id = match verb {
            Verb::Subscribe => connection.subscribe(now, name, options, token),
            Verb::PublishCounted => connection.publish_counted(now, name, payload, options, token),
            _ => connection.request(now, name, payload, options, token),
        }?;
        if let Some(life) = self.life.as_mut().filter(|_| keeps || verb == Verb::Subscribe) {
            let due = options.time_left(connection.config()).map(|left| now + left);
            let call = Call { id, token, due, fate: Fate::NeverSent };
            life.has_sent(order.keep(Some(call)));
        }
        Ok(id)
    }
}

impl Life {
    /// Lets something wait that nobody answers.
    fn wait(&mut self, order: Order<'_>) -> Result<(), Rejected> {
        self.may_wait(order)?;
        self.queue.push(order.keep(None));
        Ok(())
    }

    fn may_wait(&self, order: Order<'_>) -> Result<(), Rejected> {
        let Order { verb, name, payload, options } = order;
        check(verb, name, options)?;
        if self.queue.has_room(cost(name, payload, options)) { Ok(()) } else { Err(Rejected::Full) }
    }

    fn wait_for_answer(
        &mut self,
        connection: &mut Connection,
        now: Instant,
        order: Order<'_>,
        token: u64,
        route: Route,
    ) -> Result<CallId, Rejected> {
        if order.verb == Verb::Request && order.options.streams().any() {
            // Its items would have to wait, too.
            return Err(if route == Route::Behind { Rejected::Full } else { Rejected::Down });
        }
        self.may_wait(order)?;
        let id = connection.reserve_id()?;
        let due = order.options.time_left(connection.config()).map(|left| now + left);
        self.queue.push(order.keep(Some(Call { id, token, due, fate: Fate::NeverSent })));
        Ok(id)
    }

    fn unsubscribe(
        &mut self,
        connection: &mut Connection,
        now: Instant,
        subscription: CallId,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        let wanted = self.subscriptions.get(&subscription).filter(|wanted| !wanted.leaving);
        wanted.ok_or(Rejected::UnknownSubscription)?;
        let route = self.route(connection);
        let restores = matches!(self.stage, Stage::Restoring { .. }) && connection.is_open();
        let asked = restores && !self.restoring.contains(&subscription);
        let id = match route {
            Err(Rejected::Closed) => return Err(Rejected::Closed),
            Ok(Route::Through) => {
                let id = connection.unsubscribe(now, subscription, options, token)?;
                self.cares.insert(id, Care::Unsubscribe(subscription));
                id
            }
            route if asked || route == Ok(Route::Behind) => {
                let verb = Verb::Unsubscribe(subscription);
                let order = Order { verb, name: "", payload: &Payload::null(), options };
                let id = self.wait_for_answer(connection, now, order, token, Route::Behind)?;
                connection.mute(subscription, true);
                id
            }
            _ => {
                let id = connection.reserve_id()?;
                self.subscriptions.remove(&subscription);
                self.tell(
                    Call { id, token, due: None, fate: Fate::NeverSent },
                    Ok(Payload::null()),
                );
                return Ok(id);
            }
        };
        if let Some(wanted) = self.subscriptions.get_mut(&subscription) {
            wanted.leaving = true;
        }
        Ok(id)
    }
}
