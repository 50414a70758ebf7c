//! Between payloads and the values of an application, through serde. Knows payloads only; the one
//! place that knows the CBOR library.
//!
//! The mapping is part of the wire, so other languages can meet it: `docs/protocol.md` section 11
//! has all of it. Structs and maps are maps, field names are text. Unit, unit structs and `None`
//! are null. Enums are externally tagged: `"Name"` alone, or `{"Name": content}`. Bytes are byte
//! strings; an array of small numbers does for them, and they do for an array of `u8`. Integers are
//! exact up to 128 bits (bignums above 64). Floats take the shortest width that holds them. Unknown
//! fields are skipped, a field given twice is refused. Tags other than those of bignums are
//! skipped, undefined is read as null.
//!
//! `#[serde(untagged)]`, `#[serde(flatten)]` and internally tagged enums go through a buffer of
//! serde's own, which rounds numbers for floats and knows neither integers above 64 bits nor tags.
//! Names of fields and variants are at most 4,096 bytes long, unknown ones, too, and in one piece.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::marker::PhantomData;

use bytes::Bytes;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde_path_to_error::{Path, Track};

use super::Payload;
use super::error::{DecodeError, EncodeError};
use super::exact::Exact;
use super::limits::PayloadLimits;
use super::scan::scan;
use super::text::tidy;

/// Where most payloads have room without growing.
const ROOM: usize = 128;

/// Up to this length, an exact copy is cheaper than to keep what was left of the room.
const SMALL: usize = 1024;

/// Room for the names of fields and variants: the library takes none that is longer.
const LONGEST_NAME: usize = 4096;

/// How deep a payload may be for its mismatch to be told with a path: looking for that takes twice
/// the stack of reading.
const TRACED: PayloadLimits = PayloadLimits { max_depth: 32, max_items: usize::MAX };

/// What can be sent: every type that serde can write, and [`Payload`] as it is.
pub trait ToPayload {
    /// The payload that says this value.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]: the value's own `Serialize` refuses.
    fn to_payload(&self) -> Result<Payload, EncodeError>;

    /// The same of a value that is not needed any more: a payload is itself then.
    ///
    /// # Errors
    ///
    /// As of [`to_payload`](Self::to_payload).
    fn into_payload(self) -> Result<Payload, EncodeError>
    where
        Self: Sized,
    {
        self.to_payload()
    }
}

impl<T: Serialize + ?Sized> ToPayload for T {
    fn to_payload(&self) -> Result<Payload, EncodeError> {
        to_payload(self)
    }
}

impl ToPayload for Payload {
    fn to_payload(&self) -> Result<Payload, EncodeError> {
        Ok(self.clone())
    }

    fn into_payload(self) -> Result<Payload, EncodeError> {
        Ok(self)
    }
}

/// What can be received: every type that serde can read whole, and [`Payload`] as it is.
pub trait FromPayload: Sized {
    /// The value that `payload` says. It is checked first, a `Payload` too.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]: it is no CBOR item within `limits`, or not one of this type.
    fn from_payload(payload: Payload, limits: &PayloadLimits) -> Result<Self, DecodeError>;
}

impl<T: DeserializeOwned> FromPayload for T {
    fn from_payload(payload: Payload, limits: &PayloadLimits) -> Result<Self, DecodeError> {
        from_payload(&payload, limits)
    }
}

impl FromPayload for Payload {
    fn from_payload(payload: Payload, limits: &PayloadLimits) -> Result<Self, DecodeError> {
        payload.check(limits)?;
        Ok(payload)
    }
}

/// Writes `value` as CBOR.
///
/// The promise "one item" is as good as the value's `Serialize`: one that announces three elements
/// and writes two makes a payload that the other side refuses.
///
/// # Errors
///
/// [`EncodeError`]: `Serialize` refuses, with the path to where. It runs twice then.
pub fn to_payload<T: Serialize + ?Sized>(value: &T) -> Result<Payload, EncodeError> {
    let mut cbor = Vec::with_capacity(ROOM);
    match ciborium::into_writer(value, &mut cbor) {
        Ok(()) if cbor.len() <= SMALL => Ok(Payload(Bytes::copy_from_slice(&cbor))),
        Ok(()) => Ok(Payload(cbor.into())),
        Err(error) => Err(encode_error(value, error)),
    }
}

#[cold]
fn encode_error<T: Serialize + ?Sized, E>(
    value: &T,
    error: ciborium::ser::Error<E>,
) -> EncodeError {
    let message = match error {
        ciborium::ser::Error::Value(message) => tidy(&message),
        ciborium::ser::Error::Io(_) => "no room for it".to_string(),
    };
    let traced = TracedValue { value, path: RefCell::default() };
    // Its error is known from the first run.
    let _ = ciborium::into_writer(&traced, Vec::new());
    EncodeError { path: traced.path.into_inner(), message }
}

/// Writes a value and remembers where that failed.
struct TracedValue<'a, T: ?Sized> {
    value: &'a T,
    path: RefCell<String>,
}

impl<T: Serialize + ?Sized> Serialize for TracedValue<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut track = Track::new();
        let traced = serde_path_to_error::Serializer::new(serializer, &mut track);
        self.value.serialize(traced).inspect_err(|_| *self.path.borrow_mut() = text(&track.path()))
    }
}

/// Reads `payload` as a `T`, after a [`scan()`].
///
/// # Errors
///
/// [`DecodeError::Scan`]: it is no CBOR item within `limits`. [`DecodeError::Mismatch`]: it is none
/// of this type, with the path to where unless it is nested deeper than 32; `Deserialize` runs
/// twice then.
pub fn from_payload<T: DeserializeOwned>(
    payload: &Payload,
    limits: &PayloadLimits,
) -> Result<T, DecodeError> {
    let cbor = payload.as_cbor();
    scan(cbor, limits)?;
    let message = match read(cbor) {
        Ok((Plain(value), 0)) => return Ok(value),
        Ok(_) => "the type leaves a part unread".to_string(),
        Err(message) => message,
    };
    let path = if scan(cbor, &TRACED).is_ok() { failed_at::<T>(cbor) } else { String::new() };
    Err(DecodeError::Mismatch { path, message })
}

/// Reads bytes that have passed the scan, and tells how many the type left unread.
fn read<T: DeserializeOwned>(cbor: &[u8]) -> Result<(T, usize), String> {
    // Filling 4 KiB with zeros takes as long as reading a small value.
    if cbor.len() <= ROOM {
        read_with(cbor, &mut [0; ROOM])
    } else if cbor.len() <= SMALL {
        read_with(cbor, &mut [0; SMALL])
    } else {
        read_with(cbor, &mut [0; LONGEST_NAME])
    }
}

fn read_with<T: DeserializeOwned>(mut cbor: &[u8], names: &mut [u8]) -> Result<(T, usize), String> {
    let value = ciborium::de::from_reader_with_buffer(&mut cbor, names).map_err(reason)?;
    Ok((value, cbor.len()))
}

#[cold]
fn reason<E>(error: ciborium::de::Error<E>) -> String {
    match error {
        ciborium::de::Error::Semantic(_, message) => tidy(&message),
        ciborium::de::Error::RecursionLimitExceeded => "nested too deep for this type".to_string(),
        ciborium::de::Error::Io(_) => "the type wants more than there is".to_string(),
        ciborium::de::Error::Syntax(_) => "not readable as this type".to_string(),
    }
}

/// A value read through [`Exact`].
struct Plain<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Plain<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(Exact(deserializer)).map(Self)
    }
}

/// Where reading a `T` fails.
#[cold]
fn failed_at<T: DeserializeOwned>(cbor: &[u8]) -> String {
    read(cbor).map_or_else(|_| String::new(), |(Traced::<T>(path, _), _)| path)
}

/// Where reading a `T` failed, or nowhere: as a value, because an error cannot carry it out.
struct Traced<T>(String, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Traced<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut track = Track::new();
        let traced = serde_path_to_error::Deserializer::new(Exact(deserializer), &mut track);
        let path = match T::deserialize(traced) {
            Ok(_) => String::new(),
            Err(_) => text(&track.path()),
        };
        Ok(Self(path, PhantomData))
    }
}

/// A path for people; names of a peer's making are cut and escaped. Empty for the whole.
fn text(path: &Path) -> String {
    if path.iter().next().is_none() { String::new() } else { tidy(&path.to_string()) }
}
