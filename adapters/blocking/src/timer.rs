//! `Timer`: one lazily started thread that wakes links when they are due, so that nobody who waits
//! for a socket needs a timeout (a wait with one costs a quarter more). Called by `link`.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use crate::link::Link;

/// Who is due when. A number keeps two that are due at the same time apart.
type Due = BTreeMap<(Instant, u64), Weak<Link>>;

#[derive(Debug, Default)]
struct State {
    due: Due,
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
    /// Calls [`Link::time_up`] at `at` or as soon as it can be after it. It may come although nothing is
    /// due any more: nothing is ever taken back.
    pub(crate) fn wake(&self, link: Weak<Link>, at: Instant) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        let key = (at, state.count);
        state.due.insert(key, link);
        if !state.runs {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("switchboard-timer".into());
            // Without a thread, deadlines pass when the next byte comes; there is nobody to tell.
            state.runs = thread.spawn(move || shared.run()).is_ok();
        } else if state.due.keys().next() == Some(&key) {
            self.0.changed.notify_one();
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.ended {
            let now = Instant::now();
            let Some(next) = state.due.first_entry() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let at = next.key().0;
            if at > now {
                let waited = self.changed.wait_timeout(state, at - now);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let link = next.remove();
            drop(state);
            if let Some(link) = link.upgrade() {
                link.time_up();
            }
            state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        }
    }
}
