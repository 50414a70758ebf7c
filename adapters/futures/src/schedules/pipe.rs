//! `Pipe`: a connection in memory, whose client is woken as a reactor would wake it. Part of `schedules`.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use shuttle::sync::{Condvar, Mutex, MutexGuard};

use crate::runtime::{Timer, Transport};
use crate::sync;

/// Both directions, and the client's timer.
#[derive(Debug)]
pub(super) struct Pipe {
    ends: Mutex<Ends>,
    /// Something has come to the server.
    came: Condvar,
}

#[derive(Debug)]
struct Ends {
    up: Vec<u8>,
    down: Vec<u8>,
    up_ended: bool,
    down_ended: bool,
    /// So much of what goes up is kept.
    room: usize,
    reads: Option<Waker>,
    writes: Option<Waker>,
    timer: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(room: usize) -> Arc<Self> {
        let ends = Ends {
            up: Vec::new(),
            down: Vec::new(),
            up_ended: false,
            down_ended: false,
            room,
            reads: None,
            writes: None,
            timer: None,
        };
        Arc::new(Self { ends: Mutex::new(ends), came: Condvar::new() })
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap()
    }

    /// The server says something, and perhaps nothing more after it.
    pub(super) fn say(&self, bytes: &[u8], ends: bool) {
        let mut this = self.ends();
        this.down.extend_from_slice(bytes);
        this.down_ended |= ends;
        let woken = if bytes.is_empty() && !ends { None } else { this.reads.take() };
        drop(this);
        wake(woken);
    }

    /// What has come to the server, if anything has or it waits; nothing is the end.
    pub(super) fn hear(&self, waits: bool) -> Option<Vec<u8>> {
        let mut this = self.ends();
        while this.up.is_empty() && !this.up_ended {
            if !waits {
                return None;
            }
            this = self.came.wait(this).unwrap();
        }
        let bytes = core::mem::take(&mut this.up);
        let woken = this.writes.take();
        drop(this);
        wake(woken);
        Some(bytes)
    }

    /// The server is gone.
    pub(super) fn leave(&self) {
        let mut this = self.ends();
        (this.up_ended, this.down_ended) = (true, true);
        let woken = [this.reads.take(), this.writes.take()];
        drop(this);
        woken.into_iter().for_each(wake);
    }

    /// Whether the client has set its timer.
    pub(super) fn is_armed(&self) -> bool {
        self.ends().timer.is_some()
    }

    /// The client's timer wakes, early or not.
    pub(super) fn ring(&self) {
        let woken = self.ends().timer.take();
        wake(woken);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The client's end.
#[derive(Debug)]
pub(super) struct End(pub(super) Arc<Pipe>);

impl Transport for End {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut this = self.0.ends();
        if this.down.is_empty() && !this.down_ended {
            this.reads = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = this.down.len().min(buffer.len());
        buffer[..count].copy_from_slice(&this.down[..count]);
        this.down.drain(..count);
        Poll::Ready(Ok(count))
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.0.ends();
        if this.up.len() >= this.room && !this.up_ended {
            this.writes = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut this = self.0.ends();
        if this.up_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let before = this.up.len();
        for slice in slices {
            let count = slice.len().min(this.room - this.up.len());
            this.up.extend_from_slice(&slice[..count]);
        }
        let count = this.up.len() - before;
        drop(this);
        self.0.came.notify_one();
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.0.ends().up_ended = true;
        self.0.came.notify_one();
        Ok(())
    }

    fn hang_up(&self) {
        self.0.leave();
        self.0.came.notify_one();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// The client's timer, which wakes when the test says so.
#[derive(Debug)]
pub(super) struct Bell(pub(super) Arc<Pipe>);

impl Timer for Bell {
    fn poll_at(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if at <= sync::now() {
            return Poll::Ready(());
        }
        self.0.ends().timer = Some(cx.waker().clone());
        Poll::Pending
    }
}
