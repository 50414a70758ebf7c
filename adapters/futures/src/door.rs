//! `Door`: what a connection of a server does besides serving: it lets its client in, and goes to the topics.
//! Called by what a connection serves; knows the host.

use std::sync::Arc;

use switchboard::{ConnectionId, Event, Failure, PeerHello, Welcome};
use switchboard_endpoint::{Credentials, answer_hello};

use crate::host::Host;
use crate::link::Link;
use crate::peer::PeerFacts;
use crate::services::Work;
use crate::serving::Gate;

pub(crate) struct Door {
    pub(crate) host: Arc<Host>,
    pub(crate) id: ConnectionId,
    pub(crate) credentials: Option<Credentials>,
    /// It is on the books of the admission.
    pub(crate) counts: bool,
}

impl Gate for Door {
    fn welcome(&self, link: &Arc<Link>, hello: PeerHello) -> Work<Option<PeerFacts>> {
        let (host, link) = (Arc::clone(&self.host), Arc::clone(link));
        let (id, credentials, counts) = (self.id, self.credentials, self.counts);
        Box::pin(async move {
            let mut verdict = host.services.authorize(&hello, credentials).await;
            // Taken before the lock is, so that it is dropped behind it: that is code of the user's.
            let kept = verdict.as_mut().ok().and_then(Welcome::take_state);
            if verdict.is_ok() && counts && !host.admits(id) {
                // It was refused meanwhile.
                return None;
            }
            let mut state = link.enter_as_driver();
            let (now, closed) = (state.now, Arc::clone(&state.closed));
            let is_in = answer_hello(state.session.connection(), now, verdict);
            drop(state);
            if !is_in {
                return None;
            }
            let uid = credentials.map(|who| who.uid);
            host.topics.join(id, uid, &hello.settings.scope, &link);
            let (link, hello, state) = (Arc::downgrade(&link), Some(hello), kept);
            Some(PeerFacts { link, id, credentials, hello, state, closed })
        })
    }

    fn topics(&self, event: Event, refused: Option<Failure>) {
        self.host.topics.with(|broker| match refused {
            Some(failure) => broker.refuse(self.id, event, failure),
            // Of what the broker does not take the link has taken note.
            None => drop(broker.handle(self.id, event)),
        });
    }

    fn flush(&self, all: bool) {
        if all || self.host.topics.is_full() {
            self.host.topics.flush();
        }
    }
}
