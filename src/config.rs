//! `Config`: every limit of a connection, by name (`docs/protocol.md` section 8), and `Options`: what
//! one call may ask for. Knows the small nouns, headers and payload limits.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::payload::PayloadLimits;
use crate::wire::{Headers, LEAST_MAX_FRAME, Settings};

/// Durations from a peer or a caller are cut at 24 hours where they enter.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits of a connection. All are finite by default and can be set one by one.
///
/// ```
/// use switchboard::Config;
///
/// let mut config = Config::default();
/// config.max_frame = 64 << 20;
/// config.check()?;
/// # Ok::<(), switchboard::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Longest frame that this side takes, in bytes: at least 16 KiB. Default 16 MiB: a large
    /// document passes, and a connection cannot hold much more memory than that.
    pub max_frame: u32,
    /// Calls that the peer may have open at once. Default 1,024: enough to fill any pipe; each
    /// costs its arguments and less than 100 bytes.
    pub max_calls: u32,
    /// A handshake must be complete within this time of the connection's start, on both sides.
    /// Default 10 s: less has failed on machines that were still booting.
    pub handshake_timeout: Duration,
    /// A graceful close gives open calls this long. Default 5 s: longer than most calls take,
    /// shorter than service managers wait before they kill.
    pub drain: Duration,
    /// After its last words a side drops what still comes for this long. Default 1 s: time for the
    /// peer to read them.
    pub linger: Duration,
    /// A connection on which so long nothing can be written, though something waits, ends.
    /// Default 10 s: a stopped program is given up, a busy one is not.
    pub write_stall: Duration,
    /// The deadline of calls that name none; `None`: they have none. Default 30 s: nobody waits
    /// for ever by accident.
    pub call_deadline: Option<Duration>,
    /// Above so many unsent bytes messages and calls are refused with `Rejected::Full`. Default
    /// 1 MiB: a few round trips of any local socket.
    pub max_unsent: usize,
    /// Above so many bytes of messages that wait for their listeners nothing more is read. Default
    /// 1 MiB: a burst passes, a flood waits at its sender.
    pub max_untaken: usize,
    /// Limits of each payload that is used.
    pub payload: PayloadLimits,
    /// Frames that a driver handles before it lets others have their turn. Default 64: long enough to
    /// pay for a turn, short enough that nobody waits.
    pub turn_frames: u32,
    /// Bytes, likewise. Default 256 KiB.
    pub turn_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_frame: 16 << 20,
            max_calls: 1024,
            handshake_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(5),
            linger: Duration::from_secs(1),
            write_stall: Duration::from_secs(10),
            call_deadline: Some(Duration::from_secs(30)),
            max_unsent: 1 << 20,
            max_untaken: 1 << 20,
            payload: PayloadLimits::default(),
            turn_frames: 64,
            turn_bytes: 256 << 10,
        }
    }
}

impl Config {
    /// Whether the values make sense. Adapters check this before they open anything.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the field and what it must be.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            (self.max_frame >= LEAST_MAX_FRAME, "max_frame must be at least 16 KiB"),
            (!self.handshake_timeout.is_zero(), "handshake_timeout must be above 0"),
            (!self.write_stall.is_zero(), "write_stall must be above 0"),
            (self.call_deadline != Some(Duration::ZERO), "call_deadline must be above 0, or None"),
            (self.max_unsent > 0, "max_unsent must be above 0"),
            (self.payload.max_depth > 0, "payload.max_depth must be above 0"),
            (self.payload.max_items > 0, "payload.max_items must be above 0"),
            (self.turn_frames > 0, "turn_frames must be above 0"),
            (self.turn_bytes > 0, "turn_bytes must be above 0"),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            Some((_, rule)) => Err(ConfigError(rule)),
            None => Ok(()),
        }
    }

    /// What of it goes to the peer.
    pub(crate) fn settings(&self, scope: &str, interfaces: &BTreeMap<String, String>) -> Settings {
        Settings {
            max_frame: self.max_frame.max(LEAST_MAX_FRAME),
            max_calls: self.max_calls,
            scope: scope.into(),
            interfaces: interfaces.clone(),
            ..Settings::default()
        }
    }
}

/// A value of [`Config`] makes no sense; it says which and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError(&'static str);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config: {}", self.0)
    }
}

impl core::error::Error for ConfigError {}

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
