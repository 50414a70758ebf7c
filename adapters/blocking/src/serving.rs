//! One connection of a server: its thread, which reads and drives, and the order in which its
//! handlers and listeners run. Called by the server; knows links, services and the pool.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

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
use crate::state::State;

/// A connection that is served.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) link: Arc<Link>,
    pub(crate) id: ConnectionId,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) limits: PayloadLimits,
    pub(crate) services: Arc<Services>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) messages: Mutex<Messages>,
}

/// Messages that wait for their listeners, which take them one at a time, in order.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    queue: VecDeque<(Peer, Received)>,
    /// A job of the pool takes them.
    taken: bool,
}

impl Serving {
    /// Serves the connection until it has ended; the whole life of its thread.
    pub(crate) fn run(self: &Arc<Self>) {
        let mut peer = None;
        let mut state = self.link.lock();
        state.take_seat();
        loop {
            let turn = self.link.turn(&mut state);
            let inbox = core::mem::take(&mut state.inbox);
            if inbox.is_empty() {
                if let Turn::Done = turn {
                    return;
                }
                state = self.link.wait(state, turn);
                continue;
            }
            drop(state);
            for event in inbox {
                self.handle(event, &mut peer);
            }
            state = self.link.lock();
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
            Ok(welcome) => {
                // Too large a welcome is this server's fault; a client that has gone is nobody's.
                if connection.accept(now, &welcome).is_ok() {
                    return Some(Peer::new(PeerFacts {
                        id: self.id,
                        credentials: self.credentials,
                        hello,
                        state: kept,
                    }));
                }
                Failure::new(Status::INTERNAL, "the server's welcome is larger than 16 KiB")
            }
            Err(failure) => failure,
        };
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
            return self.respond(true, call, &Err(no_handler(request.channel())));
        };
        let context = Context {
            peer: peer.clone(),
            link: Arc::clone(&self.link),
            channel: Arc::clone(&handler.channel),
            headers: request.headers(),
            call: Some((call, deadline)),
            inline: handler.inline,
        };
        let args = request.into_payload();
        if handler.inline {
            let answer = handler.call(context, args, &self.limits);
            return self.respond(true, call, &answer);
        }
        let this = Arc::clone(self);
        let job = move || this.run_handler(&handler, context, call, args);
        self.pool.run(self.id.number(), Box::new(job));
    }

    /// A job of the pool.
    fn run_handler(&self, handler: &Handler, context: Context, call: CallId, args: Payload) {
        let answer = if context.is_cancelled() {
            // The core answers why, whatever is said here.
            Ok(Payload::null())
        } else {
            handler.call(context, args, &self.limits)
        };
        self.respond(false, call, &answer);
        self.link.nudge(&mut self.link.lock());
    }

    /// Answers, as soon as there is room for the answer.
    fn respond(&self, inline: bool, call: CallId, answer: &Result<Payload, Failure>) {
        let respond = |state: &mut State, now| {
            let answered = state.pump.connection().respond(now, call, answer.as_ref());
            // A connection that has ended meanwhile has told the caller.
            if answered == Err(Rejected::Full) {
                return None;
            }
            state.stopped.retain(|stopped| *stopped != call);
            Some(())
        };
        if !inline {
            return self.link.wait_for(None, None, respond);
        }
        // This thread holds the seat: nobody else makes room.
        let mut state = self.link.lock();
        while respond(&mut state, self.link.now()).is_none() {
            let turn = self.link.turn(&mut state);
            state = self.link.wait(state, turn);
        }
    }

    fn message(self: &Arc<Self>, peer: &Peer, message: Received) {
        if self.services.listeners(message.channel()).is_empty() {
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
        let mut all_took = true;
        for listener in listeners {
            let context = Context {
                peer: peer.clone(),
                link: Arc::clone(&self.link),
                channel: Arc::clone(&channel),
                headers: headers.clone(),
                call: None,
                inline: false,
            };
            all_took &= listener.call(context, payload.clone(), &self.limits);
        }
        if !all_took {
            self.link.lock().pump.connection().strike(self.link.now());
        }
    }
}
