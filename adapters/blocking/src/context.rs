//! `Context` and `Peer`: what a handler or listener knows of its call and of who is at the other end.
//! Called by handlers; knows the serving connection.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard::{CallId, ConnectionId, Headers, Instant, PeerHello};
use switchboard_endpoint::Credentials;

use crate::link::Link;

/// Who is at the other end of a connection.
#[derive(Clone)]
pub struct Peer(Arc<PeerFacts>);

pub(crate) struct PeerFacts {
    pub(crate) id: ConnectionId,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) hello: PeerHello,
    pub(crate) state: Option<Arc<dyn Any + Send + Sync>>,
}

impl Peer {
    pub(crate) fn new(facts: PeerFacts) -> Self {
        Self(Arc::new(facts))
    }

    /// The connection's number, given by this server and unique for the life of its process.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.0.id
    }

    /// Who the kernel says it is; `None` on systems that do not tell.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.0.credentials.as_ref()
    }

    /// What it said of itself. None of it is proved.
    #[must_use]
    pub fn hello(&self) -> &PeerHello {
        &self.0.hello
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("id", &self.0.id)
            .field("credentials", &self.0.credentials)
            .finish_non_exhaustive()
    }
}

/// What a handler or listener knows beside its arguments.
pub struct Context {
    pub(crate) peer: Peer,
    pub(crate) link: Arc<Link>,
    pub(crate) channel: Arc<str>,
    pub(crate) headers: Headers,
    /// The call, and when its caller stops waiting; a message has none.
    pub(crate) call: Option<(CallId, Option<Instant>)>,
    /// It runs on the connection's own thread, so that nobody reads meanwhile.
    pub(crate) inline: bool,
}

impl Context {
    /// Who called or sent.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What `authorize` kept for this connection with `Welcome::state`, if it is an `S`.
    #[must_use]
    pub fn state<S: Any>(&self) -> Option<&S> {
        self.peer.0.state.as_ref()?.downcast_ref()
    }

    /// The channel that was called or sent to.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The headers of the call or message.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// How long the caller still waits; `None` if it waits for ever, and for messages.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let (_, deadline) = self.call?;
        Some(deadline? - self.link.now())
    }

    /// Whether nobody waits for the answer any more: the caller has cancelled, its deadline has passed,
    /// or the connection has ended. A long handler asks now and then, and stops; whatever it
    /// returns then, nobody gets it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let mut state = self.link.lock();
        if self.inline {
            self.link.glance(&mut state);
        }
        let stopped = self.call.is_some_and(|(call, _)| state.stopped.contains(&call));
        stopped || state.closed.is_some()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("peer", &self.peer)
            .field("channel", &self.channel)
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
