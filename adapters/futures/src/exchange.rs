//! `Exchange`: a call with streams of items beside its arguments and its answer. Called by programs; knows
//! the link.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::Stream;
use futures_util::stream::unfold;
use switchboard::{CallError, CallId, FromPayload, Payload, ToPayload};

use crate::link::Link;
use crate::wakers::On;

/// A call under way whose two sides send each other items until it is answered: made by
/// [`Client::open`](crate::Client::open) and [`Peer::open`](crate::Peer::open).
///
/// Items arrive in the order in which they were sent. Whoever does not take them stops the sender: at most
/// [`Config::stream_window`](switchboard::Config::stream_window) bytes are under way or wait here.
/// Dropping it (both halves, if it was split) cancels the call, unless it was answered. Dropping a future of
/// one of its methods loses nothing: the item was sent or not taken, or it was not.
///
/// ```
/// use futures_util::future::try_join;
/// use switchboard_smol::{Client, Context, Server};
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// let server = Server::builder()
///     // Doubles each item, then answers how many there were.
///     .handle("double", |cx: Context, ()| async move {
///         let (mut items, sender, mut count) = (cx.items::<u32>(), cx.sender()?, 0);
///         while let Some(item) = items.next().await {
///             sender.send(&(2 * item?)).await?;
///             count += 1;
///         }
///         Ok(count)
///     })
///     .bind(address)
///     .await?;
/// let client = Client::connect(address).await?;
///
/// let mut exchange = client.open("double", &()).await?;
/// exchange.send(&21).await?;
/// assert_eq!(exchange.next::<u32>().await.ok_or("no item")??, 42);
/// exchange.finish()?;
/// assert_eq!(exchange.answer::<u32>().await?, 1);
///
/// // Two halves, so that neither direction waits for the other.
/// let (sender, mut receiver) = client.open("double", &()).await?.split();
/// let send = async {
///     for n in 0..1000 {
///         sender.send(&n).await?;
///     }
///     sender.finish()
/// };
/// let take = async {
///     let mut sum = 0;
///     while let Some(item) = receiver.next::<u32>().await {
///         sum += item?;
///     }
///     Ok((sum, receiver.answer::<u32>().await?))
/// };
/// assert_eq!(try_join(send, take).await?, ((), (999_000, 1000)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "dropping an exchange cancels it"]
pub struct Exchange {
    sender: ExchangeSender,
    receiver: ExchangeReceiver,
}

/// The half of an [`Exchange`] that sends. A clone is the same one.
#[derive(Clone)]
pub struct ExchangeSender(Arc<Open>);

/// The half of an [`Exchange`] that receives.
#[must_use = "dropping both halves of an exchange cancels it"]
pub struct ExchangeReceiver(Arc<Open>);

/// What the last half drops.
struct Open {
    link: Arc<Link>,
    ticket: usize,
    id: CallId,
    /// Its answer has come, and its ticket is somebody else's.
    answered: AtomicBool,
}

impl Exchange {
    pub(crate) fn new(link: Arc<Link>, ticket: usize, id: CallId) -> Self {
        let open = Arc::new(Open { link, ticket, id, answered: AtomicBool::new(false) });
        let sender = ExchangeSender(Arc::clone(&open));
        Self { sender, receiver: ExchangeReceiver(open) }
    }

    /// Sends an item. Waits while the peer takes none, at most until the call has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the item was not sent, and the next one may be.
    ///
    /// # Errors
    ///
    /// As of [`ExchangeSender::send`].
    pub fn send(
        &self,
        item: &(impl ToPayload + ?Sized),
    ) -> impl Future<Output = Result<(), CallError>> + Send {
        self.sender.send(item)
    }

    /// Says that all items have been sent; those of the peer and its answer may still come.
    ///
    /// # Errors
    ///
    /// As of [`ExchangeSender::send`]; that it was said before is `Rejected(NoStream)`, too.
    pub fn finish(&self) -> Result<(), CallError> {
        self.sender.finish()
    }

    /// Waits for the peer's next item. `None` when no more will come, because the call has ended:
    /// [`answer`](Self::answer) says how.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item: the next one is what this would have given.
    ///
    /// # Errors
    ///
    /// [`CallError::Decode`]: this item is none that can be used, or no `T`. The next one may be.
    pub async fn next<T: FromPayload>(&mut self) -> Option<Result<T, CallError>> {
        self.receiver.next().await
    }

    /// Waits for the answer. Items that still come are dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call.
    ///
    /// # Errors
    ///
    /// Every [`CallError`], as of [`Client::request`](crate::Client::request).
    pub async fn answer<R: FromPayload>(self) -> Result<R, CallError> {
        self.receiver.answer().await
    }

    /// Two halves, for two tasks.
    #[must_use = "dropping both halves of an exchange cancels it"]
    pub fn split(self) -> (ExchangeSender, ExchangeReceiver) {
        (self.sender, self.receiver)
    }
}

impl ExchangeSender {
    /// Sends an item. Waits while the peer takes none, at most until the call has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the item was not sent, and the next one may be.
    ///
    /// # Errors
    ///
    /// [`CallError::Rejected`]: `UnknownCall` if the call has ended, and the answer says how;
    /// `NoStream` if it was made without items of this side, or they are [finished](Self::finish);
    /// `TooLarge`. [`CallError::Encode`]; [`CallError::Disconnected`].
    pub fn send(
        &self,
        item: &(impl ToPayload + ?Sized),
    ) -> impl Future<Output = Result<(), CallError>> + Send {
        let item = item.to_payload();
        async move { self.0.link.send_item(self.0.id, item?).await }
    }

    /// Says that all items have been sent.
    ///
    /// # Errors
    ///
    /// As of [`send`](Self::send).
    pub fn finish(&self) -> Result<(), CallError> {
        self.0.link.end_items(self.0.id)
    }
}

impl ExchangeReceiver {
    /// Waits for the peer's next item; see [`Exchange::next`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item: the next one is what this would have given.
    ///
    /// # Errors
    ///
    /// As of [`Exchange::next`].
    pub async fn next<T: FromPayload>(&mut self) -> Option<Result<T, CallError>> {
        let item = self.0.next().await?;
        Some(T::from_payload(item, &self.0.link.config.payload).map_err(CallError::from))
    }

    /// A stream of what [`next`](Self::next) gives.
    ///
    /// # Cancel safety
    ///
    /// Dropping the stream, or a future of it, loses no item: the next stream goes on with them.
    pub fn items<T: FromPayload>(&mut self) -> impl Stream<Item = Result<T, CallError>> + Send {
        unfold(self, |this| async move { this.next().await.map(|item| (item, this)) })
    }

    /// Waits for the answer; see [`Exchange::answer`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call, once the other half is dropped, too.
    ///
    /// # Errors
    ///
    /// As of [`Exchange::answer`].
    pub async fn answer<R: FromPayload>(self) -> Result<R, CallError> {
        let Open { link, ticket, id, answered } = &*self.0;
        // Its items have to be taken, or the peer never comes to the answer.
        while self.0.next().await.is_some() {}
        let answer = link.wait(On::Call(*id), |state| {
            let answer = state.inbox.answer(*ticket);
            answered.store(answer.is_ready(), Ordering::Relaxed);
            answer
        });
        Ok(R::from_payload(answer.await?, &link.config.payload)?)
    }
}

impl Open {
    async fn next(&self) -> Option<Payload> {
        let next = |state: &mut crate::state::State| state.next_item(self.id, Some(self.ticket));
        // Of a call of this side it never fails.
        self.link.wait(On::Call(self.id), next).await.ok().flatten()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.link.enter();
        state.inbox.close_items(self.id);
        if !*self.answered.get_mut() {
            state.inbox.abandon(self.ticket);
            // One that has ended is open no more, and says so.
            let now = state.now;
            let _ = state.session.cancel(now, self.id);
            self.link.nudge(&mut state);
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("id", &self.sender.0.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for ExchangeSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeSender").field("id", &self.0.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for ExchangeReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeReceiver").field("id", &self.0.id).finish_non_exhaustive()
    }
}
