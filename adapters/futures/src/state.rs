//! `State`: what the mutex of a link guards: the session, its inbox, who waits for what, and what the runtime
//! was asked to watch. Called by `link` and by whoever has the mutex; does no IO.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Instant as SystemInstant;

use switchboard::{
    CallError, CallId, CloseReason, Command, Event, Failure, Inbox, Instant, Payload, PeerWelcome,
    Rejected, Session, SessionStatus, Stir,
};
use switchboard_endpoint::{Credentials, OpenError};

use crate::runtime::{Timer, Transport};
use crate::wakers::Wakers;

/// A transport, and who the kernel says is at its other end.
pub(crate) type Opened = (Box<dyn Transport>, Option<Credentials>);

/// What the mutex guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) session: Session,
    /// While there is a connection.
    pub(crate) transport: Option<Box<dyn Transport>>,
    /// Who the kernel says is at its other end.
    pub(crate) server: Option<Credentials>,
    /// What the server said last when it accepted.
    pub(crate) welcome: Option<Arc<PeerWelcome>>,
    /// The driver does not know that server yet.
    pub(crate) introduces: bool,
    /// Why the last attempt to open a transport failed.
    pub(crate) open_error: Option<Box<OpenError>>,
    /// A transport is to be opened.
    pub(crate) connects: bool,
    /// Changes of the status that nobody was told yet.
    pub(crate) statuses: VecDeque<SessionStatus>,
    pub(crate) inbox: Inbox,
    /// The time, as whoever got the mutex last read it.
    pub(crate) now: Instant,
    pub(crate) wakers: Wakers,
    pub(crate) timer: Box<dyn Timer>,
    /// When the timer wakes this link, once that is known to be to come.
    pub(crate) armed: Option<SystemInstant>,
    /// When those who wait for room are to be woken at the latest.
    pub(crate) alarm: Option<Instant>,
    /// The runtime watches for bytes, for room to write.
    pub(crate) watched: (bool, bool),
    /// Something was read, and what it brought was not all looked at.
    pub(crate) fed: bool,
    /// The driver is to be polled: there is something to serve, or to write.
    pub(crate) calls_driver: bool,
    /// It was woken for that, and has not come yet.
    pub(crate) driver_called: bool,
    /// The ticket of the call that has the seat, if it has not lost it.
    pub(crate) seated: Option<usize>,
    /// Other things are expected than answers to calls: the driver never leaves its seat.
    pub(crate) expects_more: bool,
    /// Why the connection ended, once it has.
    pub(crate) closed: Arc<OnceLock<Box<CloseReason>>>,
    /// The transport is done with.
    pub(crate) done: bool,
}

impl State {
    pub(crate) fn new(session: Session, timer: Box<dyn Timer>, expects_more: bool) -> Self {
        Self {
            session,
            transport: None,
            server: None,
            welcome: None,
            introduces: false,
            open_error: None,
            connects: false,
            statuses: VecDeque::new(),
            inbox: Inbox::default(),
            now: Instant::ZERO,
            wakers: Wakers::default(),
            timer,
            armed: None,
            alarm: None,
            watched: (false, false),
            fed: false,
            calls_driver: false,
            driver_called: false,
            seated: None,
            expects_more,
            closed: Arc::default(),
            done: false,
        }
    }

    /// There is a transport from now on.
    pub(crate) fn opened(&mut self, (transport, server): Opened) {
        (self.transport, self.server) = (Some(transport), server);
        self.watched = (false, false);
    }

    pub(crate) fn take(&mut self, event: Event) {
        let event = match event {
            Event::Welcome(welcome) => {
                (self.introduces, self.calls_driver) = (true, true);
                return self.welcome = Some(Arc::new(*welcome));
            }
            event => event,
        };
        let stir = self.inbox.take(event, &mut self.session);
        self.calls_driver |= matches!(stir, Stir::Serving | Stir::Stopped(_) | Stir::Everybody);
        if stir == Stir::Everybody {
            self.tell_the_end();
        }
        self.wakers.stir(stir);
    }

    /// Takes note of a change of the status: whoever waits for room may have it, pings may have ended.
    pub(crate) fn take_status(&mut self, status: SessionStatus) {
        let stir = self.inbox.status(self.now, &mut self.session, status);
        self.wakers.stir(stir);
        self.wakers.room();
        self.statuses.push_back(status);
        self.calls_driver = true;
    }

    /// Commands something that ends later; gives a ticket for that.
    pub(crate) fn begin<T>(
        &mut self,
        command: impl FnOnce(&mut Session, Instant, u64) -> Result<T, Rejected>,
    ) -> Result<(usize, T), Rejected> {
        let Self { inbox, session, now, .. } = self;
        inbox.begin(|ticket| command(session, *now, ticket))
    }

    /// What a user is told whose command was not taken.
    pub(crate) fn call_error(&mut self, error: impl Into<CallError>) -> CallError {
        self.inbox.call_error(&mut self.session, error)
    }

    /// So many bytes of messages wait no more.
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
        // Its streams are over, for whichever task still has them.
        self.wakers.stir(Stir::Call(call));
    }

    /// Whether a transport is to be opened, or something to be told.
    pub(crate) fn asks_driver(&self) -> bool {
        self.connects || self.introduces || !self.statuses.is_empty()
    }

    /// What the driver is to deal with next.
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

    /// Frames of the peer that were handled.
    pub(crate) fn frames_in(&mut self) -> u64 {
        self.session.connection().counters().frames_in
    }

    /// There may be room for what waits: whether something is to be written now.
    pub(crate) fn use_room(&mut self) -> bool {
        let choked = self.inbox.is_choked();
        let writes = self.inbox.use_room(self.now, &mut self.session);
        // Whoever serves is held up by answers that wait.
        self.calls_driver |= choked && !self.inbox.is_choked();
        writes
    }

    /// Whoever waits for room is to look again at `until`.
    pub(crate) fn wake_at(&mut self, until: Option<Instant>) {
        if let Some(until) = until {
            self.alarm = Some(self.alarm.map_or(until, |alarm| alarm.min(until)));
        }
    }

    /// The connection has ended: so has whatever is still waited for.
    pub(crate) fn end(&mut self, reason: &CloseReason) {
        self.inbox.end(reason);
        self.tell_the_end();
        self.wakers.everybody();
        self.calls_driver = true;
    }

    fn tell_the_end(&self) {
        if let Some(reason) = self.inbox.closed() {
            self.closed.get_or_init(|| Box::new(reason.clone()));
        }
    }
}
