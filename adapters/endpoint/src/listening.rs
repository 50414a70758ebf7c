//! Whose listener runs on this thread: a server that one of its own listeners closes must not wait for it.
//! Called by adapters; knows nobody.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

use crate::sync::thread_local;

thread_local! {
    /// What the innermost listener is one of. It is compared, and never followed.
    static LISTENS_FOR: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

/// Runs a listener, or polls it: one of those that this is shared by.
pub fn listen_for<S, T>(services: &Arc<S>, listen: impl FnOnce() -> T) -> T {
    let _before = Before(LISTENS_FOR.with(|of| of.replace(Arc::as_ptr(services).cast())));
    listen()
}

/// Whether the calling code is such a listener. What it has run elsewhere is not.
pub fn listens_for<S>(services: &Arc<S>) -> bool {
    LISTENS_FOR.with(Cell::get) == Arc::as_ptr(services).cast()
}

/// Whose it was before; so it is again, also when a listener unwinds.
struct Before(*const ());

impl Drop for Before {
    fn drop(&mut self) {
        LISTENS_FOR.with(|of| of.set(self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    use super::*;

    #[test]
    fn a_listener_is_of_whom_it_runs_for_until_it_ends_however_it_does() {
        let [a, b] = [1, 2].map(Arc::new);
        let of = || (listens_for(&a), listens_for(&b));
        listen_for(&a, || {
            listen_for(&b, || assert_eq!(of(), (false, true)));
            let unwinds = || listen_for(&b, || resume_unwind(Box::new(())));
            let _ = catch_unwind(AssertUnwindSafe(unwinds));
            assert_eq!(of(), (true, false));
            std::thread::scope(|scope| {
                scope.spawn(|| assert_eq!(of(), (false, false)));
            });
        });
        assert_eq!(of(), (false, false));
    }
}
