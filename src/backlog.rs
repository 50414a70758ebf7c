//! `Backlog`: the deliveries of one subscription that wait, and what is told of those that could not
//! (`docs/protocol.md` section 5.3). Used by connections for what they send and by adapters for what
//! their programs have not taken; knows publications and policies.

use alloc::collections::VecDeque;

use crate::policy::Policy;
use crate::publication::Publication;

/// How much may wait in one or several [`Backlog`]s together, and how much does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    max_deliveries: usize,
    max_bytes: usize,
    deliveries: usize,
    bytes: usize,
}

impl Allowance {
    /// Room for so many deliveries and so many bytes of topics, headers and payloads. If none waits, one
    /// of any size is taken.
    #[must_use]
    pub const fn new(max_deliveries: usize, max_bytes: usize) -> Self {
        Self { max_deliveries, max_bytes, deliveries: 0, bytes: 0 }
    }

    /// How many deliveries wait.
    #[must_use]
    pub const fn deliveries(&self) -> usize {
        self.deliveries
    }

    /// How many bytes they have.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing more would have room.
    pub(crate) const fn is_full(&self) -> bool {
        self.deliveries >= self.max_deliveries || self.bytes >= self.max_bytes
    }

    /// Whether half of it is free.
    pub(crate) const fn is_half_free(&self) -> bool {
        self.deliveries <= self.max_deliveries / 2 && self.bytes <= self.max_bytes / 2
    }

    /// Whether one of so many bytes would have room if so much did not wait.
    const fn fits(&self, bytes: usize, without: (usize, usize)) -> bool {
        let (deliveries, used) = (self.deliveries - without.0, self.bytes - without.1);
        deliveries == 0
            || (deliveries < self.max_deliveries && used.saturating_add(bytes) <= self.max_bytes)
    }
}

/// What a subscriber gets next.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// A value.
    Delivery(Publication),
    /// So many values are missing here.
    Lagged(u64),
}

/// A delivery had no room, and the policy is to disconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// The deliveries of one subscription that wait, oldest first. What has no room is dropped as its
/// [`Policy`] says, and every loss stands in its place: what comes out and what is said to be missing make
/// up all that was put in.
///
/// ```
/// use switchboard::{Allowance, Backlog, Due, Options, Payload, Policy, Publication};
///
/// let value = |topic| Publication::new(topic, &Payload::null(), &Options::new());
/// let (mut backlog, mut room) = (Backlog::new(Policy::DropOldest), Allowance::new(2, 1000));
/// for topic in ["a", "b", "c"] {
///     backlog.push(value(topic)?, &mut room).expect("only `Disconnect` overflows");
/// }
/// assert_eq!(backlog.pop(&mut room), Some(Due::Lagged(1)));
/// assert_eq!(backlog.pop(&mut room), Some(Due::Delivery(value("b")?)));
/// assert_eq!(backlog.pop(&mut room), Some(Due::Delivery(value("c")?)));
/// assert_eq!(backlog.pop(&mut room), None);
/// # Ok::<(), switchboard::Rejected>(())
/// ```
#[derive(Debug)]
pub struct Backlog {
    policy: Policy,
    /// No two losses stand side by side.
    entries: VecDeque<Due>,
    deliveries: usize,
    bytes: usize,
}

impl Backlog {
    /// An empty one.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self { policy, entries: VecDeque::new(), deliveries: 0, bytes: 0 }
    }

    /// Whether nothing waits, not even a loss that is to be told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What comes out next.
    #[must_use]
    pub fn front(&self) -> Option<&Due> {
        self.entries.front()
    }

    /// Puts a delivery in, or drops what the policy says. How many were dropped.
    ///
    /// # Errors
    ///
    /// [`Overflow`] if there is no room and the policy is [`Policy::Disconnect`].
    pub fn push(
        &mut self,
        publication: Publication,
        room: &mut Allowance,
    ) -> Result<u64, Overflow> {
        let bytes = publication.encoded_len();
        let mut dropped = 0;
        if !room.fits(bytes, (0, 0)) {
            match self.policy {
                Policy::Disconnect => return Err(Overflow),
                Policy::DropOldest if room.fits(bytes, (self.deliveries, self.bytes)) => {
                    while !room.fits(bytes, (0, 0)) {
                        self.drop_oldest(room);
                        dropped += 1;
                    }
                }
                // Others have the room.
                Policy::DropOldest | Policy::DropNewest => {
                    self.lag(1);
                    return Ok(1);
                }
            }
        }
        self.entries.push_back(Due::Delivery(publication));
        (self.deliveries, self.bytes) = (self.deliveries + 1, self.bytes + bytes);
        (room.deliveries, room.bytes) = (room.deliveries + 1, room.bytes + bytes);
        Ok(dropped)
    }

    /// So many deliveries are missing behind what waits.
    pub fn lag(&mut self, dropped: u64) {
        match self.entries.back_mut() {
            Some(Due::Lagged(lost)) => *lost = lost.saturating_add(dropped),
            _ if dropped > 0 => self.entries.push_back(Due::Lagged(dropped)),
            _ => {}
        }
    }

    /// Takes out what comes next.
    pub fn pop(&mut self, room: &mut Allowance) -> Option<Due> {
        let due = self.entries.pop_front()?;
        if let Due::Delivery(publication) = &due {
            self.forget(publication, room);
        }
        Some(due)
    }

    /// Takes everything out, untold.
    pub fn clear(&mut self, room: &mut Allowance) {
        self.entries = VecDeque::new();
        room.deliveries -= core::mem::take(&mut self.deliveries);
        room.bytes -= core::mem::take(&mut self.bytes);
    }

    fn forget(&mut self, publication: &Publication, room: &mut Allowance) {
        let bytes = publication.encoded_len();
        (self.deliveries, self.bytes) = (self.deliveries - 1, self.bytes - bytes);
        (room.deliveries, room.bytes) = (room.deliveries - 1, room.bytes - bytes);
    }

    /// Makes the oldest delivery a loss.
    fn drop_oldest(&mut self, room: &mut Allowance) {
        let mut lost = 1;
        loop {
            match self.entries.pop_front() {
                Some(Due::Lagged(before)) => lost += before,
                Some(Due::Delivery(publication)) => break self.forget(&publication, room),
                None => return,
            }
        }
        match self.entries.front_mut() {
            Some(Due::Lagged(behind)) => *behind = behind.saturating_add(lost),
            _ => self.entries.push_front(Due::Lagged(lost)),
        }
    }
}
