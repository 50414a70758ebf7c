//! `Client`: calls, messages and pings from any number of threads over one connection. Called by
//! programs; knows the link, the core and endpoints.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard::{
    CallError, CloseReason, Config, Connection, EncodeError, Event, Fate, FromPayload, Hello,
    Instant, Options, Payload, PeerWelcome, Pump, Rejected, ToPayload,
};
use switchboard_endpoint::{Address, Credentials, OpenError, Stream};

use crate::link::Link;
use crate::state::{Outcome, State};
use crate::timer::Timer;

/// A client: one connection, shared by as many threads as like. A clone is cheap and is the same
/// connection.
///
/// While a caller waits for its answer it reads for all others, too, and while nobody waits nobody
/// reads: a server's goodbye is noticed with the next call. Dropping the last clone closes the
/// connection without waiting; what a slow server has not taken by then is written in the background,
/// as long as the process lives. To know that all has arrived, [`close`](Self::close) it.
///
/// ```no_run
/// use switchboard_blocking::Client;
///
/// let client = Client::connect("/run/user/1000/app.sock")?;
/// let sum: u64 = client.request("add", &(1, 2))?;
/// client.send("log", "added")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    options: Options,
}

struct Shared {
    link: Arc<Link>,
    config: Arc<Config>,
    welcome: PeerWelcome,
}

impl Client {
    /// Connects with every default.
    ///
    /// # Errors
    ///
    /// As of [`ClientBuilder::connect`].
    pub fn connect(address: &str) -> Result<Self, OpenError> {
        Self::builder().connect(address)
    }

    /// Connects in another way than the default one.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The same connection, with options for what is called and sent through this handle.
    ///
    /// ```no_run
    /// # let client = switchboard_blocking::Client::connect("app")?;
    /// use std::time::Duration;
    /// use switchboard::Options;
    ///
    /// let quick = client.with(Options::new().deadline(Duration::from_millis(200)));
    /// let answer: u32 = quick.request("answer", &())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with(&self, options: Options) -> Self {
        Self { shared: Arc::clone(&self.shared), options }
    }

    /// Calls `channel` and waits for the answer, at most until the deadline (30 s by default). A
    /// [`Payload`] goes and comes as it is; anything else through serde.
    ///
    /// # Errors
    ///
    /// Every [`CallError`]; [`may_have_run`](CallError::may_have_run) tells whether the peer may have
    /// done it. While the peer takes no more (`Rejected::Full`, `Rejected::Busy`) the call waits,
    /// within its deadline.
    pub fn request<R: FromPayload>(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
    ) -> Result<R, CallError> {
        let payload = args.to_payload()?;
        let waiter = self.when_there_is_room(|state, options, now| {
            state.waiter(|connection, waiter| {
                connection.request(now, channel, &payload, options, waiter as u64)
            })
        })?;
        drop(payload);
        let link = &self.shared.link;
        match link.wait_for(Some(waiter), None, |state, _| state.settled(waiter)) {
            Outcome::Answer(answer) => Ok(R::from_payload(answer?, &self.shared.config.payload)?),
            Outcome::Closed(reason) => Err(CallError::Disconnected(reason, Fate::MayHaveRun)),
            Outcome::Pong(_) => unreachable!("the core answers a call as a call"),
        }
    }

    /// Sends a one-way message. Returns when it is queued; it is written at once if the peer reads, else
    /// in the background.
    ///
    /// # Errors
    ///
    /// A [`CallError`] that says that nothing was sent. While too much waits to be written
    /// (`Rejected::Full`) it waits, within the deadline of the options.
    pub fn send(
        &self,
        channel: &str,
        message: &(impl ToPayload + ?Sized),
    ) -> Result<(), CallError> {
        let payload = message.to_payload()?;
        self.when_there_is_room(|state, options, now| {
            state.pump.connection().send(now, channel, &payload, options)
        })?;
        let link = &self.shared.link;
        link.nudge(&mut link.lock());
        Ok(())
    }

    /// Asks the peer for a sign of life; gives the time to it and back.
    ///
    /// # Errors
    ///
    /// [`CallError::Deadline`], [`CallError::Disconnected`], or [`CallError::Rejected`] if the
    /// connection is closing.
    pub fn ping(&self) -> Result<Duration, CallError> {
        let link = &self.shared.link;
        let until = self.until();
        let waiter = self.when_there_is_room(|state, _, now| {
            // The core counts pings with 32 bits; so many waiters there never are.
            state.waiter(|connection, waiter| connection.ping(now, waiter as u32))
        })?;
        link.wait_for(Some(waiter), until, |state, now| match state.settled(waiter) {
            Some(Outcome::Pong(round_trip)) => Some(Ok(round_trip)),
            Some(Outcome::Closed(reason)) => {
                Some(Err(CallError::Disconnected(reason, Fate::MayHaveRun)))
            }
            Some(Outcome::Answer(_)) => unreachable!("the core answers a ping as a ping"),
            None if until.is_some_and(|until| until <= now) => {
                state.abandon(waiter);
                Some(Err(CallError::Deadline(Fate::MayHaveRun)))
            }
            None => None,
        })
    }

    /// Closes the connection gracefully: open calls of other threads go on for a while, new ones are
    /// refused. Waits until it has ended, which limits of [`Config`] bound, and says how. Closing
    /// twice does nothing more.
    pub fn close(&self, message: &str) -> CloseReason {
        let link = &self.shared.link;
        {
            let mut state = link.lock();
            let now = link.now();
            state.pump.connection().close(now, message, None);
            link.nudge(&mut state);
        }
        link.wait_for(
            None,
            None,
            |state, _| {
                if state.is_done() { state.closed.clone() } else { None }
            },
        )
    }

    /// Ends the connection at once, without a word to the server. Open calls of other threads fail.
    pub fn abort(&self, message: &str) {
        let link = &self.shared.link;
        let mut state = link.lock();
        state.pump.connection().abort(message);
        link.nudge(&mut state);
    }

    /// What the server said when it accepted.
    #[must_use]
    pub fn welcome(&self) -> &PeerWelcome {
        &self.shared.welcome
    }

    /// When what is asked for now must be done, by the options of this handle.
    fn until(&self) -> Option<Instant> {
        let left = self.options.time_left(&self.shared.config);
        left.map(|left| self.shared.link.now() + left)
    }

    /// Tries a command until the connection takes it, or the deadline passes.
    fn when_there_is_room<T>(
        &self,
        mut command: impl FnMut(&mut State, &Options, Instant) -> Result<T, Rejected>,
    ) -> Result<T, CallError> {
        let link = &self.shared.link;
        let until = {
            let mut state = link.lock();
            let now = link.now();
            match command(&mut state, &self.options, now) {
                Err(rejected) if is_passing(rejected) => self.until(),
                result => return result.map_err(|rejected| state.call_error(rejected)),
            }
        };
        link.wait_for(None, until, |state, now| {
            if until.is_some_and(|until| until <= now) {
                return Some(Err(CallError::Deadline(Fate::NeverSent)));
            }
            let options = self.options.clone();
            let options = match until {
                Some(until) => options.deadline(until - now),
                None => options,
            };
            match command(state, &options, now) {
                Err(rejected) if is_passing(rejected) => None,
                result => Some(result.map_err(|rejected| state.call_error(rejected))),
            }
        })
    }
}

/// Whether waiting helps.
const fn is_passing(rejected: Rejected) -> bool {
    matches!(rejected, Rejected::Full | Rejected::Busy | Rejected::TooManyPings)
}

impl Drop for Shared {
    /// Says goodbye without waiting for anything.
    fn drop(&mut self) {
        let mut state = self.link.lock();
        state.pump.connection().close(self.link.now(), "", None);
        self.link.nudge(&mut state);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connection", &self.shared.welcome.connection)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// How a client connects.
#[derive(Default)]
pub struct ClientBuilder {
    hello: Hello,
    payload: Option<Result<Payload, EncodeError>>,
    config: Config,
    verify: Option<Box<VerifyServer>>,
}

type VerifyServer = dyn Fn(Option<&Credentials>) -> bool + Send + Sync;

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("hello", &self.hello)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// The scope to live in: at most 255 bytes. Channels and topics of others do not exist in it.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.hello = self.hello.scope(scope);
        self
    }

    /// What the server wants to know of this client, such as a token; null by default.
    #[must_use]
    pub fn hello(mut self, payload: &(impl ToPayload + ?Sized)) -> Self {
        self.payload = Some(payload.to_payload());
        self
    }

    /// The limits of the connection.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Decides by what the kernel says of the server whether it is the right one, before anything is sent
    /// to it; `None` on systems that do not tell.
    ///
    /// Without it the server must run as the same user or as root, so that a hello with a secret does
    /// not go to a stranger who was first at the address.
    #[must_use]
    pub fn verify_server(
        mut self,
        verify: impl Fn(Option<&Credentials>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.verify = Some(Box::new(verify));
        self
    }

    /// Connects, shakes hands, and waits until the server has accepted or refused; at most
    /// [`Config::handshake_timeout`].
    ///
    /// # Errors
    ///
    /// [`OpenError`]: what a program can match on.
    pub fn connect(self, address: &str) -> Result<Client, OpenError> {
        let Self { mut hello, payload, config, verify } = self;
        config.check().map_err(|error| OpenError::BadConfig(error.to_string()))?;
        if let Some(payload) = payload {
            let payload =
                payload.map_err(|error| OpenError::BadConfig(format!("hello: {error}")))?;
            hello = hello.payload(payload);
        }
        let address: Address = address.parse()?;
        let config = Arc::new(config);
        let stream = Stream::connect(&address)?;
        verify_server(&stream, &address, verify.as_deref())?;
        let connection = Connection::client(Arc::clone(&config), &hello, Instant::ZERO)
            .map_err(|rejected| OpenError::BadConfig(format!("hello: {rejected}")))?;
        let link = Link::new(stream, Arc::new(Timer::default()), Pump::new(connection))?;
        let link = Arc::new(link);
        let welcome = shake_hands(&link)?;
        Ok(Client {
            shared: Arc::new(Shared { link, config, welcome }),
            options: Options::default(),
        })
    }
}

fn verify_server(
    stream: &Stream,
    address: &Address,
    verify: Option<&VerifyServer>,
) -> Result<(), OpenError> {
    let credentials = stream.credentials()?;
    let good = match verify {
        Some(verify) => verify(credentials.as_ref()),
        None => credentials.as_ref().is_none_or(Credentials::same_user_or_root),
    };
    if good {
        return Ok(());
    }
    let who = credentials.map_or_else(|| "nobody known".into(), |who| format!("uid {}", who.uid));
    Err(OpenError::NotPermitted(format!(
        "{address} is served by {who}, which this client does not trust; nothing was sent. If that is \
         the right server, say so with `ClientBuilder::verify_server`"
    )))
}

/// Drives the link until the server has answered.
fn shake_hands(link: &Arc<Link>) -> Result<PeerWelcome, OpenError> {
    let mut state = link.lock();
    loop {
        let turn = link.turn(&mut state);
        if let Some(Event::Welcome(welcome)) = state.inbox.pop_front() {
            return Ok(*welcome);
        }
        if let Some(reason) = &state.closed {
            return Err(reason.clone().into());
        }
        state = link.wait_with_timeout(state, turn);
    }
}
