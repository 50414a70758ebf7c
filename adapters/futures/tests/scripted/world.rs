//! The world of a test: tasks, and transports over socket pairs, on one thread, which go on step by step: a
//! step polls one task that was woken, or lets one transport read or write once. Chance is a seed. Called by
//! all tests here; knows the crate's `Runtime` and the endpoint.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use switchboard_futures::{Acceptor, Credentials, Listener, Runtime, Stream, Timer, Transport};

/// More steps than anything here takes: what goes on for longer turns in circles.
const MOST_STEPS: usize = 2_000_000;

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

/// What a test finds in place of a runtime.
pub(crate) struct Scripted;

#[derive(Default)]
struct World {
    tasks: Vec<Task>,
    wires: Vec<Weak<Wire>>,
    /// Whom timers are to wake.
    timers: Vec<Weak<Mutex<Option<Waker>>>>,
    /// Most bytes that a read or write takes; 0 for as many as like.
    pace: usize,
    mischief: Mischief,
    chance: u64,
}

/// What transports do that one does not expect, and must bear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mischief {
    #[default]
    Nothing,
    /// Each read and write is interrupted first.
    Interrupts,
    /// Between any two reads or writes somebody is woken for nothing.
    WakesForNothing,
    /// Writes take nothing and say that it went well.
    WritesNothing,
    /// Reads and writes panic.
    Panics,
    /// Writes need nobody's leave, and one that takes all forgets who waits for room.
    WritesAtOnce,
    /// The same, and nobody can be told of room.
    CannotWait,
}

struct Task {
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
    woken: Arc<Flag>,
}

/// Whether a task was woken.
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What one descriptor may do, and who waits for that.
#[derive(Debug)]
struct Wire {
    end: End,
    state: Mutex<State>,
}

#[derive(Debug)]
enum End {
    Stream(Stream),
    Listener(Listener),
}

#[derive(Debug, Default)]
struct State {
    read: Way,
    write: Way,
    pace: usize,
    mischief: Mischief,
}

#[derive(Debug, Default)]
struct Way {
    granted: bool,
    waits: Option<Waker>,
    /// Mischief was done since something last went.
    annoyed: bool,
}

impl Way {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.granted {
            return Poll::Ready(());
        }
        self.waits = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Uses up what was granted; fails in place of that, if it is time for mischief.
    fn goes(&mut self, mischief: Mischief) -> io::Result<()> {
        if !std::mem::take(&mut self.granted) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.annoyed = !self.annoyed;
        match mischief {
            Mischief::Interrupts if self.annoyed => {
                self.granted = true;
                Err(io::ErrorKind::Interrupted.into())
            }
            Mischief::Panics => std::panic::resume_unwind(Box::new(())),
            Mischief::WakesForNothing if self.annoyed => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }
}

impl Wire {
    fn new(end: End) -> Arc<Self> {
        let wire = Arc::new(Self { end, state: Mutex::default() });
        WORLD.with_borrow_mut(|world| world.wires.push(Arc::downgrade(&wire)));
        wire
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.end {
            End::Stream(stream) => stream.as_fd(),
            End::Listener(listener) => listener.as_fd(),
        }
    }

    /// What somebody waits for and the kernel says goes: to read, to write.
    fn ready(&self) -> (bool, bool) {
        let (reads, writes, lies) = {
            let State { read, write, mischief, .. } = &*self.lock();
            let lies = |way: &Way| {
                *mischief == Mischief::WakesForNothing && way.waits.is_some() && !way.annoyed
            };
            (read.waits.is_some(), write.waits.is_some(), (lies(read), lies(write)))
        };
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, reads);
        wanted.set(PollFlags::OUT, writes);
        if wanted.is_empty() {
            return (false, false);
        }
        let mut fds = [PollFd::from_borrowed_fd(self.fd(), wanted)];
        poll(&mut fds, Some(&rustix::event::Timespec::default())).unwrap();
        let told = fds[0].revents();
        let ended = told.intersects(PollFlags::HUP | PollFlags::ERR);
        (
            lies.0 || reads && (ended || told.contains(PollFlags::IN)),
            lies.1 || writes && (ended || told.contains(PollFlags::OUT)),
        )
    }

    fn grant(&self, reads: bool, pace: usize, mischief: Mischief) {
        let waker = {
            let mut state = self.lock();
            (state.pace, state.mischief) = (pace, mischief);
            let State { read, write, .. } = &mut *state;
            let way = if reads { read } else { write };
            way.granted = true;
            way.waits.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

#[derive(Debug)]
struct Wired(Arc<Wire>);

impl Wired {
    fn stream(&self) -> &Stream {
        match &self.0.end {
            End::Stream(stream) => stream,
            End::Listener(_) => unreachable!("it is no stream"),
        }
    }
}

impl Transport for Wired {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.read.poll(cx).is_pending() {
            return Poll::Pending;
        }
        let mischief = state.mischief;
        state.read.goes(mischief)?;
        let most = if state.pace == 0 { buffer.len() } else { state.pace.min(buffer.len()) };
        Poll::Ready(self.stream().try_read(&mut buffer[..most]))
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        if state.mischief == Mischief::CannotWait {
            return Poll::Ready(Err(io::ErrorKind::Other.into()));
        }
        state.write.poll(cx).map(Ok)
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.0.lock();
        let mischief = state.mischief;
        if matches!(mischief, Mischief::WritesAtOnce | Mischief::CannotWait) {
            state.write.granted = false;
            let written = self.stream().try_write_vectored(slices)?;
            if written == slices.iter().map(|slice| slice.len()).sum() {
                state.write.waits = None;
            }
            return Ok(written);
        }
        state.write.goes(mischief)?;
        if mischief == Mischief::WritesNothing {
            return Ok(0);
        }
        let Some(first) = slices.iter().find(|slice| !slice.is_empty() && state.pace > 0) else {
            return self.stream().try_write_vectored(slices);
        };
        let some = IoSlice::new(&first[..first.len().min(state.pace)]);
        self.stream().try_write_vectored(&[some])
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.stream().shutdown_write()
    }

    fn hang_up(&self) {
        self.stream().hang_up();
    }
}

struct Accepting(Arc<Wire>);

impl Accepting {
    fn listener(&self) -> &Listener {
        match &self.0.end {
            End::Listener(listener) => listener,
            End::Stream(_) => unreachable!("it is no listener"),
        }
    }
}

impl Acceptor for Accepting {
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream, Option<Credentials>)>> {
        let mut state = self.0.lock();
        if state.read.poll(cx).is_pending() {
            return Poll::Pending;
        }
        state.read.granted = false;
        drop(state);
        Poll::Ready(self.listener().accept())
    }

    fn is_exhausted(&self) -> bool {
        self.listener().is_exhausted()
    }
}

/// It wakes nobody by itself: as a rule no test needs time to pass.
#[derive(Debug)]
struct Clock(Arc<Mutex<Option<Waker>>>);

impl Timer for Clock {
    fn poll_at(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        *self.0.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Runtime for Scripted {
    fn transport(stream: Stream) -> io::Result<Box<dyn Transport>> {
        Ok(Box::new(Wired(Wire::new(End::Stream(stream)))))
    }

    fn acceptor(listener: Listener) -> io::Result<Box<dyn Acceptor>> {
        Ok(Box::new(Accepting(Wire::new(End::Listener(listener)))))
    }

    fn timer() -> Box<dyn Timer> {
        let clock = Arc::default();
        WORLD.with_borrow_mut(|world| world.timers.push(Arc::downgrade(&clock)));
        Box::new(Clock(clock))
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        let task = Task { work: Box::pin(task), woken: Flag::new() };
        WORLD.with_borrow_mut(|world| world.tasks.push(task));
    }
}

/// A step that may come next.
enum Step {
    Poll(usize),
    Grant(Arc<Wire>, bool),
}

impl World {
    fn next(&mut self, among: usize) -> usize {
        // Numerical Recipes' constants; the high bits are the good ones.
        self.chance = self.chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.chance >> 16) as usize % among
    }

    fn choose(&mut self) -> Option<Step> {
        self.wires.retain(|wire| wire.strong_count() > 0);
        self.timers.retain(|timer| timer.strong_count() > 0);
        let mut steps: Vec<Step> = (0..self.tasks.len())
            .filter(|at| self.tasks[*at].woken.is_set())
            .map(Step::Poll)
            .collect();
        for wire in self.wires.iter().filter_map(Weak::upgrade) {
            let (reads, writes) = wire.ready();
            steps.extend(reads.then(|| Step::Grant(Arc::clone(&wire), true)));
            steps.extend(writes.then(|| Step::Grant(wire, false)));
        }
        if steps.is_empty() {
            return None;
        }
        let at = self.next(steps.len());
        Some(steps.swap_remove(at))
    }
}

/// Goes on by one step; whether there was one.
pub(crate) fn step() -> bool {
    match WORLD.with_borrow_mut(World::choose) {
        None => false,
        Some(Step::Grant(wire, reads)) => {
            let (pace, mischief) = WORLD.with_borrow(|world| (world.pace, world.mischief));
            wire.grant(reads, pace, mischief);
            true
        }
        Some(Step::Poll(at)) => {
            // Out of the list meanwhile: it may spawn others.
            let mut task = WORLD.with_borrow_mut(|world| world.tasks.swap_remove(at));
            task.woken.take();
            let waker = Waker::from(Arc::clone(&task.woken));
            if task.work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                WORLD.with_borrow_mut(|world| world.tasks.push(task));
            }
            true
        }
    }
}

/// Goes on until a task panics, which is dropped; whether one did.
pub(crate) fn ends_in_a_panic() -> bool {
    for _ in 0..MOST_STEPS {
        match catch_unwind(step) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(_) => return true,
        }
    }
    panic!("this goes on for ever");
}

/// Goes on until it is so, and has all look at the time meanwhile.
pub(crate) fn until(so: impl Fn() -> bool) {
    while !so() {
        let timers = WORLD.with_borrow(|world| world.timers.clone());
        for timer in timers.iter().filter_map(Weak::upgrade) {
            let waker = timer.lock().unwrap().take();
            waker.into_iter().for_each(Waker::wake);
        }
        settle();
    }
}

/// One byte a read and write from now on, or as many as like; and other chances.
pub(crate) fn set(bytewise: bool, seed: u64) {
    WORLD.with_borrow_mut(|world| (world.pace, world.chance) = (usize::from(bytewise), seed));
}

/// What transports do from now on.
pub(crate) fn annoy(mischief: Mischief) {
    WORLD.with_borrow_mut(|world| world.mischief = mischief);
}

/// Goes on until nothing does by itself.
pub(crate) fn settle() {
    for _ in 0..MOST_STEPS {
        if !step() {
            return;
        }
    }
    panic!("this goes on for ever");
}

/// Ends all tasks as an executor does that is dropped.
pub(crate) fn drop_executor() {
    let tasks = WORLD.with_borrow_mut(|world| std::mem::take(&mut world.tasks));
    drop(tasks);
}

/// Tasks and transports that there are.
pub(crate) fn census() -> (usize, usize) {
    WORLD.with_borrow(|world| {
        let wires = world.wires.iter().filter(|wire| wire.strong_count() > 0);
        (world.tasks.len(), wires.count())
    })
}

/// How far a future came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came<T> {
    /// To its end.
    Ready(T),
    /// It was dropped before.
    Dropped,
    /// Nothing went on any more, and it still waited; it was dropped.
    Waits,
}

/// Goes on for so many steps with a future, which is polled when it was woken, and drops it.
pub(crate) fn go<F: Future>(steps: usize, future: F) -> Came<F::Output> {
    go_in(steps, future, &Flag::new())
}

fn go_in<F: Future>(steps: usize, future: F, woken: &Arc<Flag>) -> Came<F::Output> {
    let (mut future, waker) = (pin!(future), Waker::from(Arc::clone(woken)));
    for _ in 0..steps {
        let first = woken.is_set() && WORLD.with_borrow_mut(|world| world.next(2) == 0);
        if first || !step() {
            if !woken.take() {
                return Came::Waits;
            }
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Came::Ready(output);
            }
        }
    }
    Came::Dropped
}

/// The end of a future. It fails if nothing goes on and nobody wakes it.
pub(crate) fn finish<F: Future>(future: F) -> F::Output {
    match go(MOST_STEPS, future) {
        Came::Ready(output) => output,
        Came::Dropped => panic!("this goes on for ever"),
        Came::Waits => panic!("it waits, and nobody wakes it"),
    }
}

/// The end of a future, and whether its task is woken then though it need not be polled any more.
pub(crate) fn finish_and_look<F: Future>(future: F) -> (Came<F::Output>, bool) {
    let woken = Flag::new();
    (go_in(MOST_STEPS, future, &woken), woken.is_set())
}

/// What a future gives when it is polled once, in a task of its own.
pub(crate) fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let waker = Waker::from(Flag::new());
    match pin!(future).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// What a future gives once all goes on that does so by itself.
pub(crate) fn here<F: Future>(future: F) -> Option<F::Output> {
    settle();
    poll_once(future)
}
