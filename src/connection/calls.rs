//! The open calls of a connection, both ways (`docs/protocol.md` section 4). Called by the connection
//! only; knows no frames.
//!
//! A side's ids ascend in the order sent, so that each table is a ring that is sorted by nature: a
//! new call goes to the back, a search halves, and the usual end is at the front.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::outbox::Position;
use super::stream::{Stream, Tail};
use crate::error::ProtocolError;
use crate::id::CallId;
use crate::instant::Instant;
use crate::policy::Policy;
use crate::status::Status;

/// Rows in the order of their ids.
#[derive(Debug)]
pub(crate) struct Table<R> {
    rows: VecDeque<(CallId, R)>,
    /// At or before the earliest deadline of all rows; found anew when it has passed.
    earliest: Option<Instant>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self { rows: VecDeque::new(), earliest: None }
    }
}

/// A row that may have a deadline.
pub(crate) trait Due {
    /// `None` once nothing happens when it passes.
    fn due(&self) -> Option<Instant>;
}

impl<R: Due> Table<R> {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a row whose id is above all that were ever added.
    pub(crate) fn insert(&mut self, id: CallId, row: R) {
        if let Some(due) = row.due() {
            self.earliest = Some(self.earliest.map_or(due, |earliest| earliest.min(due)));
        }
        self.rows.push_back((id, row));
    }

    fn find(&self, id: CallId) -> Option<usize> {
        if self.rows.front().is_some_and(|(front, _)| *front == id) {
            return Some(0);
        }
        self.rows.binary_search_by_key(&id, |(id, _)| *id).ok()
    }

    pub(crate) fn get_mut(&mut self, id: CallId) -> Option<&mut R> {
        let index = self.find(id)?;
        self.rows.get_mut(index).map(|(_, row)| row)
    }

    /// The one that was added last, if it is still here.
    pub(crate) fn last(&self) -> Option<&R> {
        self.rows.back().map(|(_, row)| row)
    }

    pub(crate) fn remove(&mut self, id: CallId) -> Option<R> {
        let (_, row) = self.rows.remove(self.find(id)?)?;
        if self.rows.is_empty() {
            self.earliest = None;
        }
        Some(row)
    }

    pub(crate) fn pop_front(&mut self) -> Option<(CallId, R)> {
        self.rows.pop_front()
    }

    pub(crate) fn pop_back(&mut self) -> Option<(CallId, R)> {
        self.rows.pop_back()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next deadline: maybe early, never late.
    pub(crate) const fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// The calls whose deadlines have passed, if any has; `earliest` is exact again afterwards.
    pub(crate) fn take_overdue(&mut self, now: Instant) -> Vec<CallId> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let is_overdue = |row: &R| row.due().is_some_and(|due| due <= now);
        let overdue = self.rows.iter().filter(|(_, row)| is_overdue(row)).map(|(id, _)| *id);
        let overdue = overdue.collect();
        let due = self.rows.iter().filter_map(|(_, row)| row.due());
        self.earliest = due.filter(|due| *due > now).min();
        overdue
    }
}

/// What a call that this side made asks for, as far as its answer does more than end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A request, or a publication.
    Answer,
    /// A subscription, which has the call's id.
    Subscribe,
    /// The end of that one.
    Unsubscribe(CallId),
}

/// A call that this side made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) wish: Wish,
    /// What the application gave with it.
    pub(crate) token: u64,
    pub(crate) due: Option<Instant>,
    /// Where its request stands in the outbox.
    pub(crate) request: Position,
    pub(crate) stream: Option<Box<Stream>>,
    /// Its user has been told how it ended; only the peer's answer is still to come.
    pub(crate) settled: bool,
}

impl Due for Made {
    fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.settled)
    }
}

/// What a call that this side serves is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Request,
    /// For a subscription with this policy.
    Subscribe(Policy),
    Publish,
}

/// A call that this side serves.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) asked: Asked,
    pub(crate) due: Option<Instant>,
    pub(crate) stream: Option<Box<Stream>>,
    /// Its caller no longer waits; with this status it is answered.
    pub(crate) stopped: Option<Status>,
    /// How much memory its arguments take.
    pub(crate) bytes: usize,
    /// Its caller has sent `cancel`, the last frame that it may send for it.
    pub(crate) cancelled: bool,
}

impl Served {
    /// It has its answer, which waits behind the last items.
    pub(crate) fn is_answered(&self) -> bool {
        let outgoing = self.stream.as_ref().and_then(|stream| stream.outgoing.as_ref());
        outgoing.is_some_and(|outgoing| matches!(outgoing.tail, Tail::Answer(_)))
    }
}

impl Due for Served {
    fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.stopped.is_none())
    }
}

/// Which ids a side may use, and which it has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    next: u64,
}

impl Ids {
    /// The client's ids are odd, the server's even.
    pub(crate) const fn of_client(client: bool) -> Self {
        Self { next: if client { 1 } else { 2 } }
    }

    /// The next one is this.
    pub(crate) const fn at(id: CallId) -> Self {
        Self { next: id.number() }
    }

    /// The last one that was used, or one below all.
    pub(crate) const fn last(&self) -> u64 {
        self.next.saturating_sub(2)
    }

    /// The id that [`take`](Self::take) would give.
    pub(crate) const fn peek(&self) -> Option<CallId> {
        CallId::new(self.next)
    }

    pub(crate) const fn take(&mut self) {
        self.next += 2;
    }

    /// Takes note of an id that the peer uses for a new call.
    pub(crate) const fn open(&mut self, id: CallId) -> Result<(), ProtocolError> {
        if !self.owns(id) || id.number() < self.next {
            return Err(ProtocolError::BadCallId);
        }
        self.next = id.number() + 2;
        Ok(())
    }

    pub(crate) const fn owns(&self, id: CallId) -> bool {
        id.number() % 2 == self.next % 2
    }

    /// Whether a call with this id was ever opened.
    pub(crate) const fn was_opened(&self, id: CallId) -> bool {
        self.owns(id) && id.number() < self.next
    }
}
