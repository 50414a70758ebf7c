//! `Session`: a connection for one command, with the time that the command has.

use std::time::{Duration, Instant};

use switchboard::{Config, Options};
use switchboard_blocking::Client;

use crate::problem::Problem;

/// Who has what it wanted waits no longer than this for the server's goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// A client, and when its command must be done.
pub(crate) struct Session {
    client: Client,
    until: Option<Instant>,
}

impl Session {
    /// Connects. `timeout` counts from now on and covers the handshake, too.
    pub(crate) fn open(address: &str, timeout: Option<Duration>) -> Result<Self, Problem> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut config = Config::default();
        config.drain = FAREWELL;
        if let Some(timeout) = timeout {
            config.handshake_timeout = timeout;
            config.drain = FAREWELL.min(timeout);
        }
        let client = Client::builder().config(config).connect(address)?;
        Ok(Self { client, until })
    }

    /// The client, for a call that may take as long as is left.
    pub(crate) fn client(&self) -> Client {
        match self.until {
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                self.client.with(Options::new().deadline(left))
            }
            None => self.client.clone(),
        }
    }
}
