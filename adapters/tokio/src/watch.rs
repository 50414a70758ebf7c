//! What tokio's reactor watches: streams and listeners. Called by the runtime; knows the endpoint.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use switchboard_endpoint::{Credentials, Listener, Stream};
use switchboard_futures::{Acceptor, Transport};
use tokio::io::{Interest, unix::AsyncFd};

/// What takes its place is `unsafe`, as a descriptor might be closed or change while it is watched. Those of
/// the endpoint do not.
#[allow(deprecated, reason = "there is no safe one for any descriptor")]
fn watch<T: AsRawFd>(end: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(end, interest)
}

type Accepted = (Stream, Option<Credentials>);

#[derive(Debug)]
pub(crate) struct Watched {
    stream: AsyncFd<Stream>,
    /// Of two pipes the one to write, until it is shut: it stays open for as long as it is here.
    write: Option<Mutex<Option<AsyncFd<Arc<OwnedFd>>>>>,
}

impl Watched {
    pub(crate) fn new(stream: Stream) -> io::Result<Self> {
        let write = stream.write_fd().map(|end| watch(end, Interest::WRITABLE)).transpose()?;
        let write_here = write.is_none().then_some(Interest::WRITABLE);
        let interest = write_here.map_or(Interest::READABLE, |write| write | Interest::READABLE);
        Ok(Self { stream: watch(stream, interest)?, write: write.map(|end| Mutex::new(Some(end))) })
    }

    fn write(&self) -> Option<MutexGuard<'_, Option<AsyncFd<Arc<OwnedFd>>>>> {
        Some(self.write.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn give_back(&self) {
        if let Some(mut end) = self.write() {
            *end = None;
        }
    }
}

impl Transport for Watched {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.stream.poll_read_ready(cx))?;
            let read = ready.try_io(|stream| stream.get_ref().try_read(buffer));
            let Ok(read) = read else { continue };
            if read.as_ref().is_ok_and(|count| (1..buffer.len()).contains(count)) {
                // It is drained. What comes from now on is told anew, and the end stays told.
                ready.clear_ready();
            }
            return Poll::Ready(read);
        }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.write().as_deref() {
            Some(Some(end)) => end.poll_write_ready(cx).map_ok(drop),
            // Whoever writes learns that it is shut.
            Some(None) => Poll::Ready(Ok(())),
            None => self.stream.poll_write_ready(cx).map_ok(drop),
        }
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let stream = self.stream.get_ref();
        match self.write().as_deref() {
            Some(Some(end)) => {
                end.try_io(Interest::WRITABLE, |_| stream.try_write_vectored(slices))
            }
            Some(None) => stream.try_write_vectored(slices),
            None => self.stream.try_io(Interest::WRITABLE, |_| stream.try_write_vectored(slices)),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.give_back();
        self.stream.get_ref().shutdown_write()
    }

    fn hang_up(&self) {
        self.give_back();
        self.stream.get_ref().hang_up();
    }
}

pub(crate) struct Accepting(AsyncFd<Listener>);

impl Accepting {
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        watch(listener, Interest::READABLE).map(Self)
    }
}

impl Acceptor for Accepting {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            if let Ok(accepted) = ready.try_io(|listener| listener.get_ref().accept()) {
                return Poll::Ready(accepted);
            }
        }
    }

    fn is_exhausted(&self) -> bool {
        self.0.get_ref().is_exhausted()
    }
}
