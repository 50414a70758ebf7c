//! `ServerBuilder`: what a server serves, and how. Called by programs; knows endpoints and services.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use switchboard::service::{RegisterError, Registration};
use switchboard::{
    Asked, BrokerLimits, Config, Failure, FromPayload, PeerHello, ToPayload, Welcome,
};
use switchboard_endpoint::{AdmissionLimits, Credentials, Listener, OpenError, ServerSettings};

use crate::context::Context;
use crate::host::Host;
use crate::peer::Peer;
use crate::runtime::Runtime;
use crate::server::Server;
use crate::services::Services;
use crate::serving::HANDLERS;

/// What a server serves, and how.
///
/// ```
/// use switchboard::{Asked, Failure, PeerHello, Status, Welcome};
/// use switchboard_smol::{Client, Context, Credentials, Peer, Server};
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// /// What is known of each connection.
/// struct User(u32);
///
/// let server = Server::builder()
///     .authorize(|_hello: PeerHello, credentials: Option<Credentials>| async move {
///         let who = credentials.ok_or_else(|| Failure::new(Status::UNAUTHENTICATED, "who?"))?;
///         Ok(Welcome::new().state(User(who.uid)))
///     })
///     .check(|_: &Peer, asked: Asked<'_>| match asked {
///         Asked::Publish(_) => Err(Failure::new(Status::PERMISSION_DENIED, "only the server does")),
///         _ => Ok(()),
///     })
///     .handle("who-am-i", |cx: Context, ()| async move {
///         Ok(cx.state::<User>().map(|user| user.0))
///     })
///     .on("log", |cx: Context, line: String| async move { println!("{}: {line}", cx.peer().id()) })
///     .bind(address)
///     .await?;
///
/// let client = Client::connect(address).await?;
/// let uid: Option<u32> = client.request("who-am-i", &()).await?;
/// assert!(uid.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct ServerBuilder<R> {
    services: Services,
    settings: ServerSettings,
    handlers: usize,
    runtime: PhantomData<fn() -> R>,
}

impl<R> Default for ServerBuilder<R> {
    fn default() -> Self {
        Self {
            services: Services::default(),
            settings: ServerSettings::default(),
            handlers: HANDLERS,
            runtime: PhantomData,
        }
    }
}

impl<R: Runtime> ServerBuilder<R> {
    /// The limits of each connection.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.settings.config = config;
        self
    }

    /// How many connections the server takes, in all and of one user, let in and not yet. Whoever finds
    /// no room is refused with RESOURCE_EXHAUSTED, and asked to come back in a second. Each connection
    /// costs a descriptor and a task.
    #[must_use]
    pub const fn limits(mut self, limits: AdmissionLimits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How much the clients of one user may have at the server's topics, over all their connections.
    #[must_use]
    pub const fn broker_limits(mut self, limits: BrokerLimits) -> Self {
        self.settings.broker = limits;
        self
    }

    /// The central check: asked before each call, message, publication and subscription of any client, in
    /// the connection's own task, so that it must not wait. What it refuses is answered with its failure,
    /// or dropped where nobody waits for an answer. To ask again for subscriptions that are live, because a
    /// permission was taken back, [`Server::check_again`].
    ///
    /// Without it every client may ask for everything.
    #[must_use]
    pub fn check(
        mut self,
        check: impl Fn(&Peer, Asked<'_>) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Self {
        self.services.check_with(check);
        self
    }

    /// The mode of the socket file, from 0o600, the default, to 0o666: who else may connect. Whether they
    /// come in is for [`authorize`](Self::authorize) to say.
    #[must_use]
    pub fn socket_mode(mut self, mode: u32) -> Self {
        self.settings.bind = self.settings.bind.mode(mode);
        self
    }

    /// The group of the socket file, by name or number; the mode says what it may do.
    #[must_use]
    pub fn socket_group(mut self, group: &str) -> Self {
        self.settings.bind = self.settings.bind.group(group);
        self
    }

    /// Most handlers of each connection that run at once; further calls wait. At least 1; default 256, so
    /// that one client cannot have the work of all its calls (1,024 by default) in memory at once.
    #[must_use]
    pub const fn handlers(mut self, most: usize) -> Self {
        self.handlers = most;
        self
    }

    /// Decides who may come in, by what the client says and by who the kernel says it is. It runs in the
    /// connection's own task and may take its time, up to
    /// [`Config::handshake_timeout`]; until it has accepted, nothing of the client reaches a handler.
    ///
    /// Without it the user that runs the server and root may come in, and nobody else.
    #[must_use]
    pub fn authorize<F, Fut>(mut self, authorize: F) -> Self
    where
        F: Fn(PeerHello, Option<Credentials>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Welcome, Failure>> + Send + 'static,
    {
        self.services.authorize_with(authorize);
        self
    }

    /// Calls on `channel` go to this handler. Its futures run in the task of their connection, many at once,
    /// and each is dropped when its caller gives the call up. Calls have no order, neither among themselves
    /// nor with messages. What takes the processor for long holds up its connection, and belongs on a thread.
    #[must_use]
    pub fn handle<A, B, F, Fut>(self, channel: &str, handler: F) -> Self
    where
        A: FromPayload,
        B: ToPayload,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<B, Failure>> + Send + 'static,
    {
        let registered = self.services.handle(channel, handler);
        self.registered(channel, registered)
    }

    /// Messages on `channel` go to this listener, too. The messages of a connection are taken one at
    /// a time, in the order in which they were sent; where there are several listeners, in the order
    /// in which they were registered. With calls they have no order: a later call may run before an
    /// earlier message's listeners. A message that is no `M` is dropped.
    ///
    /// While more than [`Config::max_untaken`] bytes of messages wait for their listeners, nothing of that
    /// connection is read: a listener that calls its sender back then waits for an answer that stands
    /// behind them, until its deadline. Whoever has to be asked back calls, and does not send.
    #[must_use]
    pub fn on<M, F, Fut>(self, channel: &str, listener: F) -> Self
    where
        M: FromPayload,
        F: Fn(Context, M) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let registered = self.services.listen(channel, false, listener);
        self.registered(channel, registered)
    }

    fn registered(
        mut self,
        channel: &str,
        registered: Result<Registration, RegisterError>,
    ) -> Self {
        self.settings.registered(channel, registered);
        self
    }

    /// Binds the address and serves, in tasks of its own, until the server is closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// It is ready when it is polled first; never polled, nothing was bound.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`] for a limit or registration that makes no sense, and for an address such as
    /// `tcp:` without `authorize`; else as of
    /// [`BindOptions::bind`](switchboard_endpoint::BindOptions::bind).
    pub async fn bind(self, address: &str) -> Result<Server<R>, OpenError> {
        let builder = self.checked()?;
        let listener = builder.settings.listen(address, builder.services.authorizes())?;
        builder.run(Some(listener))
    }

    /// Serves without an address: those only that are given to [`Server::attach`].
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`] for a limit or registration that makes no sense, [`OpenError::Io`] if
    /// there is no descriptor left.
    pub fn start(self) -> Result<Server<R>, OpenError> {
        self.checked()?.run(None)
    }

    fn checked(mut self) -> Result<Self, OpenError> {
        self.settings.check(("handlers", self.handlers))?;
        R::check().map_err(OpenError::BadConfig)?;
        Ok(self)
    }

    fn run(self, listener: Option<Listener>) -> Result<Server<R>, OpenError> {
        let host = Host::new(self.services, self.settings, self.handlers);
        Ok(Server::start(host, listener)?)
    }
}

impl<R> fmt::Debug for ServerBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
