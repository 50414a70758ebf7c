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
    /// The scope to live in; topics of others do not exist there
    #[arg(long, value_name = "NAME")]
    scope: Option<String>,
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
        if let Some(scope) = &target.scope {
            builder = builder.scope(scope);
        }
        let address = &target.address;
        let client = builder.connect(address).map_err(|error| Problem::opening(address, error))?;
        let farewell = timeout.map_or(FAREWELL, |timeout| timeout.min(FAREWELL));
        Ok(Self { client, until, farewell })
    }

    /// The client, for a call that may take as long as is left.
    pub(crate) fn client(&self) -> Client {
        self.client_with(Options::new())
    }

    /// The same with further options; their deadline counts without a time-out only.
    pub(crate) fn client_with(&self, options: Options) -> Client {
        self.client.with(match self.left() {
            Some(left) => options.deadline(left),
            None => options,
        })
    }

    /// How much of the time-out is left, if there is one.
    pub(crate) fn left(&self) -> Option<Duration> {
        Some(self.until?.saturating_duration_since(Instant::now()))
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
