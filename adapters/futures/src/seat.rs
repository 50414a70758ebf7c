//! `Seat`: whom the runtime's reactor wakes for a link. Called by `link`, calls and the driver; knows wakers
//! only.
//!
//! The reactor always has the same waker, which points at whoever sits here: a call that is alone drives the
//! connection itself, so that no other task is between it and its answer; else the driver does. To pass the
//! seat on costs nothing and asks nobody; that the last waking is not lost in between is what this is for.

use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use crate::sync::{Mutex, MutexGuard};

#[derive(Debug, Default)]
pub(crate) struct Seat(Mutex<Holders>);

#[derive(Debug, Default)]
struct Holders {
    /// The call that drives.
    caller: Option<Waker>,
    /// The task that drives when no call does.
    driver: Option<Waker>,
    /// Somebody was woken, and nobody has driven since.
    woken: bool,
    /// The transport woke.
    ready: bool,
    /// The timer woke.
    rang: bool,
}

/// What has been since somebody drove last.
pub(crate) struct Woken {
    /// The transport may have something, and watches no more.
    pub(crate) ready: bool,
    /// The timer has woken, early perhaps, and is to be asked again.
    pub(crate) rang: bool,
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, Holders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever is woken is to drive; asked by whoever does.
    pub(crate) fn take_woken(&self) -> Woken {
        let mut holders = self.lock();
        holders.woken = false;
        Woken {
            ready: core::mem::take(&mut holders.ready),
            rang: core::mem::take(&mut holders.rang),
        }
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.lock().caller.is_some()
    }

    /// A call drives from now on; gives whoever did before, to be dropped where no lock is held.
    #[must_use]
    pub(crate) fn sit(&self, waker: &Waker) -> Option<Waker> {
        set(&mut self.lock().caller, waker)
    }

    /// No call drives any more: gives the one that did, and whether that leaves something for the driver to
    /// do.
    #[must_use]
    pub(crate) fn clear(&self) -> (Option<Waker>, bool) {
        let mut holders = self.lock();
        let caller = holders.caller.take();
        let leaves = caller.is_some() && holders.woken;
        (caller, leaves)
    }

    /// The driver is polled, and is to be woken so.
    pub(crate) fn set_driver(&self, waker: &Waker) {
        let before = set(&mut self.lock().driver, waker);
        // Behind the lock: it may be the last that holds a task.
        drop(before);
    }

    /// The driver has something to do that is no call's.
    pub(crate) fn wake_driver(&self) {
        let driver = self.lock().driver.clone();
        wake(driver);
    }

    fn woken_by(&self, timer: bool) {
        let (holder, gone) = {
            let mut holders = self.lock();
            // It was woken before and has not come: nobody polls it, or not soon.
            let gone = if timer && holders.woken { holders.caller.take() } else { None };
            holders.rang |= timer;
            holders.ready |= !timer;
            holders.woken = true;
            // A call that nobody polls any more must not keep the time from passing.
            let (first, second) = (holders.caller.as_ref(), holders.driver.as_ref());
            let holder = if timer { second.or(first) } else { first.or(second) };
            (holder.cloned(), gone)
        };
        wake(holder);
        // Behind the lock, as above.
        drop(gone);
    }
}

/// Has a waker here; gives the one whose place it takes.
#[must_use]
pub(crate) fn set(slot: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match slot {
        Some(held) if held.will_wake(waker) => None,
        _ => slot.replace(waker.clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// What a transport wakes.
impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        self.woken_by(false);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken_by(false);
    }
}

/// What the timer wakes.
#[derive(Debug)]
pub(crate) struct Clock(pub(crate) Arc<Seat>);

impl Wake for Clock {
    fn wake(self: Arc<Self>) {
        self.0.woken_by(true);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.woken_by(true);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn task() -> (Arc<Count>, Waker) {
        let count = Arc::<Count>::default();
        (Arc::clone(&count), Waker::from(count))
    }

    impl Count {
        fn take(&self) -> usize {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    #[test]
    fn a_call_that_was_woken_and_has_not_come_loses_its_seat_when_the_timer_wakes() {
        let (seat, (driver, driving), (call, calling)) = (Arc::<Seat>::default(), task(), task());
        let (transport, timer) =
            (Waker::from(Arc::clone(&seat)), Waker::from(Arc::new(Clock(Arc::clone(&seat)))));
        seat.set_driver(&driving);
        transport.wake_by_ref();
        assert_eq!((driver.take(), call.take()), (1, 0), "nobody else drives");
        assert!(seat.take_woken().ready);
        assert!(seat.sit(&calling).is_none());
        transport.wake_by_ref();
        assert_eq!((driver.take(), call.take()), (0, 1));
        assert!(!seat.take_woken().rang);
        timer.wake_by_ref();
        assert_eq!((driver.take(), call.take()), (1, 0), "time is the driver's");
        assert!(seat.take_woken().rang && seat.is_taken());
        // Now the call is not polled.
        transport.wake_by_ref();
        timer.wake_by_ref();
        assert_eq!((driver.take(), call.take()), (1, 1));
        assert!(!seat.is_taken());
        transport.wake_by_ref();
        assert_eq!((driver.take(), call.take()), (1, 0));
    }

    #[test]
    fn whoever_leaves_passes_on_what_it_was_woken_for() {
        let (seat, (driver, driving), (_, calling)) = (Arc::<Seat>::default(), task(), task());
        seat.set_driver(&driving);
        assert!(seat.sit(&calling).is_none());
        let (left, leaves) = seat.clear();
        assert!(left.is_some() && !leaves, "nobody was woken");
        assert!(seat.sit(&calling).is_none());
        Waker::from(Arc::clone(&seat)).wake();
        assert!(seat.clear().1);
        assert!(!seat.clear().1);
        // Another one takes the place of one that has its answer, and is woken in its stead.
        assert!(seat.sit(&calling).is_none());
        let (other, others) = task();
        assert!(seat.sit(&others).is_some_and(|before| before.will_wake(&calling)));
        Waker::from(Arc::clone(&seat)).wake();
        assert_eq!((driver.take(), other.take()), (0, 1));
    }
}
