//! `ServerBuilder`: what a server serves, and how. Called by programs; knows endpoints and services.

use switchboard::service::{RegisterError, Registration};
use switchboard::{
    Asked, BrokerLimits, Config, Failure, FromPayload, PeerHello, ToPayload, Welcome,
};
use switchboard_endpoint::{AdmissionLimits, Credentials, Listener, OpenError, ServerSettings};

use crate::context::Context;
use crate::host::Host;
use crate::peer::Peer;
use crate::server::Server;
use crate::services::Services;

/// What a server serves, and how.
#[derive(Debug)]
pub struct ServerBuilder {
    services: Services,
    settings: ServerSettings,
    threads: usize,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self { services: Services::default(), settings: ServerSettings::default(), threads: 16 }
    }
}

impl ServerBuilder {
    /// The limits of each connection.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.settings.config = config;
        self
    }

    /// How many connections the server takes, in all and of one user, let in and not yet. Whoever finds
    /// no room is refused with RESOURCE_EXHAUSTED, and asked to come back in a second. Each connection
    /// costs two descriptors and a thread.
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

    /// The central check: asked before each call, message, publication and subscription of any client, on
    /// the connection's own thread, so that it must not wait. What it refuses is answered with its failure,
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

    /// Most threads on which handlers run, for all connections together; they start when they are
    /// needed. One connection gets half of them at most, so that no client keeps all of them busy. Calls
    /// that go back and forth, each from the handler of the one before, need a thread each of that half:
    /// by default eight, so that a client's call with 15 more inside it passes, and with 16 ends at its
    /// deadline.
    /// Default 16: handlers may wait for files or other programs without holding each other up, and a
    /// flood of calls does not become a flood of threads.
    #[must_use]
    pub const fn threads(mut self, most: usize) -> Self {
        self.threads = most;
        self
    }

    /// Decides who may come in, by what the client says and by who the kernel says it is. It runs on
    /// the connection's own thread and may take its time, up to
    /// [`Config::handshake_timeout`]; until it has accepted, nothing of the client reaches a handler.
    ///
    /// Without it the user that runs the server and root may come in, and nobody else.
    #[must_use]
    pub fn authorize(
        mut self,
        authorize: impl Fn(&PeerHello, Option<&Credentials>) -> Result<Welcome, Failure>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.services.authorize_with(authorize);
        self
    }

    /// Calls on `channel` go to this handler, which runs on one of a few shared threads, many calls
    /// at once, and may take its time. Calls have no order, neither among themselves nor with messages.
    #[must_use]
    pub fn handle<A: FromPayload, R: ToPayload>(
        self,
        channel: &str,
        handler: impl Fn(Context, A) -> Result<R, Failure> + Send + Sync + 'static,
    ) -> Self {
        let registered = self.services.handle(channel, false, handler);
        self.registered(channel, registered)
    }

    /// The same for a short handler: it runs on the connection's own thread, which saves a change of
    /// threads; while it runs, nothing else of that connection does, unless it calls its peer back:
    /// during that the connection's other calls run on the shared threads, also those of inline
    /// handlers. It may call its own peer back, but should wait for nobody else: two that wait for
    /// each other's clients wait until a deadline.
    #[must_use]
    pub fn handle_inline<A: FromPayload, R: ToPayload>(
        self,
        channel: &str,
        handler: impl Fn(Context, A) -> Result<R, Failure> + Send + Sync + 'static,
    ) -> Self {
        let registered = self.services.handle(channel, true, handler);
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

    /// Binds the address and serves, on threads of its own, until the server is closed or dropped.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`] for a limit or registration that makes no sense, and for an address such as
    /// `tcp:` without `authorize`; else as of
    /// [`BindOptions::bind`](switchboard_endpoint::BindOptions::bind).
    pub fn bind(self, address: &str) -> Result<Server, OpenError> {
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
    pub fn start(self) -> Result<Server, OpenError> {
        self.checked()?.run(None)
    }

    fn checked(mut self) -> Result<Self, OpenError> {
        self.settings.check(("threads", self.threads))?;
        Ok(self)
    }

    fn run(self, listener: Option<Listener>) -> Result<Server, OpenError> {
        let host = Host::new(self.services, self.settings, self.threads)?;
        Ok(Server::start(host, listener)?)
    }
}
