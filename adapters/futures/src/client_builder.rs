//! `ClientBuilder`: how a client connects, and what it serves. Called by programs; knows endpoints, the
//! core, and what a client consists of.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::FutureExt;
use switchboard::service::{RegisterError, Registration};
use switchboard::{Backoff, Config, Failure, FromPayload, SessionStatus, ToPayload};
use switchboard_endpoint::{Address, ClientSettings, Credentials, OpenError, Stream, Unopened};

use crate::client::{Client, Shared};
use crate::context::Context;
use crate::driver::{Dial, Driver};
use crate::link::Link;
use crate::runtime::Runtime;
use crate::services::Services;
use crate::serving::{HANDLERS, Serving};
use crate::state::Opened;

/// How a client connects.
pub struct ClientBuilder<R> {
    settings: ClientSettings,
    services: Services,
    handlers: usize,
    runtime: PhantomData<fn() -> R>,
}

impl<R> Default for ClientBuilder<R> {
    fn default() -> Self {
        Self {
            settings: ClientSettings::default(),
            services: Services::default(),
            handlers: HANDLERS,
            runtime: PhantomData,
        }
    }
}

impl<R> fmt::Debug for ClientBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<R: Runtime> ClientBuilder<R> {
    /// The scope to live in: at most 255 bytes. Channels and topics of others do not exist in it.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.settings.scope(scope);
        self
    }

    /// What the server wants to know of this client, such as a token; null by default.
    #[must_use]
    pub fn hello(mut self, payload: &(impl ToPayload + ?Sized)) -> Self {
        self.settings.hello(payload);
        self
    }

    /// The limits of the connection.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.settings.config(config);
        self
    }

    /// Decides by what the kernel says of the server whether it is the right one, before anything is sent
    /// to it; `None` where it does not tell, such as over TCP.
    ///
    /// Without it the server must run as the same user or as root, so that a hello with a secret does
    /// not go to a stranger who was first at the address. Over TCP nothing tells that: there the hello,
    /// and a secret in it, goes to whoever holds the port, unless this refuses `None`.
    #[must_use]
    pub fn verify_server(
        mut self,
        verify: impl Fn(Option<&Credentials>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.verify_server(Box::new(verify));
        self
    }

    /// Most handlers of the connection that run at once; further calls wait. At least 1; default 256, so
    /// that a server cannot have the work of all its calls (1,024 by default) in memory at once.
    #[must_use]
    pub const fn handlers(mut self, most: usize) -> Self {
        self.handlers = most;
        self
    }

    /// As [`Client::handle`], for the life of the connection and from its first moment.
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

    /// As [`Client::on`], for the life of the connection and from its first moment.
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

    /// The connection comes back when it is lost, as this says: see `docs/reconnect.md`. Subscriptions are
    /// restored, what is sent meanwhile waits or fails, and calls made with
    /// [`Options::idempotent`](switchboard::Options::idempotent) are sent again.
    ///
    /// [`connect`](Self::connect) then also waits for a server that does not run yet. Default: it does not
    /// come back.
    #[must_use]
    pub fn reconnect(mut self, backoff: Backoff) -> Self {
        self.settings.reconnect(backoff);
        self
    }

    /// Is told each change of the status of a connection that [comes back](Self::reconnect), in their
    /// order, in the driver's task, and before there is one in that which connects: it must not wait.
    #[must_use]
    pub fn on_status(mut self, listener: impl Fn(SessionStatus) + Send + Sync + 'static) -> Self {
        self.services.tell_status(listener);
        self
    }

    /// Connects, shakes hands, and waits until the server has accepted or refused; at most
    /// [`Config::handshake_timeout`]. With [`reconnect`](Self::reconnect) it waits until a server has
    /// accepted, or the attempts are used up, or no further one would help.
    ///
    /// The connection's [`Driver`] is spawned.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up: the connection ends, and its server learns of it.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: what a program can match on.
    pub async fn connect(self, address: &str) -> Result<Client<R>, OpenError> {
        let (client, driver) = self.connect_with_driver(address).await?;
        R::spawn(driver.map(drop));
        Ok(client)
    }

    /// The same, and gives the connection's driver to the caller, who runs it: with a priority of its own,
    /// or on another executor than the runtime's.
    ///
    /// # Cancel safety
    ///
    /// As of [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn connect_with_driver(
        self,
        address: &str,
    ) -> Result<(Client<R>, Driver), OpenError> {
        let mut builder = self.checked()?;
        let address: Address = address.parse()?;
        let dials = builder.settings.dials(address);
        let dial = move |known| {
            let (stream, server) = dials(known)?;
            Ok((R::transport(stream)?, server))
        };
        if builder.settings.comes_back() {
            return builder.open(Err(Box::new(dial))).await;
        }
        let opened = dial(false).map_err(|Unopened { error, .. }| error)?;
        builder.open(Ok(opened)).await
    }

    /// As [`connect`](Self::connect), over a stream that is connected already: to a child process, or within
    /// this one.
    ///
    /// # Cancel safety
    ///
    /// As of [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub async fn attach(self, stream: Stream) -> Result<Client<R>, OpenError> {
        let builder = self.checked()?;
        let (stream, server) = builder.settings.attach(stream)?;
        let opened = (R::transport(stream)?, server);
        let (client, driver) = builder.open(Ok(opened)).await?;
        R::spawn(driver.map(drop));
        Ok(client)
    }

    fn checked(mut self) -> Result<Self, OpenError> {
        self.settings.check(("handlers", self.handlers))?;
        R::check().map_err(OpenError::BadConfig)?;
        Ok(self)
    }

    async fn open(self, opened: Result<Opened, Dial>) -> Result<(Client<R>, Driver), OpenError> {
        let mut session = self.settings.session()?;
        let limits = session.connection().config().payload;
        let serves = self.settings.serves() || self.settings.comes_back();
        let services = Arc::new(self.services);
        let serving = Serving::new(Arc::clone(&services), None, limits, self.handlers);
        let link = Link::new(R::timer(), session, serves);
        let dial = match opened {
            Ok(opened) => {
                link.lock().opened(opened);
                None
            }
            Err(dial) => Some(dial),
        };
        // From here on dropping this future ends the connection.
        let mut driver = Driver::new(Arc::clone(&link), serving, dial);
        poll_fn(|cx| driver.poll_welcome(cx)).await?;
        Ok((Client::new(Shared { link, services }), driver))
    }
}
