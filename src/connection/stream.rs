//! `Stream`: the items of one call, in both directions, and their credit (`docs/protocol.md` section 4.3).
//! Called by the connection only; knows neither frames nor who calls whom.
//!
//! A receiver says how much it takes; a sender counts what it sends against that. Both count the same
//! frames, so that they always agree but for what is under way, and nothing is lost: what was taken and
//! not yet given back waits here, and is less than half a window.

use alloc::collections::VecDeque;

use crate::error::ProtocolError;
use crate::payload::Payload;
use crate::wire::Amount;

/// An item costs at least this, so that empty ones are not free.
const LEAST_COST: u32 = 64;
/// Credit never exceeds this.
const MOST_CREDIT: i64 = i32::MAX as i64;

/// What an item costs whose frame has so many bytes.
pub(crate) fn cost(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX).max(LEAST_COST)
}

/// The streams of a call that has any.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) outgoing: Option<Outgoing>,
    pub(crate) incoming: Option<Incoming>,
}

/// What comes behind the items of this side.
#[derive(Debug)]
pub(crate) enum Tail {
    /// Further items may come.
    Open,
    /// `end` is to be sent.
    End,
    /// The answer is to be sent.
    Answer(Payload),
    /// `end` was sent.
    Sent,
}

/// Items that this side sends.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// What the peer still takes, of what was sent so far.
    credit: i64,
    /// Items that wait for their turn. What they cost is not yet taken from the credit.
    pub(crate) items: VecDeque<Payload>,
    /// What these and an answer behind them cost.
    pub(crate) waiting: usize,
    pub(crate) tail: Tail,
    /// An item was refused for want of credit, and nobody was told of room yet.
    pub(crate) starved: bool,
    /// It is among those that take turns.
    pub(crate) queued: bool,
}

impl Outgoing {
    pub(crate) fn new(window: u32) -> Self {
        Self {
            credit: window.into(),
            items: VecDeque::new(),
            waiting: 0,
            tail: Tail::Open,
            starved: false,
            queued: false,
        }
    }

    /// Whether one more item may be sent, behind those that wait.
    pub(crate) const fn has_credit(&self) -> bool {
        self.credit > self.waiting as i64
    }

    /// The peer takes so much more. Whether an item that was refused would be taken now.
    pub(crate) fn granted(&mut self, amount: Amount) -> Result<bool, ProtocolError> {
        if let Tail::Sent = self.tail {
            return Ok(false);
        }
        let credit = self.credit + i64::from(amount.bytes());
        if credit > MOST_CREDIT {
            return Err(ProtocolError::CreditOverflow);
        }
        self.credit = credit;
        Ok(self.has_credit() && core::mem::take(&mut self.starved))
    }

    pub(crate) fn push(&mut self, item: Payload, cost: u32) {
        self.waiting += cost as usize;
        self.items.push_back(item);
    }

    /// An item that waited leaves.
    pub(crate) fn sent(&mut self, cost: u32) {
        self.waiting -= cost as usize;
        self.credit -= i64::from(cost);
    }

    /// Whether something waits for its turn.
    pub(crate) fn has_work(&self) -> bool {
        !self.items.is_empty() || matches!(self.tail, Tail::End | Tail::Answer(_))
    }

    /// Nothing of it is sent any more; how much waited.
    pub(crate) fn stop(&mut self) -> usize {
        self.items = VecDeque::new();
        self.tail = Tail::Sent;
        core::mem::take(&mut self.waiting)
    }
}

/// Items that this side takes.
#[derive(Debug)]
pub(crate) struct Incoming {
    window: u32,
    /// What the peer may still send.
    credit: i64,
    /// What was taken and not yet given back.
    taken: u64,
    /// What was handed to the application and is not yet taken.
    handed: u64,
    /// Bytes of memory that it holds.
    pub(crate) held: usize,
    pub(crate) ended: bool,
}

impl Incoming {
    pub(crate) fn new(window: u32) -> Self {
        Self { window, credit: window.into(), taken: 0, handed: 0, held: 0, ended: false }
    }

    /// An item came.
    pub(crate) fn came(&mut self, cost: u32) -> Result<(), ProtocolError> {
        if self.ended {
            return Err(ProtocolError::UnexpectedStream);
        }
        if self.credit <= 0 {
            return Err(ProtocolError::NoCredit);
        }
        self.credit -= i64::from(cost);
        Ok(())
    }

    /// It goes to the application, where it takes so many bytes of memory.
    pub(crate) fn hand(&mut self, cost: u32, held: usize) {
        self.handed += u64::from(cost);
        self.held += held;
    }

    /// The application has used an item; how many bytes of memory that frees. An application that says
    /// so twice gives back no more than came.
    pub(crate) fn take(&mut self, cost: u32, held: usize) -> usize {
        let taken = u64::from(cost).min(self.handed);
        self.handed -= taken;
        self.taken += taken;
        let freed = held.min(self.held);
        self.held -= freed;
        freed
    }

    /// What is to be given back now, if it is worth a frame: half a window.
    pub(crate) fn give_back(&mut self) -> Option<Amount> {
        if self.ended || self.taken * 2 < u64::from(self.window) {
            return None;
        }
        let bytes = self.taken.min(i32::MAX as u64) as u32;
        let amount = Amount::new(bytes)?;
        self.taken -= u64::from(bytes);
        self.credit += i64::from(bytes);
        Some(amount)
    }

    /// Nothing of it is handed on any more; how many bytes of memory that frees.
    pub(crate) fn stop(&mut self) -> usize {
        self.handed = 0;
        core::mem::take(&mut self.held)
    }
}

/// What a stream that is stopped gives back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Freed {
    /// Bytes that waited to be sent.
    pub(crate) waiting: usize,
    /// Bytes that the application held.
    pub(crate) held: usize,
    /// It was among those that take turns.
    pub(crate) queued: bool,
}

impl Stream {
    /// Nothing is sent or handed on any more; what still comes is checked all the same. The application
    /// still holds what it was handed.
    pub(crate) fn stop(&mut self) -> Freed {
        let outgoing = self.outgoing.as_mut();
        let (waiting, queued) =
            outgoing.map_or((0, false), |out| (out.stop(), core::mem::take(&mut out.queued)));
        Freed { waiting, held: 0, queued }
    }

    /// The same, and the application is done with it.
    pub(crate) fn end(&mut self) -> Freed {
        let held = self.incoming.as_mut().map_or(0, Incoming::stop);
        Freed { held, ..self.stop() }
    }
}
