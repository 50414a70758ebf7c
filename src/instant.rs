//! `Instant`: a point in time as the driver counts it. A small noun: may know nothing else.

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The driver's origin.
    pub const ZERO: Self = Self(0);

    /// Nanoseconds since the driver's origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl From<Duration> for Instant {
    /// `since_origin` above 584 years is read as 584 years.
    fn from(since_origin: Duration) -> Self {
        Self(nanos(since_origin))
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
        Duration::from_nanos(self.0.saturating_sub(rhs.0))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
