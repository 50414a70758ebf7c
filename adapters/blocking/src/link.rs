//! `Link`: a pump, its socket and everybody who waits for either, behind one mutex. Called by clients
//! and by the server's threads; knows the core's pump, and nothing of what the protocol means.
//!
//! Somebody holds the *seat*: waits for the socket, reads, and drives the pump for all. A client's
//! seat is taken by whichever caller waits (the leader); the others park (the followers). When the
//! leader has its answer, it wakes one of them as heir. A server's seat belongs to the thread of the
//! connection. Whoever has the mutex may write; nobody waits for anything while having it, and no
//! code of the user's runs under it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use slab::Slab;
use switchboard::service::no_handler;
use switchboard::{
    CallError, CallId, CloseReason, Connection, Event, Fate, Instant, Next, Payload, Pump, Rejected,
};
use switchboard_endpoint::Stream;

use crate::timer::{Due, Timer};
use crate::wait::{Ready, Wake, hang_up, wait};

/// Slices of one vectored write: the frames of a turn are in one or two, each large payload adds one.
const SLICES: usize = 32;
/// Reads in a row, so that a fast writer does not keep the others from being served.
const READS: usize = 16;

#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    wake: Wake,
    timer: Arc<Timer>,
    origin: std::time::Instant,
    state: Mutex<State>,
    /// Told when the socket is done with.
    ended: Condvar,
}

/// What the mutex guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) pump: Pump,
    /// What happened that is no answer: for whoever holds the seat.
    pub(crate) inbox: VecDeque<Event>,
    /// Calls of the peer whose caller no longer waits, until they are answered.
    pub(crate) stopped: Vec<CallId>,
    /// Why the connection ended, once it has.
    pub(crate) closed: Option<CloseReason>,
    /// The socket is done with.
    done: bool,
    waiters: Slab<Waiter>,
    /// Who waits without the seat, with the waiter that it waits for, if it is one.
    parked: Vec<(Option<usize>, Thread)>,
    seat: Option<Seat>,
    writes_in_background: bool,
    /// Bytes of messages in the inbox and in the hands of listeners.
    untaken: usize,
    /// Bytes came since all that had come was dealt with.
    fed: bool,
    /// When the timer wakes this link.
    armed: Option<Due>,
}

/// Whoever waits for the socket now.
#[derive(Debug)]
struct Seat {
    /// The waiter that the holder waits for, if it is one.
    waiter: Option<usize>,
    /// Whether the holder waits for bytes.
    read: bool,
    /// Whether it also waits for room to write.
    write: bool,
}

/// Somebody waits for this, under a number that the core hands back.
#[derive(Debug)]
enum Waiter {
    Waiting,
    /// Nobody waits any more; the number is free when the core has handed it back.
    Abandoned,
    Settled(Outcome),
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Result<Payload, CallError>),
    Pong(Duration),
    Closed(CloseReason),
}

/// What a turn of the pump came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    /// Wait for the socket.
    Wait { read: bool, write: bool, until: Option<Instant> },
    /// There is more to do at once.
    Again,
    /// The socket is done with.
    Done,
}

pub(crate) type Guard<'a> = MutexGuard<'a, State>;

impl Link {
    /// A link over a connected stream, whose time begins now.
    pub(crate) fn new(stream: Stream, timer: Arc<Timer>, pump: Pump) -> io::Result<Self> {
        let state = State {
            pump,
            inbox: VecDeque::new(),
            stopped: Vec::new(),
            closed: None,
            done: false,
            waiters: Slab::new(),
            parked: Vec::new(),
            seat: None,
            writes_in_background: false,
            untaken: 0,
            fed: false,
            armed: None,
        };
        let (origin, wake) = (std::time::Instant::now(), Wake::new()?);
        let (state, ended) = (Mutex::new(state), Condvar::new());
        Ok(Self { stream, wake, timer, origin, state, ended })
    }

    /// The time of this link's pump.
    pub(crate) fn now(&self) -> Instant {
        Instant::from(self.origin.elapsed())
    }

    /// The same for a user, who knows the system's clock.
    pub(crate) fn system_time(&self, at: Instant) -> std::time::Instant {
        self.origin + (at - Instant::ZERO)
    }

    pub(crate) fn lock(&self) -> Guard<'_> {
        // Nothing that could panic halfway runs under it, so that the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives the pump as far as it goes without waiting: takes events, writes what can be written.
    pub(crate) fn turn(&self, state: &mut State) -> Turn {
        let now = self.now();
        loop {
            match state.pump.next(now) {
                Next::Event(event) => state.take(event),
                Next::Io { read, write, until } => {
                    if !write || !self.write(state, now) {
                        if core::mem::take(&mut state.fed) {
                            // The late answer to a call that was given up makes room, unannounced.
                            state.unpark(|waiter| waiter.is_none());
                        }
                        return Turn::Wait { read, write, until };
                    }
                }
                Next::Shut => {
                    // A peer that is gone needs no telling.
                    let _ = self.stream.shutdown_write();
                }
                Next::Yield => {
                    self.write(state, now);
                    return Turn::Again;
                }
                Next::Done(reason) => {
                    // The descriptor may live on in another thread's hands; the peer is told now.
                    hang_up(&self.stream);
                    state.done = true;
                    state.end(&reason);
                    self.ended.notify_all();
                    return Turn::Done;
                }
            }
        }
    }

    /// Writes what can be written now; whether it came to anything.
    fn write(&self, state: &mut State, now: Instant) -> bool {
        let mut chunks = [&[][..]; SLICES];
        let lent = state.pump.chunks(&mut chunks);
        let slices = chunks.map(IoSlice::new);
        match self.stream.try_write_vectored(&slices[..lent]) {
            Ok(written) => state.pump.wrote(now, written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => state.pump.write_failed(now),
        }
        state.unpark(|waiter| waiter.is_none());
        true
    }

    /// Reads what there is.
    fn read(&self, state: &mut State) {
        let now = self.now();
        state.fed = true;
        for _ in 0..READS {
            let space = state.pump.space();
            let wanted = space.len();
            match self.stream.try_read(space) {
                Ok(count) => {
                    state.pump.filled(now, count);
                    if count < wanted {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return state.pump.filled(now, 0),
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

    /// Waits until the socket is done with, whoever drives it to there.
    pub(crate) fn wait_until_done(&self) {
        let mut state = self.lock();
        while !state.done {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The holder of the seat waits for what `turn` says, and reads.
    pub(crate) fn wait<'a>(self: &'a Arc<Self>, mut state: Guard<'a>, turn: Turn) -> Guard<'a> {
        if let Turn::Wait { until, .. } = turn {
            self.arm(&mut state, until);
        }
        self.wait_at_most(state, turn, None)
    }

    /// The same for one who waits so seldom that it needs no timer thread.
    pub(crate) fn wait_with_timeout<'a>(&'a self, state: Guard<'a>, turn: Turn) -> Guard<'a> {
        let timeout = match turn {
            Turn::Wait { until, .. } => until.map(|until| until - self.now()),
            Turn::Again | Turn::Done => None,
        };
        self.wait_at_most(state, turn, timeout)
    }

    fn wait_at_most<'a>(
        &'a self,
        mut state: Guard<'a>,
        turn: Turn,
        timeout: Option<Duration>,
    ) -> Guard<'a> {
        let Turn::Wait { read, write, .. } = turn else { return state };
        if let Some(seat) = &mut state.seat {
            (seat.read, seat.write) = (read, write);
        }
        drop(state);
        let Ready { readable, woken } = wait(&self.stream, &self.wake, read, write, timeout);
        if woken {
            self.wake.clear();
        }
        let mut state = self.lock();
        if readable {
            self.read(&mut state);
        }
        state
    }

    /// Sees to it that somebody looks at this link at `until`.
    pub(crate) fn arm(self: &Arc<Self>, state: &mut State, until: Option<Instant>) {
        let Some(until) = until.map(|until| self.system_time(until)) else { return };
        if state.armed.is_none_or(|armed| armed.at() > until) {
            state.armed = Some(self.timer.wake(self, until, state.armed));
        }
    }

    /// Called by the timer's thread.
    pub(crate) fn time_up(self: &Arc<Self>, due: Due) {
        let mut state = self.lock();
        // It may have been armed anew in between.
        state.armed = state.armed.filter(|armed| *armed != due);
        self.nudge(&mut state);
        state.unpark(|_| true);
        self.wake.wake();
    }

    /// Drives the pump for somebody without the seat, after a command; wakes the holder of the seat if
    /// that changes anything for it.
    pub(crate) fn nudge(self: &Arc<Self>, state: &mut State) {
        // To the end, although it is no turn of its own: there may be nobody else to go on, or to arm
        // the timer. It ends, for nothing is read.
        let turn = loop {
            match self.turn(state) {
                Turn::Again => {}
                turn => break turn,
            }
        };
        let changed = match (turn, &state.seat) {
            (Turn::Wait { read, write, until }, Some(seat)) => {
                let settled = seat.waiter.is_some_and(|waiter| state.is_settled(waiter));
                let waits_amiss = (seat.read, seat.write) != (read, write);
                self.arm(state, until);
                settled || waits_amiss
            }
            (Turn::Wait { write, until, .. }, None) => {
                self.arm(state, until);
                if write {
                    self.write_in_background(state);
                }
                false
            }
            (Turn::Again | Turn::Done, _) => true,
        };
        if changed || !state.inbox.is_empty() {
            self.wake.wake();
        }
    }

    /// What nobody waits for is written all the same: a thread of its own drives until it is.
    fn write_in_background(self: &Arc<Self>, state: &mut State) {
        if state.writes_in_background {
            return;
        }
        let link = Arc::clone(self);
        let thread = thread::Builder::new().name("switchboard-writer".into());
        let spawned = thread.spawn(move || {
            link.wait_for(None, None, |state, _| {
                let written = state.done || state.pump.connection().unsent() == 0;
                state.writes_in_background &= !written;
                written.then_some(())
            });
        });
        // Without a thread it is written with the next call.
        state.writes_in_background = spawned.is_ok();
    }

    /// Waits until `ready` gives something, driving the link or letting somebody else do it. `waiter` is
    /// what `ready` looks at, if it is one; `until` is when it is to be asked again at the latest.
    pub(crate) fn wait_for<T>(
        self: &Arc<Self>,
        waiter: Option<usize>,
        until: Option<Instant>,
        mut ready: impl FnMut(&mut State, Instant) -> Option<T>,
    ) -> T {
        let mut state = self.lock();
        loop {
            if let Some(value) = ready(&mut state, self.now()) {
                self.leave(&mut state);
                return value;
            }
            if state.seat.is_some() {
                self.nudge(&mut state);
                self.arm(&mut state, until);
                if let Some(value) = ready(&mut state, self.now()) {
                    return value;
                }
                state = self.park(state, waiter);
                continue;
            }
            state.seat = Some(Seat { waiter, read: false, write: false });
            let value;
            (state, value) = self.lead(state, until, &mut ready);
            state.seat = None;
            self.leave(&mut state);
            return value;
        }
    }

    /// Holds the seat until `ready` gives something.
    fn lead<'a, T>(
        self: &'a Arc<Self>,
        mut state: Guard<'a>,
        until: Option<Instant>,
        ready: &mut impl FnMut(&mut State, Instant) -> Option<T>,
    ) -> (Guard<'a>, T) {
        loop {
            let turn = self.turn(&mut state);
            if let Some(value) = ready(&mut state, self.now()) {
                return (state, value);
            }
            if state.refuse_inbox(self.now()) {
                continue;
            }
            self.arm(&mut state, until);
            state = self.wait(state, turn);
        }
    }

    /// Whoever leaves while nobody holds the seat sees to it that somebody will, if anybody waits or
    /// anything is left to write.
    fn leave(self: &Arc<Self>, state: &mut State) {
        if state.seat.is_some() {
            return;
        }
        if let Some((_, heir)) = state.parked.first() {
            heir.unpark();
        } else if state.pump.connection().unsent() > 0 {
            self.write_in_background(state);
        }
    }

    /// Lets the holder of the seat drive, until somebody wakes this thread.
    fn park<'a>(&'a self, mut state: Guard<'a>, waiter: Option<usize>) -> Guard<'a> {
        let this = thread::current();
        let id = this.id();
        state.parked.push((waiter, this));
        drop(state);
        thread::park();
        let mut state = self.lock();
        state.parked.retain(|(_, thread)| thread.id() != id);
        state
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(due) = state.armed {
            self.timer.forget(due);
        }
    }
}

impl State {
    /// Commands something that ends later, under a number that the core hands back.
    pub(crate) fn waiter<T>(
        &mut self,
        command: impl FnOnce(&mut Connection, usize) -> Result<T, Rejected>,
    ) -> Result<usize, Rejected> {
        let waiter = self.waiters.insert(Waiter::Waiting);
        match command(self.pump.connection(), waiter) {
            Ok(_) => Ok(waiter),
            Err(rejected) => {
                self.waiters.remove(waiter);
                Err(rejected)
            }
        }
    }

    /// What a user is told whose command was not taken: why the connection ended, if that is known.
    pub(crate) fn call_error(&self, rejected: Rejected) -> CallError {
        match (rejected, &self.closed) {
            (Rejected::Closed, Some(reason)) => {
                CallError::Disconnected(reason.clone(), Fate::NeverSent)
            }
            _ => rejected.into(),
        }
    }

    /// The calling thread waits for the socket from now on, for the link's whole life.
    pub(crate) const fn take_seat(&mut self) {
        self.seat = Some(Seat { waiter: None, read: false, write: false });
    }

    fn is_settled(&self, waiter: usize) -> bool {
        matches!(self.waiters.get(waiter), Some(Waiter::Settled(_)))
    }

    /// How it ended, once it has; the number is free then.
    pub(crate) fn settled(&mut self, waiter: usize) -> Option<Outcome> {
        if !self.is_settled(waiter) {
            return None;
        }
        match self.waiters.remove(waiter) {
            Waiter::Settled(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Nobody waits for it any more, but the core will hand it back.
    pub(crate) fn abandon(&mut self, waiter: usize) {
        self.waiters[waiter] = Waiter::Abandoned;
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Answer { token, outcome, .. } => {
                self.settle(token as usize, Outcome::Answer(outcome));
            }
            Event::Pong { token, round_trip } => {
                self.settle(token as usize, Outcome::Pong(round_trip));
            }
            Event::Cancelled { call, .. } => self.stopped.push(call),
            Event::Closed(reason) => self.end(&reason),
            other => {
                if let Event::Message(message) = &other {
                    self.untaken += message.size();
                    self.pump.set_untaken(self.untaken);
                }
                self.inbox.push_back(other);
            }
        }
    }

    /// So many bytes of messages are dealt with; they were counted when they came out of the pump.
    pub(crate) const fn taken(&mut self, bytes: usize) {
        self.untaken -= bytes;
        self.pump.set_untaken(self.untaken);
    }

    fn settle(&mut self, waiter: usize, outcome: Outcome) {
        match self.waiters.get_mut(waiter) {
            Some(Waiter::Abandoned) => drop(self.waiters.remove(waiter)),
            Some(slot) => *slot = Waiter::Settled(outcome),
            None => {}
        }
        // Those who wait for room may have it now.
        self.unpark(|parked| parked.is_none_or(|parked| parked == waiter));
    }

    /// The connection has ended: so has whatever is still waited for.
    fn end(&mut self, reason: &CloseReason) {
        self.closed.get_or_insert_with(|| reason.clone());
        for (_, waiter) in &mut self.waiters {
            if matches!(waiter, Waiter::Waiting) {
                *waiter = Waiter::Settled(Outcome::Closed(reason.clone()));
            }
        }
        self.unpark(|_| true);
    }

    /// Nobody waits for the socket any more.
    pub(crate) const fn is_done(&self) -> bool {
        self.done
    }

    fn unpark(&self, which: impl Fn(Option<usize>) -> bool) {
        for (_, thread) in self.parked.iter().filter(|(waiter, _)| which(*waiter)) {
            thread.unpark();
        }
    }

    /// Answers what came for a client that serves nothing; whether anything did.
    fn refuse_inbox(&mut self, now: Instant) -> bool {
        let came = !self.inbox.is_empty();
        while let Some(event) = self.inbox.pop_front() {
            match event {
                Event::Request { call, request, .. } => {
                    let failure = no_handler(request.channel());
                    // A call that has ended meanwhile needs no answer.
                    let _ = self.pump.connection().respond(now, call, Err(&failure));
                }
                Event::Message(message) => self.taken(message.size()),
                _ => {}
            }
        }
        // Of those, too, which have just been answered.
        self.stopped.clear();
        came
    }
}
