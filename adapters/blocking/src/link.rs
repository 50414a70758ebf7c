//! `Link`: a pump, its socket and everybody who waits for either, behind one mutex. Called by clients
//! and by the server's threads; knows the core's pump, and nothing of what the protocol means.
//!
//! Who waits for the socket is in `seat`. Whoever has the mutex may write; nobody waits for anything
//! while having it, and no code of the user's runs under it.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use switchboard::{CloseReason, Config, Event, Instant, Session, SessionStatus};
use switchboard_endpoint::{Credentials, Stream, Unopened};

use crate::peer::PeerFacts;
use crate::state::State;
use crate::sync::{self, Condvar, Mutex, MutexGuard};
use crate::timer::{Due, Timer};
use crate::wait::{Ready, Wake, wait};

/// A command without an answer to wait for is written together with those behind it, up to so many
/// bytes.
const BATCH: u64 = 16 * 1024;
/// And after so long at the latest.
const BATCH_TIME: Duration = Duration::from_millis(1);

/// While nobody waits this side reads so often: less than half of the time after which a peer gives up one
/// that reads nothing, by default.
const LOOK: Duration = Duration::from_secs(4);

/// Opens a stream to the server, as often as it is lost; whether one was there before.
pub(crate) type Opens = Box<dyn Fn(bool) -> Result<Opened, Unopened> + Send + Sync>;
/// A stream, and who the kernel says is at its other end.
pub(crate) type Opened = (Stream, Option<Credentials>);

/// What becomes of events that answer nobody who waits. Called without the mutex, by whoever holds the
/// seat.
pub(crate) trait Dispatch: fmt::Debug + Send + Sync {
    /// Deals with it, and runs no code of the user's on this thread, nor waits.
    fn event(self: Arc<Self>, link: &Arc<Link>, event: Event);

    /// Says who is at the other end from now on.
    fn introduce(&self, facts: PeerFacts);

    /// Tells of a change of the status.
    fn status(self: Arc<Self>, link: &Arc<Link>, status: SessionStatus);

    /// Goes on with what was put off until the peer reads.
    fn take_up(self: Arc<Self>, link: &Arc<Link>);
}

pub(crate) struct Link {
    pub(crate) wake: Wake,
    timer: Arc<Timer>,
    pub(crate) config: Arc<Config>,
    dispatch: Arc<dyn Dispatch>,
    /// How a client that comes back does.
    pub(crate) opens: Option<Opens>,
    origin: std::time::Instant,
    state: Mutex<State>,
    /// Told when the socket is done with.
    pub(crate) ended: Condvar,
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
    /// A link over a connected stream, or one that `opens` its streams itself. Its time begins now.
    pub(crate) fn new(
        stream: Result<Opened, Opens>,
        timer: Arc<Timer>,
        wake: Wake,
        mut session: Session,
        dispatch: Arc<dyn Dispatch>,
    ) -> Arc<Self> {
        let origin = sync::now();
        let config = Arc::clone(session.connection().config());
        let (stream, opens) = match stream {
            Ok(stream) => (Some(stream), None),
            Err(opens) => (None, Some(opens)),
        };
        let (state, ended) = (Mutex::new(State::new(session, stream)), Condvar::new());
        Arc::new(Self { wake, timer, config, dispatch, opens, origin, state, ended })
    }

    /// The time of this link's pump.
    pub(crate) fn now(&self) -> Instant {
        Instant::from(sync::now() - self.origin)
    }

    /// The same for a user, who knows the system's clock.
    pub(crate) fn system_time(&self, at: Instant) -> std::time::Instant {
        self.origin + (at - Instant::ZERO)
    }

    /// Takes the mutex to look at something.
    pub(crate) fn lock(&self) -> Guard<'_> {
        // Nothing that could panic halfway runs under it, so that the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the mutex to command or drive the pump, at this time.
    pub(crate) fn enter(&self) -> Guard<'_> {
        let mut state = self.lock();
        state.now = self.now();
        state
    }

    /// The same for one who commands many links at the same time.
    pub(crate) fn enter_at(&self, time: std::time::Instant) -> Guard<'_> {
        let mut state = self.lock();
        // Somebody may have read the clock later and been here earlier.
        state.now = state.now.max(Instant::from(time.saturating_duration_since(self.origin)));
        state
    }

    /// Tells of a new server, and of changes of the status.
    pub(crate) fn tell<'a>(self: &'a Arc<Self>, mut state: Guard<'a>) -> Guard<'a> {
        if let (true, Some(welcome)) = (core::mem::take(&mut state.introduces), &state.welcome) {
            let facts = PeerFacts {
                link: Arc::downgrade(self),
                id: welcome.connection,
                credentials: state.server,
                hello: None,
                state: None,
                closed: Arc::clone(&state.closed),
            };
            drop(state);
            self.dispatch.introduce(facts);
            state = self.enter();
        }
        while let Some(status) = state.statuses.pop_front() {
            drop(state);
            Arc::clone(&self.dispatch).status(self, status);
            state = self.enter();
        }
        state
    }

    /// Deals with what came that answers nobody who waits; whether anything did.
    pub(crate) fn dispatch<'a>(self: &'a Arc<Self>, mut state: Guard<'a>) -> (Guard<'a>, bool) {
        let opened;
        (state, opened) = self.open(state);
        let mut any = opened | !state.statuses.is_empty();
        state = self.tell(state);
        if state.puts_off && !state.inbox.is_choked() {
            state.puts_off = false;
            drop(state);
            Arc::clone(&self.dispatch).take_up(self);
            any = true;
            state = self.enter();
        }
        // Also those that nobody is given are answered in passing, and that is to be written.
        any |= state.inbox.has_events();
        while let Some(event) = state.next_event() {
            drop(state);
            Arc::clone(&self.dispatch).event(self, event);
            state = self.enter();
        }
        (state, any)
    }

    /// Waits until the socket is done with, whoever drives it to there; says why it ended.
    pub(crate) fn wait_until_done(&self) -> CloseReason {
        let mut state = self.lock();
        loop {
            match state.closed.get() {
                Some(reason) if state.done => return reason.clone(),
                _ => state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
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
            Turn::Wait { until, .. } => until.map(|until| until - state.now),
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
            (seat.waits, seat.read, seat.write) = (true, read, write);
        }
        // It has seen all that happened so far: nobody need wake it for that.
        state.stirred = false;
        let stream = state.stream.clone();
        drop(state);
        let Ready { readable, woken } = wait(stream.as_deref(), &self.wake, read, write, timeout);
        drop(stream);
        if woken {
            self.wake.clear();
        }
        let mut state = self.enter();
        if let Some(seat) = &mut state.seat {
            seat.waits = false;
        }
        if readable {
            self.read(&mut state);
        }
        state
    }

    /// Sees to it that somebody reads now and then while nobody waits: else a peer that sends what nobody
    /// here asked for would take this side for stuck.
    pub(crate) fn look_later(self: &Arc<Self>, state: &mut State) {
        if !state.done {
            self.arm(state, Some(state.now + LOOK));
        }
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
        let mut state = self.enter();
        // It may have been armed anew in between.
        state.armed = state.armed.filter(|armed| *armed != due);
        match &state.seat {
            // Nobody reads: what came meanwhile counts before the time does.
            None => {
                if !state.session.is_paused() {
                    self.read(&mut state);
                }
                self.look_later(&mut state);
            }
            // The holder is busy: time in which it does not read is not the peer's silence.
            Some(seat) if !seat.waits => {
                let now = state.now;
                state.session.connection().heard(now);
            }
            _ => {}
        }
        self.nudge(&mut state);
        if state.seat.is_none() && state.inbox.has_events() {
            // Else what nobody takes would soon count as too much, and nothing more would be read.
            self.drive_in_background(&mut state);
        }
        state.unpark(|_| true);
        self.wake.wake();
    }

    /// Drives the pump for somebody without the seat, after a command; wakes the holder of the seat if
    /// that changes anything for it.
    pub(crate) fn nudge(self: &Arc<Self>, state: &mut State) {
        if self.drive(state) {
            self.drive_in_background(state);
        }
    }

    /// The same for one who is likely to come back soon: what the socket does not take now is left to
    /// whoever drives next, and to a thread of its own only if that takes long.
    pub(crate) fn nudge_amid(self: &Arc<Self>, state: &mut State) {
        if self.drive(state) {
            self.arm(state, Some(state.now + BATCH_TIME));
        }
    }

    /// Whether something is left to write, and nobody waits to do it.
    pub(crate) fn drive(self: &Arc<Self>, state: &mut State) -> bool {
        let mut left = false;
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
                let settled = seat.ticket.is_some_and(|ticket| state.inbox.is_settled(ticket));
                let waits_amiss = (seat.read, seat.write) != (read, write);
                self.arm(state, until);
                let stirred = core::mem::take(&mut state.stirred);
                settled || waits_amiss || stirred || (state.puts_off && !state.inbox.is_choked())
            }
            (Turn::Wait { write, until, .. }, None) => {
                self.arm(state, until);
                left = write;
                false
            }
            (Turn::Again | Turn::Done, _) => true,
        };
        if changed || state.inbox.has_events() || state.connects {
            self.wake.wake();
        }
        left
    }

    /// The same for something that was started and that nobody waits for yet: it may be written with
    /// what follows, which saves a system call each, but is not left lying.
    pub(crate) fn nudge_soon(self: &Arc<Self>, state: &mut State) {
        let connection = state.session.connection();
        let alone = connection.counters().open_made <= 1;
        if alone || connection.unsent() >= BATCH {
            return self.nudge(state);
        }
        self.arm(state, Some(state.now + BATCH_TIME));
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("state", &self.state).finish_non_exhaustive()
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
