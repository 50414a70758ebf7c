//! `End`: an end of a connection in memory, whose task is woken as a reactor would wake it, or whose thread
//! waits; `Bell`: a timer. Part of `schedules`.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use shuttle::sync::{Condvar, Mutex, MutexGuard};
use switchboard_testkit::schedules::Wire;

use crate::runtime::{Timer, Transport};
use crate::sync;

/// Two ends, the second of which can write so many bytes that were not read.
pub(super) fn pair(room: usize) -> (End, End) {
    let ways = [Way::new(room), Way::new(usize::MAX)];
    let pipe = Arc::new(Pipe { ways: Mutex::new(ways), came: Condvar::new() });
    (End { pipe: Arc::clone(&pipe), reads: 0 }, End { pipe, reads: 1 })
}

/// One end. Dropping it hangs up.
#[derive(Debug)]
pub(super) struct End {
    pipe: Arc<Pipe>,
    /// Which way it reads; it writes the other one.
    reads: usize,
}

#[derive(Debug)]
struct Pipe {
    ways: Mutex<[Way; 2]>,
    /// Something has come to a thread.
    came: Condvar,
}

/// One direction.
#[derive(Debug)]
struct Way {
    bytes: Vec<u8>,
    ended: bool,
    /// So much is kept that was not read.
    room: usize,
    reads: Option<Waker>,
    writes: Option<Waker>,
}

impl Way {
    const fn new(room: usize) -> Self {
        Self { bytes: Vec::new(), ended: false, room, reads: None, writes: None }
    }
}

impl End {
    fn ways(&self) -> MutexGuard<'_, [Way; 2]> {
        self.pipe.ways.lock().unwrap()
    }

    const fn writes(&self) -> usize {
        1 - self.reads
    }

    fn wake(&self, woken: impl IntoIterator<Item = Waker>) {
        self.pipe.came.notify_all();
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Wire for End {
    fn say(&self, bytes: &[u8], ends: bool) {
        let mut ways = self.ways();
        let way = &mut ways[self.writes()];
        way.bytes.extend_from_slice(bytes);
        way.ended |= ends;
        let woken = if bytes.is_empty() && !ends { None } else { way.reads.take() };
        drop(ways);
        self.wake(woken);
    }

    fn hear(&self, waits: bool) -> Option<Vec<u8>> {
        let mut ways = self.ways();
        while ways[self.reads].bytes.is_empty() && !ways[self.reads].ended {
            if !waits {
                return None;
            }
            ways = self.pipe.came.wait(ways).unwrap();
        }
        let bytes = core::mem::take(&mut ways[self.reads].bytes);
        let woken = ways[self.reads].writes.take();
        drop(ways);
        self.wake(woken);
        Some(bytes)
    }
}

impl Transport for End {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut ways = self.ways();
        let way = &mut ways[self.reads];
        if way.bytes.is_empty() && !way.ended {
            way.reads = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = way.bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&way.bytes[..count]);
        way.bytes.drain(..count);
        let woken = way.writes.take();
        drop(ways);
        self.wake(woken);
        Poll::Ready(Ok(count))
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut ways = self.ways();
        let way = &mut ways[self.writes()];
        if way.bytes.len() >= way.room && !way.ended {
            way.writes = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut ways = self.ways();
        let way = &mut ways[self.writes()];
        if way.ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let before = way.bytes.len();
        for slice in slices {
            let count = slice.len().min(way.room - way.bytes.len());
            way.bytes.extend_from_slice(&slice[..count]);
        }
        let count = way.bytes.len() - before;
        let woken = way.reads.take_if(|_| count > 0);
        drop(ways);
        self.wake(woken);
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        let mut ways = self.ways();
        ways[self.writes()].ended = true;
        let woken = ways[self.writes()].reads.take();
        drop(ways);
        self.wake(woken);
        Ok(())
    }

    fn hang_up(&self) {
        let mut ways = self.ways();
        ways.iter_mut().for_each(|way| way.ended = true);
        let woken = ways.each_mut().map(|way| [way.reads.take(), way.writes.take()]);
        drop(ways);
        self.wake(woken.into_iter().flatten().flatten());
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// A timer, which wakes when the test says so.
#[derive(Clone, Debug, Default)]
pub(super) struct Bell(Arc<Mutex<Option<Waker>>>);

impl Bell {
    /// Whether it was set.
    pub(super) fn is_armed(&self) -> bool {
        self.0.lock().unwrap().is_some()
    }

    /// It wakes whoever has set it, early or not.
    pub(super) fn ring(&self) {
        let woken = self.0.lock().unwrap().take();
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Timer for Bell {
    fn poll_at(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if at <= sync::now() {
            return Poll::Ready(());
        }
        *self.0.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }
}
