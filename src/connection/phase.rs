//! `Phase`: where a connection stands (`docs/protocol.md` sections 3 and 7). This file knows neither
//! bytes nor roles; the transitions are in `handshake.rs` and `closing.rs`.
//!
//! ```text
//!   Greeting ──hello──▶ Deciding ──accept──▶ Open ──goodbye──▶ Closing
//!      │  └──welcome (client)──────────────▶ │                   │ all calls ended
//!      │                   │ refuse          │ error             ▼
//!      └───────────────────┴─────────────────┴─────────────▶ Ending ──end of stream──▶ Closed
//! ```
//!
//! Every phase can also go straight to `Closed`: the stream ends, or the application aborts.

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use crate::close_reason::{CloseReason, Timer};
use crate::instant::Instant;

#[derive(Debug)]
pub(crate) enum Phase {
    /// Client: `hello` waits for its answer. Server: it has not come yet.
    Greeting { until: Instant },
    /// Server: the application has the `hello` and decides.
    Deciding { until: Instant, version: u16 },
    /// Ready: calls and messages both ways.
    Open,
    /// `goodbye` has been said, by this side at least: open calls go on.
    Closing { until: Instant, closing: Closing },
    /// All is said: what waits is written, the write half shut, the peer's end of stream awaited.
    Ending { until: Instant, reason: Box<CloseReason>, shut: bool, peer_ended: bool },
    /// Nothing is written or read any more.
    Closed(Box<CloseReason>),
}

/// How a graceful close came about.
#[derive(Debug)]
pub(crate) struct Closing {
    /// What whoever was first said.
    pub(crate) message: String,
    /// Who was first.
    pub(crate) by: By,
}

#[derive(Debug)]
pub(crate) enum By {
    /// This side, and whether the peer has said its own `goodbye`.
    Us { answered: bool },
    /// The peer, which this side has answered.
    Peer { reconnect_after: Option<Duration> },
}

impl Closing {
    /// Whether the peer has said `goodbye`: it opens nothing any more.
    pub(crate) const fn peer_said(&self) -> bool {
        matches!(self.by, By::Us { answered: true } | By::Peer { .. })
    }

    pub(crate) fn reason(&self) -> CloseReason {
        let message = self.message.clone();
        match self.by {
            By::Us { .. } => CloseReason::Closed { message },
            By::Peer { reconnect_after } => CloseReason::PeerClosed { message, reconnect_after },
        }
    }
}

impl Phase {
    /// When this phase must be over, and what it is that ran out then.
    pub(crate) const fn until(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Greeting { until } | Self::Deciding { until, .. } => {
                Some((*until, Timer::Handshake))
            }
            Self::Closing { until, .. } => Some((*until, Timer::Drain)),
            Self::Ending { until, .. } => Some((*until, Timer::Linger)),
            Self::Open | Self::Closed(_) => None,
        }
    }

    /// Why the connection has ended, once it has for the application.
    pub(crate) fn ended(&self) -> Option<&CloseReason> {
        match self {
            Self::Ending { reason, .. } | Self::Closed(reason) => Some(reason),
            _ => None,
        }
    }
}
