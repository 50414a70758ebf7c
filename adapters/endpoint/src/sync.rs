//! Locks under which others are taken, what belongs to one thread, and the clock. Called by `topics` and
//! `listening`. They are std's; where the adapters' tests try schedules they are shuttle's, whose threads are
//! one of the system's, which would wait for itself at a lock of std's; and time stands still.

#[cfg(not(feature = "_schedules"))]
pub(crate) use std::{sync::Mutex, sync::atomic::AtomicBool, thread_local};

#[cfg(feature = "_schedules")]
pub(crate) use {
    shuttle::{sync::Mutex, sync::atomic::AtomicBool, thread_local},
    switchboard_testkit::schedules::now,
};

/// The time.
#[cfg(not(feature = "_schedules"))]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
