//! `ClientSettings`: how a client connects, as far as that is the same on every adapter: what its builder
//! was told, what is wrong with it, and what is made of it. Called by adapters' builders; knows `dial` and
//! sessions.

use std::fmt;
use std::sync::Arc;

use switchboard::service::{RegisterError, Registration};
use switchboard::{Backoff, Config, Connection, Hello, Instant, Pump, Session, ToPayload};

use crate::admission::seed;
use crate::authorize::{VerifyServer, verify_server};
use crate::dial::{Unopened, dial};
use crate::{Address, Credentials, OpenError, Stream};

/// A stream to the server, and who the kernel says that is.
pub type Dialled = (Stream, Option<Credentials>);

/// What the builder of a client was told. By default it connects once, to a server of its own user or root.
#[derive(Default)]
pub struct ClientSettings {
    hello: Hello,
    config: Config,
    verify: Option<Box<VerifyServer>>,
    backoff: Option<Backoff>,
    serves: bool,
    /// What was wrong first.
    error: Option<OpenError>,
}

impl ClientSettings {
    /// The scope to live in.
    pub fn scope(&mut self, scope: &str) {
        self.hello = core::mem::take(&mut self.hello).scope(scope);
    }

    /// What the server wants to know of this client.
    pub fn hello(&mut self, payload: &(impl ToPayload + ?Sized)) {
        match payload.to_payload() {
            Ok(payload) => self.hello = core::mem::take(&mut self.hello).payload(payload),
            Err(error) => self.wrong(format!("hello: {error}")),
        }
    }

    /// The limits of the connection.
    pub fn config(&mut self, config: Config) {
        self.config = config;
    }

    /// Decides whether a server is the right one.
    pub fn verify_server(&mut self, verify: Box<VerifyServer>) {
        self.verify = Some(verify);
    }

    /// The connection comes back when it is lost.
    pub const fn reconnect(&mut self, backoff: Backoff) {
        self.backoff = Some(backoff);
    }

    /// A handler or listener was registered, or could not be.
    pub fn registered(&mut self, channel: &str, done: Result<Registration, RegisterError>) {
        self.serves = true;
        if let Err(error) = done {
            self.wrong(format!("channel {channel:?}: {error}"));
        }
    }

    fn wrong(&mut self, what: String) {
        self.error.get_or_insert(OpenError::BadConfig(what));
    }

    /// Whether it has handlers or listeners.
    #[must_use]
    pub const fn serves(&self) -> bool {
        self.serves
    }

    /// Whether the connection comes back.
    #[must_use]
    pub const fn comes_back(&self) -> bool {
        self.backoff.is_some()
    }

    /// Whether all of it makes sense, before anything is opened. `most`: the adapter's own limit, which must
    /// be at least 1, with its name.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`]: what was wrong first.
    pub fn check(&mut self, most: (&str, usize)) -> Result<(), OpenError> {
        // Every handler can take them here, and no client has a broker.
        (self.config.takes_items, self.config.offers_topics) = (true, false);
        check(self.error.take(), most, &self.config)
    }

    /// A session that connects as this says.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`]: the hello is too large.
    pub fn session(&self) -> Result<Session, OpenError> {
        let config = Arc::new(self.config.clone());
        let session = match &self.backoff {
            Some(backoff) => Session::new(config, self.hello.clone(), backoff.clone(), seed()),
            None => Connection::client(config, &self.hello, Instant::ZERO)
                .map(|connection| Session::of(Pump::new(connection))),
        };
        session.map_err(|rejected| OpenError::BadConfig(format!("hello: {rejected}")))
    }

    /// What [dials](dial) this address, as often as it is asked.
    pub fn dials(
        &mut self,
        address: Address,
    ) -> impl Fn(bool) -> Result<Dialled, Unopened> + Send + Sync + use<> {
        let verify = self.verify.take();
        move |known| dial(&address, verify.as_deref(), known)
    }

    /// Connects once, and may wait as [`Stream::connect`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Stream::connect`] and [`verify_server`].
    pub fn connect(&self, address: &Address) -> Result<Dialled, OpenError> {
        self.trusted(Stream::connect(address)?, &address.to_string())
    }

    /// A stream that is connected already.
    ///
    /// # Errors
    ///
    /// Those of [`verify_server`]; [`OpenError::BadConfig`] if the connection is to come back.
    pub fn attach(&self, stream: Stream) -> Result<Dialled, OpenError> {
        if self.comes_back() {
            let text =
                "a stream that is given cannot be opened again: `reconnect` goes with an address";
            return Err(OpenError::BadConfig(text.into()));
        }
        self.trusted(stream, "the stream")
    }

    fn trusted(&self, stream: Stream, name: &str) -> Result<Dialled, OpenError> {
        let server = stream.credentials()?;
        verify_server(server.as_ref(), name, self.verify.as_deref())?;
        Ok((stream, server))
    }
}

/// What both kinds of builders check.
pub(crate) fn check(
    error: Option<OpenError>,
    (name, most): (&str, usize),
    config: &Config,
) -> Result<(), OpenError> {
    if let Some(error) = error {
        return Err(error);
    }
    if most == 0 {
        return Err(OpenError::BadConfig(format!("{name} must be at least 1")));
    }
    config.check().map_err(|error| OpenError::BadConfig(error.to_string()))
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("hello", &self.hello)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
