//! Waiting for a stream or a client, and being woken meanwhile. Called by `link` and the acceptor; calls
//! the operating system only.

use std::io;
use std::time::Duration;

use switchboard_endpoint::{Listener, Stream};

/// What ended a wait. All may be false: a wait may end for no reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) woken: bool,
}

#[cfg(unix)]
pub(crate) use unix::{Wake, wait, wait_for_client};

#[cfg(unix)]
mod unix {
    use std::os::fd::{AsFd, BorrowedFd};

    use rustix::event::{PollFd, PollFlags, Timespec};

    use crate::sync::poll;

    use super::{Duration, Listener, Ready, Stream, io};

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

        fn end(&self) -> BorrowedFd<'_> {
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

        fn end(&self) -> BorrowedFd<'_> {
            self.event.0.as_fd()
        }
    }

    /// Waits until a stream is readable (if `read`) or writable (if `write`) or broken, if there is one,
    /// `wake` is woken, or `timeout` has passed. Without a timeout it costs less.
    pub(crate) fn wait(
        stream: Option<&Stream>,
        wake: &Wake,
        read: bool,
        write: bool,
        timeout: Option<Duration>,
    ) -> Ready {
        let Some(stream) = stream else {
            return poll_for(wake.end(), PollFlags::empty(), None, wake, timeout);
        };
        let other = if write { stream.write_fd() } else { None };
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, read);
        interest.set(PollFlags::OUT, write && other.is_none());
        poll_for(stream.as_fd(), interest, other.as_deref().map(AsFd::as_fd), wake, timeout)
    }

    /// The same for a client who comes to a listener (if `accept`).
    pub(crate) fn wait_for_client(
        listener: &Listener,
        wake: &Wake,
        accept: bool,
        timeout: Option<Duration>,
    ) -> Ready {
        let interest = if accept { PollFlags::IN } else { PollFlags::empty() };
        poll_for(listener.as_fd(), interest, None, wake, timeout)
    }

    /// `other` is a descriptor of its own to write.
    fn poll_for(
        source: BorrowedFd<'_>,
        interest: PollFlags,
        other: Option<BorrowedFd<'_>>,
        wake: &Wake,
        timeout: Option<Duration>,
    ) -> Ready {
        let wake = wake.end();
        let last = other.unwrap_or(source);
        let mut descriptors = [
            PollFd::new(&wake, PollFlags::IN),
            PollFd::new(&source, interest),
            PollFd::new(&last, PollFlags::OUT),
        ];
        // A source that nobody asks about is left out: that it is broken would end every wait at once.
        let asked = match (interest.is_empty(), other) {
            (true, None) => &mut descriptors[..1],
            (false, None) => &mut descriptors[..2],
            (false, Some(_)) => &mut descriptors[..],
            (true, Some(_)) => {
                descriptors.swap(1, 2);
                &mut descriptors[..2]
            }
        };
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // What can go wrong here is a signal: then the wait ends for no reason.
        if poll(asked, timeout.as_ref()).is_err() {
            return Ready::default();
        }
        let ended = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        Ready {
            readable: interest.contains(PollFlags::IN) && asked[1].revents().intersects(ended),
            woken: !asked[0].revents().is_empty(),
        }
    }
}

/// A system on which no transport is served yet: a stream cannot be made there, so that nobody ever
/// waits for one.
#[cfg(not(unix))]
pub(crate) use elsewhere::{Wake, wait, wait_for_client};

#[cfg(not(unix))]
mod elsewhere {
    use super::{Duration, Listener, Ready, Stream, io};

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

    pub(crate) fn wait(
        _: Option<&Stream>,
        wake: &Wake,
        _: bool,
        _: bool,
        _: Option<Duration>,
    ) -> Ready {
        match wake.0 {}
    }

    pub(crate) fn wait_for_client(
        _: &Listener,
        wake: &Wake,
        _: bool,
        _: Option<Duration>,
    ) -> Ready {
        match wake.0 {}
    }
}
