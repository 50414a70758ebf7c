//! `Client`: calls, messages, handlers and pings from any number of tasks over one connection. Called
//! by programs; knows the link and its services.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
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
use crate::runtime::Runtime;
use crate::services::Services;
use crate::subscription::Subscription;

/// A client: one connection, shared by as many tasks as like. A clone is cheap and is the same connection.
///
/// What is asked of it is written at once, by the task that asks. A call that is alone reads its own answer;
/// all else is the [`Driver`](crate::Driver)'s, a task of its own. Dropping the last clone closes the
/// connection without waiting. To know that all has arrived, [`close`](Self::close) it.
///
/// Every future of its methods may be dropped at any time: a call is cancelled by that, a message was sent
/// or was not, and nothing that came is lost.
///
/// ```
/// use std::time::Duration;
///
/// use switchboard::Options;
/// use switchboard_smol::{Client, Context};
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// # let _server = switchboard_smol::Server::builder()
/// #     .handle("add", |_: Context, (a, b): (u64, u64)| async move { Ok(a + b) })
/// #     .bind(address)
/// #     .await?;
/// let client = Client::connect(address).await?;
/// client.send("log", "here I am").await?;
/// let sum: u64 = client.request("add", &(1, 2)).await?;
/// assert_eq!(sum, 3);
///
/// // The same connection, with less patience. A clone goes to any task, of any executor.
/// let hasty = client.with(Options::new().deadline(Duration::from_secs(2)));
/// let other = smol::spawn(async move { hasty.request::<u64>("add", &(3, 4)).await });
/// assert_eq!(other.await?, 7);
///
/// // The server may call as well, for as long as this guard lives.
/// let serves = client.handle("name", |_: Context, ()| async { Ok("Ada") })?;
/// drop(serves);
/// client.close("done").await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Client<R> {
    shared: Arc<Shared>,
    options: Options,
    runtime: PhantomData<fn() -> R>,
}

pub(crate) struct Shared {
    pub(crate) link: Arc<Link>,
    pub(crate) services: Arc<Services>,
}

impl<R: Runtime> Client<R> {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), options: Options::default(), runtime: PhantomData }
    }

    /// Connects with every default.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up: the connection ends, and its server learns of it.
    ///
    /// # Errors
    ///
    /// As of [`ClientBuilder::connect`].
    pub async fn connect(address: &str) -> Result<Self, OpenError> {
        Self::builder().connect(address).await
    }

    /// Connects in another way than the default one.
    #[must_use]
    pub fn builder() -> ClientBuilder<R> {
        ClientBuilder::default()
    }
}

impl<R> Client<R> {
    /// The same connection, with options for what is called and sent through this handle.
    #[must_use]
    pub fn with(&self, options: Options) -> Self {
        Self { shared: Arc::clone(&self.shared), options, runtime: PhantomData }
    }

    /// Calls `channel`: the call is under way from now on, and ends at its deadline (30 s by default). A
    /// [`Payload`](switchboard::Payload) goes and comes as it is; anything else through serde.
    ///
    /// # Cancel safety
    ///
    /// Dropping the [`Call`] cancels the call, whether it was polled or not.
    ///
    /// # Errors
    ///
    /// Every [`CallError`]; [`may_have_run`](CallError::may_have_run) tells whether the peer may have
    /// done it. While the peer takes no more (`Rejected::Full`, `Rejected::Busy`) the call waits,
    /// within its deadline.
    pub fn request<T: FromPayload>(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
    ) -> Call<T> {
        let link = Ok(Arc::clone(&self.shared.link));
        Call::new(link, channel, args.to_payload(), &self.options)
    }

    /// Calls `channel` with streams of items beside the arguments and the answer: this side sends some,
    /// then says that they are complete, and the handler sends some before its answer.
    ///
    /// The deadline is that of the whole exchange; an option of this handle lifts it.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, no call was made; the [`Exchange`] cancels it from then on.
    ///
    /// # Errors
    ///
    /// Every [`CallError`] of a call that was not sent. How it ends is told by
    /// [`Exchange::answer`].
    pub fn open(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
    ) -> impl Future<Output = Result<Exchange, CallError>> + Send {
        let args = args.to_payload();
        async move { self.shared.link.open_exchange(channel, args?, self.options.clone()).await }
    }

    /// Subscribes to the topics that match a pattern: `*` is one part of a name, `>` at the end the rest of
    /// it. Waits until the server has accepted. Of the [options](Self::with) `policy`, `retained`, `group`,
    /// the deadline and the headers count.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the subscription, if the server has begun it.
    ///
    /// # Errors
    ///
    /// Every [`CallError`], as of [`request`](Self::request).
    pub async fn subscribe<T: FromPayload>(
        &self,
        pattern: &str,
    ) -> Result<Subscription<T>, CallError> {
        let (subscribed, retained) = self.shared.link.subscribe(pattern, &self.options).await?;
        Ok(Subscription::new(subscribed, retained))
    }

    /// Publishes a value under a topic, at most once. Of the [options](Self::with) `retain`, `forget`,
    /// `echo`, the headers and, while it waits for room, the deadline count.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, nothing was published.
    ///
    /// # Errors
    ///
    /// As of [`send`](Self::send); `Rejected(BadTopic)`.
    pub fn publish(
        &self,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
    ) -> impl Future<Output = Result<(), CallError>> + Send {
        let value = value.to_payload();
        async move { self.shared.link.publish(topic, value?, &self.options).await }
    }

    /// The same, and waits for the server to say for how many subscriptions it was queued.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the value may have been published, and only the count is lost.
    ///
    /// # Errors
    ///
    /// As of [`request`](Self::request); `Rejected(BadTopic)`.
    pub fn publish_counted(
        &self,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
    ) -> impl Future<Output = Result<u64, CallError>> + Send {
        let value = value.to_payload();
        async move { self.shared.link.publish_counted(topic, value?, &self.options).await }
    }

    /// Sends a one-way message. Ready when it is queued; it is written at once if the peer reads, else by
    /// the driver. Messages keep their order among themselves, and have none with calls: a call may run
    /// before the listeners of an earlier message have.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, nothing was sent.
    ///
    /// # Errors
    ///
    /// A [`CallError`] that says that nothing was sent. While too much waits to be written
    /// (`Rejected::Full`) it waits, within the deadline of the options.
    pub fn send(
        &self,
        channel: &str,
        message: &(impl ToPayload + ?Sized),
    ) -> impl Future<Output = Result<(), CallError>> + Send {
        let message = message.to_payload();
        async move { self.shared.link.send(channel, message?, &self.options).await }
    }

    /// Asks the peer for a sign of life; gives the time to it and back.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the time that it took, and nothing else.
    ///
    /// # Errors
    ///
    /// [`CallError::Deadline`], [`CallError::Disconnected`], or [`CallError::Rejected`] if the
    /// connection is closing.
    pub async fn ping(&self) -> Result<Duration, CallError> {
        self.shared.link.ping(&self.options).await
    }

    /// Calls that the server makes on `channel` go to this handler, whose futures run in the driver's task,
    /// many at once, and which may call the server in turn. Each is dropped when its caller gives the call
    /// up. Calls have no order, neither among themselves nor with messages.
    ///
    /// To be there for a server that calls at once, register with [`ClientBuilder::handle`]. A handler that
    /// keeps a clone of its client keeps the connection open; use [`Context::peer`] to call back.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the channel has a handler already, or its name is none.
    pub fn handle<A, B, F, Fut>(&self, channel: &str, handler: F) -> Result<Guard, RegisterError>
    where
        A: FromPayload,
        B: ToPayload,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<B, Failure>> + Send + 'static,
    {
        let registration = self.shared.services.handle(channel, handler)?;
        Ok(self.shared.serve(registration))
    }

    /// Messages that the server sends on `channel` go to this listener, too: one at a time, in the
    /// order in which they were sent. With calls they have no order: one that the server made later may
    /// run earlier. A message that is no `M` is dropped.
    ///
    /// To miss none that comes at once, register with [`ClientBuilder::on`].
    ///
    /// # Errors
    ///
    /// [`RegisterError::BadChannel`].
    pub fn on<M, F, Fut>(&self, channel: &str, listener: F) -> Result<Guard, RegisterError>
    where
        M: FromPayload,
        F: Fn(Context, M) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let registration = self.shared.services.listen(channel, false, listener)?;
        Ok(self.shared.serve(registration))
    }

    /// As [`on`](Self::on), for the next message only.
    ///
    /// # Errors
    ///
    /// [`RegisterError::BadChannel`].
    pub fn once<M, F, Fut>(&self, channel: &str, listener: F) -> Result<Guard, RegisterError>
    where
        M: FromPayload,
        F: Fn(Context, M) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let registration = self.shared.services.listen(channel, true, listener)?;
        Ok(self.shared.serve(registration))
    }

    /// Closes the connection gracefully: open calls of other tasks go on for a while, new ones are
    /// refused. Waits until it has ended, which limits of [`Config`](switchboard::Config) bound, and says
    /// how. In a handler of its own it would wait for itself, until
    /// [`Config::drain`](switchboard::Config::drain) (5 s by default) has passed; [`Peer::close`] does not
    /// wait. Closing twice does nothing more.
    ///
    /// [`Peer::close`]: crate::Peer::close
    ///
    /// # Cancel safety
    ///
    /// Once it was polled, dropping the future does not stop it.
    pub async fn close(&self, message: &str) -> CloseReason {
        self.shared.link.close(message, None);
        self.shared.link.ended().await
    }

    /// Ends the connection at once, without a word to the server. Open calls of other tasks fail.
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

    /// Why the connection ended, once it has.
    #[must_use]
    pub fn closed(&self) -> Option<CloseReason> {
        self.shared.link.lock().inbox.closed().cloned()
    }
}

impl Shared {
    /// The driver never leaves its seat from now on, for what was registered.
    fn serve(&self, registration: Registration) -> Guard {
        let mut state = self.link.lock();
        state.expects_more = true;
        self.link.clear_seat(&mut state);
        drop(state);
        Guard::new(Arc::downgrade(&self.services), registration)
    }
}

impl Drop for Shared {
    /// Says goodbye without waiting for anything.
    fn drop(&mut self) {
        self.link.close("", None);
    }
}

impl<R> Clone for Client<R> {
    fn clone(&self) -> Self {
        self.with(self.options.clone())
    }
}

impl<R> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connection", &self.welcome().connection)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
