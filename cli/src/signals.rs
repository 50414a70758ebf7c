//! The signals that end a program: SIGINT, SIGTERM, SIGHUP. Called by the commands that go on until
//! one comes.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::problem::{Exit, Problem};

/// What a shell reports for a program that SIGINT has ended.
const ENDED_AT_ONCE: i32 = 130;

/// Tells the first signal that comes from now on; the second one ends the program. One that was ignored
/// is not any more: ctrlc catches all three or none.
pub(crate) fn first(tell: impl Fn() + Send + 'static) -> Result<(), Problem> {
    let told = AtomicBool::new(false);
    let handler = move || {
        if told.swap(true, Ordering::Relaxed) {
            std::process::exit(ENDED_AT_ONCE);
        }
        tell();
    };
    ctrlc::set_handler(handler).map_err(|error| {
        Problem::new(Exit::Lost, format!("cannot wait for signals: {error}"), "try again")
    })
}
