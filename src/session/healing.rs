//! Which ends are healed by coming back: the table of `docs/reconnect.md`. Called by the session; knows why
//! connections end.

use core::time::Duration;

use crate::close_reason::{CloseReason, Timer};
use crate::status::Status;

/// What helps after an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Healing {
    /// Nothing that a session could do.
    None,
    /// To come back, after the time that the server names.
    Return(Option<Duration>),
}

impl Healing {
    /// What helps after this end, if before it the peer's `goodbye` asked for that (`None`: it said none).
    pub(super) fn of(reason: &CloseReason, goodbye: Option<Option<Duration>>) -> Self {
        match reason {
            // This side wanted it.
            CloseReason::Closed { .. }
            | CloseReason::Aborted { .. }
            | CloseReason::Failed { .. }
            | CloseReason::Rejected { .. } => Self::None,
            // One of the two programs has to be changed.
            CloseReason::Versions { .. }
            | CloseReason::Interface { .. }
            | CloseReason::Protocol(_) => Self::None,
            CloseReason::PeerClosed { reconnect_after, .. } => Self::asked(*reconnect_after),
            CloseReason::Refused { failure, reconnect_after, .. } => match reconnect_after {
                // A timer of the server's ran out; it asked for nothing.
                None if failure.status == Status::DEADLINE_EXCEEDED => Self::Return(None),
                wish => Self::asked(*wish),
            },
            // It had said before what it wants, and then just did not get to its end.
            CloseReason::PeerError { .. }
            | CloseReason::Timeout(_)
            | CloseReason::Lost
            | CloseReason::Unreachable { .. }
                if goodbye.is_some() =>
            {
                Self::asked(goodbye.flatten())
            }
            CloseReason::PeerError { status, .. } if is_passing(*status) => Self::Return(None),
            CloseReason::PeerError { .. } | CloseReason::Timeout(Timer::Drain) => Self::None,
            CloseReason::Timeout(_) | CloseReason::Lost | CloseReason::Unreachable { .. } => {
                Self::Return(None)
            }
        }
    }

    fn asked(wish: Option<Duration>) -> Self {
        wish.map_or(Self::None, |wish| Self::Return(Some(wish)))
    }
}

/// Whether a fault with this status is one of the moment, which a new connection does not have.
fn is_passing(status: Status) -> bool {
    [
        Status::UNKNOWN,
        Status::DEADLINE_EXCEEDED,
        Status::RESOURCE_EXHAUSTED,
        Status::ABORTED,
        Status::INTERNAL,
        Status::UNAVAILABLE,
    ]
    .contains(&status)
}
