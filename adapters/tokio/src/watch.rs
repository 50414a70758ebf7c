//! What tokio's reactor watches: streams and listeners. Called by the runtime; knows the endpoint.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use switchboard_endpoint::{Credentials, Listener, Stream};
use switchboard_futures::{Acceptor, Transport};
use tokio::io::{Interest, unix::AsyncFd};
use tokio::runtime::Handle;

/// What takes its place is `unsafe`, as a descriptor might be closed or change while it is watched. Those of
/// the endpoint do not.
#[allow(deprecated, reason = "there is no safe one for any descriptor")]
fn watch<T: AsRawFd>(end: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(end, interest)
}

type Accepted = (Stream, Option<Credentials>);

/// A stream that is watched for bytes, and for room to write only while there is none: a reactor that watched
/// for both would be woken whenever the peer has read, which is once for each call.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: AsyncFd<Stream>,
    /// One to read and one to write.
    two_pipes: bool,
    /// What is watched for room. Of two pipes the one to write, until it is shut: it stays open for as long
    /// as it is here. Of a socket another descriptor, from when there is no room until all is written.
    write: Mutex<Option<AsyncFd<Arc<OwnedFd>>>>,
    /// Who watches: whoever writes may be on a thread of another's.
    runtime: Handle,
}

impl Watched {
    pub(crate) fn new(stream: Stream) -> io::Result<Self> {
        let write = stream.write_fd().map(|end| watch(end, Interest::WRITABLE)).transpose()?;
        let two_pipes = write.is_some();
        let stream = watch(stream, Interest::READABLE)?;
        Ok(Self { stream, two_pipes, write: Mutex::new(write), runtime: Handle::current() })
    }

    fn write(&self) -> MutexGuard<'_, Option<AsyncFd<Arc<OwnedFd>>>> {
        self.write.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self) {
        *self.write() = None;
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
        let mut write = self.write();
        if write.is_none() && !self.two_pipes {
            // If there is no other descriptor to be had, whoever writes tries again a little later.
            let end = self.stream.get_ref().as_fd().try_clone_to_owned()?;
            let _entered = self.runtime.enter();
            *write = Some(watch(Arc::new(end), Interest::WRITABLE)?);
        }
        match &*write {
            Some(end) => end.poll_write_ready(cx).map_ok(drop),
            // Whoever writes learns that it is shut.
            None => Poll::Ready(Ok(())),
        }
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let (stream, mut write) = (self.stream.get_ref(), self.write());
        let Some(end) = &*write else { return stream.try_write_vectored(slices) };
        let written = end.try_io(Interest::WRITABLE, |_| stream.try_write_vectored(slices))?;
        if !self.two_pipes && written == slices.iter().map(|slice| slice.len()).sum() {
            *write = None;
        }
        Ok(written)
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
