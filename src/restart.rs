//! `Restart`: what a server that closes tells its clients about coming back. A small noun.

use alloc::string::String;
use core::time::Duration;

/// How a server closes: for good, or to come back (`docs/protocol.md` section 7).
///
/// ```
/// use core::time::Duration;
/// use switchboard::Restart;
///
/// let update = Restart::after(Duration::from_secs(2)).message("update");
/// assert_eq!(update.reconnect_after(), Some(Duration::from_secs(2)));
/// assert_eq!(Restart::never().reconnect_after(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    reconnect_after: Option<Duration>,
    message: String,
}

impl Restart {
    /// Clients are asked not to come back.
    #[must_use]
    pub fn never() -> Self {
        Self { reconnect_after: None, message: "closing".into() }
    }

    /// Clients are asked to come back after this time, read as at most 24 h.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self { reconnect_after: Some(time), message: "restart".into() }
    }

    /// What people read; cut at 1,024 bytes. Otherwise "closing" or "restart".
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// When clients are asked to come back; `None`: not at all.
    #[must_use]
    pub const fn reconnect_after(&self) -> Option<Duration> {
        self.reconnect_after
    }

    /// What people read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.message
    }
}
