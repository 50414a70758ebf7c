//! Driving a link without waiting: what the session says is done, what can be written is written, what is
//! there is read, and a stream is opened when one is wanted. Called by `link` and `seat`, with the mutex;
//! knows `state`, streams and the core.

use std::io::{self, IoSlice};
use std::sync::Arc;

use switchboard::SessionNext;

use crate::link::{Guard, Link, Turn};
use crate::state::State;

/// Slices of one vectored write: the frames of a turn are in one or two, each large payload adds one.
const SLICES: usize = 16;
/// So many bytes are read in a row, so that a fast writer does not keep the others from being served, and
/// what was read is dealt with while the processor has it at hand.
const READS: usize = 64 * 1024;

impl Link {
    /// Drives the pump as far as it goes without waiting: takes events, writes what can be written.
    pub(crate) fn turn(&self, state: &mut State) -> Turn {
        let now = state.now;
        state.turned = now;
        loop {
            match state.session.next(now) {
                SessionNext::Event(event) => state.take(event),
                SessionNext::Status(status) => state.take_status(status),
                SessionNext::Connect => state.connects = true,
                SessionNext::Wait { until } => {
                    return Turn::Wait { read: false, write: false, until };
                }
                SessionNext::Drop => {
                    if let Some(stream) = state.stream.take() {
                        stream.hang_up();
                    }
                }
                // What waited to be written may have been taken back, and others wait for its room.
                SessionNext::Io { write: false, .. } if state.use_room() => {}
                SessionNext::Io { read, write, until } => {
                    if !write || !self.write(state) {
                        if core::mem::take(&mut state.fed) {
                            // The late answer to a call that was given up makes room, unannounced.
                            state.unpark(|waiter| waiter.is_none());
                        }
                        return Turn::Wait { read, write, until };
                    }
                }
                SessionNext::Shut => {
                    // A peer that is gone needs no telling.
                    let _ = state.stream.as_ref().map(|stream| stream.shutdown_write());
                }
                SessionNext::Yield => {
                    self.write(state);
                    return Turn::Again;
                }
                SessionNext::Done(reason) => {
                    // The descriptor may live on in another thread's hands; the peer is told now. Whoever
                    // keeps a client keeps none with it.
                    if let Some(stream) = state.stream.take() {
                        stream.hang_up();
                    }
                    state.done = true;
                    state.end(&reason);
                    self.ended.notify_all();
                    return Turn::Done;
                }
            }
        }
    }

    /// Writes what can be written now; whether it came to anything.
    fn write(&self, state: &mut State) -> bool {
        let (now, Some(stream)) = (state.now, &state.stream) else { return false };
        let mut chunks = [&[][..]; SLICES];
        let lent = state.session.chunks(&mut chunks);
        let slices = chunks.map(IoSlice::new);
        match stream.try_write_vectored(&slices[..lent]) {
            Ok(written) => state.session.wrote(now, written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => {
                state.session.write_failed(now);
                // Why is there to be read as a rule, and whoever asks next shall be told.
                self.read(state);
            }
        }
        state.use_room();
        state.unpark(|waiter| waiter.is_none());
        true
    }

    /// Reads what there is.
    pub(crate) fn read(&self, state: &mut State) {
        let (now, Some(stream)) = (state.now, &state.stream) else { return };
        state.fed = true;
        let mut left = READS;
        while left > 0 {
            let space = state.session.space();
            let wanted = space.len();
            match stream.try_read(space) {
                Ok(count) => {
                    state.session.filled(now, count);
                    if count < wanted {
                        return;
                    }
                    left = left.saturating_sub(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return state.session.filled(now, 0),
            }
        }
    }

    /// Reads and drives without waiting: for a handler that keeps the seat's holder busy. It may have
    /// gone to another thread meanwhile, so that the holder is told like by anybody else.
    pub(crate) fn glance(self: &Arc<Self>, state: &mut State) {
        if let Turn::Wait { read: true, .. } = self.turn(state) {
            self.read(state);
        }
        self.nudge(state);
    }

    /// Opens a stream, if one is wanted; whether one was.
    pub(crate) fn open<'a>(&'a self, mut state: Guard<'a>) -> (Guard<'a>, bool) {
        let Some(opens) = self.opens.as_ref().filter(|_| state.connects) else {
            return (state, false);
        };
        state.connects = false;
        let known = state.welcome.is_some();
        drop(state);
        let opened = opens(known);
        let mut state = self.enter();
        let now = state.now;
        match opened {
            Ok((stream, server)) => {
                (state.stream, state.server) = (Some(Arc::new(stream)), server);
                state.session.connected(now);
            }
            Err(unopened) => {
                state.session.failed(now, unopened.reason());
                state.open_error = Some(unopened.error);
            }
        }
        (state, true)
    }
}
