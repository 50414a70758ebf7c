//! Who runs when: the locks under which it is decided who is woken, and the clock. Called by `link` and
//! `seat`. They are std's; in the tests of `schedules` the locks are shuttle's, and time stands still.

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(all(test, shuttle))]
mod scheduled;
#[cfg(all(test, shuttle))]
pub(crate) use scheduled::{Mutex, MutexGuard, now, set_time};

/// The time.
#[cfg(not(all(test, shuttle)))]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
