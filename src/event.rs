//! `Event`: what a connection tells whoever drives it. Knows the nouns, headers and payloads.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::{Buf, Bytes};
use core::ops::Range;
use core::time::Duration;

use crate::close_reason::CloseReason;
use crate::error::CallError;
use crate::id::{CallId, ConnectionId};
use crate::instant::Instant;
use crate::payload::Payload;
use crate::status::Status;
use crate::wire::{HeaderMap, Headers, Settings};

/// What happened on a connection. Comes from [`Connection::poll_event`](crate::Connection) or
/// [`Pump::next`](crate::Pump).
///
/// Deliberately exhaustive: whoever drives a connection must know every event, so that a new one is
/// a new major version.
#[derive(Debug)]
pub enum Event {
    /// Server: a client said `hello`. Answer now or later, with `accept` or `refuse`.
    Hello(Box<PeerHello>),
    /// Client: the server accepted. Calls and messages may be sent from now on.
    Welcome(Box<PeerWelcome>),
    /// A one-way message came.
    Message(Received),
    /// A call came. Answer it with `respond`, once, whatever happens.
    Request {
        /// What to answer.
        call: CallId,
        /// When its caller stops waiting; [`Event::Cancelled`] tells when that has come.
        deadline: Option<Instant>,
        /// Channel, headers and arguments.
        request: Received,
    },
    /// The caller of a call no longer waits for its answer: stop the work, then `respond` all the same
    /// (whatever is answered, the caller is told `status`).
    Cancelled {
        /// The call.
        call: CallId,
        /// [`Status::CANCELLED`], or [`Status::DEADLINE_EXCEEDED`] if its deadline passed.
        status: Status,
    },
    /// A call of this side has ended, in whatever way. Comes exactly once for each call.
    Answer {
        /// The call.
        call: CallId,
        /// What the application gave with the request.
        token: u64,
        /// The value, or how it ended without one.
        outcome: Result<Payload, CallError>,
    },
    /// A ping of this side was answered.
    Pong {
        /// What the application gave with the ping.
        token: u32,
        /// From the ping to its answer.
        round_trip: Duration,
    },
    /// The peer is closing: calls that are open go on, new ones are refused.
    Closing {
        /// What the peer said.
        message: String,
        /// When the peer wants its client back; `None`: not at all.
        reconnect_after: Option<Duration>,
    },
    /// The connection has ended. Comes exactly once and last.
    Closed(CloseReason),
}

/// What a client says of itself in its `hello` (`docs/protocol.md` section 3). None of it is proved.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PeerHello {
    /// The protocol versions that it speaks.
    pub versions: Vec<u16>,
    /// What it takes, its scope and its interfaces.
    pub settings: Settings,
    /// The application's own part, such as a token that proves who it is. Well-formed and within
    /// the limits of payloads.
    pub payload: Payload,
}

/// What a server says in its `welcome` (`docs/protocol.md` section 3).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PeerWelcome {
    /// The version of the protocol that the connection speaks.
    pub version: u16,
    /// The connection's number at the server.
    pub connection: ConnectionId,
    /// What the server takes and serves.
    pub settings: Settings,
    /// The application's own part. Well-formed and within the limits of payloads.
    pub payload: Payload,
}

/// A message or request as it came: channel, headers and payload in one piece of memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// From the channel's text to the end of the frame.
    bytes: Bytes,
    channel: usize,
    entries: Range<usize>,
    count: usize,
    payload: usize,
}

impl Received {
    /// Where the parts lie in the end of `frame` that is kept, and how long that is.
    pub(crate) fn layout(
        frame: &[u8],
        channel: &str,
        headers: &HeaderMap<'_>,
        payload: &[u8],
    ) -> (Self, usize) {
        let kept = frame.len() - (channel.as_ptr() as usize - frame.as_ptr() as usize);
        let payload = kept - payload.len();
        let layout = Self {
            bytes: Bytes::new(),
            channel: channel.len(),
            entries: payload - headers.entries.len()..payload,
            count: headers.count,
            payload,
        };
        (layout, kept)
    }

    /// The same with the bytes themselves.
    pub(crate) fn with_bytes(mut self, bytes: Bytes) -> Self {
        self.bytes = bytes;
        self
    }

    /// The channel that it was sent to: 1 to 255 bytes.
    #[must_use]
    pub fn channel(&self) -> &str {
        // It was checked when the frame was read, so that the default is never taken.
        core::str::from_utf8(&self.bytes[..self.channel]).unwrap_or_default()
    }

    /// The application's headers.
    #[must_use]
    pub fn headers(&self) -> Headers {
        Headers::from_checked(self.bytes.slice(self.entries.clone()), self.count)
    }

    /// How many bytes of memory it takes to keep it: its own, and what an event costs, so that many
    /// empty messages count as well.
    #[must_use]
    pub const fn size(&self) -> usize {
        const EVENT: usize = 128;
        self.bytes.len() + EVENT
    }

    /// The payload, unchecked: whoever uses it checks it first.
    #[must_use]
    pub fn into_payload(mut self) -> Payload {
        self.bytes.advance(self.payload);
        Payload::from_peer(self.bytes)
    }
}
