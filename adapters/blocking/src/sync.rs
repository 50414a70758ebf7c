//! Who runs when: locks, threads, the clock, and the wait for descriptors. Called by `link` and all that
//! wait. They are std's and the operating system's; in the tests of `schedules` they are `scheduled`'s.

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};

#[cfg(all(unix, not(all(test, shuttle))))]
pub(crate) use rustix::event::poll;

#[cfg(all(test, shuttle))]
mod scheduled;
#[cfg(all(test, shuttle))]
pub(crate) use scheduled::{Condvar, Mutex, MutexGuard, now, poll, thread};

/// The time.
#[cfg(not(all(test, shuttle)))]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
