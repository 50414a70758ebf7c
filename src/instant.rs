//! `Instant`: a point in time as the driver counts it. A small noun: may know nothing else.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time: nanoseconds since an origin that the driver picks once for each connection.
///
/// The core never reads a clock. A driver remembers `let origin = std::time::Instant::now()` and passes
/// `Instant::from(origin.elapsed())`; a test passes whatever it likes. All arithmetic saturates, so
/// that no `now`, however wild, does harm.
///
/// ```
/// use core::time::Duration;
/// use switchboard::Instant;
///
/// let start = Instant::from(Duration::from_secs(1));
/// let later = start + Duration::from_millis(250);
/// assert_eq!(later - start, Duration::from_millis(250));
/// assert_eq!(start - later, Duration::ZERO);
/// ```
// One more than the nanoseconds, so that an `Option` of it, of which a connection has many, is no larger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// The driver's origin.
    pub const ZERO: Self = Self::at(0);

    /// Nanoseconds since the driver's origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0.get() - 1
    }

    const fn at(nanos: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }
}

impl Default for Instant {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instant").field(&self.as_nanos()).finish()
    }
}

impl From<Duration> for Instant {
    /// `since_origin` above 584 years is read as 584 years.
    fn from(since_origin: Duration) -> Self {
        Self::at(nanos(since_origin))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(nanos(rhs)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// The time from `rhs` to `self`, or zero if `rhs` is later.
    fn sub(self, rhs: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(rhs.0.get()))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
