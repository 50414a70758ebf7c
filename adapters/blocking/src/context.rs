//! `Context`: what a handler or listener knows of its call. Called by handlers; knows the peer.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard::{CallError, CallId, FromPayload, Headers, Instant, Rejected};

use crate::items::{ItemSender, Items};
use crate::peer::Peer;

/// What a handler or listener knows beside its arguments.
pub struct Context {
    pub(crate) peer: Peer,
    pub(crate) channel: Arc<str>,
    pub(crate) headers: Headers,
    /// The call, and when its caller stops waiting; a message has none.
    pub(crate) call: Option<(CallId, Option<Instant>)>,
    /// It runs on the connection's own thread, so that nobody reads meanwhile.
    pub(crate) inline: bool,
}

impl Context {
    /// Who called or sent; it can be called back.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What `authorize` kept for this connection with `Welcome::state`, if it is an `S`.
    #[must_use]
    pub fn state<S: Any>(&self) -> Option<&S> {
        self.peer.state()
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

    /// How long the caller still waits, if it does not give up before; whether it has, tells
    /// [`is_cancelled`](Self::is_cancelled). `None` if it waits for ever, for messages, and when the
    /// connection is gone.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let (_, deadline) = self.call?;
        Some(deadline? - self.peer.link().ok()?.now())
    }

    /// The items that the caller sends. Of a call without any, and of a message, it is empty at once.
    ///
    /// ```
    /// # use switchboard_blocking::{Context, Server};
    /// # let builder = Server::builder();
    /// builder.handle("sum", |cx: Context, ()| {
    ///     let mut sum = 0;
    ///     for number in cx.items::<u64>() {
    ///         sum += number?;
    ///     }
    ///     Ok(sum)
    /// })
    /// # ;
    /// ```
    #[must_use]
    pub fn items<T: FromPayload>(&self) -> Items<T> {
        let open = self.call.and_then(|(call, _)| Some((self.peer.link().ok()?, call)));
        Items::new(open)
    }

    /// Sends items to the caller, if it asked for them.
    ///
    /// # Errors
    ///
    /// [`CallError::Disconnected`] if the connection has ended, [`CallError::Rejected`] with `NoStream` for
    /// a message.
    pub fn sender(&self) -> Result<ItemSender, CallError> {
        let (call, _) = self.call.ok_or(CallError::Rejected(Rejected::NoStream))?;
        Ok(ItemSender::new(self.peer.link()?, call))
    }

    /// Whether nobody waits for the answer any more: the caller has cancelled, its deadline has passed,
    /// or the connection has ended. A long handler asks now and then, and stops; whatever it
    /// returns then, nobody gets it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let Ok(link) = self.peer.link() else { return true };
        let mut state = link.enter();
        if self.inline {
            link.glance(&mut state);
        }
        match self.call {
            Some((call, _)) => state.inbox.is_stopped(call),
            None => state.inbox.closed().is_some(),
        }
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
