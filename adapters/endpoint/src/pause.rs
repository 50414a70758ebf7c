//! `AcceptPause`: how long a server rests after it could not accept. Called by adapters; knows nobody.

use std::time::Duration;

/// Rests between attempts to accept that fail, as a rule because descriptors have run out: the
/// client then stays in the queue and the listener stays readable, so that a loop without rests
/// would burn a processor.
///
/// 10 ms at first, so that a short shortage costs clients nothing they notice; twice as long after
/// each failure, to 1 s, in which a server that stays short of descriptors costs next to nothing and
/// still comes back soon.
///
/// ```
/// use std::time::Duration;
/// use switchboard_endpoint::AcceptPause;
///
/// let mut pause = AcceptPause::new();
/// assert_eq!(pause.failed(), Duration::from_millis(10));
/// assert_eq!(pause.failed(), Duration::from_millis(20));
/// pause.succeeded();
/// assert_eq!(pause.failed(), Duration::from_millis(10));
/// ```
#[derive(Clone, Debug)]
pub struct AcceptPause {
    next: Duration,
}

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

impl AcceptPause {
    /// Before the first failure.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: FIRST }
    }

    /// An attempt failed, other than by [`WouldBlock`](std::io::ErrorKind::WouldBlock): how long to
    /// rest before the next one. Meanwhile do not wait for the listener, which may be readable.
    #[must_use]
    pub fn failed(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause
    }

    /// A client was accepted, or nobody waits: the next rest is short again.
    pub const fn succeeded(&mut self) {
        self.next = FIRST;
    }
}

impl Default for AcceptPause {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_a_second_and_begins_again() {
        let mut pause = AcceptPause::new();
        for _ in 0..2 {
            let rests: Vec<_> = (0..9).map(|_| pause.failed().as_millis()).collect();
            assert_eq!(rests, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
            pause.succeeded();
        }
    }
}
