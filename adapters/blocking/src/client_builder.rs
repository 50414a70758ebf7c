//! `ClientBuilder`: how a client connects, and what it serves. Called by programs; knows endpoints, the
//! core, and what a client consists of.

use std::fmt;
use std::sync::Arc;

use switchboard::service::{RegisterError, Registration};
use switchboard::{Backoff, Config, Failure, FromPayload, SessionStatus, ToPayload};
use switchboard_endpoint::{Address, ClientSettings, Credentials, OpenError, Stream};

use crate::client::{Client, Shared};
use crate::context::Context;
use crate::link::{Link, Opened, Opens};
use crate::pool::Pool;
use crate::services::Services;
use crate::serving::Serving;
use crate::wait::Wake;

/// How a client connects.
pub struct ClientBuilder {
    settings: ClientSettings,
    services: Services,
    threads: usize,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self { settings: ClientSettings::default(), services: Services::default(), threads: 16 }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl ClientBuilder {
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

    /// Most threads on which handlers and listeners run; they start when they are needed. Default 16.
    /// Calls that go back and forth, each from the handler of the one before, need a thread each.
    #[must_use]
    pub const fn threads(mut self, most: usize) -> Self {
        self.threads = most;
        self
    }

    /// As [`Client::handle`], for the life of the connection and from its first moment.
    #[must_use]
    pub fn handle<A: FromPayload, R: ToPayload>(
        self,
        channel: &str,
        handler: impl Fn(Context, A) -> Result<R, Failure> + Send + Sync + 'static,
    ) -> Self {
        let registered = self.services.handle(channel, false, handler);
        self.registered(channel, registered)
    }

    /// As [`Client::on`], for the life of the connection and from its first moment.
    #[must_use]
    pub fn on<M: FromPayload>(
        self,
        channel: &str,
        listener: impl Fn(Context, M) + Send + Sync + 'static,
    ) -> Self {
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
    /// [`connect`](Self::connect) then also waits for a server that does not run yet. A thread of the
    /// client's own reads from the beginning, as with [`handle`](Self::handle). Default: it does not come
    /// back.
    #[must_use]
    pub fn reconnect(mut self, backoff: Backoff) -> Self {
        self.settings.reconnect(backoff);
        self
    }

    /// Is told each change of the status of a connection that [comes back](Self::reconnect), in their
    /// order, on one of the client's threads for listeners.
    #[must_use]
    pub fn on_status(mut self, listener: impl Fn(SessionStatus) + Send + Sync + 'static) -> Self {
        self.services.tell_status(listener);
        self
    }

    /// Connects, shakes hands, and waits until the server has accepted or refused; at most
    /// [`Config::handshake_timeout`]. With [`reconnect`](Self::reconnect) it waits until a server has
    /// accepted, or the attempts are used up, or no further one would help.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: what a program can match on.
    pub fn connect(self, address: &str) -> Result<Client, OpenError> {
        let mut builder = self.checked()?;
        let address: Address = address.parse()?;
        if builder.settings.comes_back() {
            let opens = builder.settings.dials(address);
            return builder.open(Err(Box::new(opens)));
        }
        let opened = builder.settings.connect(&address)?;
        builder.open(Ok(opened))
    }

    /// The same over a stream that is connected already: to a child process, or within this one.
    ///
    /// ```
    /// use switchboard_blocking::{Client, Context, Server, Stream};
    ///
    /// let (one, other) = Stream::pair()?;
    /// let server = Server::builder()
    ///     .handle("double", |_: Context, n: u32| Ok(2 * n))
    ///     .start()?;
    /// server.attach(one)?;
    /// let client = Client::builder().attach(other)?;
    /// assert_eq!(client.request::<u32>("double", &4)?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub fn attach(self, stream: Stream) -> Result<Client, OpenError> {
        let builder = self.checked()?;
        let opened = builder.settings.attach(stream)?;
        builder.open(Ok(opened))
    }

    fn checked(mut self) -> Result<Self, OpenError> {
        self.settings.check(("threads", self.threads))?;
        Ok(self)
    }

    fn open(self, stream: Result<Opened, Opens>) -> Result<Client, OpenError> {
        let mut session = self.settings.session()?;
        let limits = session.connection().config().payload;
        let reads = self.settings.serves() || self.settings.comes_back();
        let services = Arc::new(self.services);
        let pool = Arc::new(Pool::of_one(self.threads));
        let serving = Serving::new(Arc::clone(&services), pool, 0, limits);
        let link = Link::new(stream, Arc::default(), Wake::new()?, session, Arc::new(serving));
        shake_hands(&link)?;
        if reads {
            link.read_in_background();
        }
        Ok(Client::new(Shared { link, services }))
    }
}

/// Drives the link until the server has answered.
fn shake_hands(link: &Arc<Link>) -> Result<(), OpenError> {
    let mut state = link.enter();
    loop {
        let turn = link.turn(&mut state);
        state = link.tell(state);
        if state.welcome.is_some() {
            // From now on the timer sees to what is due while nobody calls, such as keepalive.
            link.nudge(&mut state);
            link.look_later(&mut state);
            return Ok(());
        }
        if let Some(reason) = state.closed.get().cloned() {
            return Err(state.open_error.take().unwrap_or_else(|| reason.into()));
        }
        let opened;
        (state, opened) = link.open(state);
        if !opened {
            state = link.wait_with_timeout(state, turn);
        }
    }
}
