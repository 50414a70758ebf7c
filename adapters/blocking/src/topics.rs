//! `Topics`: a server's broker behind a mutex, and the links that its commands are for. Called by the server
//! and by what its connections serve; knows links and the core's hall.
//!
//! Whoever has this mutex may take that of a link, and never the other way round. What is given to a link
//! is written by [`Topics::flush`], once for all that was given since: one write a subscriber a turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use switchboard::{Broker, BrokerLimits, Command, ConnectionId, Hall, Line, Owner};

use crate::link::Link;

#[derive(Debug)]
pub(crate) struct Topics {
    hall: Mutex<Hall<Link>>,
    /// Something was given to links and is not written.
    pending: AtomicBool,
    /// The same, and no more of it should wait.
    full: AtomicBool,
}

impl Line for Link {
    type Time = Instant;

    fn give(&self, now: Instant, command: Command) -> bool {
        let mut state = self.enter_at(now);
        state.apply(command);
        state.pump.connection().is_crowded()
    }

    fn is_crowded(&self) -> bool {
        self.lock().pump.connection().is_crowded()
    }
}

impl Topics {
    pub(crate) fn new(limits: BrokerLimits) -> Self {
        let (pending, full) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { hall: Mutex::new(Hall::new(limits)), pending, full }
    }

    /// A client was let in.
    pub(crate) fn join(&self, id: ConnectionId, owner: Owner, scope: &str, link: &Arc<Link>) {
        self.with_hall(|hall| hall.join(id, owner, scope, Arc::clone(link)));
    }

    /// A connection has ended.
    pub(crate) fn leave(&self, id: ConnectionId) {
        let line = self.with_hall(|hall| hall.leave(id));
        // Behind the mutex: it may be the last of its link.
        drop(line);
    }

    /// Asks something of the broker, and gives its commands to their links, now or with the next flush.
    pub(crate) fn with<R>(&self, ask: impl FnOnce(&mut Broker) -> R) -> R {
        self.with_hall(|hall| {
            let answer = hall.with(Instant::now(), ask);
            if hall.is_pending() {
                self.full.store(hall.is_full(), Ordering::Relaxed);
                self.pending.store(true, Ordering::Release);
            }
            answer
        })
    }

    /// Whether [`flush`](Self::flush) has anything to do.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Whether that should be done now, whatever comes next.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Writes what was given to links. The caller has no link's mutex.
    pub(crate) fn flush(&self) {
        if !self.pending.swap(false, Ordering::AcqRel) {
            return;
        }
        self.full.store(false, Ordering::Relaxed);
        let now = Instant::now();
        let links = self.with_hall(|hall| hall.take_given(now));
        for link in links {
            link.nudge(&mut link.enter_at(now));
        }
    }

    fn with_hall<R>(&self, use_it: impl FnOnce(&mut Hall<Link>) -> R) -> R {
        // No code of the user's runs under it, so that the hall is whole.
        use_it(&mut self.hall.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
