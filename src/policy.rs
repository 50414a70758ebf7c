//! `Policy`: what a full queue of deliveries does. A small noun.

/// What a subscription's queue does with a delivery that it has no room for (`docs/protocol.md` section
/// 5.3). Whatever is dropped is told to the subscriber, in its place in the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Those that wait longest make room: for states, of which the latest counts. The default.
    #[default]
    DropOldest,
    /// It is dropped itself: for events, of which the first counts.
    DropNewest,
    /// The connection ends with RESOURCE_EXHAUSTED: for subscribers that would rather start anew than
    /// miss one.
    Disconnect,
}

impl Policy {
    /// The policy with this number on the wire.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::DropOldest),
            1 => Some(Self::DropNewest),
            2 => Some(Self::Disconnect),
            _ => None,
        }
    }

    /// The number that stands on the wire.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::DropOldest => 0,
            Self::DropNewest => 1,
            Self::Disconnect => 2,
        }
    }
}
