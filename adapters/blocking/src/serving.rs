//! What a connection serves: which handler and listeners run for what comes, on which thread, in which
//! order. Called by `link` and, for the thread of a server's connection, by the server; knows services
//! and the pool.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use switchboard::service::no_handler;
use switchboard::{
    Asked, CallId, ConnectionId, Event, Failure, Payload, PayloadLimits, PeerHello, SessionStatus,
    Welcome,
};
use switchboard_endpoint::{Credentials, HOLD, Topics, answer_hello};

use crate::context::Context;
use crate::link::{Dispatch, Guard, Link, Turn};
use crate::listening::{Messages, Told};
use crate::peer::{Peer, PeerFacts};
use crate::pool::Pool;
use crate::services::{Answer, Handler, Services};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What one connection serves.
pub(crate) struct Serving {
    /// Who is at the other end, once the handshake is complete: another one when the client comes back.
    peer: Mutex<Option<Arc<PeerFacts>>>,
    pub(crate) limits: PayloadLimits,
    pub(crate) services: Arc<Services>,
    /// Of a server.
    topics: Option<Arc<Topics<Link>>>,
    pub(crate) pool: Arc<Pool>,
    /// Whose turn it takes in the pool.
    pub(crate) turn: u64,
    pub(crate) messages: Mutex<Messages>,
    /// Told when all of them were heard.
    pub(crate) heard: Condvar,
    /// Calls whose handlers wait until the peer reads.
    later: Mutex<Vec<Work>>,
}

/// A call that waits for its handler.
struct Work {
    handler: Handler,
    context: Context,
    call: CallId,
    args: Payload,
}

/// A batch of short handlers is answered with one write; if it takes longer than this, with several.
const BATCH: Duration = Duration::from_micros(100);

impl Serving {
    pub(crate) fn new(
        services: Arc<Services>,
        pool: Arc<Pool>,
        turn: u64,
        limits: PayloadLimits,
    ) -> Self {
        Self {
            peer: Mutex::default(),
            limits,
            services,
            topics: None,
            pool,
            turn,
            messages: Mutex::default(),
            heard: Condvar::new(),
            later: Mutex::default(),
        }
    }

    /// The same for a connection of a server that offers topics.
    pub(crate) fn with_topics(mut self, topics: Arc<Topics<Link>>) -> Self {
        self.topics = Some(topics);
        self
    }

    /// Who is at the other end, once the handshake is complete.
    pub(crate) fn peer(&self) -> Option<Peer> {
        lock(&self.peer).as_ref().map(Peer::new)
    }

    /// Serves a client until the connection has ended: the whole life of its thread. `admit` says
    /// whether there is still room for it, once it is to be let in.
    pub(crate) fn run(
        self: &Arc<Self>,
        link: &Arc<Link>,
        id: ConnectionId,
        credentials: Option<Credentials>,
        admit: impl Fn() -> bool,
    ) {
        let mut state = link.enter();
        state.take_seat();
        let mut since = state.now;
        loop {
            if let Some(event) = state.next_event() {
                drop(state);
                let answer = match event {
                    Event::Hello(hello) => {
                        self.welcome(link, id, credentials, *hello, &admit);
                        None
                    }
                    event => self.handle(link, event, true),
                };
                state = link.enter();
                if let Some((call, answer)) = answer {
                    state.respond(call, answer);
                }
                if !self.is_due(state.now - since) && state.now - state.turned < BATCH {
                    continue;
                }
            }
            if self.is_due(state.now - since) {
                state = self.flush(link, state);
                since = state.now;
            }
            let turn = link.turn(&mut state);
            if state.puts_off && !state.inbox.is_choked() {
                state.puts_off = false;
                drop(state);
                self.go_on(link);
                state = link.enter();
                continue;
            }
            if state.inbox.has_events() {
                continue;
            }
            match turn {
                Turn::Again => continue,
                // Before it waits, or ends.
                _ if self.publishes() => state = self.flush(link, state),
                Turn::Done => return,
                Turn::Wait { .. } => state = link.wait(state, turn),
            }
            since = state.now;
        }
    }

    /// Whether publications wait to be written.
    fn publishes(&self) -> bool {
        self.topics.as_ref().is_some_and(|topics| topics.is_pending())
    }

    /// Whether they should wait no longer, who have waited so long.
    fn is_due(&self, waited: Duration) -> bool {
        let due = |topics: &Arc<Topics<Link>>| {
            topics.is_pending() && (topics.is_full() || waited >= HOLD)
        };
        self.topics.as_ref().is_some_and(due)
    }

    /// Writes publications to whom they go to.
    fn flush<'a>(&self, link: &'a Link, state: Guard<'a>) -> Guard<'a> {
        drop(state);
        if let Some(topics) = &self.topics {
            topics.flush();
        }
        link.enter()
    }

    /// Lets the client in, or not.
    fn welcome(
        &self,
        link: &Arc<Link>,
        id: ConnectionId,
        credentials: Option<Credentials>,
        hello: PeerHello,
        admit: &impl Fn() -> bool,
    ) {
        let mut verdict = self.services.authorize(&hello, credentials.as_ref());
        // Taken before the lock is, so that it is dropped behind it: that is code of the user's.
        let kept = verdict.as_mut().ok().and_then(Welcome::take_state);
        if verdict.is_ok() && !admit() {
            // It was refused meanwhile.
            return;
        }
        let mut state = link.enter();
        let (now, closed) = (state.now, Arc::clone(&state.closed));
        let is_in = answer_hello(state.session.connection(), now, verdict);
        drop(state);
        if is_in {
            if let Some(topics) = &self.topics {
                let uid = credentials.map(|who| who.uid);
                topics.join(id, uid, &hello.settings.scope, link);
            }
            let (link, hello, state) = (Arc::downgrade(link), Some(hello), kept);
            self.introduce(PeerFacts { link, id, credentials, hello, state, closed });
        }
    }

    /// Deals with what came; gives what is to be answered at once. `inline`: the calling thread is the
    /// connection's own and runs short handlers itself.
    fn handle(
        self: &Arc<Self>,
        link: &Arc<Link>,
        event: Event,
        inline: bool,
    ) -> Option<(CallId, Answer)> {
        let peer = self.peer();
        if let Err(failure) = self.check(peer.as_ref(), &event) {
            return self.refuse(link, event, failure);
        }
        let (call, deadline, request) = match event {
            Event::Message(message) => {
                self.message(link, message);
                return None;
            }
            Event::Request { call, deadline, request, .. } => (call, deadline, request),
            event => {
                if let (Some(topics), Some(peer)) = (&self.topics, peer) {
                    // Of what the broker does not take the link has taken note.
                    topics.with(|broker| drop(broker.handle(peer.id(), event)));
                }
                return None;
            }
        };
        let (Some(handler), Some(peer)) = (self.services.offers.handler(request.channel()), peer)
        else {
            return Some((call, Err(no_handler(request.channel()))));
        };
        let inline = inline && handler.inline;
        let context = Context {
            peer,
            channel: Arc::clone(&handler.channel),
            headers: request.headers(),
            call: Some((call, deadline)),
            inline,
        };
        let args = request.into_payload();
        if inline {
            return Some((call, handler.call(context, args, &self.limits)));
        }
        self.work_later(link, Work { handler, context, call, args });
        None
    }

    /// Whether the program's central check lets this pass.
    fn check(&self, peer: Option<&Peer>, event: &Event) -> Result<(), Failure> {
        match (Asked::of(event), peer) {
            (Some(asked), Some(peer)) => self.services.check(peer.facts(), asked),
            _ => Ok(()),
        }
    }

    /// What is to be answered to an event that the check has refused.
    fn refuse(&self, link: &Arc<Link>, event: Event, failure: Failure) -> Option<(CallId, Answer)> {
        match event {
            Event::Request { call, .. } => return Some((call, Err(failure))),
            Event::Message(message) => link.lock().taken(message.size()),
            event => {
                if let (Some(topics), Some(peer)) = (&self.topics, self.peer()) {
                    topics.with(|broker| broker.refuse(peer.id(), event, failure));
                }
            }
        }
        None
    }

    fn work_later(self: &Arc<Self>, link: &Arc<Link>, work: Work) {
        let (this, link) = (Arc::clone(self), Arc::clone(link));
        self.pool.run(self.turn, Box::new(move || this.work(&link, work)));
    }

    /// A job of the pool: runs the handler and answers, unless its caller has stopped waiting or the
    /// peer does not read.
    fn work(&self, link: &Arc<Link>, work: Work) {
        let call = work.call;
        let answer = {
            let mut state = link.lock();
            if state.inbox.is_stopped(call) {
                // The core answers why, whatever is said here.
                Ok(Payload::null())
            } else if state.inbox.is_choked() {
                // So the answers of a connection take no more memory than those that are being made.
                state.puts_off = true;
                return lock(&self.later).push(work);
            } else {
                drop(state);
                work.handler.call(work.context, work.args, &self.limits)
            }
        };
        let mut state = link.enter();
        state.respond(call, answer);
        link.nudge(&mut state);
    }

    /// Goes on with what was put off.
    fn go_on(self: &Arc<Self>, link: &Arc<Link>) {
        let later = core::mem::take(&mut *lock(&self.later));
        for work in later {
            self.work_later(link, work);
        }
    }
}

impl Dispatch for Serving {
    fn introduce(&self, facts: PeerFacts) {
        let before = lock(&self.peer).replace(Arc::new(facts));
        // Behind the lock: some of it may be the user's.
        drop(before);
    }

    fn status(self: Arc<Self>, link: &Arc<Link>, status: SessionStatus) {
        if self.services.tells_status() {
            self.tell(link, Told::Status(status));
        }
    }

    fn event(self: Arc<Self>, link: &Arc<Link>, event: Event) {
        if let Some((call, answer)) = self.handle(link, event, false) {
            link.enter().respond(call, answer);
        }
    }

    fn take_up(self: Arc<Self>, link: &Arc<Link>) {
        self.go_on(link);
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("services", &self.services).finish_non_exhaustive()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
