//! `Call`: a call that was started and is waited for later. Called by programs; knows the link.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use switchboard::{CallError, CallId, FromPayload};

use crate::link::Link;
use crate::state::State;

/// A call under way: made by [`Client::start`](crate::Client::start) and
/// [`Peer::start`](crate::Peer::start), so that one thread can have many.
///
/// Dropping it cancels the call.
///
/// ```no_run
/// # let client = switchboard_blocking::Client::connect("app")?;
/// let calls = [1u32, 2, 3].map(|n| client.start::<u32>("square", &n));
/// for call in calls {
///     println!("{}", call?.wait()?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a call cancels it"]
pub struct Call<R> {
    link: Arc<Link>,
    ticket: usize,
    id: CallId,
    waited_for: bool,
    answer: PhantomData<fn() -> R>,
}

impl<R: FromPayload> Call<R> {
    pub(crate) const fn new(link: Arc<Link>, ticket: usize, id: CallId) -> Self {
        Self { link, ticket, id, waited_for: false, answer: PhantomData }
    }

    /// Waits for the answer, at most until the deadline that the call began with.
    ///
    /// # Errors
    ///
    /// Every [`CallError`], as of [`Client::request`](crate::Client::request).
    pub fn wait(mut self) -> Result<R, CallError> {
        self.waited_for = true;
        let answer = self.link.answer(self.ticket)?;
        Ok(R::from_payload(answer, &self.link.config.payload)?)
    }
}

impl<R> Call<R> {
    /// Cancels it from another thread: whoever waits for it is told [`CallError::Cancelled`], unless
    /// it has ended before.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller::new(Arc::clone(&self.link), self.id)
    }

    /// Whether it has ended, so that [`wait`](Self::wait) returns at once. This does not read: an
    /// answer that came while nobody waits is seen when somebody does.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.link.lock().inbox.is_settled(self.ticket)
    }
}

impl<R> Drop for Call<R> {
    fn drop(&mut self) {
        if !self.waited_for {
            let mut state = self.link.enter();
            cancel(&self.link, &mut state, self.id);
            state.inbox.abandon(self.ticket);
        }
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Cancels one call, from any thread: of [`Call::canceller`] and of
/// [`Exchange::canceller`](crate::Exchange::canceller).
#[derive(Clone)]
pub struct Canceller {
    link: Arc<Link>,
    id: CallId,
}

impl Canceller {
    pub(crate) const fn new(link: Arc<Link>, id: CallId) -> Self {
        Self { link, id }
    }

    /// Cancels the call. If it has ended this does nothing.
    pub fn cancel(&self) {
        cancel(&self.link, &mut self.link.enter(), self.id);
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").field("id", &self.id).finish_non_exhaustive()
    }
}

pub(crate) fn cancel(link: &Arc<Link>, state: &mut State, id: CallId) {
    // One that has ended is open no more, and says so.
    let now = state.now;
    let _ = state.session.cancel(now, id);
    link.nudge(state);
}
