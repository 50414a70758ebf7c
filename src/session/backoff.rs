//! `Backoff`: when a session comes back, how often it tries, and what becomes of sends meanwhile. Given by
//! whoever makes a session; knows no clock and no chance but the seed's.

use core::time::Duration;

use crate::config::LONGEST;

/// The shortest delay that can be set: a loop that does not rest helps nobody.
const SHORTEST: Duration = Duration::from_millis(1);

/// When a [`Session`](crate::Session) comes back, and what waits meanwhile (`docs/reconnect.md`).
///
/// ```
/// use core::time::Duration;
/// use switchboard::Backoff;
///
/// // For an hour's maintenance: gently, for ever, and what nobody wants to have late fails at once.
/// let backoff = Backoff::new().longest(Duration::from_secs(60)).fail_while_down();
/// # let _ = backoff;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: Option<u32>,
    longest_wish: Duration,
    pub(super) waits: bool,
    pub(super) max_waiting: usize,
    pub(super) max_waiting_bytes: usize,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            attempts: None,
            longest_wish: Duration::from_secs(60 * 60),
            waits: true,
            max_waiting: 1024,
            max_waiting_bytes: 1 << 20,
        }
    }
}

impl Backoff {
    /// The defaults, each of which is told with its method.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The delay before the first attempt to come back; each further one is twice as long. Half of a delay
    /// is chance. Default 100 ms: a service manager restarts a program in about that time. Read as at
    /// least 1 ms.
    #[must_use]
    pub const fn first(mut self, delay: Duration) -> Self {
        self.first = delay;
        self
    }

    /// No delay is longer, and only a connection that was ready for so long lets the delays begin anew: a
    /// server that greets and falls is not hurried. Default 10 s: nobody waits longer for a server that is
    /// up again. Read as at least the first delay, and at most 24 h.
    #[must_use]
    pub const fn longest(mut self, delay: Duration) -> Self {
        self.longest = delay;
        self
    }

    /// How many attempts to come back are made in a row: 0 is none, `None` any number. Default `None`:
    /// whoever asks for a connection that comes back wants it when the server does.
    #[must_use]
    pub const fn attempts(mut self, most: Option<u32>) -> Self {
        self.attempts = most;
        self
    }

    /// A server that names a longer time to come back after is not waited for longer than this; what it
    /// names otherwise counts, and up to as much again is chance. Default 1 h: long for a maintenance, short
    /// for a slip. Read as at most 24 h.
    #[must_use]
    pub const fn longest_wish(mut self, after: Duration) -> Self {
        self.longest_wish = after;
        self
    }

    /// What is sent while there is no connection fails at once with
    /// [`Rejected::Down`](crate::Rejected::Down). Default: it waits, since whoever asks for a connection
    /// that comes back would rather have a call late, within its deadline, than not at all.
    #[must_use]
    pub const fn fail_while_down(mut self) -> Self {
        self.waits = false;
        self
    }

    /// What waits until the session is ready, and what is kept to be sent again
    /// ([`Options::idempotent`](crate::Options::idempotent)): at most so many messages, publications and
    /// calls. More are refused with [`Rejected::Full`](crate::Rejected::Full). Default 1,024: as many
    /// calls as a server takes at once. 0: none.
    #[must_use]
    pub const fn max_waiting(mut self, sends: usize) -> Self {
        self.max_waiting = sends;
        self
    }

    /// The same in bytes, each of them with its name and 256 bytes for what it costs to keep it. Default
    /// 1 MiB: as much as waits to be written on a connection.
    #[must_use]
    pub const fn max_waiting_bytes(mut self, bytes: usize) -> Self {
        self.max_waiting_bytes = bytes;
        self
    }

    /// Whether one more attempt is made behind so many.
    pub(super) fn allows(&self, attempts: u32) -> bool {
        self.attempts.is_none_or(|most| attempts < most)
    }

    fn first_delay(&self) -> Duration {
        self.first.clamp(SHORTEST, LONGEST)
    }

    /// No delay is longer.
    pub(super) fn longest_delay(&self) -> Duration {
        self.longest.clamp(self.first_delay(), LONGEST)
    }

    /// How long to wait behind so many attempts in a row, if the server wants it back after this.
    pub(super) fn delay(
        &self,
        attempts: u32,
        wish: Option<Duration>,
        jitter: &mut Jitter,
    ) -> Duration {
        let (first, longest) = (self.first_delay(), self.longest_delay());
        let doubled = 2u32.checked_pow(attempts).and_then(|times| first.checked_mul(times));
        let delay = doubled.map_or(longest, |delay| delay.min(longest));
        let delay = jitter.draw(delay / 2, delay);
        let Some(wish) = wish.map(|wish| wish.min(self.longest_wish).min(LONGEST)) else {
            return delay;
        };
        // Never earlier than asked.
        delay.max(jitter.draw(wish, wish + wish.clamp(first, longest)))
    }
}

/// Chance from a seed (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Jitter(pub(super) u64);

impl Jitter {
    /// A time from `least` up to `most`.
    fn draw(&mut self, least: Duration, most: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // All times here are below 584 years.
        let width = u64::try_from((most.saturating_sub(least)).as_nanos()).unwrap_or(u64::MAX);
        least + Duration::from_nanos((mixed ^ (mixed >> 31)) % width.saturating_add(1))
    }
}
