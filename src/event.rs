//! `Event`: what a connection tells whoever drives it. Knows the nouns, headers and payloads.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::{Buf, Bytes};
use core::time::Duration;

use crate::close_reason::CloseReason;
use crate::error::CallError;
use crate::failure::Failure;
use crate::id::{CallId, ConnectionId};
use crate::instant::Instant;
use crate::options::Streams;
use crate::payload::Payload;
use crate::policy::Policy;
use crate::publication::Publication;
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
        /// Which streams the caller wants it to have. Without [`Config::takes_items`] those of the
        /// caller are refused before anyone sees them.
        ///
        /// [`Config::takes_items`]: crate::Config::takes_items
        streams: Streams,
        /// Channel, headers and arguments.
        request: Received,
    },
    /// An item of a call's stream came, of the caller or of the callee. Once it has been used, say so
    /// with [`Connection::taken`](crate::Connection::taken), or no further ones come after a while.
    Item {
        /// The call.
        call: CallId,
        /// The item.
        item: Item,
    },
    /// The caller of a call has sent all its items.
    End {
        /// The call.
        call: CallId,
    },
    /// An item that was refused with `Full` or `NoCredit` may be tried again.
    Room {
        /// The call.
        call: CallId,
    },
    /// The peer wants to subscribe. Answer with [`Command::Subscribe`] or [`Command::Refuse`]. Comes
    /// only with [`Config::offers_topics`], as do the next two. If [`Event::Cancelled`] comes for it, it
    /// is not wanted any more: it does not begin to live, whatever the answer.
    ///
    /// [`Command::Subscribe`]: crate::Command::Subscribe
    /// [`Command::Refuse`]: crate::Command::Refuse
    /// [`Config::offers_topics`]: crate::Config::offers_topics
    Subscribe(Box<Subscribe>),
    /// The peer has ended its subscription, and has its answer already: nothing more is delivered.
    Unsubscribe {
        /// Which one.
        subscription: CallId,
    },
    /// The peer publishes a value. With a `call`, answer with [`Command::Published`] after the fan-out,
    /// or with [`Command::Refuse`].
    ///
    /// [`Command::Published`]: crate::Command::Published
    /// [`Command::Refuse`]: crate::Command::Refuse
    Publish {
        /// What to answer, if the publisher wants to know.
        call: Option<CallId>,
        /// The value; its payload is well-formed and within the limits of payloads.
        publication: Publication,
    },
    /// A subscription of this side, which the peer has answered, gets a value.
    Delivery {
        /// The id of its `subscribe`.
        subscription: CallId,
        /// The value.
        publication: Publication,
    },
    /// So many deliveries are missing here.
    Lagged {
        /// The id of the `subscribe`.
        subscription: CallId,
        /// How many.
        dropped: u64,
    },
    /// The peer has ended a subscription of this side: it gets nothing more.
    SubscriptionEnded {
        /// The id of its `subscribe`.
        subscription: CallId,
        /// Why.
        failure: Failure,
    },
    /// The caller of a call no longer waits for its answer: stop the work, then answer all the same
    /// (whatever is answered, the caller is told `status`). Neither takes it items nor sends it any from
    /// now on.
    Cancelled {
        /// The call.
        call: CallId,
        /// [`Status::CANCELLED`], or [`Status::DEADLINE_EXCEEDED`] if its deadline passed, or
        /// [`Status::RESOURCE_EXHAUSTED`] if its items passed a limit of this side, or
        /// [`Status::UNAVAILABLE`] if its connection has ended and a [`Session`](crate::Session) goes on.
        status: Status,
    },
    /// A call of this side has ended, in whatever way: a request, a `subscribe`, an `unsubscribe` or a
    /// `publish` that asked for it. Comes exactly once for each, behind the items that came.
    Answer {
        /// The call.
        call: CallId,
        /// What the application gave with the request.
        token: u64,
        /// The value, or how it ended without one. That of a `subscribe` is the number of retained
        /// deliveries that come next, that of a `publish` the number of subscriptions that it was
        /// queued for, that of an `unsubscribe` null.
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

/// What a peer wants to subscribe to (`docs/protocol.md` section 5.2).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Subscribe {
    /// The id of the call, which names the subscription from then on.
    pub subscription: CallId,
    /// Which topics: [`is_pattern`](crate::is_pattern) says yes to it.
    pub pattern: String,
    /// What its queue does when it is full: that of the subscriber, or else of the config.
    pub policy: Policy,
    /// Whether the retained values that match are to come first. Never together with a group.
    pub retained: bool,
    /// The group that it is in: 1 to 255 bytes.
    pub group: Option<String>,
    /// The application's headers.
    pub headers: Headers,
}

impl Subscribe {
    /// A wish for the topics that match a pattern, and for nothing else: for a program that takes part
    /// in its own broker's pub/sub.
    pub fn new(subscription: CallId, pattern: impl Into<String>) -> Self {
        Self {
            subscription,
            pattern: pattern.into(),
            policy: Policy::default(),
            retained: false,
            group: None,
            headers: Headers::new(),
        }
    }
}

/// An item of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    payload: Payload,
    cost: u32,
}

impl Item {
    pub(crate) const fn new(payload: Payload, cost: u32) -> Self {
        Self { payload, cost }
    }

    /// What it cost of the sender's credit, in bytes: at least 64. Given back with
    /// [`Connection::taken`](crate::Connection::taken).
    #[must_use]
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// How much memory it takes: its own, and what an event costs.
    pub(crate) const fn held_by(payload: usize) -> usize {
        const EVENT: usize = 128;
        payload + EVENT
    }

    pub(crate) fn held(&self) -> usize {
        Self::held_by(self.payload.len())
    }

    /// The value, unchecked: whoever uses it checks it first.
    #[must_use]
    pub const fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The same, without a copy.
    #[must_use]
    pub fn into_payload(self) -> Payload {
        self.payload
    }
}

/// A message or request as it came: channel, headers and payload in one piece of memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// From the channel's text to the end of the frame.
    bytes: Bytes,
    channel: u8,
    count: u8,
    /// Where the headers are and, behind them, the payload. No frame is longer than 32 bits tell.
    entries: u32,
    payload: u32,
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
            // Of one that is longer nobody gets to see more than the refusal.
            channel: channel.len() as u8,
            count: headers.count as u8,
            entries: (payload - headers.entries.len()) as u32,
            payload: payload as u32,
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
        core::str::from_utf8(&self.bytes[..usize::from(self.channel)]).unwrap_or_default()
    }

    /// The application's headers.
    #[must_use]
    pub fn headers(&self) -> Headers {
        let entries = self.entries as usize..self.payload as usize;
        Headers::from_checked(self.bytes.slice(entries), usize::from(self.count))
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
        self.bytes.advance(self.payload as usize);
        Payload::from_peer(self.bytes)
    }
}
