//! smol's client against a blocking server, in a thread of its own and among the tasks of smol's executor. The
//! tests are those of all facades.
#![cfg(unix)]

#[path = "../../futures/tests/facades/mod.rs"]
mod facades;

use std::future::Future;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use facades::{Harness, every_test};
use switchboard_futures::{Acceptor, Listener, Runtime, Stream, Timer, Transport};
use switchboard_smol::Smol;

/// The test is beside the executor, on a thread of its own.
struct Beside;

impl Harness for Beside {
    type Runtime = Smol;

    fn run(test: impl Future<Output = ()> + Send + 'static) {
        smol::block_on(test);
    }
}

/// The test is one of the executor's tasks, as the drivers are.
struct Among;

impl Harness for Among {
    type Runtime = Smol;

    fn run(test: impl Future<Output = ()> + Send + 'static) {
        smol::block_on(smol::spawn(test));
    }
}

/// smol with a timer that wakes too early, as one may.
struct Early;

impl Runtime for Early {
    fn transport(stream: Stream) -> io::Result<Box<dyn Transport>> {
        Smol::transport(stream)
    }

    fn acceptor(listener: Listener) -> io::Result<Box<dyn Acceptor>> {
        Smol::acceptor(listener)
    }

    fn timer() -> Box<dyn Timer> {
        Box::new(TooEarly(Smol::timer(), None))
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        Smol::spawn(task);
    }
}

#[derive(Debug)]
struct TooEarly(Box<dyn Timer>, Option<Instant>);

impl Timer for TooEarly {
    fn poll_at(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if self.1.replace(at) != Some(at) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.0.poll_at(cx, at)
    }
}

impl Harness for Early {
    type Runtime = Self;

    fn run(test: impl Future<Output = ()> + Send + 'static) {
        smol::block_on(test);
    }
}

#[test]
fn a_timer_that_wakes_too_early_is_asked_again() {
    facades::calls::a_call_ends_at_its_deadline::<Early>();
    facades::neglect::a_neglected_call_does_not_keep_its_deadline_from_passing::<Early>();
}

mod beside {
    super::every_test!(super::Beside);
}

mod among {
    super::every_test!(super::Among);
}
