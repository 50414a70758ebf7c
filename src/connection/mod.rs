//! `Connection`: the state machine of one link, without IO (`docs/protocol.md` sections 3, 4, 7, 8).
//! Called by the pump, or by hand; knows the wire, payloads and the small nouns, no socket, clock or
//! thread.

mod calls;
mod closing;
mod commands;
mod greetings;
mod handshake;
mod interfaces;
mod items;
mod keepalive;
mod outbox;
mod phase;
mod receive;
mod schedule;
mod stream;
mod strikes;
mod subscriptions;
mod succession;
mod timers;
mod topic_frames;
mod topics;
mod turns;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use calls::{Ids, Made, Served, Table};
use keepalive::Keepalive;
use outbox::{Outbox, Position};
use phase::Phase;
use strikes::Strikes;
use subscriptions::{Own, Subscriptions};
use turns::Turns;

use crate::config::{Config, LONGEST};
use crate::counters::Counters;
use crate::error::Rejected;
use crate::event::Event;
use crate::id::{CallId, ConnectionId};
use crate::instant::Instant;
use crate::wire::{Decoder, LEAST_MAX_FRAME};
pub use greetings::{Hello, Welcome};

/// Which side of the handshake a connection is; afterwards both may do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

/// A ping of this side that the peer has not answered.
#[derive(Clone, Copy, Debug)]
struct Ping {
    token: u32,
    sent: Instant,
    /// The application asked for it and is told of the answer.
    asked: bool,
}

/// What came, counted.
#[derive(Debug, Default)]
struct Came {
    frames: u64,
    bytes: u64,
    /// One-way frames that were dropped.
    dropped: u64,
    strikes: u64,
}

/// One link between two programs, as a state machine: bytes, time and commands go in; bytes, events
/// and a deadline come out. Every function returns at once.
///
/// - **Inputs**: [`handle_input`](Self::handle_input), [`handle_end`](Self::handle_end),
///   [`handle_write_error`](Self::handle_write_error), [`handle_timeout`](Self::handle_timeout),
///   [`wrote`](Self::wrote).
/// - **Commands**: [`accept`](Self::accept), [`refuse`](Self::refuse), [`send`](Self::send),
///   [`request`](Self::request), [`respond`](Self::respond), [`cancel`](Self::cancel),
///   [`item`](Self::item), [`end`](Self::end), [`taken`](Self::taken), [`subscribe`](Self::subscribe),
///   [`unsubscribe`](Self::unsubscribe), [`publish`](Self::publish),
///   [`publish_counted`](Self::publish_counted), [`apply`](Self::apply), [`ping`](Self::ping),
///   [`close`](Self::close), [`fail_with`](Self::fail_with), [`abort`](Self::abort).
/// - **Outputs**: [`poll_event`](Self::poll_event), [`poll_shut`](Self::poll_shut),
///   [`poll_timeout`](Self::poll_timeout), [`chunks`](Self::chunks).
///
/// Outputs may be polled in any order and any number of times; leaving one out delays, never
/// corrupts. A [`Pump`](crate::Pump) does all of it in the right order with a buffer of its own, and
/// is what most drivers want.
#[derive(Debug)]
pub struct Connection {
    config: Arc<Config>,
    role: Role,
    phase: Phase,
    /// Server: its own choice. Client: learned from `welcome`.
    id: Option<ConnectionId>,
    peer_max_frame: u32,
    peer_max_calls: u32,
    peer_stream_window: u32,
    outbox: Outbox,
    /// What happened here and was not polled yet.
    events: VecDeque<Event>,
    closed_told: bool,
    our_ids: Ids,
    their_ids: Ids,
    /// The peer's ids are shown so much higher than they are: above those of connections before.
    raised: u64,
    /// New ids are too high as yet.
    ids_held: bool,
    /// Subscriptions that were given up and live, until they can be ended.
    given_up: Vec<CallId>,
    made: Table<Made>,
    served: Table<Served>,
    /// Those that were not answered when the connection ended, and whose handlers were not told; the oldest
    /// is the last.
    orphans: Vec<CallId>,
    /// Bytes of the arguments of the calls in `served`, and of items that are not taken.
    unanswered: usize,
    /// The peer's subscriptions, and how many of its `subscribe`s are not answered.
    subscriptions: Subscriptions,
    subscribing: usize,
    /// This side's.
    own: BTreeMap<CallId, Own>,
    /// Who has items or deliveries that wait to be moved to the outbox.
    turns: Turns,
    /// What the items cost that wait for their turn.
    waiting: usize,
    /// Calls of which an item was refused because too much waited.
    refused: Vec<CallId>,
    /// Pings that the peer has not answered, and where they stand in the outbox.
    pings: VecDeque<(Ping, Position)>,
    keepalive: Option<Box<Keepalive>>,
    /// None, as a rule.
    strikes: Option<Box<Strikes>>,
    /// What came: the rest of the counters is counted where it happens.
    came: Came,
    /// When something must have been written, while something waits.
    write_until: Option<Instant>,
    /// The write half has failed: until when last words of the peer are awaited.
    severed_until: Option<Instant>,
}

impl Connection {
    /// The client's side. Queues `hello`.
    ///
    /// # Errors
    ///
    /// [`Rejected::TooLarge`] if the hello takes more than 16 KiB or its scope more than 255 bytes.
    pub fn client(config: Arc<Config>, hello: &Hello, now: Instant) -> Result<Self, Rejected> {
        let mut connection = Self::new(config, Role::Client, None, now);
        connection.send_hello(hello)?;
        connection.note_unsent(now);
        Ok(connection)
    }

    /// The server's side; waits for `hello`. `id` is told to the client and must be unique for the
    /// life of the server's process.
    #[must_use]
    pub fn server(config: Arc<Config>, id: ConnectionId, now: Instant) -> Self {
        Self::new(config, Role::Server, Some(id), now)
    }

    fn new(config: Arc<Config>, role: Role, id: Option<ConnectionId>, now: Instant) -> Self {
        let until = now + config.handshake_timeout.min(LONGEST);
        let subscriptions = Subscriptions::new(config.max_deliveries, config.max_delivery_bytes);
        Self {
            config,
            role,
            phase: Phase::Greeting { until },
            id,
            peer_max_frame: LEAST_MAX_FRAME,
            peer_max_calls: 0,
            peer_stream_window: 0,
            outbox: Outbox::default(),
            // The handshake brings one, and many connections bring no more for long.
            events: VecDeque::with_capacity(1),
            closed_told: false,
            our_ids: Ids::of_client(role == Role::Client),
            their_ids: Ids::of_client(role == Role::Server),
            raised: 0,
            ids_held: false,
            given_up: Vec::new(),
            made: Table::default(),
            served: Table::default(),
            orphans: Vec::new(),
            unanswered: 0,
            subscriptions,
            subscribing: 0,
            own: BTreeMap::new(),
            turns: Turns::default(),
            waiting: 0,
            refused: Vec::new(),
            pings: VecDeque::new(),
            keepalive: None,
            came: Came::default(),
            strikes: None,
            write_until: None,
            severed_until: None,
        }
    }

    /// The limits that it was made with.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Its number at the server; a client learns it with [`Event::Welcome`].
    #[must_use]
    pub const fn id(&self) -> Option<ConnectionId> {
        self.id
    }

    /// Whether calls and messages may be sent.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open) && !self.outbox.is_severed()
    }

    /// Whether the handshake is behind it; and whether the end is.
    pub(crate) fn stands(&self) -> (bool, bool) {
        let greets = matches!(self.phase, Phase::Greeting { .. } | Phase::Deciding { .. });
        (!greets, self.phase.ended().is_some())
    }

    /// Whether bytes of the peer are still wanted.
    #[must_use]
    pub const fn wants_input(&self) -> bool {
        !matches!(self.phase, Phase::Closed(_) | Phase::Ending { peer_ended: true, .. })
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub const fn unsent(&self) -> u64 {
        self.outbox.unsent()
    }

    /// Whether so many deliveries wait for the peer that its queue was full and is not yet half empty:
    /// what a [`Broker`](crate::Broker::set_full) wants to know for the turns of groups.
    #[must_use]
    pub const fn is_crowded(&self) -> bool {
        self.subscriptions.is_crowded()
    }

    /// What has passed over the connection, and what is open on it.
    #[must_use]
    #[inline] // Most look at one of them.
    pub fn counters(&self) -> Counters {
        let (frames_out, bytes_out) = self.outbox.totals();
        Counters {
            frames_out,
            bytes_out,
            open_made: self.made.len(),
            open_served: self.served.len() + self.outbox.answers(),
            subscriptions: self.subscriptions.len(),
            deliveries_waiting: self.subscriptions.waiting(),
            deliveries_dropped: self.subscriptions.dropped,
            unsent: self.outbox.unsent(),
            frames_in: self.came.frames,
            bytes_in: self.came.bytes,
            dropped: self.came.dropped,
            strikes: self.came.strikes,
        }
    }

    /// Takes note that bytes of the peer came, or that nobody was reading: what the peer promised to
    /// send is awaited from now on anew. A [`Pump`](crate::Pump) does it by itself.
    pub fn heard(&mut self, now: Instant) {
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(now);
        }
    }

    /// Lends what is to be written next, as slices in order, for a vectored write; how many it lent.
    /// Then say with [`wrote`](Self::wrote) how far the write came.
    pub fn chunks<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        self.outbox.chunks(out)
    }

    /// Takes note that so many bytes of [`chunks`](Self::chunks) were written, from the front.
    pub fn wrote(&mut self, now: Instant, bytes: usize) {
        self.outbox.wrote(bytes);
        if bytes > 0 {
            self.write_until = None;
            if let Some(keepalive) = &mut self.keepalive {
                keepalive.spoke(now);
            }
        }
        self.note_unsent(now);
        self.finish_if_done(now);
    }

    /// Gives back the memory that is kept for what comes next, where nothing waits: for a quiet time.
    pub(crate) fn shrink(&mut self) {
        self.outbox.shrink();
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        if self.made.is_empty() {
            self.made.clear();
        }
        if self.served.is_empty() {
            self.served.clear();
        }
    }

    /// What happened next, if anything did. [`Event::Closed`] comes exactly once and last.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(self.shown(event));
        }
        let reason = self.phase.ended()?.clone();
        if let Some(event) = self.settle_next(&reason) {
            return Some(event);
        }
        if self.closed_told {
            return None;
        }
        self.closed_told = true;
        Some(Event::Closed(reason))
    }

    /// Takes at most one frame of the peer's bytes, unless an event waits to be polled; whether it
    /// did anything. Call it until it did not, polling events in between.
    ///
    /// Implements sections 1 to 5 and 7 of `docs/protocol.md`.
    pub fn handle_input(&mut self, now: Instant, input: &mut Decoder) -> bool {
        if !self.events.is_empty() {
            return false;
        }
        let before = input.buffered();
        let progress = match self.phase {
            Phase::Greeting { .. } => self.greet(now, input),
            Phase::Deciding { .. } if input.buffered() > 0 => {
                self.fail(now, crate::error::ProtocolError::UnexpectedFrame);
                true
            }
            Phase::Deciding { .. } => false,
            Phase::Open | Phase::Closing { .. } => self.receive(now, input),
            Phase::Ending { .. } | Phase::Closed(_) => {
                input.clear();
                false
            }
        };
        if progress && self.phase.ended().is_none() {
            self.came.frames += 1;
            self.came.bytes += before.saturating_sub(input.buffered()) as u64;
        }
        self.note_unsent(now);
        progress
    }

    /// Moves on what waits for its turn. Starts the clock of [`Config::write_stall`] if something waits
    /// and it does not run.
    fn note_unsent(&mut self, now: Instant) {
        self.refill();
        if !self.outbox.is_urgent() {
            self.write_until = None;
        } else if self.write_until.is_none() {
            self.write_until = Some(now + self.config.write_stall.min(LONGEST));
        }
    }
}

/// As much of a text for people as is sent: at most 1,024 bytes (section 6).
fn cut(text: &str) -> &str {
    const MOST: usize = 1024;
    if text.len() <= MOST {
        return text;
    }
    let end = (0..=MOST).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

/// Whole milliseconds, rounded up, as `reconnect-after-ms` and deadlines travel.
fn whole_milliseconds(time: Duration) -> u64 {
    // Not by way of nanoseconds: to divide 128 bits costs as much as half a frame.
    let rest = u64::from(time.subsec_nanos().div_ceil(1_000_000));
    time.as_secs().saturating_mul(1000).saturating_add(rest)
}

fn milliseconds(time: Option<Duration>) -> Option<u64> {
    time.map(|time| whole_milliseconds(time.min(LONGEST)))
}

/// A duration that a peer names, cut at 24 hours.
fn duration(ms: u64) -> Duration {
    Duration::from_millis(ms).min(LONGEST)
}
