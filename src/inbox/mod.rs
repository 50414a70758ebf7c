//! `Inbox`: what came out of a session and waits for whoever wants it: the ends of calls, items, deliveries,
//! and what is for handlers. Called by adapters, each of which knows how its own threads or tasks wait and
//! are woken; knows the session and events, and does no waiting itself.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use core::task::Poll;
use core::time::Duration;

use crate::close_reason::CloseReason;
use crate::command::Command;
use crate::error::{CallError, Fate, Rejected};
use crate::event::Event;
use crate::failure::Failure;
use crate::id::CallId;
use crate::instant::Instant;
use crate::options::Streams;
use crate::payload::Payload;
use crate::session::{Session, SessionStatus};

mod attempt;
mod feeds;
mod items;
mod tickets;

pub use attempt::Attempt;
use feeds::Feeds;
use items::Items;
use tickets::{Outcome, Tickets};

/// What came out of a [`Session`] and waits for whoever wants it. An adapter gives it each
/// [`Event`] with [`take`](Self::take), is told who is to look again, and asks it for them.
///
/// Whoever waits for the end of a call has a *ticket*: the token that went into the core with the command.
///
/// ```
/// use std::sync::Arc;
/// use std::task::Poll;
/// use switchboard::{
///     Config, Connection, Hello, Inbox, Instant, Options, Payload, Pump, Session, SessionNext,
/// };
///
/// let now = Instant::ZERO;
/// let connection = Connection::client(Arc::new(Config::default()), &Hello::new(), now)?;
/// let mut session = Session::of(Pump::new(connection));
/// let mut inbox = Inbox::default();
/// # let welcome = b"\0\0\0\x06\x85\x01\x01\x01\xa0\xf6";
/// # session.space()[..10].copy_from_slice(welcome);
/// # session.filled(now, 10);
/// # assert!(matches!(session.next(now), SessionNext::Event(_)));
/// // (The handshake.) A call, under a ticket:
/// let (ticket, call) = inbox.begin(|ticket| {
///     session.request(now, "add", &Payload::null(), &Options::new(), ticket)
/// })?;
/// assert_eq!(inbox.answer(ticket), Poll::Pending);
/// // Its caller does not want it any more.
/// session.cancel(now, call)?;
/// inbox.abandon(ticket);
/// # Ok::<(), switchboard::Rejected>(())
/// ```
#[derive(Debug, Default)]
pub struct Inbox {
    tickets: Tickets,
    items: Items,
    feeds: Feeds,
    /// What is for handlers, listeners and a broker.
    events: VecDeque<Event>,
    /// Calls of the peer whose caller no longer waits, until they are answered.
    stopped: BTreeSet<CallId>,
    /// Answers that wait for room to be written, in the order in which they were given.
    answers: VecDeque<(CallId, Result<Payload, Failure>)>,
    /// Bytes of messages that wait for their listeners.
    untaken: usize,
    closed: Option<Box<CloseReason>>,
}

/// Who is to look again, after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stir {
    /// Nobody.
    Nobody,
    /// Whoever has this ticket; with `call`, whoever waits for items of it or for room for them; and
    /// whoever waits for room for a command, for there may be some now.
    Ended {
        /// The ticket.
        ticket: usize,
        /// The call that has ended; none of a ping.
        call: Option<CallId>,
    },
    /// Whoever waits for items of this call or for room for them.
    Call(CallId),
    /// Whoever waits for a delivery of this subscription.
    Subscription(CallId),
    /// Whoever serves: [`Inbox::next_event`] has something.
    Serving,
    /// Whoever serves, and the handler of this call of the peer: nobody waits for it any more.
    Stopped(CallId),
    /// Everybody: the connection has ended, or one of a session that goes on.
    Everybody,
}

impl Inbox {
    /// Takes note of an event; gives who is to look again.
    pub fn take(&mut self, event: Event, session: &mut Session) -> Stir {
        match event {
            Event::Item { call, item } => {
                self.items.push(call, item);
                Stir::Call(call)
            }
            Event::End { call } => {
                self.items.end(call);
                Stir::Call(call)
            }
            Event::Room { call } => Stir::Call(call),
            Event::Delivery { subscription, publication } => {
                self.feeds.deliver(subscription, publication);
                Stir::Subscription(subscription)
            }
            Event::Lagged { subscription, dropped } => {
                self.feeds.lag(subscription, dropped);
                Stir::Subscription(subscription)
            }
            Event::SubscriptionEnded { subscription, failure } => {
                self.feeds.end(subscription, failure);
                Stir::Subscription(subscription)
            }
            Event::Answer { call, token, outcome } => {
                let ticket = token as usize;
                self.tickets.settle(ticket, Outcome::Answer(outcome));
                Stir::Ended { ticket, call: Some(call) }
            }
            Event::Pong { token, round_trip } => {
                let ticket = token as usize;
                self.tickets.settle(ticket, Outcome::Pong(round_trip));
                Stir::Ended { ticket, call: None }
            }
            Event::Cancelled { call, .. } => {
                self.stopped.insert(call);
                self.events.push_back(event);
                Stir::Stopped(call)
            }
            Event::Closed(reason) => {
                self.end(&reason);
                Stir::Everybody
            }
            other => self.serve(other, session),
        }
    }

    /// An event that is for whoever serves.
    fn serve(&mut self, event: Event, session: &mut Session) -> Stir {
        match &event {
            Event::Message(message) => {
                self.untaken += message.size();
                session.set_untaken(self.untaken);
            }
            Event::Request { call, streams: Streams { caller_sends: true, .. }, .. } => {
                self.items.open(*call);
            }
            _ => {}
        }
        if self.events.capacity() == 0 {
            // Many connections never have two at once.
            self.events.reserve_exact(1);
        }
        self.events.push_back(event);
        Stir::Serving
    }

    /// The connection has ended: so has whatever is still waited for. [`take`](Self::take) does this, too.
    pub fn end(&mut self, reason: &CloseReason) {
        self.closed.get_or_insert_with(|| Box::new(reason.clone()));
        self.answers.clear();
        self.tickets.end(reason);
    }

    /// Why the connection ended, once it has.
    #[must_use]
    pub fn closed(&self) -> Option<&CloseReason> {
        self.closed.as_deref()
    }

    /// Takes note of a change of the status; gives who is to look again: with a connection its pings end, and
    /// answers that wait to be written go nowhere.
    pub fn status(&mut self, now: Instant, session: &mut Session, status: SessionStatus) -> Stir {
        if status != SessionStatus::Disconnected {
            return Stir::Nobody;
        }
        self.send_answers(now, session);
        if self.tickets.end_pings(&session.lost()) { Stir::Everybody } else { Stir::Serving }
    }

    /// Commands a ping; gives a ticket for its answer.
    ///
    /// # Errors
    ///
    /// As of [`Session::ping`].
    pub fn ping(&mut self, now: Instant, session: &mut Session) -> Result<usize, Rejected> {
        // The core counts pings with 32 bits; so many tickets there never are.
        self.tickets.ping(|ticket| session.ping(now, ticket as u32))
    }

    /// Commands something that ends later, with a new ticket for its token.
    ///
    /// # Errors
    ///
    /// What the command says; then there is no ticket.
    pub fn begin<T>(
        &mut self,
        command: impl FnOnce(u64) -> Result<T, Rejected>,
    ) -> Result<(usize, T), Rejected> {
        self.tickets.begin(command)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_settled(&self, ticket: usize) -> bool {
        self.tickets.is_settled(ticket)
    }

    /// The answer to a call, once it has come; the ticket is used up then.
    pub fn answer(&mut self, ticket: usize) -> Poll<Result<Payload, CallError>> {
        match self.tickets.settled(ticket) {
            None => Poll::Pending,
            Some(Outcome::Answer(answer)) => Poll::Ready(answer),
            Some(Outcome::Closed(reason)) => Poll::Ready(Err(may_have_run(reason))),
            // The core answers a call as a call.
            Some(Outcome::Pong(_)) => Poll::Ready(Ok(Payload::null())),
        }
    }

    /// The answer to a ping, once it has come or `until` is over; the ticket is used up then.
    pub fn pong(
        &mut self,
        ticket: usize,
        now: Instant,
        until: Option<Instant>,
    ) -> Poll<Result<Duration, CallError>> {
        match self.tickets.settled(ticket) {
            Some(Outcome::Pong(round_trip)) => Poll::Ready(Ok(round_trip)),
            Some(Outcome::Closed(reason)) => Poll::Ready(Err(may_have_run(reason))),
            // The core answers a ping as a ping.
            Some(Outcome::Answer(answer)) => Poll::Ready(answer.map(|_| Duration::ZERO)),
            None if until.is_some_and(|until| until <= now) => {
                self.abandon(ticket);
                Poll::Ready(Err(CallError::Deadline(Fate::MayHaveRun)))
            }
            None => Poll::Pending,
        }
    }

    /// Nobody waits for it any more. The number is free once the core has handed it back.
    pub fn abandon(&mut self, ticket: usize) {
        self.tickets.abandon(ticket);
    }

    /// What a user is told whose command was not taken: why the connection ended, if that is known.
    #[must_use]
    pub fn call_error(&self, session: &mut Session, error: impl Into<CallError>) -> CallError {
        // It may have ended and not have told so yet.
        let closed = self.closed.as_deref().or_else(|| session.connection().cut());
        match (error.into(), closed) {
            (CallError::Rejected(Rejected::Closed), Some(reason)) => {
                CallError::Disconnected(reason.clone(), Fate::NeverSent)
            }
            (error, _) => error,
        }
    }

    /// So many bytes of messages wait for their listeners no more.
    pub const fn taken(&mut self, bytes: usize, session: &mut Session) {
        self.untaken = self.untaken.saturating_sub(bytes);
        session.set_untaken(self.untaken);
    }

    /// What whoever serves is to deal with next; no call while the inbox [is choked](Self::is_choked).
    /// Calls that nobody waits for any more are answered in passing: the core tells why, whatever is said. So
    /// an [`Event::Cancelled`] may be of a call that is never given.
    pub fn next_event(&mut self, now: Instant, session: &mut Session) -> Option<Event> {
        loop {
            let next = match self.next_at()? {
                0 => self.events.pop_front(),
                behind => self.events.remove(behind),
            };
            match next? {
                Event::Request { call, .. } if self.stopped.contains(&call) => {
                    self.respond(now, session, call, Ok(Payload::null()));
                }
                event @ Event::Hello(_) => {
                    // From many nothing else comes for long.
                    self.events.shrink_to_fit();
                    return Some(event);
                }
                event => return Some(event),
            }
        }
    }

    /// Where the next event is that may be dealt with. Only calls wait for answers to be read, of which there
    /// is a bounded number: nothing else would be, of all that is read meanwhile (section 8).
    fn next_at(&self) -> Option<usize> {
        let may = |event: &Event| !self.is_choked() || !matches!(event, Event::Request { .. });
        self.events.iter().position(may)
    }

    /// Whether [`next_event`](Self::next_event) has something, or answers something in passing, which is to
    /// be written then.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.next_at().is_some()
    }

    /// Answers a call of the peer, now or as soon as there is room: whoever gives an answer never waits
    /// for the peer to read. Whoever waits for items of this call, or for room for them, is to look again: as
    /// after [`Stir::Call`].
    pub fn respond(
        &mut self,
        now: Instant,
        session: &mut Session,
        call: CallId,
        answer: Result<Payload, Failure>,
    ) {
        self.stopped.remove(&call);
        self.items.close(call);
        if self.answers.is_empty() {
            // Any other error: the connection has ended meanwhile, and has told the caller.
            let given = session.connection().respond(now, call, answer.as_ref());
            if given != Err(Rejected::Full) {
                return;
            }
        }
        self.answers.push_back((call, answer));
        self.send_answers(now, session);
    }

    /// Gives the core what waits for room, as far as there is some: answers, and the ends of subscriptions.
    /// To be called when something was written, and when nothing is left to write, for what was waited for
    /// may have been taken back; whether something is to be written now.
    pub fn use_room(&mut self, now: Instant, session: &mut Session) -> bool {
        self.send_answers(now, session);
        self.send_unsubscribes(now, session);
        session.connection().unsent() > 0
    }

    fn send_answers(&mut self, now: Instant, session: &mut Session) {
        while let Some((call, answer)) = self.answers.front() {
            if session.connection().respond(now, *call, answer.as_ref()) == Err(Rejected::Full) {
                return;
            }
            // Any other error: as above.
            self.stopped.remove(call);
            self.answers.pop_front();
        }
    }

    /// Whether the answer to this call of the peer waits for room.
    fn is_answered(&self, call: CallId) -> bool {
        self.answers.iter().any(|(answered, _)| *answered == call)
    }

    /// Whether answers wait for the peer to read: so long no further call of it is begun, and its answers
    /// take no more memory than those that are being made.
    #[must_use]
    pub fn is_choked(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Whether nobody waits for the answer to this call of the peer any more.
    #[must_use]
    pub fn is_stopped(&self, call: CallId) -> bool {
        self.closed.is_some() || self.stopped.contains(&call)
    }

    /// Does what a broker has decided for this connection.
    pub fn apply(&mut self, now: Instant, session: &mut Session, command: Command) {
        if let Command::Subscribe { subscription: call, .. }
        | Command::Published { call, .. }
        | Command::Refuse { call, .. } = &command
        {
            self.stopped.remove(call);
        }
        // What cannot be done any more concerns a peer that has gone on, and is forgotten.
        let _ = session.apply(now, command);
    }
}

const fn may_have_run(reason: CloseReason) -> CallError {
    CallError::Disconnected(reason, Fate::MayHaveRun)
}

#[cfg(test)]
mod tests;
