//! `Topics`: a server's broker, and the links that its commands are for. Called by the server and by what
//! its connections serve; knows links and the core's broker.
//!
//! Whoever has this mutex may take that of a link, and never the other way round. What is given to a link
//! is written by [`Topics::flush`], once for all that was given since: one write a subscriber a turn.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use switchboard::{Broker, BrokerLimits, ConnectionId, Owner};

use crate::link::Link;

#[derive(Debug)]
pub(crate) struct Topics {
    hall: Mutex<Hall>,
    /// Something was given to links and is not written.
    pending: AtomicBool,
}

#[derive(Debug)]
struct Hall {
    broker: Broker,
    lines: BTreeMap<ConnectionId, Line>,
    /// Those that were given something since the last flush.
    given: Vec<ConnectionId>,
    /// Those that are too full to be given what others of a group can take.
    full: Vec<ConnectionId>,
}

/// The way to a connection.
#[derive(Debug)]
struct Line {
    link: Arc<Link>,
    given: bool,
    full: bool,
}

impl Topics {
    pub(crate) fn new(limits: BrokerLimits) -> Self {
        let (lines, given, full) = (BTreeMap::new(), Vec::new(), Vec::new());
        let hall = Hall { broker: Broker::new(limits), lines, given, full };
        Self { hall: Mutex::new(hall), pending: AtomicBool::new(false) }
    }

    /// A client was let in.
    pub(crate) fn join(&self, id: ConnectionId, owner: Owner, scope: &str, link: &Arc<Link>) {
        self.with_hall(|hall| {
            hall.broker.join(id, owner, scope);
            let line = Line { link: Arc::clone(link), given: false, full: false };
            hall.lines.insert(id, line);
        });
    }

    /// A connection has ended.
    pub(crate) fn leave(&self, id: ConnectionId) {
        let line = self.with_hall(|hall| {
            hall.broker.leave(id);
            hall.lines.remove(&id)
        });
        // Behind the mutex: it may be the last of its link.
        drop(line);
    }

    /// Asks something of the broker, and gives its commands to their links.
    pub(crate) fn with<R>(&self, ask: impl FnOnce(&mut Broker) -> R) -> R {
        self.with_hall(|hall| {
            hall.look_at_the_full();
            let answer = ask(&mut hall.broker);
            hall.carry();
            if !hall.given.is_empty() {
                self.pending.store(true, Ordering::Release);
            }
            answer
        })
    }

    /// Whether [`flush`](Self::flush) has anything to do.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Writes what was given to links. The caller has no link's mutex.
    pub(crate) fn flush(&self) {
        if !self.pending.swap(false, Ordering::AcqRel) {
            return;
        }
        let links: Vec<Arc<Link>> = self.with_hall(|hall| {
            let Hall { lines, given, .. } = hall;
            given
                .drain(..)
                .filter_map(|id| {
                    let line = lines.get_mut(&id)?;
                    line.given = false;
                    Some(Arc::clone(&line.link))
                })
                .collect()
        });
        let now = Instant::now();
        for link in links {
            link.nudge(&mut link.enter_at(now));
        }
    }

    fn with_hall<R>(&self, use_it: impl FnOnce(&mut Hall) -> R) -> R {
        // No code of the user's runs under it, so that the hall is whole.
        use_it(&mut self.hall.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Hall {
    /// Gives the broker's commands to their links.
    fn carry(&mut self) {
        let now = Instant::now();
        while let Some((id, command)) = self.broker.poll_command() {
            let Some(line) = self.lines.get_mut(&id) else { continue };
            let mut state = line.link.enter_at(now);
            state.apply(command);
            let full = state.pump.connection().is_crowded();
            drop(state);
            if !core::mem::replace(&mut line.given, true) {
                self.given.push(id);
            }
            if full && !core::mem::replace(&mut line.full, true) {
                self.full.push(id);
                self.broker.set_full(id, true);
            }
        }
    }

    /// Those that were too full may have room by now.
    fn look_at_the_full(&mut self) {
        let Self { broker, lines, full, .. } = self;
        full.retain(|id| {
            let Some(line) = lines.get_mut(id) else { return false };
            line.full = line.link.lock().pump.connection().is_crowded();
            if !line.full {
                broker.set_full(*id, false);
            }
            line.full
        });
    }
}
