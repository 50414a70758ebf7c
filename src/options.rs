//! `Options`: what one call or message asks for beside its payload. Knows limits and headers.

use core::time::Duration;

use crate::config::{Config, LONGEST};
use crate::wire::Headers;

/// What one call or message asks for beside its payload.
///
/// ```
/// use core::time::Duration;
/// use switchboard::Options;
///
/// let options = Options::new().deadline(Duration::from_secs(2));
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    pub(crate) deadline: Deadline,
    pub(crate) headers: Headers,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Deadline {
    /// `Config::call_deadline`.
    #[default]
    Default,
    After(Duration),
    Never,
}

impl Options {
    /// The default deadline and no headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The call ends after this time, answered or not; it is read as at most 24 h. It travels to the
    /// callee. Messages have none.
    #[must_use]
    pub const fn deadline(mut self, after: Duration) -> Self {
        self.deadline = Deadline::After(after);
        self
    }

    /// The call may take for ever.
    #[must_use]
    pub const fn no_deadline(mut self) -> Self {
        self.deadline = Deadline::Never;
        self
    }

    /// Headers to send with it.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// The time that a call with these options has from now on: at most 24 h; `None`: for ever.
    #[must_use]
    pub fn time_left(&self, config: &Config) -> Option<Duration> {
        match self.deadline {
            Deadline::Default => config.call_deadline,
            Deadline::After(after) => Some(after),
            Deadline::Never => None,
        }
        .map(|left| left.min(LONGEST))
    }
}
