//! What is wrong with a payload. Knows statuses only.

use alloc::string::String;
use core::fmt;

use crate::status::Status;

/// Why bytes are not one well-formed CBOR item within the limits. `at` is the offset of the item,
/// or of the byte, that is wrong. Nothing of the payload itself is told: it may be anybody's
/// secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScanError {
    /// Not even one byte: to say nothing, send null ([`Payload::null`](super::Payload::null)).
    Empty,
    /// An item announces more than the bytes that are left.
    Truncated {
        /// Where the item begins, or should.
        at: usize,
    },
    /// The item is complete, and there is more.
    Trailing {
        /// Where that begins.
        at: usize,
    },
    /// A first byte that RFC 8949 reserves, or an indefinite length where none can be.
    Reserved {
        /// Where it is.
        at: usize,
    },
    /// A simple value below 32 in two bytes.
    BadSimple {
        /// Where it is.
        at: usize,
    },
    /// A break outside anything of indefinite length, or between a key and its value.
    UnexpectedBreak {
        /// Where it is.
        at: usize,
    },
    /// A string in pieces has a piece that is not a string of its own kind with a definite length.
    BadChunk {
        /// Where that piece is.
        at: usize,
    },
    /// Text that is not UTF-8.
    BadText {
        /// Where the text begins, or its piece.
        at: usize,
    },
    /// Nested deeper than allowed.
    TooDeep {
        /// Where the first level too deep begins.
        at: usize,
        /// What is allowed.
        limit: usize,
    },
    /// More items than allowed.
    TooManyItems {
        /// Where the first item too many is.
        at: usize,
        /// What is allowed.
        limit: usize,
    },
}

impl ScanError {
    /// The status that goes back to the sender (`docs/protocol.md` section 1).
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::TooDeep { .. } | Self::TooManyItems { .. } => Status::RESOURCE_EXHAUSTED,
            Self::Empty
            | Self::Truncated { .. }
            | Self::Trailing { .. }
            | Self::Reserved { .. }
            | Self::BadSimple { .. }
            | Self::UnexpectedBreak { .. }
            | Self::BadChunk { .. }
            | Self::BadText { .. } => Status::INVALID_ARGUMENT,
        }
    }
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the payload is not usable CBOR: ")?;
        match self {
            Self::Empty => f.write_str("it is empty; to say nothing, send null (f6)"),
            Self::Truncated { at } => write!(f, "it ends within the item at byte {at}"),
            Self::Trailing { at } => {
                write!(f, "more follows its one item at byte {at}; put several into an array")
            }
            Self::Reserved { at } => write!(f, "a reserved first byte at byte {at}"),
            Self::BadSimple { at } => write!(f, "a misspelled simple value at byte {at}"),
            Self::UnexpectedBreak { at } => write!(f, "a break in the wrong place at byte {at}"),
            Self::BadChunk { at } => write!(f, "a string with a foreign piece at byte {at}"),
            Self::BadText { at } => {
                write!(f, "text that is not UTF-8 at byte {at}; send it as a byte string")
            }
            Self::TooDeep { at, limit } => {
                write!(f, "nested deeper than {limit} at byte {at}; send a flatter value")
            }
            Self::TooManyItems { at, limit } => {
                write!(f, "more than {limit} items at byte {at}; send less at a time")
            }
        }
    }
}

impl core::error::Error for ScanError {}

/// A value could not be written as CBOR: its own `Serialize` refused. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodeError {
    /// Which part of the value: `orders[3].price`; empty for the whole.
    pub path: String,
    /// Why, in serde's words: at most 1,024 bytes, on one line.
    pub message: String,
}

impl EncodeError {
    /// The status that says the same.
    #[must_use]
    pub const fn status(&self) -> Status {
        Status::INVALID_ARGUMENT
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write the value as CBOR{}: {}", At(&self.path), self.message)
    }
}

impl core::error::Error for EncodeError {}

/// A payload could not be read as the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is no well-formed CBOR, or beyond a limit.
    Scan(ScanError),
    /// It is well-formed, but not this type.
    Mismatch {
        /// Which part of the payload: `orders[3].price`; empty for the whole.
        path: String,
        /// What was wrong, in serde's words: at most 1,024 bytes, on one line, long texts cut.
        message: String,
    },
}

impl DecodeError {
    /// The status that goes back to the sender (`docs/protocol.md` section 1).
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Scan(error) => error.status(),
            Self::Mismatch { .. } => Status::INVALID_ARGUMENT,
        }
    }
}

impl From<ScanError> for DecodeError {
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scan(error) => write!(f, "{error}"),
            Self::Mismatch { path, message } => {
                write!(f, "the payload is not of the expected type{}: {message}", At(path))
            }
        }
    }
}

impl core::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Scan(error) => Some(error),
            Self::Mismatch { .. } => None,
        }
    }
}

/// Where in a value, or nothing for the whole of it.
struct At<'a>(&'a str);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " at `{}`", self.0) }
    }
}
