//! **switchboard** over [async-io](async_io): what the facades of runtimes that have its reactor share.
//! Programs use one of those, `switchboard-smol` first; whoever writes a
//! [`Runtime`](switchboard_futures::Runtime) with an executor of their own and this reactor takes all but
//! `spawn` from here.
//!
//! The reactor runs on whatever thread waits in [`async_io::block_on`], else on one of its own, which it
//! starts at the first need.

#![forbid(unsafe_code)]

mod clock;
#[cfg(unix)]
mod watch;

#[cfg(unix)]
use std::io;

use switchboard_futures::Timer;
#[cfg(unix)]
use switchboard_futures::{Acceptor, Listener, Stream, Transport};

/// A connected stream that the reactor watches.
///
/// # Errors
///
/// What the operating system says.
#[cfg(unix)]
pub fn transport(stream: Stream) -> io::Result<Box<dyn Transport>> {
    Ok(Box::new(watch::Watched::new(stream)?))
}

/// A listener that the reactor watches.
///
/// # Errors
///
/// What the operating system says.
#[cfg(unix)]
pub fn acceptor(listener: Listener) -> io::Result<Box<dyn Acceptor>> {
    Ok(Box::new(watch::Accepting::new(listener)?))
}

/// A timer of the reactor.
pub fn timer() -> Box<dyn Timer> {
    Box::new(clock::Clock::new())
}
