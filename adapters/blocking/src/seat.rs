//! The *seat* of a link: who waits for the socket, reads, and drives the pump for all. Called by
//! clients, servers and their calls; knows `link` and `state`.
//!
//! A client's seat is taken by whichever caller waits (the leader); the others park (the followers).
//! When the leader has its answer, it wakes one of them as heir. So no thread stands between a caller
//! and its answer. While nobody waits the seat is empty (and the
//! timer's thread reads every 4 s), or the reader's, if the client has handlers:
//! a thread that steps back as soon as a caller comes, and comes back when callers have been away for
//! a moment. A server's seat belongs to the thread of the connection.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use switchboard::Instant;

use crate::link::{Guard, Link};
use crate::state::{Kind, Reader, Seat, State};
use crate::sync::thread;

/// While callers come and go the reader looks only so often whether they still do: to give it the seat
/// between any two calls would cost each a change of threads.
const AWAY: Duration = Duration::from_millis(1);

impl Link {
    /// Waits until `ready` gives something, driving the link or letting somebody else do it. `ticket` is
    /// what `ready` looks at, if it is one; `until` is when it is to be asked again at the latest.
    pub(crate) fn wait_for<T>(
        self: &Arc<Self>,
        ticket: Option<usize>,
        until: Option<Instant>,
        mut ready: impl FnMut(&mut State) -> Poll<T>,
    ) -> T {
        let mut state = self.enter();
        loop {
            if let Poll::Ready(value) = ready(&mut state) {
                self.leave(&mut state);
                return value;
            }
            let Some(seat) = &mut state.seat else {
                state.seat = Some(Seat::new(Kind::Caller, ticket));
                let value;
                (state, value) = self.lead(state, until, &mut ready);
                state.seat = None;
                self.leave(&mut state);
                return value;
            };
            if seat.is_mine() {
                // A handler on the connection's own thread calls: nobody else could read for it.
                let before = core::mem::replace(&mut seat.ticket, ticket);
                let value;
                (state, value) = self.lead(state, until, &mut ready);
                if let Some(seat) = &mut state.seat {
                    seat.ticket = before;
                }
                return value;
            }
            if seat.kind == Kind::Reader {
                seat.kind = Kind::Wanted;
                self.wake.wake();
            }
            self.nudge(&mut state);
            self.arm(&mut state, until);
            if let Poll::Ready(value) = ready(&mut state) {
                return value;
            }
            state = self.park(state, ticket);
        }
    }

    /// Holds the seat until `ready` gives something.
    fn lead<'a, T>(
        self: &'a Arc<Self>,
        mut state: Guard<'a>,
        until: Option<Instant>,
        ready: &mut impl FnMut(&mut State) -> Poll<T>,
    ) -> (Guard<'a>, T) {
        loop {
            let turn = self.turn(&mut state);
            if let Poll::Ready(value) = ready(&mut state) {
                return (state, value);
            }
            let came;
            (state, came) = self.dispatch(state);
            if came {
                continue;
            }
            self.arm(&mut state, until);
            state = self.wait(state, turn);
        }
    }

    /// Whoever leaves while nobody holds the seat sees to it that somebody will, if anybody waits or
    /// anything is left to do.
    fn leave(self: &Arc<Self>, state: &mut State) {
        state.left += 1;
        if state.seat.is_some() {
            return;
        }
        state.unpark_reader();
        self.look_later(state);
        if let Some((_, heir)) = state.parked.first() {
            return heir.unpark();
        }
        // Such as the credit for what it takes with it: as a rule the socket has room.
        let left = state.session.connection().unsent() > 0 && self.drive(state);
        if left || state.inbox.has_events() {
            self.drive_in_background(state);
        }
    }

    /// Lets the holder of the seat drive, until somebody wakes this thread.
    fn park<'a>(&'a self, mut state: Guard<'a>, ticket: Option<usize>) -> Guard<'a> {
        let this = thread::current();
        let id = this.id();
        state.parked.push((ticket, this));
        drop(state);
        thread::park();
        let mut state = self.enter();
        state.parked.retain(|(_, thread)| thread.id() != id);
        state
    }

    /// What nobody waits for is written, and what came with an answer dealt with, all the same: a
    /// thread of its own drives until it is.
    pub(crate) fn drive_in_background(self: &Arc<Self>, state: &mut State) {
        if state.writes_in_background {
            return;
        }
        let link = Arc::clone(self);
        let thread = thread::Builder::new().name("switchboard-writer".into());
        let spawned = thread.spawn(move || {
            link.wait_for(None, None, |state| {
                let unsent = state.session.connection().unsent() > 0;
                let left = unsent || state.inbox.has_events();
                let over = state.done || !left;
                state.writes_in_background &= !over;
                if over { Poll::Ready(()) } else { Poll::Pending }
            });
        });
        // Without a thread it is done with the next call.
        state.writes_in_background = spawned.is_ok();
    }

    /// From now on somebody reads also while nobody waits: a thread of its own, which ends with the
    /// connection. Without one (the system has none) callers read, as before.
    pub(crate) fn read_in_background(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.reader.is_some() || state.done {
            return;
        }
        let link = Arc::clone(self);
        let thread = thread::Builder::new().name("switchboard-reader".into());
        if let Ok(handle) = thread.spawn(move || link.read_on()) {
            let thread = handle.thread().clone();
            state.reader = Some(Reader { thread, sleeps: false });
        }
    }

    /// The reader's whole life.
    fn read_on(self: &Arc<Self>) {
        let mut seen = 0;
        let mut state = self.enter();
        while !state.done {
            let taken = state.seat.is_some() || !state.parked.is_empty();
            if taken || state.left != seen {
                // One caller that waits for long tells when it leaves; of many, none needs to.
                let sleeps = taken && state.left == seen;
                seen = state.left;
                if let Some(reader) = &mut state.reader {
                    reader.sleeps = sleeps;
                }
                drop(state);
                if sleeps {
                    thread::park()
                } else {
                    thread::park_timeout(AWAY)
                }
                state = self.enter();
                continue;
            }
            state.seat = Some(Seat::new(Kind::Reader, None));
            (state, ()) = self.lead(state, None, &mut |state: &mut State| {
                let wanted = state.seat.as_ref().is_some_and(|seat| seat.kind == Kind::Wanted);
                if wanted || state.done { Poll::Ready(()) } else { Poll::Pending }
            });
            state.seat = None;
            self.leave(&mut state);
            seen = state.left;
        }
        // What was put off or came with the end is dealt with, too.
        drop(self.dispatch(state));
    }
}
