//! The numbers that name things on a connection. Small nouns: may know nothing else.

use core::fmt;
use core::num::NonZeroU64;

/// The largest number an id may have: 2^53 - 1, which JavaScript still counts exactly.
pub(crate) const MAX_ID: u64 = (1 << 53) - 1;

/// Names a connection within the server's process; assigned by the server, told in `welcome`.
///
/// Unique for the life of the server's process, never taken from the client, and gives no right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
// One more than the number, so that an `Option` of it is no larger.
pub struct ConnectionId(NonZeroU64);

impl ConnectionId {
    /// The id with this number; above 2^53 - 1 there is none.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number > MAX_ID {
            return None;
        }
        Some(Self(NonZeroU64::MIN.saturating_add(number)))
    }

    /// The number that stands on the wire.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.get() - 1
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number())
    }
}

/// Names a call on its connection: odd where the client calls, even where the server does
/// (`docs/protocol.md` section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(NonZeroU64);

impl CallId {
    /// The id with this number: from 1 to 2^53 - 1.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(id) if number <= MAX_ID => Some(Self(id)),
            _ => None,
        }
    }

    /// The number that stands on the wire.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}", self.0)
    }
}
