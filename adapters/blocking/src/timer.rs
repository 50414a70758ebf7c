//! `Timer`: one lazily started thread that wakes links when they are due, so that nobody who waits
//! for a socket needs a timeout (a wait with one costs a quarter more). Called by `link`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Instant;

use crate::link::Link;
use crate::sync::{self, Condvar, Mutex, MutexGuard, thread};

/// When a link is due. A number keeps two that are due at the same time apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due(Instant, u64);

impl Due {
    pub(crate) const fn at(self) -> Instant {
        self.0
    }
}

#[derive(Debug, Default)]
struct State {
    /// One entry a link: a peer names deadlines of up to a day, as many as it likes.
    due: BTreeMap<Due, Weak<Link>>,
    count: u64,
    runs: bool,
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Wakes links. The thread ends when the timer is dropped.
#[derive(Debug, Default)]
pub(crate) struct Timer(Arc<Shared>);

impl Timer {
    /// Calls [`Link::time_up`] at `at` or as soon as it can be after it, in place of what was asked for
    /// `before`. It may come although nothing is due any more.
    pub(crate) fn wake(&self, link: &Arc<Link>, at: Instant, before: Option<Due>) -> Due {
        let mut state = self.0.lock();
        if let Some(before) = before {
            state.due.remove(&before);
        }
        state.count += 1;
        let due = Due(at, state.count);
        state.due.insert(due, Arc::downgrade(link));
        if !state.runs {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("switchboard-timer".into());
            // Without a thread, deadlines pass when the next byte comes; there is nobody to tell.
            state.runs = thread.spawn(move || shared.run()).is_ok();
        } else if state.due.keys().next() == Some(&due) {
            self.0.changed.notify_one();
        }
        due
    }

    /// Takes back what [`wake`](Self::wake) was asked for a link that is no more.
    pub(crate) fn forget(&self, due: Due) {
        self.0.lock().due.remove(&due);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.ended {
            let now = sync::now();
            let Some(next) = state.due.first_entry() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let due = *next.key();
            if due.at() > now {
                let waited = self.changed.wait_timeout(state, due.at() - now);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let link = next.remove();
            drop(state);
            if let Some(link) = link.upgrade() {
                link.time_up(due);
            }
            state = self.lock();
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use switchboard::{Config, Connection, Hello, PayloadLimits, Pump, Session};
    use switchboard_endpoint::Stream;

    use super::*;
    use crate::pool::Pool;
    use crate::serving::Serving;
    use crate::wait::Wake;

    #[test]
    fn a_link_has_one_entry_however_often_it_is_armed_and_none_when_it_is_gone() {
        let timer = Arc::new(Timer::default());
        let (stream, _other) = Stream::pair().unwrap();
        let zero = switchboard::Instant::ZERO;
        let connection = Connection::client(Arc::new(Config::default()), &Hello::new(), zero);
        let (services, pool) = (Arc::default(), Arc::new(Pool::of_one(1)));
        let serving = Serving::new(services, pool, 0, PayloadLimits::default());
        let session = Session::of(Pump::new(connection.unwrap()));
        let wake = Wake::new().unwrap();
        let link =
            Link::new(Ok((stream, None)), Arc::clone(&timer), wake, session, Arc::new(serving));
        let day = Duration::from_secs(24 * 60 * 60);
        for count in 0..1000 {
            link.arm(&mut link.lock(), Some(zero + (day - Duration::from_secs(count))));
            assert_eq!(timer.0.lock().due.len(), 1);
        }
        drop(link);
        assert!(timer.0.lock().due.is_empty());
    }
}
