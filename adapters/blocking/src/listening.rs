//! Messages and changes of the status, for the listeners of a connection, one at a time and in order.
//! Called by `serving`, of which it is a part; knows services, the pool and links.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use switchboard::{Received, SessionStatus};
use switchboard_endpoint::listen_for;

use crate::context::Context;
use crate::link::Link;
use crate::serving::{Serving, lock};

/// What waits for listeners, which take it one at a time, in order.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    queue: VecDeque<Told>,
    /// A job of the pool takes them.
    taken: bool,
}

/// What listeners are told.
#[derive(Debug)]
pub(crate) enum Told {
    Message(Received),
    Status(SessionStatus),
}

impl Serving {
    pub(crate) fn message(self: &Arc<Self>, link: &Arc<Link>, message: Received) {
        if !self.services.offers.listens(message.channel()) {
            return link.lock().taken(message.size());
        }
        self.tell(link, Told::Message(message));
    }

    pub(crate) fn tell(self: &Arc<Self>, link: &Arc<Link>, told: Told) {
        let mut messages = lock(&self.messages);
        messages.queue.push_back(told);
        let idle = !core::mem::replace(&mut messages.taken, true);
        drop(messages);
        if idle {
            self.take_message_later(link);
        }
    }

    fn take_message_later(self: &Arc<Self>, link: &Arc<Link>) {
        let (this, link) = (Arc::clone(self), Arc::clone(link));
        self.pool.run(self.turn, Box::new(move || this.take_message(&link)));
    }

    /// A job of the pool: the listeners of one message, then others have their turn.
    fn take_message(self: &Arc<Self>, link: &Arc<Link>) {
        let next = {
            let mut messages = lock(&self.messages);
            let next = messages.queue.pop_front();
            messages.taken = next.is_some();
            if !messages.taken {
                self.heard.notify_all();
            }
            next
        };
        let message = match next {
            Some(Told::Message(message)) => message,
            Some(Told::Status(status)) => {
                self.services.status(status);
                return self.take_message_later(link);
            }
            None => return,
        };
        {
            // Before and not behind: the listener may call its sender back, and wait for the answer.
            let mut state = link.enter();
            state.taken(message.size());
            link.nudge(&mut state);
        }
        let listen = || listen_for(&self.services, || self.listen(link, message));
        // What unwinds here is the destructor of something of the user's.
        let _ = catch_unwind(AssertUnwindSafe(listen));
        self.take_message_later(link);
    }

    /// Waits until all that has come was heard.
    pub(crate) fn wait_for_listeners(&self) {
        let heard = self.heard.wait_while(lock(&self.messages), |messages| messages.taken);
        drop(heard.unwrap_or_else(PoisonError::into_inner));
    }

    fn listen(&self, link: &Arc<Link>, message: Received) {
        let Some(peer) = self.peer() else { return };
        let channel: Arc<str> = message.channel().into();
        let headers = message.headers();
        let listeners = self.services.offers.listeners(&channel);
        let payload = message.into_payload();
        if payload.check(&self.limits).is_err() {
            let mut state = link.enter();
            let now = state.now;
            state.session.connection().strike(now);
            return link.nudge(&mut state);
        }
        for listening in listeners {
            if !self.services.offers.takes(&listening) {
                continue;
            }
            let context = Context {
                peer: peer.clone(),
                channel: Arc::clone(&channel),
                headers: headers.clone(),
                call: None,
                inline: false,
            };
            listening.listener.call(context, payload.clone(), &self.limits);
        }
    }
}
