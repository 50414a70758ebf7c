//! `Peer`: who is at the other end of a connection, and what can be asked of it. Called by handlers
//! and by programs with a server; knows the link.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use switchboard::{
    CallError, CloseReason, ConnectionId, Counters, Fate, FromPayload, Options, PeerHello,
    ToPayload,
};
use switchboard_endpoint::Credentials;

use crate::call::Call;
use crate::exchange::Exchange;
use crate::link::Link;

/// Who is at the other end of a connection: to a server's handlers the client, to a client's handlers
/// the server. A clone is cheap and is the same one.
///
/// It may be kept for as long as one likes: it holds no descriptor, and when the connection has ended
/// everything that is asked of it says so. Its futures may be dropped at any time, as those of a
/// [`Client`](crate::Client).
///
/// ```
/// use switchboard_smol::{Client, Context, Server};
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// let server = Server::builder().bind(address).await?;
/// let _client = Client::builder()
///     .handle("name", |_: Context, ()| async { Ok("Ada") })
///     .connect(address)
///     .await?;
///
/// for peer in server.peers() {
///     let name: String = peer.request("name", &()).await?;
///     assert_eq!(format!("{} is {name}", peer.id()), "#1 is Ada");
///     peer.close("that was all");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Peer {
    facts: Arc<PeerFacts>,
    /// None, as a rule: every call that is served has a peer.
    options: Option<Arc<Options>>,
}

/// Those of a peer that was given none.
static PLAIN: Options = Options::new();

/// What does not change.
pub(crate) struct PeerFacts {
    pub(crate) link: Weak<Link>,
    pub(crate) id: ConnectionId,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) hello: Option<PeerHello>,
    pub(crate) state: Option<Arc<dyn Any + Send + Sync>>,
    /// Why the connection ended, once it has.
    pub(crate) closed: Arc<OnceLock<Box<CloseReason>>>,
}

impl Drop for PeerFacts {
    /// Whichever task comes last drops what the program kept: its panic is not that task's.
    fn drop(&mut self) {
        let state = self.state.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(state)));
    }
}

impl Peer {
    pub(crate) fn new(facts: &Arc<PeerFacts>) -> Self {
        Self { facts: Arc::clone(facts), options: None }
    }

    fn options(&self) -> &Options {
        self.options.as_deref().unwrap_or(&PLAIN)
    }

    /// The connection's number, given by its server and unique for the life of that process.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.facts.id
    }

    /// Who the kernel says it is; `None` where it does not tell, such as over TCP.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.facts.credentials.as_ref()
    }

    /// What a client said of itself; `None` of a server. None of it is proved.
    #[must_use]
    pub fn hello(&self) -> Option<&PeerHello> {
        self.facts.hello.as_ref()
    }

    /// The scope that it lives in; "" if in none, and of a server.
    #[must_use]
    pub fn scope(&self) -> &str {
        self.facts.hello.as_ref().map_or("", |hello| &hello.settings.scope)
    }

    pub(crate) const fn facts(&self) -> &Arc<PeerFacts> {
        &self.facts
    }

    /// What `authorize` kept for this connection with `Welcome::state`, if it is an `S`.
    #[must_use]
    pub fn state<S: Any>(&self) -> Option<&S> {
        self.facts.state.as_ref()?.downcast_ref()
    }

    /// The same peer, with options for what is called and sent through this handle.
    #[must_use]
    pub fn with(&self, options: Options) -> Self {
        Self { facts: Arc::clone(&self.facts), options: Some(Arc::new(options)) }
    }

    /// Calls a channel of the peer's, from any task: also from a handler of this connection, while the peer
    /// waits for that.
    ///
    /// # Cancel safety
    ///
    /// Dropping the [`Call`] cancels the call, whether it was polled or not.
    ///
    /// # Errors
    ///
    /// As of [`Client::request`](crate::Client::request).
    pub fn request<R: FromPayload>(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
    ) -> Call<R> {
        Call::new(self.link(), channel, args.to_payload(), self.options())
    }

    /// Calls with streams of items, both ways.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, no call was made; the [`Exchange`] cancels it from then on.
    ///
    /// # Errors
    ///
    /// As of [`Client::open`](crate::Client::open).
    pub fn open(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
    ) -> impl Future<Output = Result<Exchange, CallError>> + Send {
        let args = args.to_payload();
        async move { self.link()?.open_exchange(channel, args?, self.options().clone()).await }
    }

    /// Sends a one-way message.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, nothing was sent.
    ///
    /// # Errors
    ///
    /// As of [`Client::send`](crate::Client::send).
    pub fn send(
        &self,
        channel: &str,
        message: &(impl ToPayload + ?Sized),
    ) -> impl Future<Output = Result<(), CallError>> + Send {
        let message = message.to_payload();
        async move { self.link()?.send(channel, message?, self.options()).await }
    }

    /// Asks for a sign of life; gives the time to the peer and back.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the time that it took, and nothing else.
    ///
    /// # Errors
    ///
    /// As of [`Client::ping`](crate::Client::ping).
    pub async fn ping(&self) -> Result<Duration, CallError> {
        self.link()?.ping(self.options()).await
    }

    /// Begins to close this connection gracefully, and returns at once: open calls go on for a while,
    /// new ones are refused.
    pub fn close(&self, message: &str) {
        if let Some(link) = self.facts.link.upgrade() {
            link.close(message, None);
        }
    }

    /// Ends this connection at once, without a word to the peer.
    pub fn abort(&self, message: &str) {
        if let Some(link) = self.facts.link.upgrade() {
            link.abort(message);
        }
    }

    /// Stops reading from this peer: whatever it sends, answers included, waits at the peer, whose
    /// sends block once the socket is full, and which gives up after its `write_stall` (10 s by
    /// default). A close still goes through.
    pub fn pause(&self) {
        if let Some(link) = self.facts.link.upgrade() {
            link.pause(true);
        }
    }

    /// Reads on after [`pause`](Self::pause).
    pub fn resume(&self) {
        if let Some(link) = self.facts.link.upgrade() {
            link.pause(false);
        }
    }

    /// What has passed over the connection, and what is open on it; `None` if it has ended.
    #[must_use]
    pub fn counters(&self) -> Option<Counters> {
        Some(self.facts.link.upgrade()?.lock().session.connection().counters())
    }

    /// Why the connection ended, once it has.
    #[must_use]
    pub fn closed(&self) -> Option<CloseReason> {
        self.facts.closed.get().map(|reason| (**reason).clone())
    }

    pub(crate) fn link(&self) -> Result<Arc<Link>, CallError> {
        self.facts.link.upgrade().ok_or_else(|| {
            let reason = self.closed().unwrap_or(CloseReason::Lost);
            CallError::Disconnected(reason, Fate::NeverSent)
        })
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("id", &self.facts.id)
            .field("credentials", &self.facts.credentials)
            .finish_non_exhaustive()
    }
}
