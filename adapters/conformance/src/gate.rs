//! What scenarios have instead of sleeps: a gate to hold handlers at, and a watchdog.

use std::io::{self, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Holds whoever passes until it is opened.
#[derive(Default)]
pub(crate) struct Gate {
    /// How many have come, and whether it is open.
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    fn change(&self, change: impl Fn(&mut (usize, bool)), until: impl Fn(&(usize, bool)) -> bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !until(state)));
    }

    /// Comes, and waits until it is open.
    pub(crate) fn pass(&self) {
        self.change(|(came, _)| *came += 1, |(_, open)| *open);
    }

    /// Waits until so many have come, all in all.
    pub(crate) fn wait_for(&self, count: usize) {
        self.change(|_| (), |(came, _)| *came >= count);
    }

    /// Lets everybody pass, now and later.
    pub(crate) fn open(&self) {
        self.change(|(_, open)| *open = true, |_| true);
    }
}

/// Ends the program if the test that holds it hangs.
#[derive(Debug)]
pub struct Watchdog {
    _held: Sender<()>,
}

impl Watchdog {
    /// Watches the test of this name for a minute.
    #[must_use]
    pub fn of(name: &'static str) -> Self {
        let (_held, let_go) = channel::<()>();
        thread::spawn(move || {
            if let_go.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
                // Not as a test prints: that is not shown of one that does not end.
                let _ = writeln!(io::stderr(), "{name} hangs");
                std::process::abort();
            }
        });
        Self { _held }
    }
}
