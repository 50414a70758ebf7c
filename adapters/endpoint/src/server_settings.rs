//! `ServerSettings`: where and for whom a server is there, as far as that is the same on every adapter: what
//! its builder was told, and what is wrong with it. Called by adapters' builders; knows addresses and limits.

use switchboard::service::{RegisterError, Registration};
use switchboard::{BrokerLimits, Config};

use crate::client_settings::check;
use crate::{Address, AdmissionLimits, BindOptions, Listener, OpenError};

/// What the builder of a server was told.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ServerSettings {
    /// The limits of each connection.
    pub config: Config,
    /// How many connections it takes.
    pub limits: AdmissionLimits,
    /// How much the clients of one user may have at its topics.
    pub broker: BrokerLimits,
    /// How its socket file is made.
    pub bind: BindOptions,
    /// The first registration that could not be.
    error: Option<OpenError>,
}

impl ServerSettings {
    /// A handler or listener was registered, or could not be.
    pub fn registered(&mut self, channel: &str, done: Result<Registration, RegisterError>) {
        if let Err(error) = done {
            let told = OpenError::BadConfig(format!("channel {channel:?}: {error}"));
            self.error.get_or_insert(told);
        }
    }

    /// Whether all of it makes sense, before anything is opened. `most`: the adapter's own limit, which must
    /// be at least 1, with its name.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`]: what was wrong first.
    pub fn check(&mut self, most: (&str, usize)) -> Result<(), OpenError> {
        // Every handler can take them here, and every server has a broker.
        (self.config.takes_items, self.config.offers_topics) = (true, true);
        check(self.error.take(), most, &self.config)?;
        self.broker.check().map_err(|error| OpenError::BadConfig(error.to_string()))?;
        self.limits.check()
    }

    /// Binds an address. `authorizes`: the program decides itself who may come in.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`] for an address that asks for that; else as of [`BindOptions::bind`].
    pub fn listen(&self, address: &str, authorizes: bool) -> Result<Listener, OpenError> {
        let address: Address = address.parse()?;
        address.check_authorize(authorizes)?;
        self.bind.bind(&address)
    }
}
