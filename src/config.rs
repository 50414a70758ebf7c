//! `Config`: every limit of a connection, by name (`docs/protocol.md` section 8). Knows settings and
//! payload limits.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::payload::PayloadLimits;
use crate::policy::Policy;
use crate::wire::{COPIED, LEAST_MAX_FRAME, READ, SPARE, Settings};

/// Durations from a peer or a caller are cut at 24 hours where they enter.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest interval that can be promised (section 3).
const LEAST_KEEPALIVE: Duration = Duration::from_secs(1);
/// Most bytes of an answer that is taken though much waits to be written, with its head.
const REFUSAL: usize = 192;
/// Most bytes that an open call costs beside its arguments, in all tables.
const CALL: usize = 256;
/// Least bytes of a message or call that waits to be written, with its length.
const LEAST_QUEUED: usize = 10;
/// Most bytes that such a frame costs beside its own: where it ends, and how far it is taken back, in
/// queues that double when they grow.
const QUEUED: usize = 2 * (16 + 40);
/// Most bytes that the streams of a call cost beside their items.
const STREAM: usize = 512;
/// Least that an item costs of a limit (section 4.3).
const LEAST_COST: usize = 64;
/// Most bytes that an item costs beside its own while it waits, in a queue that doubles when it grows.
const ITEM: usize = 2 * 32;
/// Most bytes that a subscription costs beside its deliveries.
const SUBSCRIPTION: usize = 1024;
/// Most bytes that a delivery costs beside its own, and that losses before it are told, in a queue that
/// doubles when it grows.
const DELIVERY: usize = 2 * 2 * 128;
/// Most bytes of a connection itself and of its first buffers.
const CONNECTION: usize = 16 * 1024;

/// The limits of a connection. All are finite by default and can be set one by one.
///
/// ```
/// use switchboard::Config;
///
/// let mut config = Config::default();
/// config.max_frame = 64 << 20;
/// config.check()?;
/// # Ok::<(), switchboard::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Longest frame that this side takes, in bytes: at least 16 KiB. Default 16 MiB: a large
    /// document passes; what a connection can hold in all is [`memory_bound`](Self::memory_bound).
    pub max_frame: u32,
    /// Calls that the peer may have open at once. Default 1,024: enough to fill any pipe; each
    /// costs its arguments and at most 256 bytes, 512 more if it has streams.
    pub max_calls: u32,
    /// A handshake must be complete within this time of the connection's start, on both sides.
    /// Default 10 s: less has failed on machines that were still booting.
    pub handshake_timeout: Duration,
    /// A graceful close gives open calls this long. Default 5 s: longer than most calls take,
    /// shorter than service managers wait before they kill.
    pub drain: Duration,
    /// After its last words a side drops what still comes for this long. Default 1 s: time for the
    /// peer to read them.
    pub linger: Duration,
    /// A connection on which so long nothing can be written, though something waits, ends.
    /// Default 10 s: a stopped program is given up, a busy one is not.
    pub write_stall: Duration,
    /// This side promises to send something this often, if only a ping, so that the peer can tell a
    /// dead connection from a quiet one: 1 s to 24 h. Default `None`: local sockets break visibly when
    /// a process ends, so that only a process that hangs is found earlier this way. What the *peer*
    /// promises is checked always: three times its interval without a byte ends the connection.
    pub keepalive: Option<Duration>,
    /// The deadline of calls that name none; `None`: they have none. Default 30 s: nobody waits
    /// for ever by accident.
    pub call_deadline: Option<Duration>,
    /// Above so many unsent bytes messages and calls are refused with `Rejected::Full`, and likewise items
    /// above so many bytes that wait for their turn. Default
    /// 1 MiB: a few round trips of any local socket.
    pub max_unsent: usize,
    /// Above so many bytes of messages that wait for their listeners nothing more is read, answers
    /// included. Default 1 MiB: a burst passes, a flood waits at its sender.
    pub max_untaken: usize,
    /// Above so many bytes of requests that came and are not answered, and of items that are not taken,
    /// further ones are answered RESOURCE_EXHAUSTED. Default 64 MiB: four of the longest frames.
    pub max_unanswered: usize,
    /// First credit of each stream of items to this side, in bytes: so much is under way, or not yet
    /// taken, at most, and one item may pass it. Default 256 KiB: a local socket's round trip of a fast
    /// stream. 1 B to 2 GiB - 1.
    pub stream_window: u32,
    /// Whether handlers here may take streams of items. Without it a call whose caller wants to send one
    /// is answered INVALID_ARGUMENT before anyone sees it. Default no.
    pub takes_items: bool,
    /// Whether this side offers topics: the peer may subscribe and publish, and the application, as a
    /// rule a broker, answers. Without it such calls are answered UNIMPLEMENTED. Default no.
    pub offers_topics: bool,
    /// Subscriptions that the peer may have. Default 1,024; each costs at most 1 KiB beside its deliveries.
    pub max_subscriptions: u32,
    /// What the queue of a subscription that does not say does when it is full. Default: drop those
    /// that wait longest.
    pub policy: Policy,
    /// Deliveries that wait to be written, for all subscriptions of the peer together. Default 1,024: a
    /// burst passes. Those above it are dropped by their subscription's policy, and the subscriber is
    /// told.
    pub max_deliveries: usize,
    /// Bytes of them, likewise; if none waits, one of any size is taken. Default 1 MiB.
    pub max_delivery_bytes: usize,
    /// Limits of each payload that is used.
    pub payload: PayloadLimits,
    /// Frames that a driver handles before it lets others have their turn. Default 64: long enough to
    /// pay for a turn, short enough that nobody waits.
    pub turn_frames: u32,
    /// Bytes, likewise. Default 256 KiB.
    pub turn_bytes: usize,
    /// The typed interfaces that this side serves: name and version. Default none.
    pub interfaces: BTreeMap<String, String>,
    /// The typed interfaces that this side calls, and the version that it was written for. A peer that
    /// offers one of them in a version that does not fit by Cargo's caret rule ends the handshake;
    /// one that does not offer it answers its calls UNIMPLEMENTED. Default none.
    pub requires: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_frame: 16 << 20,
            max_calls: 1024,
            handshake_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(5),
            linger: Duration::from_secs(1),
            write_stall: Duration::from_secs(10),
            keepalive: None,
            call_deadline: Some(Duration::from_secs(30)),
            max_unsent: 1 << 20,
            max_untaken: 1 << 20,
            max_unanswered: 64 << 20,
            stream_window: 256 << 10,
            takes_items: false,
            offers_topics: false,
            max_subscriptions: 1024,
            policy: Policy::DropOldest,
            max_deliveries: 1024,
            max_delivery_bytes: 1 << 20,
            payload: PayloadLimits::default(),
            turn_frames: 64,
            turn_bytes: 256 << 10,
            interfaces: BTreeMap::new(),
            requires: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Whether the values make sense. Adapters check this before they open anything.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the field and what it must be.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            (self.max_frame >= LEAST_MAX_FRAME, "max_frame must be at least 16 KiB"),
            (!self.handshake_timeout.is_zero(), "handshake_timeout must be above 0"),
            (!self.write_stall.is_zero(), "write_stall must be above 0"),
            (
                self.keepalive.is_none_or(|every| (LEAST_KEEPALIVE..=LONGEST).contains(&every)),
                "keepalive must be 1 s to 24 h, or None",
            ),
            (self.call_deadline != Some(Duration::ZERO), "call_deadline must be above 0, or None"),
            (self.max_unsent > 0, "max_unsent must be above 0"),
            (self.max_unanswered > 0, "max_unanswered must be above 0"),
            (
                (1..=i32::MAX as u32).contains(&self.stream_window),
                "stream_window must be 1 B to 2 GiB - 1",
            ),
            (self.max_deliveries > 0, "max_deliveries must be above 0"),
            (self.max_delivery_bytes > 0, "max_delivery_bytes must be above 0"),
            (self.payload.max_depth > 0, "payload.max_depth must be above 0"),
            (self.payload.max_items > 0, "payload.max_items must be above 0"),
            (self.turn_frames > 0, "turn_frames must be above 0"),
            (self.turn_bytes > 0, "turn_bytes must be above 0"),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            Some((_, rule)) => Err(ConfigError(rule)),
            None => Ok(()),
        }
    }

    /// The most memory that a peer can make one connection hold, in bytes: what waits to be handled, to
    /// be answered and to be written, all at once, with what it costs to keep.
    ///
    /// Not in it: answers, items and publications larger than [`max_frame`](Self::max_frame), retained
    /// values, which their keeper bounds, and what handlers keep for themselves. Implements
    /// `docs/protocol.md` section 8.
    #[must_use]
    pub fn memory_bound(&self) -> usize {
        let frame = self.max_frame.max(LEAST_MAX_FRAME) as usize;
        let calls = self.max_calls as usize;
        // A frame that grows moves to a larger buffer, which for a moment stands beside the old one and
        // beside what is kept of the last large frame.
        let received = 2 * frame + 2 * READ + SPARE;
        // A payload that is just too large to be copied keeps the buffer that it came in.
        let pinned = calls.min(self.max_unanswered / COPIED + 1) + self.max_untaken / COPIED + 1;
        let held = self.max_unanswered + self.max_untaken + 2 * frame + pinned * (READ + COPIED);
        // An item is copied unless it is larger than a read, and then it may keep as much beside.
        let items = self.max_unanswered + READ;
        // Items that wait for their turn.
        let turns = self.max_unsent + frame + self.max_unsent / LEAST_COST * ITEM;
        // The buffer doubles when it grows; a refusal of the protocol's own takes a small frame.
        let unsent = 2 * (self.max_unsent + frame + calls * REFUSAL);
        let queued = (self.max_unsent / LEAST_QUEUED + calls) * QUEUED;
        let deliveries = if self.offers_topics { self.deliveries_bound(frame) } else { 0 };
        let calls = calls * (CALL + STREAM);
        received + held + items + turns + unsent + queued + deliveries + calls + CONNECTION
    }

    /// The part of the subscriptions and of the deliveries that wait for them.
    fn deliveries_bound(&self, frame: usize) -> usize {
        let subscriptions = self.max_subscriptions as usize * SUBSCRIPTION;
        let waiting = self.max_delivery_bytes + frame + self.max_deliveries * DELIVERY;
        subscriptions + waiting
    }

    /// What of it goes to the peer.
    pub(crate) fn settings(&self, scope: &str) -> Settings {
        Settings {
            max_frame: self.max_frame.max(LEAST_MAX_FRAME),
            max_calls: self.max_calls,
            stream_window: self.stream_window,
            keepalive: self.keepalive.map(|every| every.clamp(LEAST_KEEPALIVE, LONGEST)),
            scope: scope.into(),
            interfaces: self.interfaces.clone(),
            ..Settings::default()
        }
    }
}

/// A value of [`Config`] makes no sense; it says which and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError(&'static str);

impl ConfigError {
    /// The rule that is not kept.
    pub(crate) const fn new(rule: &'static str) -> Self {
        Self(rule)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config: {}", self.0)
    }
}

impl core::error::Error for ConfigError {}
