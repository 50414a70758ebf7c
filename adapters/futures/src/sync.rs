//! Who runs when: the locks under which it is decided who is woken, and the clock. Called by `link`, `seat`
//! and `host`. They are std's; in the tests of `schedules` the locks are shuttle's, and time stands still.

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(all(test, shuttle))]
pub(crate) use {
    shuttle::sync::{Mutex, MutexGuard},
    switchboard_testkit::schedules::now,
};

/// The time.
#[cfg(not(all(test, shuttle)))]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
