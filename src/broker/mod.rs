//! `Broker`: pub/sub between connections, without any of them (`docs/protocol.md` section 5). Called by
//! whoever drives the connections; knows the hub, events and commands.
//!
//! Events of connections go in, commands for connections come out, and whoever calls carries both: one
//! thread, a thread each or a task each.
//!
//! ```text
//! connection --Event--> Asked::of --allowed--> Broker::handle --> what is left: calls, messages, ...
//!                           |refused                |
//!                     Broker::refuse                v
//! connections <--Command-- Connection::apply <-- Broker::poll_command, until there is none
//! ```
//!
//! The central check is the caller's own function, asked with [`Asked`] before the event is handled, so
//! that no code of the application's runs in here, where its lock would be held. What was allowed once is
//! asked again with [`Broker::subscriptions`] and taken back with [`Broker::end_subscription`], which
//! holds for deliveries that are queued, too.

mod asked;
mod hall;
mod limits;
mod owners;
mod publish;
mod queue;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use asked::Asked;
pub use hall::{Hall, Line};
pub use limits::BrokerLimits;
use owners::Owners;
use publish::Kept;
use queue::{Queue, Step};

use crate::command::Command;
use crate::event::{Event, Subscribe};
use crate::failure::Failure;
use crate::hub::{Hub, Subscriber};
use crate::id::{CallId, ConnectionId};
use crate::options::Options;
use crate::payload::Payload;
use crate::status::Status;

/// Whose quota a connection uses. As a rule its user's number; those of whom nothing is known share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_structs, reason = "a number with a meaning")]
pub struct Owner(pub u64);

/// A connection, as the broker knows it.
#[derive(Debug)]
struct Member {
    owner: Owner,
    scope: Arc<str>,
    full: bool,
}

/// Pub/sub between connections: who has subscribed to what, what is retained, and how much each owner may
/// have. It owns no connection.
///
/// See `examples/pubsub_hub.rs` for a whole server.
#[derive(Debug)]
pub struct Broker {
    limits: BrokerLimits,
    hub: Hub<Kept>,
    members: BTreeMap<ConnectionId, Member>,
    owners: Owners,
    queue: Queue,
    /// Subscriptions that have ended, counted.
    ended: u64,
}

impl Default for Broker {
    fn default() -> Self {
        Self::new(BrokerLimits::default())
    }
}

impl Broker {
    /// No connection, no value.
    #[must_use]
    pub fn new(limits: BrokerLimits) -> Self {
        Self {
            limits,
            hub: Hub::new(),
            members: BTreeMap::new(),
            owners: Owners::default(),
            queue: Queue::default(),
            ended: 0,
        }
    }

    // What comes in.

    /// A connection was accepted. From now on it takes part, in this scope and for this owner; until then
    /// it is answered UNAVAILABLE.
    pub fn join(&mut self, connection: ConnectionId, owner: Owner, scope: &str) {
        self.leave(connection);
        let member = Member { owner, scope: scope.into(), full: false };
        self.members.insert(connection, member);
    }

    /// A connection is no longer part of it: its subscriptions end. [`handle`](Self::handle) does it with
    /// [`Event::Closed`].
    pub fn leave(&mut self, connection: ConnectionId) {
        self.end_all(connection);
        self.members.remove(&connection);
    }

    /// Takes what concerns pub/sub out of a connection's events, and does it; hands back the rest. Then
    /// poll [`poll_command`](Self::poll_command) until there is none.
    pub fn handle(&mut self, from: ConnectionId, event: Event) -> Option<Event> {
        match event {
            Event::Subscribe(asked) => self.subscribe(from, *asked),
            Event::Unsubscribe { subscription } => {
                self.end(Subscriber { connection: from, subscription });
            }
            Event::Publish { call, publication } => self.publish_of(from, call, publication),
            // As a rule of a request. Else the subscriber gave up before its connection heard that it
            // was accepted.
            Event::Cancelled { call, .. } => {
                let ended = self.end(Subscriber { connection: from, subscription: call });
                return (!ended).then_some(event);
            }
            Event::Closing { .. } => {
                self.end_all(from);
                return Some(event);
            }
            Event::Closed(_) => {
                self.leave(from);
                return Some(event);
            }
            other => return Some(other),
        }
        None
    }

    /// Refuses what an event asks for, in place of handling it: with an answer, or by dropping what has
    /// none. Nothing happens for an event that asks for nothing (see [`Asked::of`]).
    pub fn refuse(&mut self, from: ConnectionId, event: Event, failure: Failure) {
        let call = match event {
            Event::Request { call, .. } | Event::Publish { call: Some(call), .. } => call,
            Event::Subscribe(asked) => asked.subscription,
            _ => return,
        };
        self.queue.push(from, Command::Refuse { call, failure });
    }

    /// Says whether the queue of a connection is full
    /// ([`Connection::is_crowded`](crate::Connection::is_crowded)): then the other members of its groups
    /// go first. To be said once commands were applied to the connection, and once it has written.
    pub fn set_full(&mut self, connection: ConnectionId, full: bool) {
        let Some(member) = self.members.get_mut(&connection) else { return };
        if core::mem::replace(&mut member.full, full) != full {
            for subscription in self.numbers(connection) {
                self.hub.set_full(Subscriber { connection, subscription }, full);
            }
        }
    }

    // What the program commands.

    /// Ends a subscription of a peer; whether there was one. What is queued for it is dropped.
    pub fn end_subscription(
        &mut self,
        connection: ConnectionId,
        subscription: CallId,
        failure: Failure,
    ) -> bool {
        let ended = self.end(Subscriber { connection, subscription });
        if ended {
            self.queue.push(connection, Command::EndSubscription { subscription, failure });
        }
        ended
    }

    /// Sends a message to every connection of a scope, in the order of their numbers; to how many.
    pub fn broadcast(
        &mut self,
        scope: &str,
        channel: &str,
        payload: Payload,
        options: Options,
    ) -> usize {
        let options = Arc::new(options);
        self.tell_all(scope, Command::Send { channel: channel.into(), payload, options })
    }

    /// Makes a call to every connection of a scope, in the order of their numbers; to how many. Each
    /// answer comes as [`Event::Answer`] of its connection, with this token. The deadline of the options
    /// holds for all; `Connection::apply` tells of a connection that does not take the call.
    pub fn survey(
        &mut self,
        scope: &str,
        channel: &str,
        payload: Payload,
        options: Options,
        token: u64,
    ) -> usize {
        let options = Arc::new(options);
        self.tell_all(scope, Command::Request { channel: channel.into(), payload, options, token })
    }

    // What comes out.

    /// The next command, and the connection that is to [apply](crate::Connection::apply) it. A connection
    /// that is gone by then needs none.
    pub fn poll_command(&mut self) -> Option<(ConnectionId, Command)> {
        loop {
            match self.queue.next(self.ended)? {
                (Step::Delivery(to, _), true) if !self.hub.is_subscribed(to) => {}
                (Step::Delivery(to, command), _) => return Some((to.connection, command)),
                (Step::Command(to, command), _) => return Some((to, command)),
            }
        }
    }

    /// Whether there are commands.
    #[must_use]
    pub fn has_commands(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether there are commands that should be polled before the next event is handled. Otherwise they
    /// may wait until there is no event to handle, or they [are enough](Self::has_enough): publications one
    /// behind the other for the same subscriptions are then one command for each.
    #[must_use]
    pub const fn is_pressing(&self) -> bool {
        self.queue.is_pressing()
    }

    /// Whether the publications that wait are as many as one command takes: up to 16 KiB, which is what a
    /// connection writes at once.
    #[must_use]
    pub const fn has_enough(&self) -> bool {
        self.queue.is_full()
    }

    /// The connections of a scope, in the order of their numbers.
    pub fn connections(&self, scope: &str) -> impl Iterator<Item = ConnectionId> {
        let of_scope = move |(_, member): &(_, &Member)| *member.scope == *scope;
        self.members.iter().filter(of_scope).map(|(id, _)| *id)
    }

    /// The subscriptions of a connection, and what each asked for: to be asked again.
    pub fn subscriptions(
        &self,
        connection: ConnectionId,
    ) -> impl Iterator<Item = (CallId, Asked<'_>)> {
        self.hub.of(connection).map(|(subscription, pattern, group)| {
            (subscription, Asked::Subscribe { pattern, group })
        })
    }

    /// The limits that it was made with.
    #[must_use]
    pub const fn limits(&self) -> &BrokerLimits {
        &self.limits
    }

    // How it does that.

    fn subscribe(&mut self, from: ConnectionId, asked: Subscribe) {
        let subscription = asked.subscription;
        let Some(member) = self.members.get(&from) else {
            return self
                .queue
                .push(from, Command::Refuse { call: subscription, failure: unknown() });
        };
        if !self.owners.may_subscribe(member.owner, &self.limits) {
            let failure = exhausted("too many subscriptions; end some");
            return self.queue.push(from, Command::Refuse { call: subscription, failure });
        }
        let who = Subscriber { connection: from, subscription };
        let group = asked.group.as_deref();
        if self.hub.subscribe(who, &member.scope, &asked.pattern, group) {
            self.owners.subscribed(member.owner);
            if member.full {
                self.hub.set_full(who, true);
            }
        }
        let retained = if asked.retained {
            let values = self.hub.retained(&member.scope, &asked.pattern);
            values.map(|(_, kept)| kept.publication.clone()).collect()
        } else {
            Vec::new()
        };
        self.queue.push(from, Command::Subscribe { subscription, retained });
    }

    fn tell_all(&mut self, scope: &str, command: Command) -> usize {
        let to: Vec<_> = self.connections(scope).collect();
        let count = to.len();
        self.queue.all(command, to);
        count
    }

    fn numbers(&self, connection: ConnectionId) -> Vec<CallId> {
        self.hub.of(connection).map(|(subscription, ..)| subscription).collect()
    }

    fn end_all(&mut self, connection: ConnectionId) {
        for subscription in self.numbers(connection) {
            self.end(Subscriber { connection, subscription });
        }
    }

    fn end(&mut self, who: Subscriber) -> bool {
        let ended = self.hub.unsubscribe(who);
        if ended {
            self.ended += 1;
            if let Some(member) = self.members.get(&who.connection) {
                self.owners.unsubscribed(member.owner);
            }
        }
        ended
    }
}

fn exhausted(message: &str) -> Failure {
    Failure::new(Status::RESOURCE_EXHAUSTED, message)
}

fn unknown() -> Failure {
    Failure::new(Status::UNAVAILABLE, "this connection takes no part in pub/sub")
}
