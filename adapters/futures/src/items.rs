//! `Items` and `ItemSender`: the streams of a call, for its handler. Called by handlers; knows the link.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::future::AbortHandle;
use futures_util::stream::FusedStream;
use switchboard::{CallError, CallId, Fate, FromPayload, Rejected, ToPayload};

use crate::link::Link;
use crate::wakers::{On, Place};

/// The items that a call's caller sends: of [`Context::items`](crate::Context::items). It ends when the
/// caller has sent all, or sends none.
///
/// An error that is [`CallError::Decode`] is about that item; the next one may be good. Any other comes
/// once and last: the caller has cancelled or its deadline has passed ([`CallError::Cancelled`]), or the
/// connection has ended.
///
/// # Cancel safety
///
/// Dropping a future of it, such as [`next`](Self::next), loses no item, nor does dropping it: another one
/// of the same call goes on.
pub struct Items<T> {
    /// Until no more will come; or why none does.
    open: Result<Option<Open>, CallError>,
    place: Place,
    items: PhantomData<fn() -> T>,
}

impl<T> Items<T> {
    pub(crate) const fn new(open: Result<Option<Open>, CallError>) -> Self {
        Self { open, place: Place::new(), items: PhantomData }
    }
}

impl<T: FromPayload> Items<T> {
    /// The next one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item: the next one is what this would have given.
    pub async fn next(&mut self) -> Option<Result<T, CallError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T: FromPayload> Stream for Items<T> {
    type Item = Result<T, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { open, place, .. } = &mut *self;
        let next = match open {
            Ok(Some(Open { link, call, stop })) => {
                let on = On::Call(*call);
                let next = link.poll(on, place, cx, |state| state.next_item(*call, None));
                match next {
                    Poll::Ready(Ok(Some(item))) => {
                        let item = T::from_payload(item, &link.config.payload);
                        return Poll::Ready(Some(item.map_err(CallError::from)));
                    }
                    Poll::Ready(Ok(None)) if stop.is_aborted() => {
                        Some(Err(CallError::Cancelled(Fate::MayHaveRun)))
                    }
                    Poll::Ready(Ok(None)) => None,
                    Poll::Ready(Err(error)) => Some(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Ok(None) => None,
            Err(error) => Some(Err(error.clone())),
        };
        self.open = Ok(None);
        Poll::Ready(next)
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        if let Ok(Some(Open { link, call, .. })) = &self.open {
            link.leave(On::Call(*call), &mut self.place);
        }
    }
}

impl<T: FromPayload> FusedStream for Items<T> {
    fn is_terminated(&self) -> bool {
        matches!(self.open, Ok(None))
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items")
            .field("open", &matches!(self.open, Ok(Some(_))))
            .finish_non_exhaustive()
    }
}

/// Sends items to a call's caller: of [`Context::sender`](crate::Context::sender). A clone is the same one;
/// it may go to another task. The handler's answer says that all have been sent.
#[derive(Clone)]
pub struct ItemSender(Open);

/// A call of the peer's.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) link: Arc<Link>,
    pub(crate) call: CallId,
    /// Whether its handler was stopped: it is answered then, and says why no more.
    pub(crate) stop: AbortHandle,
}

impl ItemSender {
    pub(crate) const fn new(open: Open) -> Self {
        Self(open)
    }

    /// Sends an item. Waits while the caller takes none, at most until it gives the call up.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the item was not sent, and the next one may be.
    ///
    /// # Errors
    ///
    /// [`CallError::Cancelled`]: nobody waits for the call any more. [`CallError::Rejected`]: `NoStream`
    /// if the caller asked for no items, `UnknownCall` if the call has been answered, `TooLarge`.
    /// [`CallError::Encode`]; [`CallError::Disconnected`].
    pub fn send(
        &self,
        item: &(impl ToPayload + ?Sized),
    ) -> impl Future<Output = Result<(), CallError>> + Send {
        let item = item.to_payload();
        async move {
            let Open { link, call, stop } = &self.0;
            match link.send_item(*call, item?).await {
                Err(CallError::Rejected(Rejected::UnknownCall)) if stop.is_aborted() => {
                    Err(CallError::Cancelled(Fate::MayHaveRun))
                }
                sent => sent,
            }
        }
    }
}

impl fmt::Debug for ItemSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemSender").field("call", &self.0.call).finish_non_exhaustive()
    }
}
