//! `Keepalive`: what this side promised to say, and what it was promised to hear (`docs/protocol.md`
//! section 3.3). Called by the connection only.

use alloc::boxed::Box;
use core::time::Duration;

use crate::instant::Instant;

/// So many intervals of the peer without a byte, and it is dead.
const MISSES: u32 = 3;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepaliveDue {
    Nothing,
    /// This side must say something.
    Speak,
    /// The peer has broken its promise.
    Dead,
}

#[derive(Debug)]
pub(crate) struct Keepalive {
    /// This side's interval, and when it must say something.
    speaks: Option<(Duration, Instant)>,
    /// The peer's interval, and when the present one is over.
    listens: Option<(Duration, Instant)>,
    /// Intervals that passed without a byte. Counted one by one: a clock that jumps, as after a
    /// suspend, is one miss and not the end.
    misses: u32,
}

impl Keepalive {
    /// For these intervals, if any was promised; as a rule none is.
    pub(crate) fn new(ours: Option<Duration>, theirs: Option<Duration>) -> Option<Box<Self>> {
        if ours.is_none() && theirs.is_none() {
            return None;
        }
        let later = |every| (every, Instant::ZERO);
        Some(Box::new(Self { speaks: ours.map(later), listens: theirs.map(later), misses: 0 }))
    }

    /// The handshake is complete.
    pub(crate) fn start(&mut self, now: Instant) {
        self.spoke(now);
        self.heard(now);
    }

    /// Bytes were written.
    pub(crate) fn spoke(&mut self, now: Instant) {
        if let Some((every, at)) = &mut self.speaks {
            *at = now + *every;
        }
    }

    /// Bytes came, or nobody was reading.
    pub(crate) fn heard(&mut self, now: Instant) {
        if let Some((every, at)) = &mut self.listens {
            *at = now + *every;
            self.misses = 0;
        }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        match (self.speaks, self.listens) {
            (Some((_, speaks)), Some((_, listens))) => Some(speaks.min(listens)),
            (one, other) => one.or(other).map(|(_, at)| at),
        }
    }

    /// What is due now; it is due again an interval later.
    pub(crate) fn take_due(&mut self, now: Instant) -> KeepaliveDue {
        if let Some((every, at)) = self.listens.as_mut().filter(|(_, at)| *at <= now) {
            *at = now + *every;
            self.misses += 1;
            if self.misses >= MISSES {
                return KeepaliveDue::Dead;
            }
        }
        if let Some((every, at)) = self.speaks.as_mut().filter(|(_, at)| *at <= now) {
            *at = now + *every;
            return KeepaliveDue::Speak;
        }
        KeepaliveDue::Nothing
    }
}
