//! One connection of a server: its thread, which reads and drives, and the order in which its
//! handlers and listeners run. Called by the server; knows links, services and the pool.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchboard::service::no_handler;
use switchboard::{
    CallId, ConnectionId, Event, Failure, Instant, Payload, PayloadLimits, PeerHello, Received,
    Rejected, Status, Welcome,
};
use switchboard_endpoint::Credentials;

use crate::context::{Context, Peer, PeerFacts};
use crate::link::{Link, Turn};
use crate::pool::Pool;
use crate::services::{Handler, Listener, Services};

/// A connection that is served.
pub(crate) struct Serving {
    pub(crate) link: Arc<Link>,
    pub(crate) id: ConnectionId,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) limits: PayloadLimits,
    pub(crate) services: Arc<Services>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) messages: Mutex<Messages>,
    /// Calls whose handlers wait until the peer reads.
    pub(crate) later: Mutex<Vec<Work>>,
}

/// Messages that wait for their listeners, which take them one at a time, in order.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    queue: VecDeque<(Peer, Received)>,
    /// A job of the pool takes them.
    taken: bool,
}

/// A call that waits for its handler.
pub(crate) struct Work {
    handler: Handler,
    context: Context,
    call: CallId,
    args: Payload,
}

/// A batch of short handlers is answered with one write; if it takes longer than this, with several.
const BATCH: Duration = Duration::from_micros(100);

impl Serving {
    /// Serves the connection until it has ended; the whole life of its thread.
    pub(crate) fn run(self: &Arc<Self>) {
        let mut peer = None;
        let mut turned = self.link.now();
        let mut state = self.link.lock();
        state.take_seat();
        loop {
            if let Some(event) = state.next_event() {
                drop(state);
                self.handle(event, &mut peer);
                state = self.link.lock();
                if self.link.now() - turned < BATCH {
                    continue;
                }
            }
            let turn = self.link.turn(&mut state);
            turned = self.link.now();
            if state.puts_off && !state.is_choked() {
                state.puts_off = false;
                self.take_up();
            }
            if !state.inbox.is_empty() && !state.is_choked() {
                continue;
            }
            if let Turn::Done = turn {
                return;
            }
            state = self.link.wait(state, turn);
        }
    }

    fn handle(self: &Arc<Self>, event: Event, peer: &mut Option<Peer>) {
        match (event, peer) {
            (Event::Hello(hello), peer) => *peer = self.welcome(*hello),
            (Event::Message(message), Some(peer)) => self.message(peer, message),
            (Event::Request { call, deadline, request }, Some(peer)) => {
                self.request(peer, call, deadline, request);
            }
            // Before its hello a peer can do nothing; of the rest the link has taken note.
            _ => {}
        }
    }

    fn welcome(&self, hello: PeerHello) -> Option<Peer> {
        let mut verdict = self.services.authorize(&hello, self.credentials.as_ref());
        // Taken before the lock is, so that it is dropped behind it: that is code of the user's.
        let kept = verdict.as_mut().ok().and_then(Welcome::take_state);
        let mut state = self.link.lock();
        let now = self.link.now();
        let connection = state.pump.connection();
        let failure = match verdict {
            Ok(welcome) => match connection.accept(now, &welcome) {
                Ok(()) => {
                    return Some(Peer::new(PeerFacts {
                        id: self.id,
                        credentials: self.credentials,
                        hello,
                        state: kept,
                    }));
                }
                Err(Rejected::TooLarge) => {
                    Failure::new(Status::INTERNAL, "the server's welcome is larger than 16 KiB")
                }
                // The client has gone meanwhile.
                Err(_) => return None,
            },
            Err(failure) => failure,
        };
        // A client that has gone needs no refusal.
        let _ = connection.refuse(now, failure, None);
        None
    }

    fn request(
        self: &Arc<Self>,
        peer: &Peer,
        call: CallId,
        deadline: Option<Instant>,
        request: Received,
    ) {
        let Some(handler) = self.services.handler(request.channel()) else {
            let answer = Err(no_handler(request.channel()));
            return self.link.lock().respond(self.link.now(), call, answer);
        };
        let context = Context {
            peer: peer.clone(),
            link: Arc::clone(&self.link),
            channel: Arc::clone(&handler.channel),
            headers: request.headers(),
            call: Some((call, deadline)),
            inline: handler.inline,
        };
        let inline = handler.inline;
        let work = Work { handler, context, call, args: request.into_payload() };
        if inline { self.work(work) } else { self.work_later(work) }
    }

    fn work_later(self: &Arc<Self>, work: Work) {
        let this = Arc::clone(self);
        let job = move || {
            if let Some(work) = this.put_off(work) {
                this.work(work);
                this.link.nudge(&mut this.link.lock());
            }
        };
        self.pool.run(self.id.number(), Box::new(job));
    }

    /// Keeps the work for later while the peer does not read the answers that it has: so the answers of
    /// a connection take no more memory than those that are being made now.
    fn put_off(&self, work: Work) -> Option<Work> {
        let mut state = self.link.lock();
        if !state.is_choked() {
            return Some(work);
        }
        state.puts_off = true;
        self.later.lock().unwrap_or_else(PoisonError::into_inner).push(work);
        None
    }

    /// Goes on with what was put off.
    fn take_up(self: &Arc<Self>) {
        let later =
            core::mem::take(&mut *self.later.lock().unwrap_or_else(PoisonError::into_inner));
        for work in later {
            self.work_later(work);
        }
    }

    /// Runs the handler, unless its caller has stopped waiting, and answers.
    fn work(&self, work: Work) {
        let Work { handler, context, call, args } = work;
        let stopped = self.link.lock().stopped.contains(&call);
        let answer = if stopped {
            // The core answers why, whatever is said here.
            Ok(Payload::null())
        } else {
            handler.call(context, args, &self.limits)
        };
        self.link.lock().respond(self.link.now(), call, answer);
    }

    fn message(self: &Arc<Self>, peer: &Peer, message: Received) {
        if !self.services.listens(message.channel()) {
            return self.link.lock().taken(message.size());
        }
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.queue.push_back((peer.clone(), message));
        if !core::mem::replace(&mut messages.taken, true) {
            self.take_message_later();
        }
    }

    fn take_message_later(self: &Arc<Self>) {
        let this = Arc::clone(self);
        self.pool.run(self.id.number(), Box::new(move || this.take_message()));
    }

    /// A job of the pool: the listeners of one message, then others have their turn.
    fn take_message(self: &Arc<Self>) {
        let next = {
            let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
            let next = messages.queue.pop_front();
            messages.taken = next.is_some();
            next
        };
        let Some((peer, message)) = next else { return };
        let size = message.size();
        self.listen(&peer, message);
        {
            let mut state = self.link.lock();
            state.taken(size);
            self.link.nudge(&mut state);
        }
        self.take_message_later();
    }

    fn listen(&self, peer: &Peer, message: Received) {
        let channel: Arc<str> = message.channel().into();
        let headers = message.headers();
        let listeners: Vec<Listener> = self.services.listeners(&channel);
        let payload = message.into_payload();
        if payload.check(&self.limits).is_err() {
            return self.link.lock().pump.connection().strike(self.link.now());
        }
        for listener in listeners {
            let context = Context {
                peer: peer.clone(),
                link: Arc::clone(&self.link),
                channel: Arc::clone(&channel),
                headers: headers.clone(),
                call: None,
                inline: false,
            };
            listener.call(context, payload.clone(), &self.limits);
        }
    }
}
