//! `Serving`: what a connection serves: which handler and listeners run for what comes, in which order.
//! Called by the driver, in whose task they run; knows services and links.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, Stream};
use switchboard::service::no_handler;
use switchboard::{
    Asked, CallId, Event, Failure, Instant, Payload, PayloadLimits, PeerHello, Received,
    SessionStatus,
};
use switchboard_endpoint::listen_for;

use crate::context::Context;
use crate::link::Link;
use crate::peer::{Peer, PeerFacts};
use crate::services::{Answer, Begun, Services, Work};

/// Most handlers of a connection that run at once, unless the program says otherwise.
pub(crate) const HANDLERS: usize = 256;

/// What a server does besides: it lets clients in, and has topics.
pub(crate) trait Gate: Send {
    /// Lets a client in, or not; gives who it is.
    fn welcome(&self, link: &Arc<Link>, hello: PeerHello) -> Work<Option<PeerFacts>>;

    /// Something that is for the broker, and what it is refused with, if it is.
    fn topics(&self, event: Event, refused: Option<Failure>);

    /// Has those written who were given something: all, or only if no more should wait.
    fn flush(&self, all: bool);
}

/// What one connection serves, and what of that is under way.
pub(crate) struct Serving {
    /// Who is at the other end, once the handshake is complete.
    pub(crate) peer: Arc<OnceLock<Arc<PeerFacts>>>,
    services: Arc<Services>,
    gate: Option<Box<dyn Gate>>,
    limits: PayloadLimits,
    /// Most handlers that run at once.
    most: usize,
    left: Left,
    handlers: FuturesUnordered<Handling>,
    running: BTreeMap<CallId, AbortHandle>,
    /// Calls that wait for others to end.
    waiting: VecDeque<Waiting>,
    messages: VecDeque<Received>,
    /// The listeners of a message, one after the other.
    listening: Option<Begun<()>>,
    welcoming: Option<Begun<Option<PeerFacts>>>,
}

struct Waiting {
    call: CallId,
    deadline: Option<Instant>,
    request: Received,
}

/// What may be begun in this turn of the driver: of each as much, so that neither keeps the other waiting.
#[derive(Clone, Copy, Default)]
struct Left {
    calls: u32,
    messages: u32,
}

/// A handler that runs for a call.
struct Handling {
    call: CallId,
    work: Abortable<Begun<Answer>>,
}

impl Future for Handling {
    type Output = (CallId, Answer);

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        // Of one that nobody waits for any more the core tells why, whatever is said here.
        let answer = self.work.poll_unpin(cx).map(|done| done.unwrap_or(Ok(Payload::null())));
        answer.map(|answer| (self.call, answer))
    }
}

impl Serving {
    pub(crate) fn new(
        services: Arc<Services>,
        gate: Option<Box<dyn Gate>>,
        limits: PayloadLimits,
        most: usize,
    ) -> Self {
        Self {
            peer: Arc::default(),
            services,
            gate,
            limits,
            most,
            left: Left::default(),
            handlers: FuturesUnordered::new(),
            running: BTreeMap::new(),
            waiting: VecDeque::new(),
            messages: VecDeque::new(),
            listening: None,
            welcoming: None,
        }
    }

    /// Says who is at the other end: the handshake is complete.
    pub(crate) fn introduce(&mut self, facts: PeerFacts) {
        if let Err(facts) = self.peer.set(Arc::new(facts)) {
            // The client has come back, perhaps to another one. Whom it had before its handlers still know.
            self.peer = Arc::new(OnceLock::from(facts));
        }
    }

    /// So many calls and so many messages may be begun until the next turn.
    pub(crate) const fn begin_turn(&mut self, budget: u32) {
        self.left = Left { calls: budget, messages: budget };
    }

    /// Whether there may be more to begin, in a turn to come.
    pub(crate) const fn has_had_its_turn(&self) -> bool {
        self.left.calls == 0 || self.left.messages == 0
    }

    /// Deals with what came; gives what is to be answered at once.
    pub(crate) fn take(
        &mut self,
        link: &Arc<Link>,
        event: Event,
        cx: &mut TaskContext<'_>,
    ) -> Option<(CallId, Answer)> {
        if let Event::Hello(hello) = event {
            self.welcoming = self.gate.as_ref().map(|gate| Begun::new(gate.welcome(link, *hello)));
            return None;
        }
        if let (Some(asked), Some(facts)) = (Asked::of(&event), self.peer.get()) {
            if let Err(failure) = self.services.check(facts, asked) {
                return self.refuse(link, event, failure);
            }
        }
        match event {
            Event::Message(message) => {
                if self.services.offers.listens(message.channel()) {
                    self.messages.push_back(message);
                } else {
                    link.lock().taken(message.size());
                }
            }
            Event::Request { call, deadline, request, .. } => {
                let work = Waiting { call, deadline, request };
                if self.waiting.is_empty() && self.may_start() {
                    return self.start(work, cx);
                }
                self.waiting.push_back(work);
            }
            Event::Cancelled { call, .. } if self.stop(link, call) => {}
            event => self.topics(event, None),
        }
        None
    }

    fn refuse(&self, link: &Arc<Link>, event: Event, failure: Failure) -> Option<(CallId, Answer)> {
        match event {
            Event::Request { call, .. } => return Some((call, Err(failure))),
            Event::Message(message) => link.lock().taken(message.size()),
            event => self.topics(event, Some(failure)),
        }
        None
    }

    fn topics(&self, event: Event, refused: Option<Failure>) {
        if let (Some(gate), Some(_)) = (&self.gate, self.peer.get()) {
            gate.topics(event, refused);
        }
    }

    /// Nobody waits for this call any more; whether it is one that this serves.
    fn stop(&mut self, link: &Arc<Link>, call: CallId) -> bool {
        if let Some(handle) = self.running.get(&call) {
            handle.abort();
            return true;
        }
        let Some(place) = self.waiting.iter().position(|waiting| waiting.call == call) else {
            return false;
        };
        self.waiting.remove(place);
        link.enter_as_driver().respond(call, Ok(Payload::null()));
        true
    }

    fn may_start(&self) -> bool {
        self.running.len() < self.most && self.left.calls > 0
    }

    /// The next call that waits, if its handler may run now.
    fn next_waiting(&mut self, link: &Link) -> Option<Waiting> {
        // So the answers of a connection take no more memory than those that are being made.
        if self.waiting.is_empty() || !self.may_start() || link.lock().inbox.is_choked() {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Has a handler run for a call; gives the answer if there is one at once.
    fn start(&mut self, work: Waiting, cx: &mut TaskContext<'_>) -> Option<(CallId, Answer)> {
        self.left.calls = self.left.calls.saturating_sub(1);
        let Waiting { call, deadline, request } = work;
        let handler = self.services.offers.handler(request.channel());
        let (Some(handler), Some(facts)) = (handler, self.peer.get()) else {
            return Some((call, Err(no_handler(request.channel()))));
        };
        let (handle, registration) = AbortHandle::new_pair();
        let context = Context {
            peer: Peer::new(facts),
            channel: Arc::clone(handler.channel()),
            headers: request.headers(),
            call: Some((call, deadline)),
            stop: Some(handle.clone()),
        };
        let mut work = Begun::new(handler.call(context, request.into_payload(), self.limits));
        // Most are done at once, and need no place among those that run. Messages that came before have
        // their turn before.
        if !self.has_messages() {
            if let Poll::Ready(answer) = work.poll_unpin(cx) {
                return Some((call, answer));
            }
        }
        self.running.insert(call, handle);
        self.handlers.push(Handling { call, work: Abortable::new(work, registration) });
        None
    }

    /// Goes on with all that is under way, or says that all waits. What it comes to is to be written, and may
    /// have more read; of a handler that is done it is the answer.
    pub(crate) fn poll(
        &mut self,
        link: &Arc<Link>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<(CallId, Answer)>> {
        if self.poll_welcoming(cx) | self.poll_listeners(link, cx) {
            return Poll::Ready(None);
        }
        loop {
            match Pin::new(&mut self.handlers).poll_next(cx) {
                Poll::Ready(Some((call, answer))) => {
                    self.running.remove(&call);
                    return Poll::Ready(Some((call, answer)));
                }
                Poll::Ready(None) | Poll::Pending => {
                    let Some(work) = self.next_waiting(link) else { return Poll::Pending };
                    if let Some(answer) = self.start(work, cx) {
                        return Poll::Ready(Some(answer));
                    }
                }
            }
        }
    }

    /// Whether a client was let in or refused.
    fn poll_welcoming(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let Some(welcoming) = &mut self.welcoming else { return false };
        let Poll::Ready(facts) = welcoming.poll_unpin(cx) else { return false };
        self.welcoming = None;
        if let Some(facts) = facts {
            self.introduce(facts);
        }
        true
    }

    /// Whether messages were taken.
    fn poll_listeners(&mut self, link: &Arc<Link>, cx: &mut TaskContext<'_>) -> bool {
        let mut any = false;
        loop {
            if let Some(listening) = &mut self.listening {
                if listen_for(&self.services, || listening.poll_unpin(cx)).is_pending() {
                    return any;
                }
                self.listening = None;
            }
            if self.left.messages == 0 {
                return any;
            }
            let Some(message) = self.messages.pop_front() else { return any };
            self.left.messages -= 1;
            any = true;
            // Before and not behind: the listener may call its sender back, and wait for the answer.
            link.lock().taken(message.size());
            self.listening = self.listen(link, message);
        }
    }

    /// The listeners of one message, one after the other.
    fn listen(&self, link: &Arc<Link>, message: Received) -> Option<Begun<()>> {
        let facts = self.peer.get()?;
        let channel: Arc<str> = message.channel().into();
        let headers = message.headers();
        let payload = message.into_payload();
        if payload.check(&self.limits).is_err() {
            let mut state = link.enter_as_driver();
            let now = state.now;
            state.session.connection().strike(now);
            return None;
        }
        let (services, limits) = (Arc::clone(&self.services), self.limits);
        let peer = Peer::new(facts);
        Some(Begun::new(Box::pin(async move {
            for listening in services.offers.listeners(&channel) {
                if !services.offers.takes(&listening) {
                    continue;
                }
                let context = Context {
                    peer: peer.clone(),
                    channel: Arc::clone(&channel),
                    headers: headers.clone(),
                    call: None,
                    stop: None,
                };
                listening.listener.call(context, payload.clone(), limits).await;
            }
        })))
    }

    /// Whether a message is with its listeners, or waits for them.
    pub(crate) fn has_messages(&self) -> bool {
        self.listening.is_some() || !self.messages.is_empty()
    }

    /// The connection has ended: nobody waits for an answer. Messages that have come are still taken.
    pub(crate) fn end(&mut self) {
        self.waiting.clear();
        for handle in core::mem::take(&mut self.running).into_values() {
            handle.abort();
        }
        self.handlers = FuturesUnordered::new();
        self.welcoming = None;
    }

    /// Tells the program of a change of the status.
    pub(crate) fn status(&self, status: SessionStatus) {
        self.services.status(status);
    }

    /// Has those written who were given something: all, or only if no more should wait.
    pub(crate) fn flush(&self, all: bool) {
        if let Some(gate) = &self.gate {
            gate.flush(all);
        }
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").field("services", &self.services).finish_non_exhaustive()
    }
}
