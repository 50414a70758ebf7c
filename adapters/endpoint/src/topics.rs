//! `Topics`: a server's broker behind a mutex, and the connections that its commands are for. Called by
//! adapters; knows the core's hall.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use switchboard::{
    Asked, Broker, BrokerLimits, CallError, CallId, ConnectionId, Failure, Hall, Line, Options,
    Owner, Publication, Status, ToPayload,
};

use crate::sync::{self, AtomicBool, Mutex};

/// So long a connection's publications may wait for others that come behind them, which are written together
/// then: a write for a subscriber costs about as much as many of them.
pub const HOLD: Duration = Duration::from_millis(1);

/// A server's broker, for all the threads or tasks of its connections. Whoever is in it may take the lock
/// of a connection, and never the other way round.
///
/// What is given to connections is written by [`flush`](Self::flush), once for all that was given since: one
/// write a subscriber a turn.
#[derive(Debug)]
pub struct Topics<L> {
    hall: Mutex<Hall<L>>,
    /// Something was given to connections and is not written.
    pending: AtomicBool,
    /// The same, and no more of it should wait.
    full: AtomicBool,
}

impl<L: Line<Time = Instant>> Topics<L> {
    /// Nobody is connected yet.
    #[must_use]
    pub fn new(limits: BrokerLimits) -> Self {
        let (pending, full) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { hall: Mutex::new(Hall::new(limits)), pending, full }
    }

    /// A client was let in. Those of whom nothing is known share one quota.
    pub fn join(&self, id: ConnectionId, uid: Option<u32>, scope: &str, line: &Arc<L>) {
        let owner = Owner(uid.map_or(u64::MAX, u64::from));
        self.with_hall(|hall| hall.join(id, owner, scope, Arc::clone(line)));
    }

    /// A connection has ended.
    pub fn leave(&self, id: ConnectionId) {
        let line = self.with_hall(|hall| hall.leave(id));
        // Behind the mutex: it may be the last of its connection.
        drop(line);
    }

    /// Asks something of the broker, and gives its commands to their connections, now or with the next flush.
    pub fn with<R>(&self, ask: impl FnOnce(&mut Broker) -> R) -> R {
        self.with_hall(|hall| {
            let answer = hall.with(sync::now(), ask);
            if hall.is_pending() {
                self.full.store(hall.is_full(), Ordering::Relaxed);
                self.pending.store(true, Ordering::Release);
            }
            answer
        })
    }

    /// Publishes a value to a scope, and says for how many subscriptions it was queued.
    ///
    /// # Errors
    ///
    /// [`CallError::Encode`]; [`CallError::Rejected`]: `BadTopic`, `BadHeaders`. [`CallError::Failed`] with
    /// RESOURCE_EXHAUSTED: it is to be retained, and as many values are as the limits allow.
    pub fn publish(
        &self,
        scope: &str,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<u64, CallError> {
        let publication = Publication::new(topic, &value.to_payload()?, options)?;
        let queued = self.with(|broker| broker.publish(scope, publication));
        self.flush();
        queued.map_err(|full| {
            CallError::Failed(Failure::new(Status::RESOURCE_EXHAUSTED, full.to_string()))
        })
    }

    /// Asks the server's check again for all that a client has subscribed to, and ends what it refuses now.
    pub fn check_again(&self, id: ConnectionId, check: impl Fn(Asked<'_>) -> Result<(), Failure>) {
        // What was asked is copied, for the check is the program's and runs without the broker.
        let copied = |(subscription, asked): (CallId, Asked<'_>)| match asked {
            Asked::Subscribe { pattern, group } => {
                Some((subscription, pattern.to_owned(), group.map(str::to_owned)))
            }
            _ => None,
        };
        let asked: Vec<_> =
            self.with(|broker| broker.subscriptions(id).filter_map(copied).collect());
        for (subscription, pattern, group) in asked {
            let asked = Asked::Subscribe { pattern: &pattern, group: group.as_deref() };
            if let Err(failure) = check(asked) {
                self.with(|broker| broker.end_subscription(id, subscription, failure));
            }
        }
    }

    /// Whether [`flush`](Self::flush) has anything to do.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Whether that should be done now, whatever comes next.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Writes what was given to connections. The caller has no connection's lock.
    pub fn flush(&self) {
        if !self.pending.swap(false, Ordering::AcqRel) {
            return;
        }
        self.full.store(false, Ordering::Relaxed);
        let now = sync::now();
        let given = self.with_hall(|hall| hall.take_given(now));
        for line in given {
            line.flush(now);
        }
    }

    fn with_hall<R>(&self, use_it: impl FnOnce(&mut Hall<L>) -> R) -> R {
        // No code of the user's runs under it, so that the hall is whole.
        use_it(&mut self.hall.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
