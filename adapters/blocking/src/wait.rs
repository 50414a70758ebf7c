//! Waiting for a socket, and being woken meanwhile. Called by `link` and the acceptor; calls the
//! operating system only.

use std::io;
use std::time::Duration;

/// What ended a wait. All may be false: a wait may end for no reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) woken: bool,
}

#[cfg(unix)]
pub(crate) use unix::{Wake, hang_up, wait};

#[cfg(unix)]
mod unix {
    use std::os::fd::AsFd;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::net::{Shutdown, shutdown};

    use super::{Duration, Ready, io};

    /// A descriptor that ends a wait from another thread.
    #[derive(Debug)]
    pub(crate) struct Wake {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        event: std::os::fd::OwnedFd,
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        event: (std::os::unix::net::UnixStream, std::os::unix::net::UnixStream),
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    impl Wake {
        pub(crate) fn new() -> io::Result<Self> {
            use rustix::event::{EventfdFlags, eventfd};
            let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            Ok(Self { event })
        }

        /// Ends the wait that is under way, or else the next one.
        pub(crate) fn wake(&self) {
            // The counter cannot overflow before somebody reads it: nobody wakes 2^64 times.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }

        pub(crate) fn clear(&self) {
            let _ = rustix::io::read(&self.event, &mut [0; 8]);
        }

        fn end(&self) -> impl AsFd {
            self.event.as_fd()
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    impl Wake {
        pub(crate) fn new() -> io::Result<Self> {
            let event = std::os::unix::net::UnixStream::pair()?;
            event.0.set_nonblocking(true)?;
            event.1.set_nonblocking(true)?;
            Ok(Self { event })
        }

        /// Ends the wait that is under way, or else the next one.
        pub(crate) fn wake(&self) {
            // A full pipe wakes as well.
            let _ = io::Write::write(&mut &self.event.1, &[1]);
        }

        pub(crate) fn clear(&self) {
            while io::Read::read(&mut &self.event.0, &mut [0; 64]).is_ok_and(|count| count > 0) {}
        }

        fn end(&self) -> impl AsFd {
            self.event.0.as_fd()
        }
    }

    /// Ends both directions, for the peer as if all descriptors of this end were closed.
    pub(crate) fn hang_up(stream: &impl AsFd) {
        // A peer that is gone needs no telling.
        let _ = shutdown(stream, Shutdown::Both);
    }

    /// Waits until `source` is readable (if `read`) or writable (if `write`) or broken, `wake` is
    /// woken, or `timeout` has passed. Without a timeout it costs less.
    pub(crate) fn wait(
        source: &impl AsFd,
        wake: &Wake,
        read: bool,
        write: bool,
        timeout: Option<Duration>,
    ) -> Ready {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, read);
        interest.set(PollFlags::OUT, write);
        let end = wake.end();
        let mut descriptors = [PollFd::new(&end, PollFlags::IN), PollFd::new(source, interest)];
        // A source that nobody asks about is left out: that it is broken would end every wait at once.
        let asked = if read || write { 2 } else { 1 };
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // What can go wrong here is a signal: then the wait ends for no reason.
        if poll(&mut descriptors[..asked], timeout.as_ref()).is_err() {
            return Ready::default();
        }
        let broken = PollFlags::HUP | PollFlags::ERR;
        Ready {
            readable: read && descriptors[1].revents().intersects(PollFlags::IN | broken),
            woken: !descriptors[0].revents().is_empty(),
        }
    }
}

/// A system on which no transport is served yet: a stream cannot be made there, so that nobody ever
/// waits for one.
#[cfg(not(unix))]
pub(crate) use elsewhere::{Wake, hang_up, wait};

#[cfg(not(unix))]
mod elsewhere {
    use super::{Duration, Ready, io};

    #[derive(Debug)]
    pub(crate) struct Wake(std::convert::Infallible);

    impl Wake {
        pub(crate) fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn wake(&self) {
            match self.0 {}
        }

        pub(crate) fn clear(&self) {
            match self.0 {}
        }
    }

    pub(crate) const fn hang_up<S>(_: &S) {}

    pub(crate) fn wait<S>(_: &S, wake: &Wake, _: bool, _: bool, _: Option<Duration>) -> Ready {
        match wake.0 {}
    }
}
