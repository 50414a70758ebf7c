//! `ServerBuilder`: what a server serves, and how. Called by programs; knows endpoints and services.

use switchboard::service::{RegisterError, Registration};
use switchboard::{Config, Failure, FromPayload, PeerHello, ToPayload, Welcome};
use switchboard_endpoint::{Address, Credentials, Listener, OpenError};

use crate::context::Context;
use crate::server::Server;
use crate::services::Services;

/// What a server serves, and how.
#[derive(Debug)]
pub struct ServerBuilder {
    services: Services,
    config: Config,
    threads: usize,
    /// The first registration that could not be, told by `bind`.
    error: Option<OpenError>,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self { services: Services::default(), config: Config::default(), threads: 16, error: None }
    }
}

impl ServerBuilder {
    /// The limits of each connection.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        // Neither has handlers here, so that the connection refuses them.
        (self.config.takes_items, self.config.offers_topics) = (false, false);
        self
    }

    /// Most threads on which handlers run, for all connections together; they start when they are
    /// needed. One connection gets half of them at most, so that no client keeps all of them busy.
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
    /// at once, and may take its time.
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
    /// threads; while it runs, nothing else of that connection does.
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
    /// in which they were registered. A message that is no `M` is dropped.
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
        if let Err(error) = registered {
            let told = OpenError::BadConfig(format!("channel {channel:?}: {error}"));
            self.error.get_or_insert(told);
        }
        self
    }

    /// Binds the address and serves, on threads of its own, until the server is closed or dropped.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`] for a limit or registration that makes no sense, else as of
    /// [`Listener::bind`].
    pub fn bind(self, address: &str) -> Result<Server, OpenError> {
        let builder = self.checked()?;
        let address: Address = address.parse()?;
        let listener = Listener::bind(&address)?;
        Ok(builder.run()?.listen(listener, address)?)
    }

    /// Serves without an address: those only that are given to [`Server::attach`].
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`] for a limit or registration that makes no sense, [`OpenError::Io`] if
    /// there is no descriptor left.
    pub fn start(self) -> Result<Server, OpenError> {
        self.checked()?.run()
    }

    fn checked(mut self) -> Result<Self, OpenError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.config.check().map_err(|error| OpenError::BadConfig(error.to_string()))?;
        Ok(self)
    }

    fn run(self) -> Result<Server, OpenError> {
        Ok(Server::start(self.services, self.config, self.threads)?)
    }
}
