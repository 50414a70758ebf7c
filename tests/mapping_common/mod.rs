//! What the tests of the mapping share: bytes as hexadecimal digits, and the three things to say of
//! them: that a value is written so, is read from them, or that they are refused.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::fmt::{self, Debug};

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use switchboard::{DecodeError, Payload, PayloadLimits, from_payload, to_payload};

/// The payload behind hexadecimal digits; spaces are for the eye.
fn payload(text: &str) -> Payload {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ' ')
        .map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap())
        .collect();
    assert_eq!(digits.len() % 2, 0, "whole bytes: {text:?}");
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    Payload::from_cbor(bytes).unwrap()
}

/// What a `T` is read from `text`.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    from_payload(&payload(text), &PayloadLimits::default())
}

/// `value` is written as `text`, and read from it.
pub(crate) fn writes<T: Serialize + DeserializeOwned + Debug>(value: T, text: &str) {
    assert_eq!(to_payload(&value).unwrap(), payload(text), "{value:?} is written");
    reads(value, &[text]);
}

/// `value` is read from each of `texts`. Compared as they are written, so that NaN is NaN and -0
/// is not 0.
pub(crate) fn reads<T: Serialize + DeserializeOwned + Debug>(value: T, texts: &[&str]) {
    for text in texts {
        let read: T = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(to_payload(&read), to_payload(&value), "{text} is read as {read:?}");
    }
}

/// `text` is no `T`: at `path`, in words that contain `reason`.
pub(crate) fn refuses<T: DeserializeOwned + Debug>(text: &str, path: &str, reason: &str) {
    match read::<T>(text) {
        Err(DecodeError::Mismatch { path: at, message }) => {
            assert_eq!(at, path, "{text}: {message}");
            assert!(message.contains(reason), "{text}: {message}");
        }
        other => panic!("{text} gives {other:?}"),
    }
}

/// Bytes as `serde_bytes::ByteBuf` writes and reads them.
#[derive(Debug)]
pub(crate) struct Octets(pub(crate) Vec<u8>);

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(OctetsVisitor)
    }
}

struct OctetsVisitor;

impl<'de> Visitor<'de> for OctetsVisitor {
    type Value = Octets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Octets, E> {
        Ok(Octets(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Octets, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = elements.next_element()? {
            bytes.push(byte);
        }
        Ok(Octets(bytes))
    }
}
