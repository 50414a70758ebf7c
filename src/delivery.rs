//! `Delivery` and `DeliveryError`: what a subscriber's program gets, the same from every adapter. Made by
//! adapters; knows publications, payloads and why connections end.

use alloc::string::String;
use core::fmt;

use crate::close_reason::CloseReason;
use crate::failure::Failure;
use crate::payload::{DecodeError, FromPayload, PayloadLimits};
use crate::publication::Publication;
use crate::wire::Headers;

/// A value that was published, as its subscriber gets it (`docs/protocol.md` section 5.3).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delivery<T> {
    /// The topic that it was published under.
    pub topic: String,
    /// The headers that its publisher gave it.
    pub headers: Headers,
    /// The value.
    pub value: T,
}

impl<T: FromPayload> Delivery<T> {
    /// Reads the value of a publication.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Decode`]: it is over a limit, or no `T`.
    pub fn read(publication: &Publication, limits: &PayloadLimits) -> Result<Self, DeliveryError> {
        let topic = publication.topic();
        match T::from_payload(publication.payload(), limits) {
            Ok(value) => Ok(Self { topic: topic.into(), headers: publication.headers(), value }),
            Err(error) => Err(DeliveryError::Decode { topic: topic.into(), error }),
        }
    }
}

/// What a subscriber gets in place of a value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DeliveryError {
    /// So many values are missing here, because this subscriber was too slow. Others follow: take them
    /// faster, or ask for less.
    Lagged(u64),
    /// This one cannot be used as what the subscriber asked for. Others follow.
    Decode {
        /// Its topic.
        topic: String,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The subscription was ended, by the server or because its queue was full. The last thing.
    Ended(Failure),
    /// The connection has ended, and the subscription with it. The last thing.
    Disconnected(CloseReason),
}

impl DeliveryError {
    /// Whether nothing follows.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Disconnected(_))
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged(1) => f.write_str("1 value is missing here: this subscriber is too slow"),
            Self::Lagged(count) => {
                write!(f, "{count} values are missing here: this subscriber is too slow")
            }
            Self::Decode { topic, error } => write!(f, "the value of {topic:?}: {error}"),
            Self::Ended(failure) => write!(f, "the subscription was ended: {failure}"),
            Self::Disconnected(reason) => write!(f, "the subscription has ended: {reason}"),
        }
    }
}

impl core::error::Error for DeliveryError {}
