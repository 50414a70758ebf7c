//! `Subscription`: the values that are published under the topics of a pattern, one after the other. Called
//! by programs; knows the link.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::Poll;

use switchboard::{CallId, Delivery, DeliveryError, Due, FromPayload};

use crate::link::Link;

/// What is published under the topics of a pattern: of [`Client::subscribe`](crate::Client::subscribe).
/// Each step waits for the next value; the iteration ends behind an error that
/// [is the last](DeliveryError::is_last). Dropping it ends the subscription.
///
/// What is not taken waits here, up to [`Config::max_deliveries`](switchboard::Config::max_deliveries)
/// values and [`Config::max_delivery_bytes`](switchboard::Config::max_delivery_bytes); above that the policy
/// of the subscription decides, as at the server. By default the oldest are dropped, and
/// [`DeliveryError::Lagged`] stands in their place.
///
/// ```
/// # use switchboard::Options;
/// # use switchboard_blocking::{Client, Server, Stream};
/// # let server = Server::builder().start()?;
/// # let (one, other) = Stream::pair()?;
/// # server.attach(one)?;
/// # let client = Client::builder().attach(other)?;
/// let mut rooms = client.subscribe::<f64>("rooms.*.temperature")?;
/// client.publish("rooms.kitchen.temperature", &21.5)?;
/// let delivery = rooms.next().expect("one was published")?;
/// assert_eq!((delivery.topic.as_str(), delivery.value), ("rooms.kitchen.temperature", 21.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a subscription ends it"]
pub struct Subscription<T> {
    link: Arc<Link>,
    id: CallId,
    retained: u64,
    over: bool,
    values: PhantomData<fn() -> T>,
}

impl<T> Subscription<T> {
    pub(crate) const fn new(link: Arc<Link>, id: CallId, retained: u64) -> Self {
        Self { link, id, retained, over: false, values: PhantomData }
    }

    /// How many of the first values were retained: published before this subscription began. 0 without
    /// [`Options::retained`](switchboard::Options::retained).
    #[must_use]
    pub const fn retained(&self) -> u64 {
        self.retained
    }
}

impl<T: FromPayload> Subscription<T> {
    fn read(&mut self, due: Due) -> Result<Delivery<T>, DeliveryError> {
        match due {
            Due::Delivery(publication) => Delivery::read(&publication, &self.link.config.payload),
            Due::Lagged(count) => Err(DeliveryError::Lagged(count)),
        }
    }

    /// The next value if it is here already; this does not wait.
    pub fn try_next(&mut self) -> Option<Result<Delivery<T>, DeliveryError>> {
        let got = self.link.lock().inbox.next_delivery(self.id);
        match got {
            Poll::Ready(Ok(due)) => Some(self.read(due)),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }
}

impl<T: FromPayload> Iterator for Subscription<T> {
    type Item = Result<Delivery<T>, DeliveryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let id = self.id;
        let next = self.link.wait_for(None, None, |state| state.inbox.next_delivery(id));
        self.over = next.is_err();
        Some(next.and_then(|due| self.read(due)))
    }
}

impl<T: FromPayload> FusedIterator for Subscription<T> {}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.link.unsubscribe(self.id);
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).finish_non_exhaustive()
    }
}
