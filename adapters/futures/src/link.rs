//! `Link`: a pump, its transport and everybody who waits for either, behind one mutex. Called by clients,
//! peers and the driver; knows the core's pump, and nothing of what the protocol means. How futures wait for
//! it is in `waits`.
//!
//! Whoever has the mutex may drive: command, read and write without waiting. Who is woken by the runtime to
//! drive again is in `seat`. Nobody waits while having the mutex, no code of the user's runs under it, and
//! no task is woken under it.

use std::io::{self, IoSlice};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use switchboard::{Config, Instant, Session, SessionNext};

use crate::runtime::Timer;
use crate::seat::{Clock, Seat, Woken};
use crate::state::State;
use crate::sync::{self, Mutex, MutexGuard};

/// Slices of one vectored write: the frames of a turn are in one or two, each large payload adds one.
const SLICES: usize = 16;
/// Reads and turns in a row, so that a fast writer does not keep other tasks from being polled.
const READS: usize = 16;
/// A call that drives may be polled no more, and not be dropped either: the driver looks this often.
const LOOK: Duration = Duration::from_secs(4);
/// So long after the runtime could not watch for room, such as for want of a descriptor, it is asked again.
/// Room is seen so much later at worst; asked without a pause it would take all the time of a thread.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) config: Arc<Config>,
    pub(crate) seat: Arc<Seat>,
    /// What the transport wakes, and the timer.
    wakers: (Waker, Waker),
    origin: std::time::Instant,
    state: Mutex<State>,
}

/// What a turn of the pump came to.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// Wait for the transport.
    Wait { read: bool, write: bool, until: Option<Instant> },
    /// There is more to do at once.
    Again,
    /// The transport is done with.
    Done,
}

/// The mutex, while one has it. Whoever is to be woken is when it is left.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    link: &'a Link,
    state: Option<MutexGuard<'a, State>>,
    /// The driver has it, and need not be woken.
    driver: bool,
}

impl Link {
    /// A link whose time begins now; it has no transport yet. `expects_more`: also without calls something
    /// comes that is to be dealt with.
    pub(crate) fn new(
        timer: Box<dyn Timer>,
        mut session: Session,
        expects_more: bool,
    ) -> Arc<Self> {
        let seat = Arc::new(Seat::default());
        let clock = Arc::new(Clock(Arc::clone(&seat)));
        let wakers = (Waker::from(Arc::clone(&seat)), Waker::from(clock));
        let config = Arc::clone(session.connection().config());
        let state = Mutex::new(State::new(session, timer, expects_more));
        let origin = sync::now();
        Arc::new(Self { config, seat, wakers, origin, state })
    }

    /// The time of this link's pump.
    pub(crate) fn now(&self) -> Instant {
        Instant::from(sync::now() - self.origin)
    }

    /// Takes the mutex to look at something.
    pub(crate) fn lock(&self) -> Guard<'_> {
        // Nothing that could panic halfway runs under it, so that the state is whole.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Guard { link: self, state: Some(state), driver: false }
    }

    /// Takes the mutex to command or drive the pump, at this time.
    pub(crate) fn enter(&self) -> Guard<'_> {
        let mut state = self.lock();
        state.now = self.now();
        state
    }

    /// The same for the driver.
    pub(crate) fn enter_as_driver(&self) -> Guard<'_> {
        let mut state = self.lock_as_driver();
        state.now = self.now();
        state
    }

    /// The same at the time at which the driver did so before.
    pub(crate) fn lock_as_driver(&self) -> Guard<'_> {
        let mut state = self.lock();
        state.driver = true;
        state.driver_called = false;
        state
    }

    /// The same for one who commands many links at the same time.
    pub(crate) fn enter_at(&self, time: std::time::Instant) -> Guard<'_> {
        let mut state = self.lock();
        // Somebody may have read the clock later and been here earlier.
        state.now = state.now.max(Instant::from(time.saturating_duration_since(self.origin)));
        state
    }

    /// Reads, drives and writes as far as it goes without waiting, and has the runtime watch for the rest.
    /// Whether there is more to do at once, after others had their turn.
    pub(crate) fn drive(&self, state: &mut State) -> bool {
        for _ in 0..READS {
            let Woken { ready, rang } = self.seat.take_woken();
            if ready {
                state.watched = (false, false);
            }
            if rang {
                state.armed = None;
            }
            if state.alarm.is_some_and(|alarm| alarm <= state.now) {
                state.alarm = None;
                state.wakers.room();
                // If the runtime could not watch for it, whoever writes is to look.
                state.watched.1 = false;
            }
            match self.turn(state) {
                Turn::Done => return false,
                // What came is dealt with first, or it would be too much at once for others.
                Turn::Again => return true,
                Turn::Wait { read, write, until } => {
                    let mut more = false;
                    if read && !state.watched.0 {
                        more |= self.read(state);
                    }
                    if let (true, false, Some(transport)) =
                        (write, state.watched.1, &state.transport)
                    {
                        let mut cx = Context::from_waker(&self.wakers.0);
                        let room = transport.poll_writable(&mut cx);
                        state.watched.1 = !matches!(room, Poll::Ready(Ok(())));
                        if let Poll::Ready(Err(_)) = room {
                            state.wake_at(Some(state.now + PAUSE));
                        }
                        more |= !state.watched.1;
                    }
                    if !more && !self.arm(state, until) {
                        return false;
                    }
                    state.now = self.now();
                }
            }
        }
        true
    }

    /// The call with this ticket drives from now on. Whichever did before has its answer, or this one were
    /// not alone.
    pub(crate) fn sit(&self, state: &mut State, ticket: usize, waker: &Waker) {
        state.seated = Some(ticket);
        state.wakers.left.extend(self.seat.sit(waker));
    }

    /// This call drives no more, if it did.
    pub(crate) fn leave_seat(&self, state: &mut State, ticket: usize) {
        if state.seated == Some(ticket) {
            self.clear_seat(state);
        }
    }

    /// No call drives any more: there are several, or something else is expected than an answer.
    pub(crate) fn clear_seat(&self, state: &mut State) {
        if state.seated.take().is_some() {
            let (caller, leaves) = self.seat.clear();
            state.wakers.left.extend(caller);
            state.calls_driver |= leaves;
        }
    }

    /// Drives for somebody who is not the driver; what is left to do is.
    pub(crate) fn nudge(&self, state: &mut State) {
        state.calls_driver |= self.drive(state);
    }

    /// Drives the pump as far as it goes: takes events, writes what can be written.
    fn turn(&self, state: &mut State) -> Turn {
        let now = state.now;
        loop {
            match state.session.next(now) {
                SessionNext::Event(event) => state.take(event),
                SessionNext::Status(status) => state.take_status(status),
                SessionNext::Connect => {
                    state.connects = true;
                    state.calls_driver = true;
                }
                SessionNext::Wait { until } => {
                    return Turn::Wait { read: false, write: false, until };
                }
                SessionNext::Drop => {
                    if let Some(transport) = state.transport.take() {
                        transport.hang_up();
                    }
                }
                // What waited to be written may have been taken back, and others wait for its room.
                SessionNext::Io { write: false, .. } if state.use_room() => {}
                SessionNext::Io { read, write, until } => {
                    if !write || state.watched.1 || !self.write(state) {
                        if core::mem::take(&mut state.fed) {
                            // The late answer to a call that was given up makes room, unannounced.
                            state.wakers.room();
                        }
                        return Turn::Wait { read, write, until };
                    }
                }
                SessionNext::Shut => {
                    // A peer that is gone needs no telling.
                    let _ = state.transport.as_ref().map(|transport| transport.shutdown_write());
                }
                SessionNext::Yield => {
                    self.write(state);
                    return Turn::Again;
                }
                SessionNext::Done(reason) => {
                    // Whoever keeps a call or a client keeps no descriptor with it; also none that was opened
                    // meanwhile.
                    if let Some(transport) = state.transport.take() {
                        transport.hang_up();
                    }
                    if !core::mem::replace(&mut state.done, true) {
                        state.end(&reason);
                    }
                    return Turn::Done;
                }
            }
        }
    }

    /// Writes what can be written now; whether it came to anything.
    fn write(&self, state: &mut State) -> bool {
        let (now, Some(transport)) = (state.now, &state.transport) else { return false };
        let mut chunks = [&[][..]; SLICES];
        let lent = state.session.chunks(&mut chunks);
        let slices = chunks.map(IoSlice::new);
        match transport.try_write_vectored(&slices[..lent]) {
            Ok(written) if written > 0 || slices.iter().all(|slice| slice.is_empty()) => {
                // There was room though it was watched for: whoever watched may have been let go with that.
                state.watched.1 = false;
                state.session.wrote(now, written);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            // One that takes nothing would take nothing for ever.
            Ok(_) | Err(_) => {
                state.session.write_failed(now);
                // Why is there to be read as a rule, and whoever asks next shall be told.
                self.read(state);
            }
        }
        state.use_room();
        state.wakers.room();
        true
    }

    /// Reads what there is; whether it came to anything.
    fn read(&self, state: &mut State) -> bool {
        let (now, mut cx) = (state.now, Context::from_waker(&self.wakers.0));
        let Some(transport) = &state.transport else { return false };
        for count in 0..READS {
            let space = state.session.space();
            let wanted = space.len();
            match transport.poll_read(&mut cx, space) {
                Poll::Pending => {
                    state.watched.0 = true;
                    return count > 0;
                }
                Poll::Ready(Ok(read)) => {
                    state.session.filled(now, read);
                    state.fed = true;
                    if read < wanted {
                        break;
                    }
                }
                Poll::Ready(Err(error)) if is_passing(&error) => {}
                Poll::Ready(Err(_)) => {
                    state.session.filled(now, 0);
                    break;
                }
            }
        }
        true
    }

    /// Sees to it that somebody drives at `until`; whether that has come already.
    fn arm(&self, state: &mut State, until: Option<Instant>) -> bool {
        let look = (state.seated.is_some() && self.seat.is_taken()).then(|| state.now + LOOK);
        let Some(until) = [until, state.alarm, look].into_iter().flatten().min() else {
            return false;
        };
        let at = self.origin + (until - Instant::ZERO);
        let now = self.origin + (state.now - Instant::ZERO);
        // A timer that wakes too early does no harm, and to set it costs more than a call should.
        if state.armed.is_some_and(|armed| armed > now && armed <= at) {
            return false;
        }
        let ready = state.timer.poll_at(&mut Context::from_waker(&self.wakers.1), at).is_ready();
        state.armed = (!ready).then_some(at);
        ready
    }
}

/// Whether a read is to be tried again: a signal came, or somebody was woken for nothing.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

impl Deref for Guard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        // It is there until the guard is dropped.
        self.state.as_ref().unwrap_or_else(|| unreachable!())
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_mut().unwrap_or_else(|| unreachable!())
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else { return };
        let woken = core::mem::take(&mut state.wakers.woken);
        let left = core::mem::take(&mut state.wakers.left);
        let calls_driver = core::mem::take(&mut state.calls_driver) && !self.driver;
        // Once is enough until it comes.
        let wakes_driver = calls_driver && !core::mem::replace(&mut state.driver_called, true);
        drop((state, left));
        for waker in woken {
            waker.wake();
        }
        if wakes_driver {
            self.link.seat.wake_driver();
        }
    }
}
