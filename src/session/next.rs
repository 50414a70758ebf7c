//! `SessionStatus` and `SessionNext`: where a session stands, and what its driver is to do. Plain nouns.

use crate::close_reason::CloseReason;
use crate::event::Event;
use crate::instant::Instant;
use crate::pump::Next;

/// Where a session stands. Each change is told once, with [`SessionNext::Status`].
///
/// ```text
///   Idle ──▶ Connecting ──▶ Connected ──▶ Ready
///                │            │   ▲         │
///                ▼            ▼   │         ▼
///            Disconnected ◀───┴───┼─────────┘
///                │   ▲            │
///                ▼   │            │
///             Reconnecting ───────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// Nothing has been tried yet.
    Idle,
    /// A transport is being opened for the first time.
    Connecting,
    /// There is a transport: the handshake is under way, then subscriptions are restored.
    Connected,
    /// All that was subscribed to is, and what waits is sent.
    Ready,
    /// The connection, or the first attempt to have one, has failed. `Reconnecting` follows, or nothing
    /// any more. The peer's calls and subscriptions have ended with it: [`Event::Cancelled`] follows for each
    /// call that is not answered.
    Disconnected,
    /// It waits for its next attempt, or makes it.
    Reconnecting,
}

/// What the driver of a [`Session`](crate::Session) is to do now.
#[derive(Debug)]
pub enum SessionNext {
    /// Something happened: deal with it, then ask again. [`Event::Closed`] comes once and last, however many
    /// connections there have been.
    Event(Event),
    /// The status has changed. Then ask again.
    Status(SessionStatus),
    /// Open a transport, within a time of the driver's own, and say
    /// [`connected`](crate::Session::connected) or [`failed`](crate::Session::failed). Meanwhile ask again.
    Connect,
    /// There is no transport: ask again at `until`, or after a command, or when the attempt that
    /// `Connect` began is over.
    Wait {
        /// When to ask again even if nothing happened.
        until: Option<Instant>,
    },
    /// As [`Next::Io`].
    Io {
        /// Bytes are wanted.
        read: bool,
        /// Bytes wait.
        write: bool,
        /// When to ask again even if nothing came.
        until: Option<Instant>,
    },
    /// As [`Next::Shut`].
    Shut,
    /// As [`Next::Yield`].
    Yield,
    /// Drop the transport, then ask again: the session goes on.
    Drop,
    /// It has ended: drop the transport, or the attempt to open one.
    Done(CloseReason),
}

impl From<Next> for SessionNext {
    fn from(next: Next) -> Self {
        match next {
            Next::Event(event) => Self::Event(event),
            Next::Io { read, write, until } => Self::Io { read, write, until },
            Next::Shut => Self::Shut,
            Next::Yield => Self::Yield,
            Next::Done(reason) => Self::Done(reason),
        }
    }
}
