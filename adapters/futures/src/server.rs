//! `Server`: accepts clients and serves each in a task of its own. Called by programs; what its tasks do
//! stands in `host`.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use switchboard::service::{RegisterError, Registration, STATUS};
use switchboard::{
    CallError, ConnectionId, EncodeError, Failure, FromPayload, Options, Restart, ToPayload,
};
use switchboard_endpoint::{Address, Listener, Stop, Stream, may_ask_status};

use crate::context::Context;
use crate::guard::Guard;
use crate::host::Host;
use crate::peer::Peer;
use crate::runtime::Runtime;
use crate::scope::Scope;
use crate::server_builder::ServerBuilder;

/// What became of what was sent to each peer, in the order in which they came.
pub type Outcomes<R> = Vec<(Peer, Result<R, CallError>)>;

/// A server. A clone is the same one. Dropping the last clone ends it at once; to let open calls end
/// and clients know, [`close`](Self::close) it. A handler that keeps a clone of its own server keeps it
/// alive, until that is closed.
///
/// ```
/// use std::time::Duration;
///
/// use switchboard::{Options, Restart};
/// use switchboard_smol::{Client, Context, Server};
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// let server = Server::builder()
///     .handle("add", |_: Context, (a, b): (u64, u64)| async move { Ok(a + b) })
///     .bind(address)
///     .await?;
///
/// let client = Client::connect(address).await?;
/// let mut news = client.subscribe::<String>("news.>").await?;
/// assert_eq!(server.publish("news.today", "open", &Options::new())?, 1);
/// assert_eq!(news.next().await.ok_or("no news")??.value, "open");
///
/// // It says goodbye, lets open calls end, and asks its clients to come back in a second.
/// server.close(Restart::after(Duration::from_secs(1))).await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Server<R> {
    handle: Arc<Handle>,
    runtime: PhantomData<fn() -> R>,
}

/// What the last clone drops.
struct Handle {
    host: Arc<Host>,
    address: Option<Address>,
}

impl<R: Runtime> Server<R> {
    /// Says what a server serves, then binds it.
    #[must_use]
    pub fn builder() -> ServerBuilder<R> {
        ServerBuilder::default()
    }

    /// Runs a host, and tells of it on [`STATUS`], where the program does not do that itself.
    pub(crate) fn start(host: Host, listener: Option<Listener>) -> io::Result<Self> {
        let host = Arc::new(host);
        let told = Arc::downgrade(&host);
        let _ = host.services.handle(STATUS, move |cx: Context, ()| {
            let status = may_ask_status(cx.peer().credentials())
                .map(|()| told.upgrade().map(|host| host.status()));
            async move { status }
        });
        let address = listener.as_ref().map(|listener| listener.address().clone());
        if let Some(listener) = listener {
            host.listen::<R>(R::acceptor(listener)?);
        }
        host.start::<R>();
        Ok(Self { handle: Arc::new(Handle { host, address }), runtime: PhantomData })
    }

    /// The address that it is bound to, if it is: what clients connect to. Of `tcp:127.0.0.1:0` it tells
    /// the port that the system chose.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.handle.address.as_ref()
    }

    /// Serves over a stream that is connected already: to a child process, or within this one. See
    /// [`ClientBuilder::attach`](crate::ClientBuilder::attach). It does not count for the
    /// [limits](ServerBuilder::limits).
    ///
    /// # Errors
    ///
    /// What the operating system says, as a rule that there are no descriptors left.
    pub fn attach(&self, stream: Stream) -> io::Result<ConnectionId> {
        self.host().attach::<R>(stream)
    }

    /// Calls on `channel` go to this handler from now on, until the guard is dropped; see
    /// [`ServerBuilder::handle`].
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the channel has a handler already, or its name is none.
    pub fn handle<A, B, F, Fut>(&self, channel: &str, handler: F) -> Result<Guard, RegisterError>
    where
        A: FromPayload,
        B: ToPayload,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<B, Failure>> + Send + 'static,
    {
        Ok(self.guard(self.host().services.handle(channel, handler)?))
    }

    /// Messages on `channel` go to this listener, too, until the guard is dropped; see
    /// [`ServerBuilder::on`].
    ///
    /// # Errors
    ///
    /// [`RegisterError::BadChannel`].
    pub fn on<M, F, Fut>(&self, channel: &str, listener: F) -> Result<Guard, RegisterError>
    where
        M: FromPayload,
        F: Fn(Context, M) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Ok(self.guard(self.host().services.listen(channel, false, listener)?))
    }

    /// As [`on`](Self::on), for the next message only, whoever sends it.
    ///
    /// # Errors
    ///
    /// [`RegisterError::BadChannel`].
    pub fn once<M, F, Fut>(&self, channel: &str, listener: F) -> Result<Guard, RegisterError>
    where
        M: FromPayload,
        F: Fn(Context, M) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Ok(self.guard(self.host().services.listen(channel, true, listener)?))
    }

    fn host(&self) -> &Arc<Host> {
        &self.handle.host
    }

    fn guard(&self, registration: Registration) -> Guard {
        Guard::new(Arc::downgrade(&self.host().services), registration)
    }

    /// Who is connected and let in, in the order in which they came.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.host().peers()
    }

    /// The clients that live in this scope, which `authorize` has let in with it. "" is that of the others.
    #[must_use]
    pub fn scope(&self, name: &str) -> Scope {
        Scope::new(self.host(), name)
    }

    /// [`Scope::publish`] for the clients without a scope.
    ///
    /// # Errors
    ///
    /// Those of [`Scope::publish`].
    pub fn publish(
        &self,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<u64, CallError> {
        self.scope("").publish(topic, value, options)
    }

    /// [`Scope::broadcast`] for the clients without a scope.
    ///
    /// # Errors
    ///
    /// Those of [`Scope::broadcast`].
    pub fn broadcast(
        &self,
        channel: &str,
        message: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<Outcomes<()>, EncodeError> {
        self.scope("").broadcast(channel, message, options)
    }

    /// [`Scope::survey`] for the clients without a scope.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the calls that are not answered.
    ///
    /// # Errors
    ///
    /// Those of [`Scope::survey`].
    pub fn survey<A: FromPayload + Send>(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> impl Future<Output = Result<Outcomes<A>, EncodeError>> + Send {
        let (scope, args) = (self.scope(""), args.to_payload());
        async move { scope.survey(channel, &args?, options).await }
    }

    /// Asks [`ServerBuilder::check`] again for every subscription that is live, because a permission was
    /// taken back, and ends those that it refuses now, with what is queued for them.
    pub fn check_again(&self) {
        self.host().check_again();
    }

    /// Closes the server: no more clients, a goodbye to each connection, open calls go on for at most
    /// [`Config::drain`](switchboard::Config::drain), and so do listeners with the messages that have come.
    /// Waits until all have ended, and the socket file is gone. In a handler it would wait for itself, until
    /// `drain` has passed; in a listener it waits for no listener. Closing twice does nothing more.
    ///
    /// # Cancel safety
    ///
    /// Once it was polled, dropping the future does not stop it.
    pub async fn close(&self, how: Restart) {
        self.host().stop(&Stop::Close(how));
        self.closed().await;
    }

    /// Waits until the server has ended. One on `stdio` ends by itself when its
    /// client has gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn closed(&self) {
        self.host().stopped().await;
    }
}

impl<R> Clone for Server<R> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle), runtime: PhantomData }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.host.stop(&Stop::Abort);
    }
}

impl<R> fmt::Debug for Server<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.handle.address).finish_non_exhaustive()
    }
}
