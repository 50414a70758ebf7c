//! Who runs when: the locks under which it is decided who is woken, and the clock. Called by `link` and
//! `seat`. They are std's; in the tests of `schedules` the locks are shuttle's, and time stands still.

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};

/// The time.
#[cfg(not(all(test, shuttle)))]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The time, which stands still: nobody is rescued by a timer from a wake-up that was lost.
#[cfg(all(test, shuttle))]
pub(crate) fn now() -> std::time::Instant {
    static NOW: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    *NOW.get_or_init(std::time::Instant::now)
}
