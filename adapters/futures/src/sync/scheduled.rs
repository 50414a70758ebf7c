//! What stands for std's locks and clock while shuttle schedules. Called as `sync`; all threads of a schedule
//! are one of the system's.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub(crate) use shuttle::sync::{Mutex, MutexGuard};

std::thread_local! {
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The time, which stands still: nobody is rescued by a timer from a wake-up that was lost.
pub(crate) fn now() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now) + PASSED.get()
}

/// So much time has passed since the schedule began. No timer is told.
pub(crate) fn set_time(passed: Duration) {
    PASSED.set(passed);
}
