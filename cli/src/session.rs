//! `Session`: a connection for one command, with the time that the command has.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use switchboard::{Config, Options};
use switchboard_blocking::Client;

use crate::problem::Problem;
use crate::timeout::Patience;
use crate::token::TokenFile;

/// Who has what it wanted waits no longer than this for the server's goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// Whom a command talks to, and how long it has for that.
#[derive(clap::Args)]
pub(crate) struct Target {
    /// Where the server is met
    pub(crate) address: String,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    token: TokenFile,
}

/// A client, and when its command must be done.
pub(crate) struct Session {
    client: Client,
    until: Option<Instant>,
    farewell: Duration,
}

impl Session {
    /// Connects. The time-out counts from now on and covers the handshake, too.
    pub(crate) fn open(target: &Target) -> Result<Self, Problem> {
        let token = target.token.read()?;
        let timeout = target.patience.timeout;
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut config = Config::default();
        if let Some(timeout) = timeout {
            config.handshake_timeout = timeout;
        }
        let mut builder = Client::builder().config(config);
        if let Some(token) = token {
            builder = builder.hello(token.text());
        }
        let address = &target.address;
        let client = builder.connect(address).map_err(|error| Problem::opening(address, error))?;
        let farewell = timeout.map_or(FAREWELL, |timeout| timeout.min(FAREWELL));
        Ok(Self { client, until, farewell })
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

    /// Says goodbye, and waits a little for the server's. The connection's own `drain` would not do
    /// to bound this: it also bounds an open call when the server closes.
    pub(crate) fn close(self, message: &'static str) {
        let Self { client, farewell, .. } = self;
        let (ended, end) = mpsc::channel::<()>();
        let closing = thread::Builder::new().spawn(move || {
            client.close(message);
            drop(ended);
        });
        // Without a thread the client is dropped, which says goodbye, too. After the wait the
        // program ends, and the thread with it.
        if closing.is_ok() {
            let _ = end.recv_timeout(farewell);
        }
    }
}
