//! `State`: what the mutex of a link guards: the session, its stream and inbox, and who waits for what.
//! Called by `link`, clients and servers while they have the mutex; nothing in here waits or does IO.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use switchboard::{
    CallError, CallId, CloseReason, Command, Event, Failure, Inbox, Instant, Payload, PeerWelcome,
    Rejected, Session, SessionStatus, Stir,
};
use switchboard_endpoint::{Credentials, OpenError, Stream};

use crate::sync::thread::{self, Thread, ThreadId};
use crate::timer::Due;

/// What the mutex guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) session: Session,
    /// While there is a connection.
    pub(crate) stream: Option<Arc<Stream>>,
    /// Who the kernel says is at its other end.
    pub(crate) server: Option<Credentials>,
    /// What the server said last when it accepted.
    pub(crate) welcome: Option<Arc<PeerWelcome>>,
    /// Whoever serves does not know that server yet.
    pub(crate) introduces: bool,
    /// Why the last attempt to open a stream failed.
    pub(crate) open_error: Option<OpenError>,
    /// A stream is to be opened.
    pub(crate) connects: bool,
    /// Changes of the status that nobody was told yet.
    pub(crate) statuses: VecDeque<SessionStatus>,
    /// The time, as whoever got the mutex last read it: a clock costs as much as a whole frame.
    pub(crate) now: Instant,
    /// When the session was driven last.
    pub(crate) turned: Instant,
    pub(crate) inbox: Inbox,
    /// How often something came that a thread may wait for, other than the answer to its call.
    pub(crate) stirs: u64,
    /// The same, since the holder of the seat was told.
    pub(crate) stirred: bool,
    /// Somebody has put off work until the answers that wait for room are on their way.
    pub(crate) puts_off: bool,
    /// Why the connection ended, once it has.
    pub(crate) closed: Arc<OnceLock<CloseReason>>,
    /// The socket is done with.
    pub(crate) done: bool,
    /// Who waits without the seat, with the ticket that it waits for, if it is one.
    pub(crate) parked: Vec<(Option<usize>, Thread)>,
    pub(crate) seat: Option<Seat>,
    /// How often the seat was left: whether callers come and go.
    pub(crate) left: u64,
    /// The thread that reads while nobody waits, if there is one.
    pub(crate) reader: Option<Reader>,
    pub(crate) writes_in_background: bool,
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
    /// The ticket that the holder waits for, if it is one.
    pub(crate) ticket: Option<usize>,
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
    pub(crate) fn new(kind: Kind, ticket: Option<usize>) -> Self {
        let thread = thread::current().id();
        Self { thread, kind, ticket, waits: false, read: false, write: false }
    }

    pub(crate) fn is_mine(&self) -> bool {
        self.thread == thread::current().id()
    }
}

impl State {
    pub(crate) fn new(session: Session, opened: Option<(Stream, Option<Credentials>)>) -> Self {
        let (stream, server) = match opened {
            Some((stream, server)) => (Some(Arc::new(stream)), server),
            None => (None, None),
        };
        Self {
            session,
            stream,
            server,
            welcome: None,
            introduces: false,
            open_error: None,
            connects: false,
            statuses: VecDeque::new(),
            now: Instant::ZERO,
            turned: Instant::ZERO,
            inbox: Inbox::default(),
            stirs: 0,
            stirred: false,
            puts_off: false,
            closed: Arc::default(),
            done: false,
            parked: Vec::new(),
            seat: None,
            left: 0,
            reader: None,
            writes_in_background: false,
            fed: false,
            armed: None,
        }
    }

    /// Commands something that ends later; gives a ticket for that.
    pub(crate) fn begin<T>(
        &mut self,
        command: impl FnOnce(&mut Session, Instant, u64) -> Result<T, Rejected>,
    ) -> Result<(usize, T), Rejected> {
        let Self { inbox, session, now, .. } = self;
        inbox.begin(|ticket| command(session, *now, ticket))
    }

    /// The calling thread waits for the socket from now on, for the link's whole life.
    pub(crate) fn take_seat(&mut self) {
        self.seat = Some(Seat::new(Kind::Connection, None));
    }

    pub(crate) fn take(&mut self, event: Event) {
        let event = match event {
            Event::Welcome(welcome) => {
                self.introduces = true;
                return self.welcome = Some(Arc::new(*welcome));
            }
            event => event,
        };
        match self.inbox.take(event, &mut self.session) {
            // Those who wait for room may have it now, and those who wait for items learn that none
            // will come.
            Stir::Ended { ticket, .. } => {
                self.stir(|parked| parked.is_none_or(|parked| parked == ticket));
            }
            Stir::Call(_) | Stir::Subscription(_) | Stir::Stopped(_) => {
                self.stir(|parked| parked.is_none());
            }
            Stir::Everybody => self.tell_the_end(),
            _ => {}
        }
    }

    /// Takes note of a change of the status: whoever waits for room may have it, pings may have ended.
    pub(crate) fn take_status(&mut self, status: SessionStatus) {
        self.inbox.status(self.now, &mut self.session, status);
        self.statuses.push_back(status);
        self.stir(|_| true);
    }

    /// Whoever waits for something other than an answer is to look, and of the others these.
    fn stir(&mut self, which: impl Fn(Option<usize>) -> bool) {
        self.stirs += 1;
        self.stirred = true;
        self.unpark(which);
    }

    /// What a user is told whose command was not taken.
    pub(crate) fn call_error(&mut self, error: impl Into<CallError>) -> CallError {
        self.inbox.call_error(&mut self.session, error)
    }

    /// So many bytes of messages wait no more; they were counted when they came out of the session.
    pub(crate) const fn taken(&mut self, bytes: usize) {
        self.inbox.taken(bytes, &mut self.session);
    }

    /// Does what a broker has decided for this connection.
    pub(crate) fn apply(&mut self, command: Command) {
        self.inbox.apply(self.now, &mut self.session, command);
    }

    /// Answers a call of the peer, now or as soon as there is room.
    pub(crate) fn respond(&mut self, call: CallId, answer: Result<Payload, Failure>) {
        self.inbox.respond(self.now, &mut self.session, call, answer);
        // Its streams are over, for whichever thread still has them. The thread of a connection has none of
        // its own, and is not woken.
        self.stirs += 1;
        let waits = |seat: &Seat| seat.kind == Kind::Caller && seat.ticket.is_none();
        self.stirred |= self.seat.as_ref().is_some_and(waits);
        self.unpark(|waiter| waiter.is_none());
    }

    /// What the holder of the seat is to deal with next.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.inbox.next_event(self.now, &mut self.session)
    }

    /// Sends an item, if there is room for it.
    pub(crate) fn send_item(
        &mut self,
        call: CallId,
        payload: &Payload,
    ) -> Poll<Result<(), CallError>> {
        self.inbox.send_item(self.now, &mut self.session, call, payload)
    }

    /// The next item of a call, if it is here.
    pub(crate) fn next_item(
        &mut self,
        call: CallId,
        ticket: Option<usize>,
    ) -> Poll<Result<Option<Payload>, CallError>> {
        self.inbox.next_item(self.now, &mut self.session, call, ticket)
    }

    /// There may be room for what waits: whether something is to be written now.
    pub(crate) fn use_room(&mut self) -> bool {
        self.inbox.use_room(self.now, &mut self.session)
    }

    /// The connection has ended: so has whatever is still waited for.
    pub(crate) fn end(&mut self, reason: &CloseReason) {
        self.inbox.end(reason);
        self.tell_the_end();
    }

    fn tell_the_end(&mut self) {
        if let Some(reason) = self.inbox.closed() {
            self.closed.get_or_init(|| reason.clone());
        }
        // The reader, if it sleeps, is woken by whoever has the seat and leaves it now.
        self.stir(|_| true);
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
