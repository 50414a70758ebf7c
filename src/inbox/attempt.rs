//! `Attempt`: a command that is tried until there is room for it. Called by adapters; knows options and the
//! inbox's errors.

use core::task::Poll;

use crate::config::Config;
use crate::error::{CallError, Fate, Rejected};
use crate::instant::Instant;
use crate::options::Options;

/// A command that is tried until the connection takes it or its time is over: adapters wait where the core
/// says [`Rejected::Full`], within the deadline of the options.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempt {
    /// When its time is over, once it was tried in vain.
    until: Option<Option<Instant>>,
}

impl Attempt {
    /// One that was never tried.
    #[must_use]
    pub const fn new() -> Self {
        Self { until: None }
    }

    /// When it is to be tried again at the latest, to tell that its time is over.
    #[must_use]
    pub const fn until(&self) -> Option<Instant> {
        match self.until {
            Some(until) => until,
            None => None,
        }
    }

    /// Whether waiting helps against this.
    #[must_use]
    pub const fn is_passing(rejected: Rejected) -> bool {
        matches!(rejected, Rejected::Full | Rejected::Busy | Rejected::TooManyPings)
    }

    /// Tries it. The command gets the options with the time that is left.
    ///
    /// # Errors
    ///
    /// [`CallError::Deadline`]: its time is over. What the command says, but for what
    /// [is passing](Self::is_passing); [`Inbox::call_error`](super::Inbox::call_error) knows more of it.
    pub fn poll<T>(
        &mut self,
        now: Instant,
        options: &Options,
        config: &Config,
        command: impl FnOnce(&Options) -> Result<T, Rejected>,
    ) -> Poll<Result<T, CallError>> {
        let tried = match self.until {
            None | Some(None) => command(options),
            Some(Some(until)) if until <= now => {
                return Poll::Ready(Err(CallError::Deadline(Fate::NeverSent)));
            }
            Some(Some(until)) => command(&options.clone().deadline(until - now)),
        };
        match tried {
            Err(rejected) if Self::is_passing(rejected) => {
                self.until.get_or_insert_with(|| options.time_left(config).map(|left| now + left));
                Poll::Pending
            }
            done => Poll::Ready(done.map_err(CallError::Rejected)),
        }
    }
}
