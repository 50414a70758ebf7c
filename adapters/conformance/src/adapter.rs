//! `Adapter`: what an adapter must be able to do to be tested, in terms of calls that block. Knows the core's
//! nouns and how opening can fail.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard::{CallError, CloseReason, Config, Failure, Options, Payload, Restart};
use switchboard_endpoint::OpenError;

/// An adapter: how its servers and clients are made. Everything is called from several threads; what fails
/// is told as the adapter tells it.
pub trait Adapter: Sync {
    /// Binds `address`, which is a path, and serves there.
    fn serve(&self, address: &str, serves: Serves) -> Box<dyn Server>;
    /// Connects, with `hello` for a payload.
    fn connect(&self, address: &str, hello: &Payload, serves: Serves) -> Opened;
}

/// A client, or why there is none.
pub type Opened = Result<Box<dyn End>, OpenError>;
/// A call's end.
pub type Answer = Result<Payload, CallError>;
/// Answers calls. It may block.
pub type Handler = Arc<dyn Fn(&dyn Asked, Payload) -> Result<Payload, Failure> + Send + Sync>;
/// Takes messages. It may block.
pub type Listener = Arc<dyn Fn(Payload) + Send + Sync>;
/// Lets a client in by its hello, or not.
pub type Authorize = Arc<dyn Fn(&Payload) -> Result<(), Failure> + Send + Sync>;

/// What a client or a server serves.
#[derive(Clone, Default)]
pub struct Serves {
    /// The limits of its connections.
    pub config: Config,
    /// Its handlers by their channels.
    pub handlers: Vec<(&'static str, Handler)>,
    /// Its listeners by their channels.
    pub listeners: Vec<(&'static str, Listener)>,
    /// A server's authorisation; `None` for its default.
    pub authorize: Option<Authorize>,
    /// Handlers run one after the other, in the order in which their calls came.
    pub one_by_one: bool,
}

impl Serves {
    /// Nothing, within these limits.
    #[must_use]
    pub fn config(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    /// A handler more.
    #[must_use]
    pub fn handle(
        mut self,
        channel: &'static str,
        handler: impl Fn(&dyn Asked, Payload) -> Result<Payload, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.handlers.push((channel, Arc::new(handler)));
        self
    }

    /// A listener more.
    #[must_use]
    pub fn on(
        mut self,
        channel: &'static str,
        listener: impl Fn(Payload) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.push((channel, Arc::new(listener)));
        self
    }
}

impl fmt::Debug for Serves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serves").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A call, as its handler sees it.
pub trait Asked {
    /// How long its caller still waits.
    fn time_left(&self) -> Option<Duration>;
    /// Whether nobody waits for the answer any more.
    fn is_cancelled(&self) -> bool;
    /// Calls the caller back.
    fn request(&self, channel: &str, args: &Payload) -> Answer;
}

/// One end of a connection, to ask the other one: a client, or a server's peer. Dropping a client closes it.
pub trait End: Send + Sync {
    /// Calls and waits for the answer.
    fn request(&self, channel: &str, args: &Payload, options: &Options) -> Answer;
    /// Calls; the answer is waited for later. It is sent although nobody waits yet.
    fn start(
        &self,
        channel: &str,
        args: &Payload,
        options: &Options,
    ) -> Result<Box<dyn Pending>, CallError>;
    /// Sends a message.
    fn send(&self, channel: &str, message: &Payload) -> Result<(), CallError>;
    /// Closes gracefully; a client waits for the end.
    fn close(&self, message: &str);
    /// Ends at once.
    fn abort(&self, message: &str);
    /// Why it ended, once it has.
    fn closed(&self) -> Option<CloseReason>;
}

/// A call that was started. Dropping it cancels the call.
pub trait Pending: Send {
    /// Waits for the answer.
    fn wait(self: Box<Self>) -> Answer;
    /// What cancels it from another thread.
    fn canceller(&self) -> Box<dyn Fn() + Send + Sync>;
}

/// A server. Dropping it ends its connections at once.
pub trait Server: Send + Sync {
    /// Who is connected.
    fn peers(&self) -> Vec<Box<dyn End>>;
    /// Closes gracefully, and waits for the end.
    fn close(&self, how: Restart);
}
