//! Errors, sorted by whose fault they are. Knows the small nouns and payloads.
//!
//! [`ProtocolError`]: the peer broke a rule. [`Rejected`]: the application asked for what cannot be.
//! [`CallError`]: how a call ended without its value. (Why a connection ended: [`CloseReason`].)

use core::fmt;

use crate::close_reason::CloseReason;
use crate::failure::Failure;
use crate::payload::{DecodeError, EncodeError};
use crate::status::Status;

/// The peer broke a rule of `docs/protocol.md`. Every one of them is fatal: the connection says
/// `goodbye` (before `welcome`: `reject`) with [`name`](Self::name) as the reason, buffers nothing
/// more, and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame of length 0 (section 1).
    FrameEmpty,
    /// A frame longer than this side takes (sections 1 and 3).
    FrameTooLarge,
    /// The first bytes are no `hello`: whatever speaks here, it is not this protocol (section 3).
    NotSwitchboard,
    /// The head of a frame is not spelled as sections 1 and 2 say.
    MalformedFrame,
    /// Kinds 19 to 23, and numbers above 65,535, are no frames (section 2).
    UnknownKind,
    /// A well-spelled frame that is not allowed here and now (sections 3, 5 and 7).
    UnexpectedFrame,
    /// A new call's id has the wrong parity or does not ascend (section 4).
    BadCallId,
    /// A frame for a call that was never opened, or an answer to none that is open (section 4).
    UnknownCall,
    /// A stream frame of a stream that no flag of its request allows (section 4).
    UnexpectedStream,
    /// An item while its sender had no credit (section 4).
    NoCredit,
    /// Credit above 2^31 - 1 (section 4).
    CreditOverflow,
    /// `delivery` or `lagged` outside of a subscription's life (section 5).
    UnknownSubscription,
    /// More than 16 pings are unanswered (section 3).
    TooManyPings,
    /// A `pong` that answers no ping, or not the oldest (section 2).
    UnexpectedPong,
    /// One offence too many within a minute of those that cost a message only (section 8).
    TooManyStrikes,
}

impl ProtocolError {
    /// Its stable name, as it goes out in `goodbye`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FrameEmpty => "frame-empty",
            Self::FrameTooLarge => "frame-too-large",
            Self::NotSwitchboard => "not-switchboard",
            Self::MalformedFrame => "malformed-frame",
            Self::UnknownKind => "unknown-kind",
            Self::UnexpectedFrame => "unexpected-frame",
            Self::BadCallId => "bad-call-id",
            Self::UnknownCall => "unknown-call",
            Self::UnexpectedStream => "unexpected-stream",
            Self::NoCredit => "no-credit",
            Self::CreditOverflow => "credit-overflow",
            Self::UnknownSubscription => "unknown-subscription",
            Self::TooManyPings => "too-many-pings",
            Self::UnexpectedPong => "unexpected-pong",
            Self::TooManyStrikes => "too-many-strikes",
        }
    }

    /// The status that goes out with it (section 6).
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::FrameEmpty
            | Self::FrameTooLarge
            | Self::NoCredit
            | Self::CreditOverflow
            | Self::TooManyPings
            | Self::TooManyStrikes => Status::RESOURCE_EXHAUSTED,
            Self::NotSwitchboard | Self::MalformedFrame | Self::UnknownKind => {
                Status::INVALID_ARGUMENT
            }
            Self::UnexpectedFrame
            | Self::BadCallId
            | Self::UnknownCall
            | Self::UnexpectedStream
            | Self::UnknownSubscription
            | Self::UnexpectedPong => Status::FAILED_PRECONDITION,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer broke the protocol: {}", self.name())
    }
}

impl core::error::Error for ProtocolError {}

/// The application asked for what cannot be. The connection's state is unchanged, and what was to be
/// sent is still the application's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejected {
    /// The handshake is not complete: wait for `Event::Welcome` (client) or call `accept` (server).
    NotReady,
    /// The connection is closing or closed: open another one.
    Closed,
    /// The session is not connected now, and this does not wait until it is
    /// ([`Backoff`](crate::Backoff)): try again when it is ready.
    Down,
    /// Too many bytes wait to be written (`Config::max_unsent`), or for a session to be ready
    /// ([`Backoff::max_waiting`](crate::Backoff::max_waiting)): let some go out, then try again.
    Full,
    /// The peer takes no more calls at once (its `max-calls`): wait for an answer, then try again.
    Busy,
    /// Larger than the peer takes in one frame (its `max-frame`): send less at a time.
    TooLarge,
    /// A channel is 1 to 255 bytes of text: choose another name.
    BadChannel,
    /// A topic or pattern is not what `is_topic` or `is_pattern` asks for: choose another name.
    BadTopic,
    /// More headers than the protocol takes (16 entries, 8,192 bytes, those of the protocol
    /// included), a name that is not 1 to 255 bytes, or a name given twice.
    BadHeaders,
    /// No such call is open here: it has been answered, or never was.
    UnknownCall,
    /// No such subscription is live here: it has ended, or never was.
    UnknownSubscription,
    /// The call has no stream in this direction, or it is complete: its caller asks for streams when it
    /// makes the call.
    NoStream,
    /// The peer takes no more items of this call now: `Event::Room` tells when it does.
    NoCredit,
    /// 16 pings are unanswered: the peer is slow; wait for a pong.
    TooManyPings,
    /// Every id of this connection is used up (2^52 calls): open another connection.
    IdsExhausted,
}

impl Rejected {
    const fn text(self) -> &'static str {
        match self {
            Self::NotReady => "the handshake is not complete yet",
            Self::Closed => "the connection is closing or closed; open another one",
            Self::Down => "there is no connection now; try again when there is one",
            Self::Full => "too many bytes wait to be written; let some go out, then try again",
            Self::Busy => {
                "the peer takes no more calls at once; wait for an answer, then try again"
            }
            Self::TooLarge => "larger than the peer takes in one frame; send less at a time",
            Self::BadChannel => "a channel is 1 to 255 bytes of text",
            Self::BadTopic => {
                "a topic is 1 to 16 tokens joined by dots, 255 bytes at most, without spaces; only a \
                 pattern has * and >"
            }
            Self::BadHeaders => {
                "headers are at most 16 entries and 8,192 bytes, each name 1 to 255 bytes and given once"
            }
            Self::UnknownCall => "no such call is open: it has been answered, or never was",
            Self::UnknownSubscription => "no such subscription is live: it has ended, or never was",
            Self::NoStream => "the call has no stream in this direction, or it is complete",
            Self::NoCredit => "the peer takes no more items of this call now; wait for room",
            Self::TooManyPings => "16 pings are unanswered; wait for a pong",
            Self::IdsExhausted => "every id of this connection is used up; open another connection",
        }
    }

    /// The status that says the same to a peer or a log.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::NotReady | Self::UnknownCall | Self::UnknownSubscription => {
                Status::FAILED_PRECONDITION
            }
            Self::Closed | Self::Down => Status::UNAVAILABLE,
            Self::Full
            | Self::Busy
            | Self::TooLarge
            | Self::NoCredit
            | Self::TooManyPings
            | Self::IdsExhausted => Status::RESOURCE_EXHAUSTED,
            Self::BadChannel | Self::BadTopic | Self::BadHeaders | Self::NoStream => {
                Status::INVALID_ARGUMENT
            }
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Rejected {}

/// Whether the peer may have seen a call that ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Not a byte of it was handed to the transport: nothing has run.
    NeverSent,
    /// It was handed to the transport, at least in part: it may have run.
    MayHaveRun,
}

/// How a call ended without its value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CallError {
    /// It could not be sent; nothing has run.
    Rejected(Rejected),
    /// The peer answered with a failure.
    Failed(Failure),
    /// Its deadline passed before the answer came.
    Deadline(Fate),
    /// This side cancelled it.
    Cancelled(Fate),
    /// The connection ended before the answer came.
    Disconnected(CloseReason, Fate),
    /// The arguments could not be written as CBOR; nothing was sent.
    Encode(EncodeError),
    /// The answer came, but is not what the caller asked to have.
    Decode(DecodeError),
}

impl CallError {
    /// Whether the peer may have done what was asked, in part or whole. `false` is certain:
    /// such a call can be made again.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Rejected(_) | Self::Encode(_) => false,
            Self::Deadline(fate) | Self::Cancelled(fate) | Self::Disconnected(_, fate) => {
                *fate == Fate::MayHaveRun
            }
            Self::Failed(_) | Self::Decode(_) => true,
        }
    }

    /// The status that says the same.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Rejected(rejected) => rejected.status(),
            Self::Failed(failure) => failure.status,
            Self::Deadline(_) => Status::DEADLINE_EXCEEDED,
            Self::Cancelled(_) => Status::CANCELLED,
            Self::Disconnected(..) => Status::UNAVAILABLE,
            Self::Encode(_) => Status::INVALID_ARGUMENT,
            Self::Decode(error) => error.status(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => write!(f, "{rejected}"),
            Self::Failed(failure) => write!(f, "{failure}"),
            Self::Deadline(fate) => write!(f, "the deadline passed; {fate}"),
            Self::Cancelled(fate) => write!(f, "cancelled; {fate}"),
            Self::Disconnected(reason, fate) => write!(f, "{reason}; {fate}"),
            Self::Encode(error) => write!(f, "{error}"),
            Self::Decode(error) => write!(f, "the answer: {error}"),
        }
    }
}

impl core::error::Error for CallError {}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverSent => "the call was never sent",
            Self::MayHaveRun => "the call may have run",
        })
    }
}

impl From<Rejected> for CallError {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<EncodeError> for CallError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}
