//! `Subscription`: the values that are published under the topics of a pattern, as a stream. Called by
//! programs; knows the link.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::stream::FusedStream;
use switchboard::{Delivery, DeliveryError, Due, FromPayload};

use crate::calls::Subscribed;
use crate::wakers::{On, Place};

/// What is published under the topics of a pattern: of [`Client::subscribe`](crate::Client::subscribe). A
/// stream that ends behind an error that [is the last](DeliveryError::is_last).
///
/// What is not taken waits here, up to [`Config::max_deliveries`](switchboard::Config::max_deliveries)
/// values and [`Config::max_delivery_bytes`](switchboard::Config::max_delivery_bytes); above that the policy
/// of the subscription decides, as at the server. By default the oldest are dropped, and
/// [`DeliveryError::Lagged`] stands in their place.
///
/// # Cancel safety
///
/// Dropping a future of it, such as [`next`](Self::next), loses no value. Dropping it ends the subscription,
/// and what waits here is gone.
///
/// ```
/// use switchboard::DeliveryError;
/// use switchboard_smol::Client;
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// # let _server = switchboard_smol::Server::builder().bind(address).await?;
/// let client = Client::connect(address).await?;
/// let mut rooms = client.subscribe::<f64>("rooms.*.temperature").await?;
/// client.publish("rooms.cellar.temperature", &12.5).await?;
/// while let Some(delivery) = rooms.next().await {
///     match delivery {
///         Ok(delivery) if delivery.topic == "rooms.cellar.temperature" => break,
///         Ok(delivery) => println!("{} is {}", delivery.topic, delivery.value),
///         Err(DeliveryError::Lagged(count)) => println!("{count} are missing here"),
///         // Of another type; or the last, and the stream ends behind it.
///         Err(error) => println!("{error}"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "dropping a subscription ends it"]
pub struct Subscription<T> {
    subscribed: Subscribed,
    retained: u64,
    over: bool,
    place: Place,
    values: PhantomData<fn() -> T>,
}

impl<T> Subscription<T> {
    pub(crate) const fn new(subscribed: Subscribed, retained: u64) -> Self {
        Self { subscribed, retained, over: false, place: Place::new(), values: PhantomData }
    }

    /// How many of the first values were retained: published before this subscription began. 0 without
    /// [`Options::retained`](switchboard::Options::retained).
    #[must_use]
    pub const fn retained(&self) -> u64 {
        self.retained
    }
}

impl<T: FromPayload> Subscription<T> {
    /// The next value.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no value: the next one is what this would have given.
    pub async fn next(&mut self) -> Option<Result<Delivery<T>, DeliveryError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The next value if it is here already; this does not wait.
    pub fn try_next(&mut self) -> Option<Result<Delivery<T>, DeliveryError>> {
        let next = self.subscribed.link.lock().inbox.next_delivery(self.subscribed.id);
        match next {
            Poll::Ready(Ok(due)) => Some(self.read(due)),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }

    fn read(&self, due: Due) -> Result<Delivery<T>, DeliveryError> {
        match due {
            Due::Delivery(publication) => {
                Delivery::read(&publication, &self.subscribed.link.config.payload)
            }
            Due::Lagged(count) => Err(DeliveryError::Lagged(count)),
        }
    }
}

impl<T: FromPayload> Stream for Subscription<T> {
    type Item = Result<Delivery<T>, DeliveryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let Self { subscribed: Subscribed { link, id }, place, .. } = &mut *self;
        let on = On::Subscription(*id);
        let next = link.poll(on, place, cx, |state| state.inbox.next_delivery(*id));
        let Poll::Ready(next) = next else { return Poll::Pending };
        self.over = next.is_err();
        Poll::Ready(Some(next.and_then(|due| self.read(due))))
    }
}

impl<T: FromPayload> FusedStream for Subscription<T> {
    fn is_terminated(&self) -> bool {
        self.over
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.subscribed.id).finish_non_exhaustive()
    }
}
