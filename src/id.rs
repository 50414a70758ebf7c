//! The numbers that name things on a connection. Small nouns: may know nothing else.

use core::fmt;
use core::num::NonZeroU64;

/// The largest number an id may have: 2^53 - 1, which JavaScript still counts exactly.
pub(crate) const MAX_ID: u64 = (1 << 53) - 1;

/// Names a connection within the server's process; assigned by the server, told in `welcome`.
///
/// Unique for the life of the server's process, never taken from the client, and gives no right.
// One more than the number, so that an `Option` of it is no larger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionId").field(&self.number()).finish()
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

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn an_id_is_shown_with_the_number_that_stands_on_the_wire() {
        for number in [0, 7, MAX_ID] {
            let id = ConnectionId::new(number).unwrap();
            assert_eq!(format!("{id:?} {id}"), format!("ConnectionId({number}) #{number}"));
        }
        for number in [1, 7, MAX_ID] {
            let id = CallId::new(number).unwrap();
            assert_eq!(format!("{id:?} {id}"), format!("CallId({number}) call {number}"));
        }
        assert_eq!((ConnectionId::new(MAX_ID + 1), CallId::new(0)), (None, None));
        assert_eq!(CallId::new(MAX_ID + 1), None);
    }
}
