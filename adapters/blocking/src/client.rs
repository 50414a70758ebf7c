//! `Client`: calls, messages, handlers and pings from any number of threads over one connection. Called
//! by programs; knows the link and its services.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard::service::{RegisterError, Registration};
use switchboard::{
    CallError, CloseReason, Counters, Failure, FromPayload, Options, PeerWelcome, SessionStatus,
    ToPayload,
};
use switchboard_endpoint::{Credentials, OpenError};

use crate::call::Call;
use crate::client_builder::ClientBuilder;
use crate::context::Context;
use crate::exchange::Exchange;
use crate::guard::Guard;
use crate::link::Link;
use crate::services::Services;
use crate::subscription::Subscription;

/// A client: one connection, shared by as many threads as like. A clone is cheap and is the same
/// connection.
///
/// While a caller waits for its answer it reads for all others, too, and while nobody waits it
/// looks only every 4 s what has come, so that a server that sends what nobody asked for does not give it
/// up: a server's goodbye is noticed then, or with the next call. Dropping the last clone closes the
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
    pub(crate) shared: Arc<Shared>,
    options: Options,
}

pub(crate) struct Shared {
    pub(crate) link: Arc<Link>,
    pub(crate) services: Arc<Services>,
}

impl Client {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), options: Options::default() }
    }

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
    /// [`Payload`](switchboard::Payload) goes and comes as it is; anything else through serde.
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
        self.shared.link.request(channel, args, &self.options)
    }

    /// Calls, and waits for the answer later: so one thread can have many calls under way. It is sent at
    /// once, or, while others are under way, together with those that follow, within 1 ms.
    ///
    /// # Errors
    ///
    /// A [`CallError`] that says that nothing was sent. While the peer takes no more, it waits within
    /// the deadline of the options.
    pub fn start<R: FromPayload>(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
    ) -> Result<Call<R>, CallError> {
        self.shared.link.start(channel, args, &self.options)
    }

    /// Calls `channel` with streams of items beside the arguments and the answer: this side sends some,
    /// then says that they are complete, and the handler sends some before its answer.
    ///
    /// The deadline is that of the whole exchange; an option of this handle lifts it.
    ///
    /// # Errors
    ///
    /// Every [`CallError`] of a call that was not sent. How it ends is told by
    /// [`Exchange::answer`].
    pub fn open(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
    ) -> Result<Exchange, CallError> {
        self.shared.link.open_exchange(channel, args, &self.options)
    }

    /// Subscribes to the topics that match a pattern: `*` is one part of a name, `>` at the end the rest of
    /// it. Waits until the server has accepted. Of the [options](Self::with) `policy`, `retained`, `group`,
    /// the deadline and the headers count.
    ///
    /// From then on a thread reads while nobody waits, as with [`on`](Self::on).
    ///
    /// # Errors
    ///
    /// Every [`CallError`], as of [`request`](Self::request).
    pub fn subscribe<T: FromPayload>(&self, pattern: &str) -> Result<Subscription<T>, CallError> {
        let link = &self.shared.link;
        let (id, retained) = link.subscribe(pattern, &self.options)?;
        Ok(Subscription::new(Arc::clone(link), id, retained))
    }

    /// Publishes a value under a topic, at most once. Of the [options](Self::with) `retain`, `forget`,
    /// `echo`, the headers and, while it waits for room, the deadline count.
    ///
    /// # Errors
    ///
    /// As of [`send`](Self::send); `Rejected(BadTopic)`.
    pub fn publish(&self, topic: &str, value: &(impl ToPayload + ?Sized)) -> Result<(), CallError> {
        self.shared.link.publish(topic, value, &self.options)
    }

    /// The same, and waits for the server to say for how many subscriptions it was queued.
    ///
    /// # Errors
    ///
    /// As of [`request`](Self::request); `Rejected(BadTopic)`.
    pub fn publish_counted(
        &self,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
    ) -> Result<u64, CallError> {
        self.shared.link.publish_counted(topic, value, &self.options)
    }

    /// Sends a one-way message. Returns when it is queued; it is written at once if the peer reads, else
    /// in the background. Messages keep their order among themselves, and have none with calls: a call
    /// may run before the listeners of an earlier message have.
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
        self.shared.link.send(channel, message, &self.options)
    }

    /// Asks the peer for a sign of life; gives the time to it and back.
    ///
    /// # Errors
    ///
    /// [`CallError::Deadline`], [`CallError::Disconnected`], or [`CallError::Rejected`] if the
    /// connection is closing.
    pub fn ping(&self) -> Result<Duration, CallError> {
        self.shared.link.ping(&self.options)
    }

    /// Calls that the server makes on `channel` go to this handler, which runs on a thread of the
    /// client's own, many calls at once, and may call the server in turn. Calls have no order, neither
    /// among themselves nor with messages.
    ///
    /// From now on the client reads also while no caller waits. To be there for a server that calls at
    /// once, register with [`ClientBuilder::handle`].
    ///
    /// A handler that keeps a clone of its client keeps the connection open; use
    /// [`Context::peer`] to call back.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the channel has a handler already, or its name is none.
    pub fn handle<A: FromPayload, R: ToPayload>(
        &self,
        channel: &str,
        handler: impl Fn(Context, A) -> Result<R, Failure> + Send + Sync + 'static,
    ) -> Result<Guard, RegisterError> {
        let registration = self.shared.services.handle(channel, false, handler)?;
        Ok(self.shared.serve(registration))
    }

    /// Messages that the server sends on `channel` go to this listener, too: one at a time, in the
    /// order in which they were sent. With calls they have no order: one that the server made later may
    /// run earlier. A message that is no `M` is dropped.
    ///
    /// From now on the client reads also while no caller waits. To miss none that comes at once,
    /// register with [`ClientBuilder::on`].
    ///
    /// # Errors
    ///
    /// [`RegisterError::BadChannel`].
    pub fn on<M: FromPayload>(
        &self,
        channel: &str,
        listener: impl Fn(Context, M) + Send + Sync + 'static,
    ) -> Result<Guard, RegisterError> {
        let registration = self.shared.services.listen(channel, false, listener)?;
        Ok(self.shared.serve(registration))
    }

    /// As [`on`](Self::on), for the next message only.
    ///
    /// # Errors
    ///
    /// [`RegisterError::BadChannel`].
    pub fn once<M: FromPayload>(
        &self,
        channel: &str,
        listener: impl Fn(Context, M) + Send + Sync + 'static,
    ) -> Result<Guard, RegisterError> {
        let registration = self.shared.services.listen(channel, true, listener)?;
        Ok(self.shared.serve(registration))
    }

    /// Closes the connection gracefully: open calls of other threads go on for a while, new ones are
    /// refused. Waits until it has ended, which limits of [`Config`](switchboard::Config) bound, and says
    /// how. From a handler of its own it would wait for itself, until
    /// [`Config::drain`](switchboard::Config::drain) (5 s by default) has passed; [`Peer::close`] does not
    /// wait. Closing twice does nothing more.
    ///
    /// [`Peer::close`]: crate::Peer::close
    pub fn close(&self, message: &str) -> CloseReason {
        self.shared.link.close(message, None);
        self.shared.link.drive_to_the_end()
    }

    /// Ends the connection at once, without a word to the server. Open calls of other threads fail.
    pub fn abort(&self, message: &str) {
        self.shared.link.abort(message);
    }

    /// Stops reading: whatever the server sends, answers included, waits at the server, which gives up
    /// after its `write_stall` (10 s by default). A close still goes through.
    pub fn pause(&self) {
        self.shared.link.pause(true);
    }

    /// Reads on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.shared.link.pause(false);
    }

    /// What the server said when it last accepted.
    #[must_use]
    pub fn welcome(&self) -> Arc<PeerWelcome> {
        let welcome = self.shared.link.lock().welcome.clone();
        // There is no client before the first one.
        welcome.unwrap_or_else(|| unreachable!())
    }

    /// Who the kernel says serves; `None` where it does not tell, such as over TCP.
    #[must_use]
    pub fn server(&self) -> Option<Credentials> {
        self.shared.link.lock().server
    }

    /// Where the connection stands. One that does not [come back](ClientBuilder::reconnect) is `Ready` until
    /// it has ended, and then `Disconnected`.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        self.shared.link.lock().session.status()
    }

    /// What has passed over the connection, and what is open on it.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.link.lock().session.connection().counters()
    }

    /// Why the connection ended, once it has; what has not been read yet is not known yet.
    #[must_use]
    pub fn closed(&self) -> Option<CloseReason> {
        self.shared.link.lock().closed.get().cloned()
    }
}

impl Shared {
    /// Somebody reads from now on, for what was registered.
    fn serve(&self, registration: Registration) -> Guard {
        self.link.read_in_background();
        Guard::new(Arc::downgrade(&self.services), registration)
    }
}

impl Drop for Shared {
    /// Says goodbye without waiting for anything.
    fn drop(&mut self) {
        self.link.close("", None);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connection", &self.welcome().connection)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, unix))]
mod tests;
