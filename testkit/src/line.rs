//! `Line`: the two directions between two sides, with what is under way in them. Called by `Pair` and
//! `Net`; knows `Side`, `Link` and `Trace`, not who else there is.

use std::collections::VecDeque;

use switchboard::Instant;

use crate::trace::{Tap, Trace};
use crate::{Chunking, Link, Side};

/// Both directions.
#[derive(Debug)]
pub(crate) struct Line {
    /// From the client to the server.
    pub(crate) up: Wire,
    /// From the server to the client.
    pub(crate) down: Wire,
}

impl Line {
    pub(crate) fn new(client: String, server: String) -> Self {
        Self { up: Wire::new(client), down: Wire::new(server) }
    }

    /// Carries what can be carried now; whether anything happened.
    pub(crate) fn carry(
        &mut self,
        client: &mut Side,
        server: &mut Side,
        now: Instant,
        trace: &mut Trace,
    ) -> bool {
        let mut busy = self.up.write(client, now, trace) | self.down.write(server, now, trace);
        busy |= self.up.read(server, now) | self.down.read(client, now);
        if self.up.is_broken() || self.down.is_broken() {
            self.cut(client, server, now, trace);
            busy = true;
        }
        busy
    }

    /// Nothing gets through any more, and both sides notice at once.
    pub(crate) fn cut(
        &mut self,
        client: &mut Side,
        server: &mut Side,
        now: Instant,
        trace: &mut Trace,
    ) {
        if self.up.cut && self.down.cut {
            return;
        }
        trace.note(now, format_args!("{} and {} are cut off", self.up.writer, self.down.writer));
        self.up.cut();
        self.down.cut();
        for side in [client, server] {
            if side.done.is_none() {
                side.pump.write_failed(now);
                side.end();
            }
        }
    }

    /// When the next byte, or the end of a stream, arrives that has not yet.
    pub(crate) fn next_arrival(&self, now: Instant) -> Option<Instant> {
        let ends = [self.up.end, self.down.end].into_iter().flatten();
        let bytes = self.up.under_way.iter().chain(&self.down.under_way).map(|(at, _)| *at);
        bytes.chain(ends).filter(|at| *at > now).min()
    }
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Who writes, as the trace names it.
    writer: String,
    link: Link,
    /// When they arrive, and bytes, in order.
    under_way: VecDeque<(Instant, VecDeque<u8>)>,
    /// How many bytes are under way.
    held: usize,
    /// How many were written since the link was set.
    carried: u64,
    /// When the end of the stream arrives, once the writer has made it, until the reader is told.
    end: Option<Instant>,
    ended: bool,
    cut: bool,
    tap: Tap,
}

impl Wire {
    fn new(writer: String) -> Self {
        Self {
            writer,
            link: Link::default(),
            under_way: VecDeque::new(),
            held: 0,
            carried: 0,
            end: None,
            ended: false,
            cut: false,
            tap: Tap::new(),
        }
    }

    /// What is under way arrives as before.
    pub(crate) fn set_link(&mut self, link: Link, reader: &mut Side) {
        reader.chunking = link.chunking.clone();
        self.carried = 0;
        self.link = link;
    }

    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    fn cut(&mut self) {
        self.under_way.clear();
        (self.held, self.end, self.cut) = (0, None, true);
    }

    /// All that may get through has been read.
    fn is_broken(&self) -> bool {
        !self.cut && self.held == 0 && self.link.cut_after.is_some_and(|most| self.carried >= most)
    }

    /// The writer writes as much as there is room for; whether it did anything.
    fn write(&mut self, from: &mut Side, now: Instant, trace: &mut Trace) -> bool {
        from.run();
        if self.cut || self.ended {
            return false;
        }
        let left = self.link.cut_after.map_or(u64::MAX, |most| most.saturating_sub(self.carried));
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let room = self.link.window.saturating_sub(self.held).min(left);
        let last = self.under_way.back().map_or(Instant::ZERO, |(at, _)| *at);
        let arrival = (now + self.link.latency).max(last);
        let mut written = Vec::new();
        while written.len() < room {
            let bytes = from.write(room - written.len());
            if bytes.is_empty() {
                break;
            }
            written.extend(bytes);
        }
        if !written.is_empty() {
            self.tap.read(now, &self.writer, &written, trace);
            self.held += written.len();
            self.carried += written.len() as u64;
            self.under_way.push_back((arrival, written.into()));
            return true;
        }
        if from.shut || from.done.is_some() {
            trace.note(now, format_args!("{} > end of stream", self.writer));
            (self.end, self.ended) = (Some(arrival), true);
            return true;
        }
        false
    }

    /// The reader reads what has arrived, for as long as it wants to; whether it did anything.
    fn read(&mut self, to: &mut Side, now: Instant) -> bool {
        let mut busy = false;
        while let Some((_, bytes)) = self.under_way.front_mut().filter(|(at, _)| *at <= now) {
            let count = if to.done.is_some() {
                bytes.len()
            } else if to.reads() {
                let piece = bytes.make_contiguous();
                to.feed_piece(piece)
            } else {
                return busy;
            };
            bytes.drain(..count);
            self.held -= count;
            busy = true;
            if bytes.is_empty() {
                self.under_way.pop_front();
            }
        }
        let ends = self.under_way.is_empty() && self.end.is_some_and(|at| at <= now);
        if ends && (to.reads() || to.done.is_some()) {
            self.end = None;
            if to.done.is_none() {
                to.end();
            }
            return true;
        }
        busy
    }
}

/// Gives both directions the same link; random pieces differ all the same.
pub(crate) fn both(link: Link) -> (Link, Link) {
    let mut other = link.clone();
    if let Chunking::Random(dice) = &mut other.chunking {
        dice.0 = !dice.0;
    }
    (link, other)
}
