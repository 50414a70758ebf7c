//! What an application sends: `Payload`, one CBOR item, and the ways in and out of it.
//!
//! Knows statuses and nothing else of the protocol. The connection hands payloads on unread.
//! Whoever uses one checks it first: [`scan()`] finds exactly one well-formed item within
//! [`PayloadLimits`], without allocation or recursion. Only then may serde see it, through
//! [`to_payload`] and [`from_payload`]; the CBOR library behind them is in no public signature.
//!
//! ```text
//! a value --to_payload--> Payload --> the wire --> Payload --scan, from_payload--> a value
//! ```

mod convert;
mod error;
mod exact;
mod floats;
mod limits;
mod scan;
mod text;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

pub use self::convert::{FromPayload, ToPayload, from_payload, to_payload};
pub use self::error::{DecodeError, EncodeError, ScanError};
pub use self::limits::{MAX_DEPTH, PayloadLimits};
pub use self::scan::scan;

/// What a message says: bytes that are meant to be one CBOR item (RFC 8949). A clone is cheap.
///
/// Any CBOR encoder may make one ([`from_cbor`](Self::from_cbor)); [`to_payload`] makes one from a
/// value that serde can write, and [`bytes`](Self::bytes) from bytes that mean nothing here.
///
/// A payload that came from a peer is not checked on its way in: that would be paid for by those
/// who only pass it on. [`from_payload`] checks; whoever reads [`as_cbor`](Self::as_cbor) with a
/// decoder of their own calls [`check`](Self::check) first.
///
/// It is neither `Serialize` nor `Deserialize`, on purpose: [`ToPayload`] and [`FromPayload`] hold
/// for every type of serde *and* for `Payload` as it is, which Rust allows only so.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Bytes);

/// How much of a payload `Debug` shows.
const SHOWN: usize = 64;

impl Payload {
    /// Nothing to say: CBOR's null. Allocates nothing.
    #[must_use]
    pub const fn null() -> Self {
        Self(Bytes::from_static(&[0xf6]))
    }

    /// Takes what an encoder has written, if it is one item within the default limits.
    ///
    /// # Errors
    ///
    /// [`ScanError`]: it is not exactly one well-formed item, or beyond [`PayloadLimits::default`].
    pub fn from_cbor(cbor: impl Into<Bytes>) -> Result<Self, ScanError> {
        let cbor = cbor.into();
        scan(&cbor, &PayloadLimits::default())?;
        Ok(Self(cbor))
    }

    /// Bytes that mean nothing to CBOR, as one byte string. [`as_bytes`](Self::as_bytes) has them
    /// back.
    #[must_use]
    pub fn bytes(content: &[u8]) -> Self {
        let (head, width) = scan::byte_string_head(content.len());
        let mut cbor = Vec::with_capacity(width + content.len());
        cbor.extend_from_slice(&head[..width]);
        cbor.extend_from_slice(content);
        Self(cbor.into())
    }

    /// What came from a peer: checked by whoever uses it.
    pub(crate) const fn from_peer(cbor: Bytes) -> Self {
        Self(cbor)
    }

    /// The content, if this is one byte string of definite length and nothing else.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        scan::byte_string(&self.0)
    }

    /// The CBOR as it stands.
    #[must_use]
    pub fn as_cbor(&self) -> &[u8] {
        &self.0
    }

    /// The CBOR as it stands, without a copy.
    #[must_use]
    pub fn into_cbor(self) -> Bytes {
        self.0
    }

    /// Bytes of CBOR.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is not even one byte, which only a peer can bring about: no CBOR item is
    /// empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is what it is meant to be: exactly one well-formed item within `limits`.
    ///
    /// # Errors
    ///
    /// [`ScanError`]: what is wrong, and where.
    pub fn check(&self, limits: &PayloadLimits) -> Result<(), ScanError> {
        scan(&self.0, limits)
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::null()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN)];
        write!(f, "Payload({} B: ", self.0.len())?;
        for byte in shown {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(if shown.len() < self.0.len() { "..)" } else { ")" })
    }
}
