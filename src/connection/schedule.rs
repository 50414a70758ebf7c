//! Moves items and deliveries to the outbox, in turns (`docs/protocol.md` section 4.4). Part of the
//! connection; `turns.rs` says who is next.

use super::Connection;
use super::outbox::Counted;
use super::stream::{Tail, cost};
use super::turns::{AHEAD, Taker};
use crate::backlog::Due;
use crate::event::Event;
use crate::id::CallId;
use crate::publication::Publication;
use crate::wire::{Dropped, Frame, delivery_len, item_len, lagged_len};

/// A turn counts as so many bytes at least, so that very many small frames are not moved at once.
const LEAST_TURN: usize = 64;

impl Connection {
    /// Moves what takes turns to the outbox, as far as it may go there now.
    pub(super) fn refill(&mut self) {
        if self.turns.len() == 0 || self.outbox.is_severed() {
            return;
        }
        if self.outbox.is_empty() {
            self.turns.forgive();
            let mut left = usize::MAX;
            while let Some(length) = self.take_turn(left) {
                left = left.min(AHEAD).saturating_sub(length);
            }
        } else {
            while self.turns.owed() > 0 && !self.is_unsent_full() {
                let Some(length) = self.take_turn(self.turns.owed()) else { break };
                self.turns.pay(length);
            }
        }
        self.tell_room();
    }

    /// Moves deliveries of one subscription to the outbox that would be the next to be moved there, without
    /// the way through its queue; how many it were.
    pub(super) fn move_at_once(&mut self, id: CallId, values: &[Publication]) -> usize {
        if self.turns.len() > 0 || !self.outbox.is_empty() || self.outbox.is_severed() {
            return 0;
        }
        let mut left = usize::MAX;
        let mut may_go = |value: &&Publication| {
            let length = delivery_len(id, value.encoded_len()).max(LEAST_TURN);
            let goes = length <= left && self.fits(id, value);
            left = left.min(AHEAD).saturating_sub(length);
            goes
        };
        let moved = values.iter().take_while(|value| may_go(value)).count();
        self.outbox.push_deliveries(id, &values[..moved]);
        moved
    }

    /// Lets whoever is next have a turn of at most so many bytes; how many it was.
    fn take_turn(&mut self, most: usize) -> Option<usize> {
        for _ in 0..self.turns.len() {
            let taker = self.turns.next()?;
            match self.next_len(taker) {
                // Nothing yet: its request waits to be written, too.
                None => self.turns.join(taker),
                Some(length) if length.max(LEAST_TURN) > most => {
                    self.turns.put_back(taker);
                    return None;
                }
                Some(length) => {
                    self.move_one(taker);
                    return Some(length.max(LEAST_TURN));
                }
            }
        }
        None
    }

    /// How long the next frame of a taker is, without its own length.
    fn next_len(&mut self, taker: Taker) -> Option<usize> {
        let id = match taker {
            Taker::Call(id) => id,
            Taker::Subscription(id) => {
                return Some(match self.subscriptions.get_mut(id)?.next()? {
                    Ok(rest) => delivery_len(id, rest),
                    Err(dropped) => lagged_len(id, dropped),
                });
            }
        };
        if self.made.get_mut(id).is_some_and(|made| self.outbox.is_unsent(made.request)) {
            return None;
        }
        let outgoing = self.outgoing(id)?;
        let length = match (outgoing.items.front(), &outgoing.tail) {
            (Some(payload), _) | (None, Tail::Answer(payload)) => payload.len(),
            (None, _) => 0,
        };
        Some(item_len(id, length))
    }

    fn move_one(&mut self, taker: Taker) {
        let id = match taker {
            Taker::Call(id) => id,
            Taker::Subscription(id) => {
                self.move_delivery(id);
                if let Some(row) = self.subscriptions.get_mut(id) {
                    row.queued = false;
                    self.join_subscription(id);
                }
                return;
            }
        };
        let Some(outgoing) = self.outgoing(id) else { return };
        let left = if let Some(item) = outgoing.items.pop_front() {
            let cost = cost(item_len(id, item.len()));
            outgoing.sent(cost);
            let left = outgoing.has_work();
            self.waiting -= cost as usize;
            self.queue(&Frame::Item { id, payload: &[] }, Some(&item), Counted::No);
            left
        } else {
            match core::mem::replace(&mut outgoing.tail, Tail::Sent) {
                Tail::End => self.queue(&Frame::End { id }, None, Counted::No),
                Tail::Answer(answer) => {
                    self.forget_served(id);
                    self.queue(
                        &Frame::Response { id, payload: &[] },
                        Some(&answer),
                        Counted::Answer,
                    );
                }
                Tail::Open | Tail::Sent => {}
            }
            false
        };
        if left {
            self.turns.join(taker);
        } else if let Some(outgoing) = self.outgoing(id) {
            outgoing.queued = false;
        }
    }

    fn move_delivery(&mut self, id: CallId) {
        match self.subscriptions.pop(id) {
            Some(Due::Delivery(publication)) => self.outbox.push_delivery(id, &publication),
            Some(Due::Lagged(dropped)) => {
                if let Some(dropped) = Dropped::new(dropped) {
                    let frame = Frame::Lagged { subscription: id, dropped };
                    self.queue(&frame, None, Counted::Delivery);
                }
            }
            None => {}
        }
    }

    /// Something waits for a subscription, maybe.
    pub(super) fn join_subscription(&mut self, id: CallId) {
        let Some(row) = self.subscriptions.get_mut(id).filter(|row| row.has_work()) else { return };
        if !core::mem::replace(&mut row.queued, true) {
            self.turns.join(Taker::Subscription(id));
        }
    }

    /// Moves all that waits for subscriptions to the outbox, and ends them.
    pub(super) fn flush_deliveries(&mut self) {
        while let Some(id) = self.subscriptions.first_waiting() {
            while self.subscriptions.get_mut(id).is_some_and(|row| row.has_work()) {
                self.move_delivery(id);
            }
            self.forget_subscription(id);
        }
        self.subscriptions.clear();
    }

    /// Ends a subscription of the peer; whether it was live.
    pub(super) fn forget_subscription(&mut self, id: CallId) -> bool {
        let Some(row) = self.subscriptions.remove(id) else { return false };
        if row.queued {
            self.turns.leave(Taker::Subscription(id));
        }
        true
    }

    /// Queues a frame whose length was looked at when it was accepted.
    fn queue(
        &mut self,
        frame: &Frame<'_>,
        payload: Option<&crate::payload::Payload>,
        counted: Counted,
    ) {
        let queued = self.outbox.push(frame, payload, self.peer_max_frame, counted);
        debug_assert!(queued.is_ok(), "its length was looked at before");
    }

    /// Something of a call waits for its turn.
    pub(super) fn join(&mut self, id: CallId) {
        let Some(outgoing) = self.outgoing(id) else { return };
        if !core::mem::replace(&mut outgoing.queued, true) {
            self.turns.join(Taker::Call(id));
        }
    }

    /// Tells of room those whose items were refused because too much waited.
    fn tell_room(&mut self) {
        if self.refused.is_empty() || self.waiting >= self.config.max_unsent {
            return;
        }
        for call in core::mem::take(&mut self.refused) {
            match self.outgoing(call).map(|outgoing| outgoing.waiting >= super::items::MOST_WAITING)
            {
                Some(true) => self.refused.push(call),
                Some(false) => self.events.push_back(Event::Room { call }),
                None => {}
            }
        }
    }
}
