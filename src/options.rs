//! `Options`: what one call, message, subscription or publication asks for beside its payload. Knows
//! limits and headers.

use alloc::string::String;
use core::time::Duration;

use crate::config::{Config, LONGEST};
use crate::error::Rejected;
use crate::policy::Policy;
use crate::wire::{HeaderMap, Headers};

/// What one call, message, subscription or publication asks for beside its payload. Each takes what
/// concerns it and ignores the rest.
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
    streams: u64,
    policy: Option<Policy>,
    retain: Option<bool>,
    retained: bool,
    group: Option<String>,
    no_echo: bool,
    idempotent: bool,
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
    pub const fn new() -> Self {
        Self {
            deadline: Deadline::Default,
            headers: Headers::new(),
            streams: 0,
            policy: None,
            retain: None,
            retained: false,
            group: None,
            no_echo: false,
            idempotent: false,
        }
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

    /// Request: this side will send items, and then say that they are complete (`docs/protocol.md`
    /// section 4.3).
    #[must_use]
    pub const fn send_items(mut self) -> Self {
        self.streams |= Streams::CALLER_SENDS;
        self
    }

    /// Request: this side takes items of the callee.
    #[must_use]
    pub const fn take_items(mut self) -> Self {
        self.streams |= Streams::CALLER_TAKES;
        self
    }

    /// Subscription: what its queue at the peer does when it is full. Default: what the peer does with
    /// those that do not say.
    #[must_use]
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Subscription: the retained values of the topics that match come first. Not with a
    /// [`group`](Self::group).
    #[must_use]
    pub const fn retained(mut self) -> Self {
        self.retained = true;
        self
    }

    /// Subscription: of all that are in the group with this name, of 1 to 255 bytes, one gets each
    /// publication.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.group = Some(name.into());
        self
    }

    /// Publication: it is kept as its topic's value, in place of an earlier one.
    #[must_use]
    pub const fn retain(mut self) -> Self {
        self.retain = Some(true);
        self
    }

    /// Publication: the value that is kept for its topic is forgotten.
    #[must_use]
    pub const fn forget(mut self) -> Self {
        self.retain = Some(false);
        self
    }

    /// Publication: whether this connection's own subscriptions get it, too. Default: yes.
    #[must_use]
    pub const fn echo(mut self, echo: bool) -> Self {
        self.no_echo = !echo;
        self
    }

    /// Call: to do it twice does no harm. A [`Session`](crate::Session) sends it again if its connection
    /// ends before its answer came, within its deadline, and until then keeps it, payload included. Not with
    /// streams. Default: no call that may have run is sent again. It does not travel.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Whether a call with these options may be sent again.
    pub(crate) const fn may_repeat(&self) -> bool {
        self.idempotent && self.streams == 0
    }

    /// What [`policy`](Self::policy) was set to.
    #[must_use]
    pub const fn when_full(&self) -> Option<Policy> {
        self.policy
    }

    /// Which streams a request with these options has.
    pub(crate) const fn streams(&self) -> Streams {
        Streams::from_bits(self.streams)
    }

    /// How many bytes it takes to keep them, beside their own size.
    pub(crate) fn size(&self) -> usize {
        self.headers.as_map().entries.len() + self.group.as_ref().map_or(0, String::len)
    }

    /// The header map of a request.
    pub(crate) fn request_map(&self, deadline: Option<u64>) -> HeaderMap<'_> {
        let streams = (self.streams != 0).then_some(self.streams);
        HeaderMap { deadline, streams, ..self.headers.as_map() }
    }

    /// The header map of a `subscribe`.
    fn subscribe_map(&self) -> HeaderMap<'_> {
        HeaderMap {
            when_full: self.policy.map(Policy::number),
            retain: self.retained.then_some(true),
            group: self.group.as_deref(),
            ..self.headers.as_map()
        }
    }

    /// The same, if it is one.
    pub(crate) fn checked_subscribe_map(&self) -> Result<HeaderMap<'_>, Rejected> {
        let headers = self.subscribe_map();
        let good_group = headers.group.is_none_or(|group| (1..=255).contains(&group.len()));
        let both = headers.group.is_some() && headers.retain.is_some();
        if !good_group || both || !headers.is_within_limits() {
            return Err(Rejected::BadHeaders);
        }
        Ok(headers)
    }

    /// The header map of a `publish`.
    pub(crate) fn publish_map(&self) -> HeaderMap<'_> {
        let echo = self.no_echo.then_some(false);
        HeaderMap { retain: self.retain, echo, ..self.headers.as_map() }
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

/// Which streams of items a call has beside its arguments and its answer (`docs/protocol.md` section
/// 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Streams {
    /// The caller sends items, and then says that they are complete.
    pub caller_sends: bool,
    /// The caller takes items, which the answer completes.
    pub caller_takes: bool,
}

impl Streams {
    const CALLER_SENDS: u64 = 1;
    const CALLER_TAKES: u64 = 2;

    /// Those of a request whose header 1 is this; other bits mean nothing yet.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self {
            caller_sends: bits & Self::CALLER_SENDS != 0,
            caller_takes: bits & Self::CALLER_TAKES != 0,
        }
    }

    /// Whether there are any.
    #[must_use]
    pub const fn any(self) -> bool {
        self.caller_sends || self.caller_takes
    }
}
