//! `Adapter`: what an adapter must be able to do to be tested, in terms of calls that block. Called by the
//! scenarios; knows the core's nouns and how opening can fail.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard::{
    Asked, Backoff, CallError, CloseReason, Config, ConnectionId, Delivery, DeliveryError, Failure,
    Options, Payload, Restart, SessionStatus,
};
use switchboard_endpoint::OpenError;

/// An adapter: how its servers and clients are made. Everything is called from several threads; what fails
/// is told as the adapter tells it.
pub trait Adapter: Sync {
    /// Binds `address` and serves there.
    fn serve(&self, address: &str, serves: Serves) -> Bound;
    /// Connects, with `hello` for a payload.
    fn connect(&self, address: &str, hello: &Payload, serves: Serves) -> Opened;
}

/// A client, or why there is none.
pub type Opened = Result<Box<dyn Client>, OpenError>;
/// A server, or why there is none.
pub type Bound = Result<Box<dyn Server>, OpenError>;
/// A call's end.
pub type Answer = Result<Payload, CallError>;
/// The next item of a stream, an item that is none, or why there is no more; `None` behind the last one.
pub type NextItem = Option<Result<Payload, CallError>>;
/// The two halves of a call with streams both ways. Dropping both cancels it, unless it was answered.
pub type Halves = (Box<dyn Sending>, Box<dyn Taking>);
/// What a subscriber gets next; `None` behind the last thing.
pub type NextDelivery = Option<Result<Delivery<Payload>, DeliveryError>>;
/// Answers calls. It may block.
pub type Handler = Arc<dyn Fn(&dyn Call, Payload) -> Result<Payload, Failure> + Send + Sync>;
/// Takes messages. It may block.
pub type Listener = Arc<dyn Fn(Payload) + Send + Sync>;
/// Lets a client in by its hello, or not.
pub type Authorize = Arc<dyn Fn(&Payload) -> Result<(), Failure> + Send + Sync>;

/// Lets a client have what it asks for, or not.
pub type Check = Arc<dyn Fn(Asked<'_>) -> Result<(), Failure> + Send + Sync>;

/// Is told where a client stands that comes back.
pub type OnStatus = Arc<dyn Fn(SessionStatus) + Send + Sync>;

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
    /// What a server's clients may ask for; `None` for everything.
    pub check: Option<Check>,
    /// A client's scope; none by default.
    pub scope: &'static str,
    /// A client comes back like this; `None` if it does not.
    pub comes_back: Option<(Backoff, OnStatus)>,
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
        handler: impl Fn(&dyn Call, Payload) -> Result<Payload, Failure> + Send + Sync + 'static,
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
pub trait Call {
    /// The number of the connection that it came over.
    fn connection(&self) -> ConnectionId;
    /// How long its caller still waits.
    fn time_left(&self) -> Option<Duration>;
    /// Whether nobody waits for the answer any more.
    fn is_cancelled(&self) -> bool;
    /// Waits for the caller's next item. An error that is not about an item is the last thing.
    fn next(&self) -> NextItem;
    /// Sends the caller an item. Waits while it takes none.
    fn send(&self, item: &Payload) -> Result<(), CallError>;
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
    /// Makes a call with streams of items both ways.
    fn open(&self, channel: &str, args: &Payload, options: &Options) -> Result<Halves, CallError>;
    /// Sends a message.
    fn send(&self, channel: &str, message: &Payload) -> Result<(), CallError>;
    /// Asks for a sign of life.
    fn ping(&self) -> Result<Duration, CallError>;
    /// Closes gracefully; a client waits for the end.
    fn close(&self, message: &str);
    /// Ends at once.
    fn abort(&self, message: &str);
    /// Why it ended, once it has.
    fn closed(&self) -> Option<CloseReason>;
}

/// A client: an end that subscribes and publishes.
pub trait Client: End {
    /// Itself, as the end that it is.
    fn as_end(&self) -> &dyn End;
    /// The number of the connection, as its server has told it last.
    fn connection(&self) -> ConnectionId;
    /// Subscribes to the topics of a pattern, and waits until that is accepted.
    fn subscribe(&self, pattern: &str, options: &Options)
    -> Result<Box<dyn Subscribed>, CallError>;
    /// Publishes under a topic.
    fn publish(&self, topic: &str, value: &Payload, options: &Options) -> Result<(), CallError>;
    /// Publishes, and waits to learn for how many subscriptions.
    fn publish_counted(
        &self,
        topic: &str,
        value: &Payload,
        options: &Options,
    ) -> Result<u64, CallError>;
    /// Reads nothing any more, until [`resume`](Self::resume).
    fn pause(&self);
    /// Reads again.
    fn resume(&self);
}

/// The half of a call with streams that sends.
pub trait Sending: Send + Sync {
    /// Sends an item. Waits while the other side takes none, at most until the call has ended.
    fn send(&self, item: &Payload) -> Result<(), CallError>;
    /// Says that all have been sent.
    fn finish(&self) -> Result<(), CallError>;
}

/// The half of a call with streams that receives.
pub trait Taking: Send {
    /// Waits for the next item. `None` when no more will come.
    fn next(&mut self) -> NextItem;
    /// Waits for the answer, past items that still come.
    fn answer(self: Box<Self>) -> Answer;
}

/// A subscription. Dropping it ends it.
pub trait Subscribed: Send {
    /// How many of the first values were retained.
    fn retained(&self) -> u64;
    /// Waits for what comes next.
    fn next(&mut self) -> NextDelivery;
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
    /// Where it is bound, as its clients spell it: with the port that the system chose.
    fn address(&self) -> String;
    /// Who is connected.
    fn peers(&self) -> Vec<Box<dyn End>>;
    /// Publishes to the clients of a scope, and tells for how many subscriptions.
    fn publish(
        &self,
        scope: &str,
        topic: &str,
        value: &Payload,
        options: &Options,
    ) -> Result<u64, CallError>;
    /// Sends a message to every client of a scope; what became of each.
    fn broadcast(
        &self,
        scope: &str,
        channel: &str,
        message: &Payload,
    ) -> Vec<Result<(), CallError>>;
    /// Calls every client of a scope, and waits for all.
    fn survey(&self, scope: &str, channel: &str, args: &Payload, options: &Options) -> Vec<Answer>;
    /// Asks the check again for what clients have subscribed to.
    fn check_again(&self);
    /// Closes gracefully, and waits for the end.
    fn close(&self, how: Restart);
}
