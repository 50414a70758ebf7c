//! `Context`: what a handler or listener knows of its call. Called by handlers; knows the peer.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::AbortHandle;
use switchboard::{CallError, CallId, FromPayload, Headers, Instant, Rejected};

use crate::items::{ItemSender, Items, Open};
use crate::peer::Peer;

/// What a handler or listener knows beside its arguments.
///
/// ```
/// use switchboard::Failure;
/// use switchboard_smol::{Client, Context, Server};
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// /// Greets whoever calls, by the name that it gives when it is asked back.
/// async fn greet(cx: Context, greeting: String) -> Result<String, Failure> {
///     let name: String = cx.peer().request("name", &()).await?;
///     Ok(format!("{greeting}, {name}; you wait {:?} at most", cx.time_left()))
/// }
///
/// let server = Server::builder().handle("greet", greet).bind(address).await?;
/// let client = Client::builder()
///     .handle("name", |_: Context, ()| async { Ok("Ada") })
///     .connect(address)
///     .await?;
/// let answer: String = client.request("greet", "Hello").await?;
/// assert!(answer.starts_with("Hello, Ada; you wait Some("));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Context {
    pub(crate) peer: Peer,
    pub(crate) channel: Arc<str>,
    pub(crate) headers: Headers,
    /// The call, and when its caller stops waiting; a message has none.
    pub(crate) call: Option<(CallId, Option<Instant>)>,
    /// Whether the handler was stopped.
    pub(crate) stop: Option<AbortHandle>,
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
    #[must_use]
    pub fn items<T: FromPayload>(&self) -> Items<T> {
        Items::new(self.open())
    }

    /// Sends items to the caller, if it asked for them.
    ///
    /// # Errors
    ///
    /// [`CallError::Disconnected`] if the connection has ended, [`CallError::Rejected`] with `NoStream` for
    /// a message.
    pub fn sender(&self) -> Result<ItemSender, CallError> {
        let open = self.open()?.ok_or(CallError::Rejected(Rejected::NoStream))?;
        Ok(ItemSender::new(open))
    }

    /// The call; a message has none.
    fn open(&self) -> Result<Option<Open>, CallError> {
        match (&self.call, &self.stop) {
            (Some((call, _)), Some(stop)) => {
                Ok(Some(Open { link: self.peer.link()?, call: *call, stop: stop.clone() }))
            }
            _ => Ok(None),
        }
    }

    /// Whether nobody waits for the answer any more: the caller has cancelled, its deadline has passed,
    /// or the connection has ended. A handler's future is dropped then; this is for what it has started
    /// elsewhere.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.stop.as_ref().is_some_and(AbortHandle::is_aborted) || self.peer.closed().is_some()
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
