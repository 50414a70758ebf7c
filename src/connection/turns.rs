//! `Turns`: whose item or delivery is written next (`docs/protocol.md` section 4.4). Called by the
//! connection only; knows ids and lengths.
//!
//! Items and deliveries wait in queues of their own. They are moved to the outbox one by one, in turns:
//!
//! - when nothing else waits there, up to [`AHEAD`] bytes, or one frame, at a time: whatever is sent next
//!   waits behind no more than that;
//! - when other frames keep the outbox from running empty, as many bytes as those have, while less than
//!   `Config::max_unsent` waits there.

use alloc::collections::VecDeque;

use crate::id::CallId;

/// So many bytes of small frames are written at once: what any peer takes as one frame.
pub(crate) const AHEAD: usize = 16 * 1024;

/// Who takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taker {
    /// A call with a stream.
    Call(CallId),
    /// A subscription of the peer.
    Subscription(CallId),
}

#[derive(Debug, Default)]
pub(crate) struct Turns {
    calls: VecDeque<CallId>,
    subscriptions: VecDeque<CallId>,
    /// A subscription has had the last turn.
    calls_first: bool,
    /// Bytes of other frames that were queued since, and that these did not have.
    owed: u32,
}

impl Turns {
    /// Has its next turn behind all others of its kind.
    pub(crate) fn join(&mut self, taker: Taker) {
        match taker {
            Taker::Call(id) => self.calls.push_back(id),
            Taker::Subscription(id) => self.subscriptions.push_back(id),
        }
    }

    pub(crate) fn leave(&mut self, taker: Taker) {
        match taker {
            Taker::Call(id) => self.calls.retain(|other| *other != id),
            Taker::Subscription(id) => self.subscriptions.retain(|other| *other != id),
        }
    }

    /// How many there are, which is how many turns to try at most.
    pub(crate) fn len(&self) -> usize {
        self.calls.len() + self.subscriptions.len()
    }

    /// Takes out who is next: calls and subscriptions alternate.
    pub(crate) fn next(&mut self) -> Option<Taker> {
        let call = |turns: &mut Self| turns.calls.pop_front().map(Taker::Call);
        let subscription =
            |turns: &mut Self| turns.subscriptions.pop_front().map(Taker::Subscription);
        let next = if self.calls_first {
            call(self).or_else(|| subscription(self))
        } else {
            subscription(self).or_else(|| call(self))
        };
        self.calls_first = matches!(next, Some(Taker::Subscription(_)));
        next
    }

    /// Puts back who could not use its turn: it stays next.
    pub(crate) fn put_back(&mut self, taker: Taker) {
        match taker {
            Taker::Call(id) => self.calls.push_front(id),
            Taker::Subscription(id) => self.subscriptions.push_front(id),
        }
        self.calls_first = matches!(taker, Taker::Call(_));
    }

    /// Another frame of so many bytes was queued.
    pub(crate) fn owe(&mut self, bytes: usize) {
        let owed = self.owed().saturating_add(bytes);
        self.owed = if self.len() == 0 { 0 } else { owed.try_into().unwrap_or(u32::MAX) };
    }

    /// How many bytes may be moved though other frames wait.
    pub(crate) const fn owed(&self) -> usize {
        self.owed as usize
    }

    pub(crate) const fn pay(&mut self, bytes: usize) {
        // No more than it was, so that it fits.
        self.owed = self.owed().saturating_sub(bytes) as u32;
    }

    /// Nothing else waits any more.
    pub(crate) const fn forgive(&mut self) {
        self.owed = 0;
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
