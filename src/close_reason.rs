//! `CloseReason`: why a connection ended. A small noun; knows failures and protocol errors.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::error::ProtocolError;
use crate::failure::Failure;
use crate::status::Status;

/// Why a connection ended. Every ending has one, and it never changes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it, and all that was open has ended.
    Closed {
        /// What it told the peer.
        message: String,
    },
    /// The peer closed it, and all that was open has ended.
    PeerClosed {
        /// What the peer said.
        message: String,
        /// When the peer wants its client back; `None`: not at all.
        reconnect_after: Option<Duration>,
    },
    /// This side ended it at once, without a word.
    Aborted {
        /// The application's own words, for its own eyes.
        message: String,
    },
    /// This side ended it with an error of its own, which it told the peer: see
    /// [`Connection::fail_with`](crate::Connection::fail_with). So ends a subscriber that does not
    /// read, if its policy is to disconnect.
    Failed {
        /// What it told the peer.
        failure: Failure,
    },
    /// The server refused the client: as the client sees it.
    Refused {
        /// What the server said.
        failure: Failure,
        /// The protocol versions that the server speaks.
        versions: Vec<u16>,
        /// When the server wants its client back; `None`: not at all.
        reconnect_after: Option<Duration>,
    },
    /// This side refused the other one in the handshake.
    Rejected {
        /// What it told the other side.
        failure: Failure,
    },
    /// The client and the server have no protocol version in common.
    Versions {
        /// The versions that the other side speaks.
        theirs: Vec<u16>,
    },
    /// The peer offers an interface that this side calls, in a version that does not fit.
    Interface {
        /// The interface.
        name: String,
        /// The version that this side was written for (`Config::requires`).
        needed: String,
        /// The version that the peer offers.
        offered: String,
    },
    /// The peer said `goodbye` with an error: it found a fault, as a rule ours.
    PeerError {
        /// What kind of fault.
        status: Status,
        /// The broken rule, in the peer's words.
        message: String,
    },
    /// The peer broke a rule.
    Protocol(ProtocolError),
    /// A timer ran out.
    Timeout(Timer),
    /// The stream ended or broke in the middle.
    Lost,
    /// No transport to the peer could be opened: said by whoever drives a session.
    Unreachable {
        /// Why, in the driver's words.
        message: String,
    },
}

/// The timers of a connection, as reasons for a deadline and for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// The handshake must be complete by then (`Config::handshake_timeout`).
    Handshake,
    /// A call's deadline passes.
    Call,
    /// A graceful close must be complete by then (`Config::drain`).
    Drain,
    /// What the peer still sends after last words is dropped until then (`Config::linger`).
    Linger,
    /// Something must have been written by then (`Config::write_stall`).
    Write,
    /// This side has promised to send something by then (`Config::keepalive`), or the peer has.
    Keepalive,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the handshake took too long",
            Self::Call => "a call's deadline passed",
            Self::Drain => "open calls did not end in time for the close",
            Self::Linger => "the peer did not end its side in time",
            Self::Write => "the peer read nothing for too long",
            Self::Keepalive => "the peer sent nothing for three times as long as it promised",
        })
    }
}

impl CloseReason {
    /// The status that says the same to a peer or a log; `None` for a graceful end.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Closed { .. } | Self::PeerClosed { .. } => None,
            Self::Aborted { .. } => Some(Status::ABORTED),
            Self::Refused { failure, .. }
            | Self::Rejected { failure }
            | Self::Failed { failure } => Some(failure.status),
            Self::Versions { .. } | Self::Interface { .. } => Some(Status::FAILED_PRECONDITION),
            Self::PeerError { status, .. } => Some(*status),
            Self::Protocol(error) => Some(error.status()),
            Self::Timeout(_) => Some(Status::DEADLINE_EXCEEDED),
            Self::Lost | Self::Unreachable { .. } => Some(Status::UNAVAILABLE),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { message } => write!(f, "closed by this side{}", Colon(message)),
            Self::PeerClosed { message, .. } => write!(f, "closed by the peer{}", Colon(message)),
            Self::Aborted { message } => write!(f, "aborted by this side{}", Colon(message)),
            Self::Failed { failure } => write!(f, "ended by this side: {failure}"),
            Self::Refused { failure, .. } => write!(f, "the server refused: {failure}"),
            Self::Rejected { failure } => write!(f, "this side refused: {failure}"),
            Self::Versions { theirs } => {
                write!(
                    f,
                    "no protocol version in common: this side speaks {:?}, the other one {theirs:?}; \
                     update the older program",
                    crate::wire::VERSIONS
                )
            }
            Self::Interface { name, needed, offered } => write!(
                f,
                "interface {name:?}: this side needs {needed}, the other one offers {offered}; update \
                 the older program"
            ),
            Self::PeerError { status, message } => {
                write!(f, "the peer ended the connection: {status}{}", Colon(message))
            }
            Self::Protocol(error) => write!(f, "{error}"),
            Self::Timeout(timer) => write!(f, "{timer}"),
            Self::Lost => f.write_str("the connection was lost"),
            Self::Unreachable { message } => write!(f, "no connection{}", Colon(message)),
        }
    }
}

/// A text behind a colon, or nothing where there is none.
struct Colon<'a>(&'a str);

impl fmt::Display for Colon<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}
