//! `Pump`: a connection with its receive buffer and its budget; all that a driver touches. Called by
//! adapters and hand-written loops; knows the connection's public part, commands
//! and the decoder.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::close_reason::CloseReason;
use crate::command::Command;
use crate::connection::Connection;
use crate::error::Rejected;
use crate::event::Event;
use crate::id::CallId;
use crate::instant::Instant;
use crate::publication::Publication;
use crate::wire::{Decoder, LEAST_MAX_FRAME};
use core::time::Duration;

/// The memory that frames needed waits at least so long for the next ones, and no more than twice as long:
/// longer than from call to call, and no quiet connection keeps it.
const QUIET: Duration = Duration::from_secs(1);

/// What a driver is to do now.
#[derive(Debug)]
pub enum Next {
    /// Something happened: deal with it, then ask again.
    Event(Event),
    /// Nothing more without IO. First write what [`Pump::chunks`] lends, without blocking. Then wait:
    /// for bytes to read, if `write` also for room to write, at most until `until`; ask again.
    Io {
        /// Bytes are wanted: read into [`Pump::space`], then call [`Pump::filled`].
        read: bool,
        /// Bytes wait: write what [`Pump::chunks`] lends, then call [`Pump::wrote`].
        write: bool,
        /// When to ask again even if nothing came.
        until: Option<Instant>,
    },
    /// All is written: shut the write half, if the transport can, and ask again.
    Shut,
    /// This connection has had its turn: write, let others have theirs, then ask again.
    Yield,
    /// It has ended: drop the transport.
    Done(CloseReason),
}

/// Drives a [`Connection`]: the driver asks [`next`](Self::next) what to do, and does it.
///
/// 1. Ask [`next`](Self::next) until it says [`Next::Io`], handling each event.
/// 2. Write [`chunks`](Self::chunks) without blocking; tell [`wrote`](Self::wrote).
/// 3. Wait for what `Io` names, without holding a lock.
/// 4. Read into [`space`](Self::space) without blocking; tell [`filled`](Self::filled). Go to 1.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use switchboard::{Config, Connection, Event, Hello, Instant, Next, Pump};
///
/// let now = Instant::ZERO;
/// let mut client = Pump::new(Connection::client(Arc::new(Config::default()), &Hello::new(), now)?);
/// let Next::Io { read: true, write: true, until: Some(until) } = client.next(now) else { panic!() };
/// assert_eq!(until - now, Duration::from_secs(10)); // the handshake's deadline
///
/// // The server hangs up: the connection is lost.
/// client.filled(now, 0);
/// assert!(matches!(client.next(now), Next::Event(Event::Closed(_))));
/// assert!(matches!(client.next(now), Next::Done(_)));
/// # Ok::<(), switchboard::Rejected>(())
/// ```
#[derive(Debug)]
pub struct Pump {
    connection: Connection,
    input: Decoder,
    /// The stream has ended behind what `input` holds.
    ended: bool,
    frames: u32,
    bytes: usize,
    /// Bytes of messages that were handed out and whose listeners are not done.
    untaken: usize,
    paused: bool,
    /// The handshake has been written, and what it needed was given back.
    greeted: bool,
    /// When the memory of the last frames is given back, if none has come since this was set.
    shrinks: Option<Instant>,
    /// What is to be delivered with the next turn.
    deliveries: Option<(CallId, Arc<Vec<Publication>>)>,
}

impl Pump {
    /// Drives this connection.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self {
            connection,
            input: Decoder::new(LEAST_MAX_FRAME),
            ended: false,
            frames: 0,
            bytes: 0,
            untaken: 0,
            paused: false,
            greeted: false,
            shrinks: None,
            deliveries: None,
        }
    }

    /// Drives the next connection of a session; what is told of its listeners holds for it, too.
    pub(crate) fn renew(&mut self, connection: Connection) {
        let (untaken, paused) = (self.untaken, self.paused);
        *self = Self { untaken, paused, ..Self::new(connection) };
    }

    /// The connection: to ask and to command it. Ask [`next`](Self::next) afterwards.
    pub const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The connection, to look at.
    pub(crate) const fn peek(&self) -> &Connection {
        &self.connection
    }

    /// Does what was decided for this connection, as [`Connection::apply`] does; of many deliveries, for
    /// which nothing else waits, not before [`next`](Self::next): so whoever carries them to many
    /// connections, and then drives each, has the bytes at hand that are to be written.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::apply`], unless it waits for `next`: then nobody is told.
    pub fn apply(&mut self, now: Instant, command: Command) -> Result<(), Rejected> {
        match command {
            Command::DeliverAll { subscription, publications }
                if self.deliveries.is_none() && self.connection.unsent() == 0 =>
            {
                self.deliveries = Some((subscription, publications));
                Ok(())
            }
            command => {
                self.deliver(now);
                self.connection.apply(now, command)
            }
        }
    }

    fn deliver(&mut self, now: Instant) {
        if let Some((subscription, publications)) = self.deliveries.take() {
            // Refused is only what concerns a subscription that has ended.
            let _ = self.connection.deliver_all(now, subscription, &publications);
        }
    }

    /// What to do now. `now` must come from one clock for the life of the pump.
    #[must_use]
    pub fn next(&mut self, now: Instant) -> Next {
        self.deliver(now);
        if self.connection.poll_timeout().is_some_and(|(until, _)| until <= now) {
            self.connection.handle_timeout(now);
        }
        if self.shrinks.is_some_and(|until| until <= now) {
            self.shrinks = None;
            if !self.input.take_used() {
                self.shrink();
            }
        }
        loop {
            if let Some(event) = self.connection.poll_event() {
                return Next::Event(event);
            }
            if self.is_over_budget() {
                (self.frames, self.bytes) = (0, 0);
                return Next::Yield;
            }
            if self.is_paused() {
                self.connection.heard(now);
                break;
            }
            let before = self.input.buffered();
            if before == 0 && !self.ended {
                break;
            }
            if !self.connection.handle_input(now, &mut self.input) {
                if !self.ended || !self.connection.wants_input() {
                    break;
                }
                self.connection.handle_end(self.input.buffered() > 0);
            }
            self.frames += 1;
            self.bytes += before.saturating_sub(self.input.buffered());
        }
        (self.frames, self.bytes) = (0, 0);
        if self.connection.poll_shut() {
            return Next::Shut;
        }
        if let Some(reason) = self.connection.closed() {
            return Next::Done(reason.clone());
        }
        Next::Io {
            read: self.connection.wants_input() && !self.is_paused(),
            write: self.connection.unsent() > 0,
            until: self.until(now),
        }
    }

    /// Gives back what is kept for frames to come.
    fn shrink(&mut self) {
        self.input.shrink();
        self.connection.shrink();
    }

    /// When [`next`](Self::next) must be asked again at the latest.
    fn until(&mut self, now: Instant) -> Option<Instant> {
        // It stays where it is while frames come: to move a timer for each would cost more than they do.
        if self.shrinks.is_none() && self.input.keeps_memory() {
            self.input.take_used();
            self.shrinks = Some(now + QUIET);
        }
        match (self.connection.poll_timeout(), self.shrinks) {
            (Some((timeout, _)), Some(shrinks)) => Some(timeout.min(shrinks)),
            (timeout, shrinks) => timeout.map(|(until, _)| until).or(shrinks),
        }
    }

    /// Says how many bytes of messages wait for their listeners. Above
    /// [`Config::max_untaken`](crate::Config::max_untaken) nothing more is read, so that the peer's
    /// sends have to wait (`docs/protocol.md` section 8). A driver that deals with each message before
    /// it asks on never needs this.
    pub const fn set_untaken(&mut self, bytes: usize) {
        self.untaken = bytes;
    }

    /// Stops reading, or goes on with it: whatever the peer sends waits at the peer then, answers
    /// and goodbye included. Time without reading is not held against the peer, but the peer's own
    /// `write_stall` goes on. A connection that closes is read on, so that it can end.
    pub const fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether it is paused now, or too many messages wait for their listeners: nothing is to be read.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.untaken > self.connection.config().max_untaken
            || (self.paused && self.connection.is_open())
    }

    fn is_over_budget(&self) -> bool {
        let config = self.connection.config();
        self.frames >= config.turn_frames || self.bytes >= config.turn_bytes
    }

    /// Where to read to: initialised memory, never empty, as much as is worth reading at once. Say with
    /// [`filled`](Self::filled) what was read before you call anything else, which may move this memory.
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// Says that so many bytes were read into [`space`](Self::space). 0 is the end of the stream, and
    /// so is a read that failed.
    pub fn filled(&mut self, now: Instant, bytes: usize) {
        self.ended |= bytes == 0;
        self.connection.heard(now);
        self.input.filled(bytes);
    }

    /// Lends what is to be written next, for a vectored write; how many slices it lent.
    pub fn chunks<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        self.connection.chunks(out)
    }

    /// Says that so many bytes of [`chunks`](Self::chunks) were written.
    pub fn wrote(&mut self, now: Instant, bytes: usize) {
        self.connection.wrote(now, bytes);
        if !self.greeted && self.connection.is_open() && self.connection.unsent() == 0 {
            // Many connections greet and are quiet then. If each kept this for a second, those that came
            // meanwhile would stand behind it in memory, which would stay in holes.
            self.greeted = true;
            self.shrink();
        }
    }

    /// Says that a write failed for good. Go on reading: the peer's last words may be waiting.
    pub fn write_failed(&mut self, now: Instant) {
        self.connection.handle_write_error(now);
    }
}
