//! `Items` and `ItemSender`: the streams of a call, for its handler. Called by handlers; knows the link and
//! its streams.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::sync::Arc;

use switchboard::{CallError, CallId, FromPayload, ToPayload};

use crate::link::Link;

/// The items that a call's caller sends: of [`Context::items`](crate::Context::items). Each step waits for
/// the next one, and `None` is that the caller has sent all, or sends none.
///
/// An error that is [`CallError::Decode`] is about that item; the next one may be good. Any other comes
/// once and last: the caller has cancelled or its deadline has passed ([`CallError::Cancelled`]), or the
/// connection has ended.
pub struct Items<T> {
    /// Until no more will come.
    open: Option<(Arc<Link>, CallId)>,
    items: PhantomData<fn() -> T>,
}

impl<T> Items<T> {
    pub(crate) const fn new(open: Option<(Arc<Link>, CallId)>) -> Self {
        Self { open, items: PhantomData }
    }
}

impl<T: FromPayload> Iterator for Items<T> {
    type Item = Result<T, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (link, call) = self.open.as_ref()?;
        match link.next_item(*call, None) {
            Ok(Some(item)) => {
                Some(T::from_payload(item, &link.config.payload).map_err(CallError::from))
            }
            Ok(None) => {
                self.open = None;
                None
            }
            Err(error) => {
                self.open = None;
                Some(Err(error))
            }
        }
    }
}

impl<T: FromPayload> FusedIterator for Items<T> {}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("open", &self.open.is_some()).finish_non_exhaustive()
    }
}

/// Sends items to a call's caller: of [`Context::sender`](crate::Context::sender). A clone is the same one;
/// it may go to another thread. The handler's answer says that all have been sent.
#[derive(Clone)]
pub struct ItemSender {
    link: Arc<Link>,
    call: CallId,
}

impl ItemSender {
    pub(crate) const fn new(link: Arc<Link>, call: CallId) -> Self {
        Self { link, call }
    }

    /// Sends an item. Waits while the caller takes none, at most until it gives the call up.
    ///
    /// # Errors
    ///
    /// [`CallError::Cancelled`]: nobody waits for the call any more. [`CallError::Rejected`]: `NoStream`
    /// if the caller asked for no items, `UnknownCall` if the call has been answered, `TooLarge`.
    /// [`CallError::Encode`]; [`CallError::Disconnected`].
    pub fn send(&self, item: &(impl ToPayload + ?Sized)) -> Result<(), CallError> {
        self.link.send_item(self.call, &item.to_payload()?)
    }
}

impl fmt::Debug for ItemSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemSender").field("call", &self.call).finish_non_exhaustive()
    }
}
