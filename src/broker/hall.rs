//! `Hall`: a broker, and the ways to the connections that its commands are for. Called by adapters, which
//! keep it behind a lock of their own; knows the broker.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Broker, BrokerLimits, Owner};
use crate::command::Command;
use crate::id::ConnectionId;

/// A connection is given so many commands, then it is to be written: far fewer than deliveries wait for it by
/// default ([`Config::max_deliveries`](crate::Config::max_deliveries)), so that no batch alone makes it lag.
const HEAP: usize = 64;

/// The way to a connection, as an adapter has it.
pub trait Line {
    /// The time, as all lines understand it.
    type Time: Copy;

    /// Gives the connection a command; nothing is written yet. Whether the connection
    /// [is crowded](crate::Connection::is_crowded) now.
    fn give(&self, now: Self::Time, command: Command) -> bool;

    /// Whether the connection is crowded.
    fn is_crowded(&self) -> bool;

    /// Has written what it was given.
    fn flush(self: &Arc<Self>, now: Self::Time);
}

/// A [`Broker`] and the ways to its connections: what a server does with events that are for the broker is
/// to ask it with [`with`](Self::with), and then to have those written who were
/// [given](Self::take_given) something: one write a subscriber a turn.
#[derive(Debug)]
pub struct Hall<L> {
    broker: Broker,
    lines: BTreeMap<ConnectionId, Entry<L>>,
    /// Those that were given something since they were last taken.
    given: Vec<ConnectionId>,
    /// One of them was given very much.
    heaped: bool,
    /// Those that are too full to be given what others of a group can take.
    full: Vec<ConnectionId>,
}

#[derive(Debug)]
struct Entry<L> {
    line: Arc<L>,
    /// How many commands it was given since it was last taken.
    given: usize,
    full: bool,
}

impl<L: Line> Hall<L> {
    /// Nobody is connected yet.
    #[must_use]
    pub fn new(limits: BrokerLimits) -> Self {
        let (lines, given, full) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { broker: Broker::new(limits), lines, given, heaped: false, full }
    }

    /// A client was let in.
    pub fn join(&mut self, id: ConnectionId, owner: Owner, scope: &str, line: Arc<L>) {
        self.broker.join(id, owner, scope);
        self.lines.insert(id, Entry { line, given: 0, full: false });
    }

    /// A connection has ended; gives its line, to be dropped behind the lock.
    pub fn leave(&mut self, id: ConnectionId) -> Option<Arc<L>> {
        self.broker.leave(id);
        self.lines.remove(&id).map(|entry| entry.line)
    }

    /// Asks something of the broker, and gives its commands to their lines, now or with
    /// [`take_given`](Self::take_given): what [is not pressing](Broker::is_pressing) waits.
    pub fn with<R>(&mut self, now: L::Time, ask: impl FnOnce(&mut Broker) -> R) -> R {
        self.look_at_the_full();
        let answer = ask(&mut self.broker);
        if self.broker.is_pressing() {
            self.carry(now);
        }
        answer
    }

    /// Whether [`take_given`](Self::take_given) has any.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.given.is_empty() || self.broker.has_commands()
    }

    /// Whether it should be asked now, whatever comes next: [`Broker::has_enough`], or a connection was given
    /// so much that its queue would fill by that alone.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.heaped || self.broker.has_enough()
    }

    /// Those that were given something since this was last asked: they are to be driven and written. To be
    /// asked once there is nothing else to do, and now and then amid very much.
    pub fn take_given(&mut self, now: L::Time) -> Vec<Arc<L>> {
        self.carry(now);
        self.heaped = false;
        let Self { lines, given, .. } = self;
        let line = |id| {
            let entry = lines.get_mut(&id)?;
            entry.given = 0;
            Some(Arc::clone(&entry.line))
        };
        given.drain(..).filter_map(line).collect()
    }

    fn carry(&mut self, now: L::Time) {
        while let Some((id, command)) = self.broker.poll_command() {
            let Some(entry) = self.lines.get_mut(&id) else { continue };
            let full = entry.line.give(now, command);
            if entry.given == 0 {
                self.given.push(id);
            }
            entry.given += 1;
            self.heaped |= entry.given >= HEAP;
            if full && !core::mem::replace(&mut entry.full, true) {
                self.full.push(id);
                self.broker.set_full(id, true);
            }
        }
    }

    /// Those that were too full may have room by now.
    fn look_at_the_full(&mut self) {
        let Self { broker, lines, full, .. } = self;
        full.retain(|id| {
            let Some(entry) = lines.get_mut(id) else { return false };
            entry.full = entry.line.is_crowded();
            if !entry.full {
                broker.set_full(*id, false);
            }
            entry.full
        });
    }
}
