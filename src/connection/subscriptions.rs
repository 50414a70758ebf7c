//! `Subscriptions`: those of the peer, with what waits for each, and those of this side
//! (`docs/protocol.md` section 5). Called by the connection only; knows publications, no frames.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::backlog::{Allowance, Backlog, Due, Overflow};
use crate::id::CallId;
use crate::policy::Policy;
use crate::publication::Publication;

/// What a subscription of this side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Its deliveries are told.
    Live,
    /// It is to end: what still comes is dropped.
    Leaving,
}

/// A subscription of the peer.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Retained values, which come first, whatever the limits.
    retained: VecDeque<Publication>,
    backlog: Backlog,
    /// It is among those that take turns.
    pub(crate) queued: bool,
}

/// The subscriptions of the peer.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    rows: BTreeMap<CallId, Subscription>,
    room: Allowance,
    /// How many retained values wait beside.
    retained: usize,
    /// How many deliveries were dropped.
    pub(crate) dropped: u64,
    /// There was no room, and not half of it is free again.
    crowded: bool,
}

impl Subscriptions {
    pub(crate) const fn new(max_deliveries: usize, max_bytes: usize) -> Self {
        let room = Allowance::new(max_deliveries, max_bytes);
        Self { rows: BTreeMap::new(), room, retained: 0, dropped: 0, crowded: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many deliveries wait.
    pub(crate) const fn waiting(&self) -> usize {
        self.room.deliveries() + self.retained
    }

    pub(crate) const fn is_crowded(&self) -> bool {
        self.crowded && !self.room.is_half_free()
    }

    pub(crate) fn insert(&mut self, id: CallId, policy: Policy) {
        let (retained, backlog) = (VecDeque::new(), Backlog::new(policy));
        self.rows.insert(id, Subscription { retained, backlog, queued: false });
    }

    pub(crate) fn get_mut(&mut self, id: CallId) -> Option<&mut Subscription> {
        self.rows.get_mut(&id)
    }

    /// Ends one, and drops what waits for it. `None`: it is not live.
    pub(crate) fn remove(&mut self, id: CallId) -> Option<Subscription> {
        let mut row = self.rows.remove(&id)?;
        row.backlog.clear(&mut self.room);
        self.retained -= row.retained.len();
        Some(row)
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        (self.room, self.retained) = (Allowance::new(0, 0), 0);
    }

    /// The retained values of a new subscription. All of them are taken while no others wait.
    pub(crate) fn retain(&mut self, id: CallId, values: Vec<Publication>) -> Result<(), Overflow> {
        let Some(row) = self.rows.get_mut(&id) else { return Ok(()) };
        if self.retained == 0 {
            self.retained = values.len();
            row.retained = values.into();
            return Ok(());
        }
        values.into_iter().try_for_each(|value| self.deliver(id, value))
    }

    pub(crate) fn deliver(&mut self, id: CallId, value: Publication) -> Result<(), Overflow> {
        let Some(row) = self.rows.get_mut(&id) else { return Ok(()) };
        let crowded = self.crowded && !self.room.is_half_free();
        let dropped = row.backlog.push(value, &mut self.room)?;
        self.dropped += dropped;
        self.crowded = crowded || dropped > 0 || self.room.is_full();
        Ok(())
    }

    /// So many are missing behind what waits.
    pub(crate) fn lag(&mut self, id: CallId, dropped: u64) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.backlog.lag(dropped);
            self.dropped += dropped;
        }
    }

    /// Takes out what comes next for one.
    pub(crate) fn pop(&mut self, id: CallId) -> Option<Due> {
        let row = self.rows.get_mut(&id)?;
        if let Some(value) = row.retained.pop_front() {
            self.retained -= 1;
            return Some(Due::Delivery(value));
        }
        row.backlog.pop(&mut self.room)
    }

    /// One for which something waits.
    pub(crate) fn first_waiting(&self) -> Option<CallId> {
        self.rows.iter().find(|(_, row)| row.has_work()).map(|(id, _)| *id)
    }
}

impl Subscription {
    pub(crate) fn has_work(&self) -> bool {
        !self.retained.is_empty() || !self.backlog.is_empty()
    }

    /// What comes next: a delivery of so many bytes behind its head, or so many losses.
    pub(crate) fn next(&self) -> Option<Result<usize, u64>> {
        if let Some(value) = self.retained.front() {
            return Some(Ok(value.encoded_len()));
        }
        Some(match self.backlog.front()? {
            Due::Delivery(value) => Ok(value.encoded_len()),
            Due::Lagged(dropped) => Err(*dropped),
        })
    }
}
