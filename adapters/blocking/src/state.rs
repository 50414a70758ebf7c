//! `State`: what the mutex of a link guards: the pump, who waits for what, and who holds the seat.
//! Called by `link`, clients and servers while they have the mutex; nothing in here waits or does IO.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread, ThreadId};
use std::time::Duration;

use slab::Slab;
use switchboard::{
    CallError, CallId, CloseReason, Command, Connection, Event, Failure, Fate, Instant, Options,
    Payload, Pump, Rejected, Streams,
};

use crate::feeds::Feeds;
use crate::streams::Inboxes;
use crate::timer::Due;

/// What the mutex guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) pump: Pump,
    /// The time, as whoever got the mutex last read it: a clock costs as much as a whole frame.
    pub(crate) now: Instant,
    /// When the pump was driven last.
    pub(crate) turned: Instant,
    /// What happened that is no answer: for whoever holds the seat.
    pub(crate) inbox: VecDeque<Event>,
    /// Calls of the peer whose caller no longer waits, until they are answered.
    pub(crate) stopped: BTreeSet<CallId>,
    pub(crate) inboxes: Inboxes,
    pub(crate) feeds: Feeds,
    /// How often something came that a thread may wait for, other than the answer to its call.
    pub(crate) stirs: u64,
    /// The same, since the holder of the seat was told.
    pub(crate) stirred: bool,
    /// Answers that wait for room to be written, in the order in which they were given.
    answers: VecDeque<(CallId, Result<Payload, Failure>)>,
    /// Somebody has put off work until those answers are on their way.
    pub(crate) puts_off: bool,
    /// Why the connection ended, once it has.
    pub(crate) closed: Arc<OnceLock<CloseReason>>,
    /// The socket is done with.
    pub(crate) done: bool,
    waiters: Slab<Waiter>,
    /// Who waits without the seat, with the waiter that it waits for, if it is one.
    pub(crate) parked: Vec<(Option<usize>, Thread)>,
    pub(crate) seat: Option<Seat>,
    /// How often the seat was left: whether callers come and go.
    pub(crate) left: u64,
    /// The thread that reads while nobody waits, if there is one.
    pub(crate) reader: Option<Reader>,
    pub(crate) writes_in_background: bool,
    /// Bytes of messages that wait for their listeners.
    pub(crate) untaken: usize,
    /// Bytes came since all that had come was dealt with.
    pub(crate) fed: bool,
    /// When the timer wakes this link.
    pub(crate) armed: Option<Due>,
}

/// The thread that reads while nobody waits.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) thread: Thread,
    /// It waits to be told that the seat was left.
    pub(crate) sleeps: bool,
}

/// Whoever waits for the socket now.
#[derive(Debug)]
pub(crate) struct Seat {
    thread: ThreadId,
    /// It is the reader's, which steps back when it is told to.
    pub(crate) kind: Kind,
    /// The waiter that the holder waits for, if it is one.
    pub(crate) waiter: Option<usize>,
    /// Whether the holder waits now. (Otherwise it runs a handler, or is about to look.)
    pub(crate) waits: bool,
    /// Whether it waits for bytes.
    pub(crate) read: bool,
    /// Whether it also waits for room to write.
    pub(crate) write: bool,
}

/// Whose seat it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A caller's, until it has what it waits for.
    Caller,
    /// The reader's, until a caller wants it.
    Reader,
    /// The reader's, and a caller wants it.
    Wanted,
    /// The thread's of a server's connection, for ever.
    Connection,
}

impl Seat {
    /// A seat of the calling thread.
    pub(crate) fn new(kind: Kind, waiter: Option<usize>) -> Self {
        let thread = thread::current().id();
        Self { thread, kind, waiter, waits: false, read: false, write: false }
    }

    pub(crate) fn is_mine(&self) -> bool {
        self.thread == thread::current().id()
    }
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

impl State {
    pub(crate) fn new(pump: Pump) -> Self {
        Self {
            pump,
            now: Instant::ZERO,
            turned: Instant::ZERO,
            inbox: VecDeque::new(),
            stopped: BTreeSet::new(),
            inboxes: Inboxes::default(),
            feeds: Feeds::default(),
            stirs: 0,
            stirred: false,
            answers: VecDeque::new(),
            puts_off: false,
            closed: Arc::default(),
            done: false,
            waiters: Slab::new(),
            parked: Vec::new(),
            seat: None,
            left: 0,
            reader: None,
            writes_in_background: false,
            untaken: 0,
            fed: false,
            armed: None,
        }
    }

    /// Commands something that ends later, under a number that the core hands back.
    pub(crate) fn waiter<T>(
        &mut self,
        command: impl FnOnce(&mut Connection, usize) -> Result<T, Rejected>,
    ) -> Result<(usize, T), Rejected> {
        let waiter = self.waiters.insert(Waiter::Waiting);
        match command(self.pump.connection(), waiter) {
            Ok(made) => Ok((waiter, made)),
            Err(rejected) => {
                self.waiters.remove(waiter);
                Err(rejected)
            }
        }
    }

    /// What a user is told whose command was not taken: why the connection ended, if that is known.
    pub(crate) fn call_error(&self, rejected: Rejected) -> CallError {
        match (rejected, self.closed.get()) {
            (Rejected::Closed, Some(reason)) => {
                CallError::Disconnected(reason.clone(), Fate::NeverSent)
            }
            _ => rejected.into(),
        }
    }

    /// The calling thread waits for the socket from now on, for the link's whole life.
    pub(crate) fn take_seat(&mut self) {
        self.seat = Some(Seat::new(Kind::Connection, None));
    }

    pub(crate) fn is_settled(&self, waiter: usize) -> bool {
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

    /// Nobody waits for it any more, but the core will hand it back, unless it has.
    pub(crate) fn abandon(&mut self, waiter: usize) {
        if self.settled(waiter).is_none() {
            self.waiters[waiter] = Waiter::Abandoned;
        }
    }

    pub(crate) fn take(&mut self, event: Event) {
        let event = self.inboxes.take(event).and_then(|event| self.feeds.take(event));
        let Some(event) = event else { return self.stir() };
        match event {
            Event::Answer { token, outcome, .. } => {
                self.settle(token as usize, Outcome::Answer(outcome));
            }
            Event::Pong { token, round_trip } => {
                self.settle(token as usize, Outcome::Pong(round_trip));
            }
            Event::Cancelled { call, .. } => {
                self.stopped.insert(call);
                // Its handler may wait for items, or for room for them; or it is a subscription's.
                self.stir();
                self.inbox.push_back(event);
            }
            Event::Closed(reason) => self.end(&reason),
            other => {
                if let Event::Message(message) = &other {
                    self.untaken += message.size();
                    self.pump.set_untaken(self.untaken);
                }
                if let Event::Request {
                    call, streams: Streams { caller_sends: true, .. }, ..
                } = &other
                {
                    self.inboxes.open(*call);
                }
                self.inbox.push_back(other);
            }
        }
    }

    /// So many bytes of messages wait no more; they were counted when they came out of the pump.
    pub(crate) const fn taken(&mut self, bytes: usize) {
        self.untaken -= bytes;
        self.pump.set_untaken(self.untaken);
    }

    /// Whoever waits for something other than an answer is to look.
    fn stir(&mut self) {
        self.stirs += 1;
        self.stirred = true;
        self.unpark(|waiter| waiter.is_none());
    }

    /// Does what a broker has decided for this connection.
    pub(crate) fn apply(&mut self, command: Command) {
        if let Command::Subscribe { subscription: call, .. }
        | Command::Published { call, .. }
        | Command::Refuse { call, .. } = &command
        {
            self.stopped.remove(call);
        }
        // What cannot be done any more concerns a peer that has gone on, and is forgotten.
        let _ = self.pump.connection().apply(self.now, command);
    }

    /// Ends the subscriptions that nobody holds any more, as far as there is room.
    pub(crate) fn leave_feeds(&mut self) {
        while let Some(subscription) = self.feeds.leaving() {
            let now = self.now;
            let left = self.waiter(|connection, waiter| {
                connection.unsubscribe(now, subscription, &Options::new(), waiter as u64)
            });
            match left {
                Err(Rejected::Full | Rejected::Busy) => return,
                Ok((waiter, _)) => self.abandon(waiter),
                // It has ended already.
                Err(_) => {}
            }
            self.feeds.has_left(subscription);
        }
    }

    fn settle(&mut self, waiter: usize, outcome: Outcome) {
        match self.waiters.get_mut(waiter) {
            Some(Waiter::Abandoned) => drop(self.waiters.remove(waiter)),
            Some(slot) => *slot = Waiter::Settled(outcome),
            None => {}
        }
        // Those who wait for room may have it now, and those who wait for items learn that none will come.
        self.stirs += 1;
        self.stirred = true;
        self.unpark(|parked| parked.is_none_or(|parked| parked == waiter));
    }

    /// Answers a call of the peer, now or as soon as there is room: whoever gives an answer never waits
    /// for the peer to read.
    pub(crate) fn respond(&mut self, call: CallId, answer: Result<Payload, Failure>) {
        self.stopped.remove(&call);
        self.inboxes.close(call);
        self.answers.push_back((call, answer));
        self.send_answers();
    }

    pub(crate) fn send_answers(&mut self) {
        while let Some((call, answer)) = self.answers.front() {
            let answered = self.pump.connection().respond(self.now, *call, answer.as_ref());
            if answered == Err(Rejected::Full) {
                return;
            }
            // Any other error: the connection has ended meanwhile, and has told the caller.
            self.stopped.remove(call);
            self.answers.pop_front();
        }
    }

    /// Whether answers wait for the peer to read: so long it is given no further work.
    pub(crate) fn is_choked(&self) -> bool {
        !self.answers.is_empty()
    }

    /// What the holder of the seat is to deal with next. Calls that nobody waits for any more are
    /// answered in passing: the core tells why, whatever is said here.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        while !self.is_choked() {
            match self.inbox.pop_front()? {
                Event::Request { call, .. } if self.stopped.contains(&call) => {
                    self.respond(call, Ok(Payload::null()));
                }
                event => return Some(event),
            }
        }
        None
    }

    /// The connection has ended: so has whatever is still waited for.
    pub(crate) fn end(&mut self, reason: &CloseReason) {
        self.closed.get_or_init(|| reason.clone());
        self.answers.clear();
        for (_, waiter) in &mut self.waiters {
            if matches!(waiter, Waiter::Waiting) {
                *waiter = Waiter::Settled(Outcome::Closed(reason.clone()));
            }
        }
        self.unpark(|_| true);
        self.unpark_reader();
    }

    pub(crate) fn unpark(&self, which: impl Fn(Option<usize>) -> bool) {
        for (_, thread) in self.parked.iter().filter(|(waiter, _)| which(*waiter)) {
            thread.unpark();
        }
    }

    /// Tells the reader that the seat is free, if it waits for that.
    pub(crate) fn unpark_reader(&mut self) {
        if let Some(reader) = &mut self.reader {
            if core::mem::take(&mut reader.sleeps) {
                reader.thread.unpark();
            }
        }
    }
}

#[cfg(test)]
mod tests;
