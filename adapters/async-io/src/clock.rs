//! Time, as async-io keeps it. Called by the facades; knows nothing else of the project.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use switchboard_futures::Timer;

/// A timer, and what it is set to until that has come.
#[derive(Debug)]
pub(crate) struct Clock {
    timer: async_io::Timer,
    at: Option<Instant>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { timer: async_io::Timer::never(), at: None }
    }
}

impl Timer for Clock {
    fn poll_at(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        // To set it wakes the reactor.
        if self.at.replace(at) != Some(at) {
            self.timer.set_at(at);
        }
        let polled = Pin::new(&mut self.timer).poll(cx);
        polled.map(|_| self.at = None)
    }
}
