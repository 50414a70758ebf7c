//! `Exchange`: a call with streams of items beside its arguments and its answer. Called by programs; knows
//! the link and its streams.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use switchboard::{CallError, CallId, FromPayload, ToPayload};

use crate::call::{Canceller, cancel};
use crate::link::Link;

/// A call under way whose two sides send each other items until it is answered: made by
/// [`Client::open`](crate::Client::open) and [`Peer::open`](crate::Peer::open).
///
/// Items arrive in the order in which they were sent. Whoever does not take them stops the sender: at most
/// [`Config::stream_window`](switchboard::Config::stream_window) bytes are under way or wait here.
/// Dropping it (both halves, if it was split) cancels the call, unless it was answered.
///
/// ```
/// # use switchboard::Failure;
/// # use switchboard_blocking::{Client, Context, Server, Stream};
/// # let server = Server::builder()
/// .handle("running total", |cx: Context, ()| {
///     let (mut total, totals) = (0, cx.sender()?);
///     for number in cx.items::<u32>() {
///         total += number?;
///         totals.send(&total)?;
///     }
///     Ok(total)
/// })
/// # .start()?;
/// # let (one, other) = Stream::pair()?;
/// # server.attach(one)?;
/// # let client = Client::builder().attach(other)?;
/// let mut exchange = client.open("running total", &())?;
/// exchange.send(&3)?;
/// assert_eq!(exchange.next::<u32>().transpose()?, Some(3));
/// exchange.send(&4)?;
/// assert_eq!(exchange.next::<u32>().transpose()?, Some(7));
/// exchange.finish()?;
/// assert_eq!(exchange.answer::<u32>()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
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
    /// Its answer was asked for, and its ticket is somebody else's.
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
    /// # Errors
    ///
    /// As of [`ExchangeSender::send`].
    pub fn send(&self, item: &(impl ToPayload + ?Sized)) -> Result<(), CallError> {
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
    /// # Errors
    ///
    /// [`CallError::Decode`]: this item is none that can be used, or no `T`. The next one may be.
    #[allow(clippy::should_implement_trait, reason = "each item may be of another type")]
    pub fn next<T: FromPayload>(&mut self) -> Option<Result<T, CallError>> {
        self.receiver.next()
    }

    /// Waits for the answer. Items that still come are dropped.
    ///
    /// # Errors
    ///
    /// Every [`CallError`], as of [`Client::request`](crate::Client::request).
    pub fn answer<R: FromPayload>(self) -> Result<R, CallError> {
        self.receiver.answer()
    }

    /// Two halves, for two threads.
    #[must_use = "dropping both halves of an exchange cancels it"]
    pub fn split(self) -> (ExchangeSender, ExchangeReceiver) {
        (self.sender, self.receiver)
    }

    /// Cancels it from another thread: whoever waits is told.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller::new(Arc::clone(&self.sender.0.link), self.sender.0.id)
    }
}

impl ExchangeSender {
    /// Sends an item. Waits while the peer takes none, at most until the call has ended.
    ///
    /// # Errors
    ///
    /// [`CallError::Rejected`]: `UnknownCall` if the call has ended, and the answer says how;
    /// `NoStream` if it was made without items of this side, or they are [finished](Self::finish);
    /// `TooLarge`. [`CallError::Encode`]; [`CallError::Disconnected`].
    pub fn send(&self, item: &(impl ToPayload + ?Sized)) -> Result<(), CallError> {
        self.0.link.send_item(self.0.id, &item.to_payload()?)
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
    /// # Errors
    ///
    /// As of [`Exchange::next`].
    #[allow(clippy::should_implement_trait, reason = "each item may be of another type")]
    pub fn next<T: FromPayload>(&mut self) -> Option<Result<T, CallError>> {
        let Open { link, ticket, id, .. } = &*self.0;
        // Of a call of this side it never fails.
        let item = link.next_item(*id, Some(*ticket)).ok().flatten()?;
        Some(T::from_payload(item, &link.config.payload).map_err(CallError::from))
    }

    /// An iterator over what [`next`](Self::next) gives.
    pub fn items<T: FromPayload>(&mut self) -> impl Iterator<Item = Result<T, CallError>> {
        core::iter::from_fn(|| self.next())
    }

    /// Waits for the answer; see [`Exchange::answer`].
    ///
    /// # Errors
    ///
    /// As of [`Exchange::answer`].
    pub fn answer<R: FromPayload>(self) -> Result<R, CallError> {
        let Open { link, ticket, id, answered } = &*self.0;
        // Its items have to be taken, or the peer never comes to the answer.
        while let Ok(Some(_)) = link.next_item(*id, Some(*ticket)) {}
        answered.store(true, Ordering::Relaxed);
        let answer = link.answer(*ticket)?;
        Ok(R::from_payload(answer, &link.config.payload)?)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.link.enter();
        state.inbox.close_items(self.id);
        if !*self.answered.get_mut() {
            cancel(&self.link, &mut state, self.id);
            state.inbox.abandon(self.ticket);
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
