//! `Failure`: the answer of a handler that could not do what was asked. Knows status and payload.

use alloc::string::{String, ToString};
use core::fmt;

use crate::payload::Payload;
use crate::status::Status;

/// An answer that says what went wrong: a status, words for people, and data for programs.
///
/// Handlers return `Result<R, Failure>`. Every error converts into a `Failure` with status
/// [`UNKNOWN`](Status::UNKNOWN), so `?` works in them; for that reason `Failure` is no
/// `core::error::Error` itself.
///
/// ```
/// use switchboard::{Failure, Status};
///
/// fn parse(text: &str) -> Result<u32, Failure> {
///     if text.is_empty() {
///         return Err(Failure::new(Status::INVALID_ARGUMENT, "the number is missing"));
///     }
///     Ok(text.parse::<u32>()?)
/// }
///
/// assert_eq!(parse("").unwrap_err().status, Status::INVALID_ARGUMENT);
/// assert_eq!(parse("x").unwrap_err().status, Status::UNKNOWN);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What kind of failure it is.
    pub status: Status,
    /// For people: what was wrong and what to do. Cut at 1,024 bytes when sent.
    pub message: String,
    /// For programs: whatever helps them; null where there is nothing to say.
    pub data: Payload,
}

impl Failure {
    /// A failure without data.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), data: Payload::null() }
    }

    /// The same with data for programs.
    #[must_use]
    pub fn with_data(mut self, data: Payload) -> Self {
        self.data = data;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(f, "{}", self.status)
        } else {
            write!(f, "{}: {}", self.status, self.message)
        }
    }
}

impl<E: core::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Status::UNKNOWN, error.to_string())
    }
}
