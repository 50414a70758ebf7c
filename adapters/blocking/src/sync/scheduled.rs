//! What stands for std's locks, threads and clock, and for the system's `poll`, while shuttle schedules.
//! Called as `sync`; all threads of a schedule are one of the system's.

#![allow(clippy::unwrap_used, reason = "a lock is poisoned by a test that has failed")]

use std::time::Duration;

use rustix::event::{PollFd, Timespec};
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
use shuttle::thread::yield_now;
pub(crate) use switchboard_testkit::schedules::now;

/// Waits for descriptors while others run. The descriptors are real, so that what is read from one depends on
/// the schedule only.
pub(crate) fn poll(
    descriptors: &mut [PollFd<'_>],
    _timeout: Option<&Timespec>,
) -> rustix::io::Result<usize> {
    loop {
        yield_now();
        let count = rustix::event::poll(descriptors, Some(&Timespec::default()))?;
        if count > 0 {
            // What it says may be old by the time the caller runs again.
            yield_now();
            return Ok(count);
        }
    }
}

pub(crate) mod thread {
    //! Threads that park until they are unparked. (Those of shuttle wake for no reason, too, as std's may:
    //! that would hide an `unpark` that is missing.)

    use std::io;
    use std::sync::Arc;

    use shuttle::sync::{Condvar, Mutex};
    pub(crate) use shuttle::thread::{ThreadId, yield_now};

    use super::Duration;

    #[derive(Debug, Default)]
    struct Token {
        there: Mutex<bool>,
        came: Condvar,
    }

    shuttle::thread_local! {
        static TOKEN: std::cell::RefCell<Arc<Token>> = std::cell::RefCell::default();
    }

    #[derive(Clone, Debug)]
    pub(crate) struct Thread {
        id: ThreadId,
        token: Arc<Token>,
    }

    impl Thread {
        pub(crate) const fn id(&self) -> ThreadId {
            self.id
        }

        pub(crate) fn unpark(&self) {
            *self.token.there.lock().unwrap() = true;
            self.token.came.notify_one();
        }
    }

    pub(crate) fn current() -> Thread {
        let token = TOKEN.with(|token| Arc::clone(&token.borrow()));
        Thread { id: shuttle::thread::current().id(), token }
    }

    pub(crate) fn park() {
        let Thread { token, .. } = current();
        let mut there = token.there.lock().unwrap();
        while !*there {
            there = token.came.wait(there).unwrap();
        }
        *there = false;
    }

    /// Its time is over at some time.
    pub(crate) fn park_timeout(_: Duration) {
        yield_now();
        *current().token.there.lock().unwrap() = false;
    }

    #[derive(Debug)]
    pub(crate) struct JoinHandle<T> {
        handle: shuttle::thread::JoinHandle<T>,
        thread: Thread,
    }

    impl<T> JoinHandle<T> {
        pub(crate) const fn thread(&self) -> &Thread {
            &self.thread
        }

        pub(crate) fn join(self) -> shuttle::thread::Result<T> {
            self.handle.join()
        }
    }

    #[derive(Debug)]
    pub(crate) struct Builder(shuttle::thread::Builder);

    impl Builder {
        pub(crate) fn new() -> Self {
            Self(shuttle::thread::Builder::new())
        }

        pub(crate) fn name(self, name: String) -> Self {
            Self(self.0.name(name))
        }

        pub(crate) fn spawn<T: Send + 'static>(
            self,
            run: impl FnOnce() -> T + Send + 'static,
        ) -> io::Result<JoinHandle<T>> {
            let token = Arc::<Token>::default();
            let its = Arc::clone(&token);
            let handle = self.0.spawn(move || {
                TOKEN.with(|token| *token.borrow_mut() = its);
                run()
            })?;
            let id = handle.thread().id();
            Ok(JoinHandle { handle, thread: Thread { id, token } })
        }
    }
}
