//! What async-io's reactor watches: streams and listeners. Called by the facades; knows the endpoint.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use async_io::Async;
use switchboard_endpoint::{Credentials, Listener, Stream};
use switchboard_futures::{Acceptor, Transport};

type Accepted = (Stream, Option<Credentials>);

#[derive(Debug)]
pub(crate) struct Watched {
    stream: Async<Stream>,
    /// The last read took all there was: before the reactor says otherwise there is nothing to read, and to
    /// hear that from the system costs as much as a read.
    drained: AtomicBool,
    /// Of two pipes the one to write, until it is shut: it stays open for as long as it is here.
    write: Option<Mutex<Option<Async<Arc<OwnedFd>>>>>,
}

impl Watched {
    pub(crate) fn new(stream: Stream) -> io::Result<Self> {
        let write = stream.write_fd().map(Async::new_nonblocking).transpose()?;
        Ok(Self {
            stream: Async::new_nonblocking(stream)?,
            drained: AtomicBool::new(false),
            write: write.map(|end| Mutex::new(Some(end))),
        })
    }

    fn write(&self) -> Option<MutexGuard<'_, Option<Async<Arc<OwnedFd>>>>> {
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
            if !self.drained.load(Ordering::Relaxed) {
                match self.stream.get_ref().try_read(buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    read => {
                        let short = matches!(read, Ok(count) if count < buffer.len());
                        self.drained.store(short, Ordering::Relaxed);
                        return Poll::Ready(read);
                    }
                }
            }
            // It looks at the stream anew: what came behind a short read, and its end, are told.
            ready!(self.stream.poll_readable(cx))?;
            self.drained.store(false, Ordering::Relaxed);
        }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.write().as_deref() {
            Some(Some(end)) => end.poll_writable(cx),
            // Whoever writes learns that it is shut.
            Some(None) => Poll::Ready(Ok(())),
            None => self.stream.poll_writable(cx),
        }
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.get_ref().try_write_vectored(slices)
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

pub(crate) struct Accepting(Async<Listener>);

impl Accepting {
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        Async::new_nonblocking(listener).map(Self)
    }
}

impl Acceptor for Accepting {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        loop {
            match self.0.get_ref().accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                accepted => return Poll::Ready(accepted),
            }
            ready!(self.0.poll_readable(cx))?;
        }
    }

    fn is_exhausted(&self) -> bool {
        self.0.get_ref().is_exhausted()
    }
}
