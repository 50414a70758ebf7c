//! `Strikes`: offences that cost a message only, until there are too many (`docs/protocol.md`
//! section 8). Called by the connection only.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::instant::Instant;

/// So many in any minute are borne.
pub(crate) const MOST: usize = 16;
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Strikes {
    times: VecDeque<Instant>,
}

impl Strikes {
    /// Takes note of an offence; whether it was one too many.
    pub(crate) fn strike(&mut self, now: Instant) -> bool {
        while self.times.front().is_some_and(|&first| now - first >= WINDOW) {
            self.times.pop_front();
        }
        self.times.push_back(now);
        self.times.len() > MOST
    }
}
