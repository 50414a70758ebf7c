//! `Session`: a client's connection that comes back (`docs/reconnect.md`), or just one connection. Called by
//! drivers in place of a pump; knows the pump and the connection, no transport.
//!
//! `Life` is what a session that comes back has besides: `life.rs` says where it stands, `cares.rs` what
//! outlives a connection, `queue.rs` what waits for one, `healing.rs` which ends are healed, `backoff.rs`
//! when. The verbs are in `commands.rs`.

mod backoff;
mod cares;
mod commands;
mod healing;
mod life;
mod next;
mod queue;

use alloc::boxed::Box;
use alloc::sync::Arc;

pub use backoff::Backoff;
use life::Life;
pub use next::{SessionNext, SessionStatus};

use crate::close_reason::CloseReason;
use crate::command::Command;
use crate::config::Config;
use crate::connection::{Connection, Hello};
use crate::error::Rejected;
use crate::instant::Instant;
use crate::pump::Pump;

/// A client's connection that comes back: a [`Pump`] whose connection is replaced by another one when it
/// ends, with what its user has open.
///
/// - **Back-off**: attempts become rarer by [`Backoff`], with chance from a seed; a server that names a time
///   to come back after is obeyed; an end that coming back does not heal is the last one.
/// - **Subscriptions** are made again, each with its id, before [`SessionStatus::Ready`] is told. What was
///   published meanwhile is missing; retained values come again where they were asked for.
/// - **Calls** that were open end with
///   [`CallError::Disconnected`](crate::CallError::Disconnected), which says whether they may have run. Only
///   those made with [`Options::idempotent`](crate::Options::idempotent) are sent again, within their
///   deadlines.
/// - **Sends** while it is down fail at once or wait, in order, in one bounded queue: as [`Backoff`] says.
///   What was handed to a connection that then ended is not sent again.
/// - **Ids** do not repeat, neither this side's nor those of the peer's calls: the late answer of a handler
///   finds its own call or none.
///
/// Besides the limits of its connection it holds at most [`Backoff::max_waiting_bytes`], and the pattern and
/// options of each subscription. The same seed and inputs give the same outputs.
///
/// # The loop
///
/// That of a [`Pump`], and [`SessionNext::Connect`], [`Wait`](SessionNext::Wait) and
/// [`Drop`](SessionNext::Drop) besides. For calls, messages, subscriptions, close and abort use the session's
/// verbs; for everything else [`connection`](Self::connection).
///
/// ```
/// use core::time::Duration;
/// use std::sync::Arc;
/// use switchboard::{
///     Backoff, CloseReason, Config, Hello, Instant, Options, Payload, Session, SessionNext,
///     SessionStatus,
/// };
///
/// let mut now = Instant::ZERO;
/// let backoff = Backoff::new().attempts(Some(1));
/// let mut session = Session::new(Arc::new(Config::default()), Hello::new(), backoff, 42)?;
/// // There is no connection yet: this waits for one.
/// let call = session.request(now, "echo", &Payload::null(), &Options::new(), 0)?;
///
/// assert!(matches!(session.next(now), SessionNext::Status(SessionStatus::Connecting)));
/// assert!(matches!(session.next(now), SessionNext::Connect));
/// session.failed(now, CloseReason::Unreachable { message: "nobody serves there".into() });
///
/// assert!(matches!(session.next(now), SessionNext::Status(SessionStatus::Disconnected)));
/// assert!(matches!(session.next(now), SessionNext::Status(SessionStatus::Reconnecting)));
/// let SessionNext::Wait { until: Some(until) } = session.next(now) else { panic!() };
/// assert!(until - now >= Duration::from_millis(50) && until - now <= Duration::from_millis(100));
///
/// // The second attempt meets a server, which gets the hello first, then the call.
/// now = until;
/// assert!(matches!(session.next(now), SessionNext::Connect));
/// session.connected(now);
/// assert!(matches!(session.next(now), SessionNext::Status(SessionStatus::Connected)));
/// assert!(matches!(session.next(now), SessionNext::Io { write: true, .. }));
/// # assert_eq!(call.number(), 1);
/// # Ok::<(), switchboard::Rejected>(())
/// ```
#[derive(Debug)]
pub struct Session {
    pump: Pump,
    /// `None`: just this connection.
    life: Option<Box<Life>>,
}

impl Session {
    /// Just this connection, of either side, which never comes back. It tells no status; all else is as with
    /// the pump.
    #[must_use]
    pub const fn of(pump: Pump) -> Self {
        Self { pump, life: None }
    }

    /// A client without a transport, which wants one. Each connection begins with this `hello`. `seed` is
    /// all the chance there is in it: sessions that may lose their server together need different ones.
    ///
    /// # Errors
    ///
    /// [`Rejected::TooLarge`], as [`Connection::client`].
    pub fn new(
        config: Arc<Config>,
        hello: Hello,
        backoff: Backoff,
        seed: u64,
    ) -> Result<Self, Rejected> {
        Connection::client(Arc::clone(&config), &hello, Instant::ZERO)?;
        let pump = Pump::new(Connection::unopened(Arc::clone(&config)));
        let life = Some(Box::new(Life::new(config, hello, backoff, seed)));
        Ok(Self { pump, life })
    }

    /// What to do now. `now` must come from one clock for the life of the session.
    #[must_use]
    pub fn next(&mut self, now: Instant) -> SessionNext {
        match &mut self.life {
            None => self.pump.next(now).into(),
            Some(life) => life.next(&mut self.pump, now),
        }
    }

    /// Says that the transport that [`SessionNext::Connect`] asked for is open. It belongs to the session
    /// until that says [`Drop`](SessionNext::Drop) or [`Done`](SessionNext::Done); one that comes too
    /// late, because the session has ended, is to be dropped: [`next`](Self::next) says `Done`.
    pub fn connected(&mut self, now: Instant) {
        if let Some(life) = &mut self.life {
            life.connected(&mut self.pump, now);
        }
    }

    /// Says that it could not be opened: as a rule [`CloseReason::Unreachable`], after which the session
    /// tries again. An attempt whose failure is not healed by trying again, such as a server that is not
    /// trusted, is [`CloseReason::Aborted`].
    pub fn failed(&mut self, now: Instant, reason: CloseReason) {
        if let Some(life) = &mut self.life {
            life.failed(now, reason);
        }
    }

    /// Where it stands: what was told last.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        match (&self.life, self.pump.peek().stands()) {
            (Some(life), _) => life.told_status,
            (None, (_, true)) => SessionStatus::Disconnected,
            (None, (true, _)) => SessionStatus::Ready,
            (None, (false, _)) => SessionStatus::Connected,
        }
    }

    /// The present connection, or the last one, which has ended: to ask it, and to command what concerns it
    /// alone, such as answers, items, pings. Not for what the session has a verb for. Ask
    /// [`next`](Self::next) afterwards.
    pub const fn connection(&mut self) -> &mut Connection {
        self.pump.connection()
    }

    /// As [`Pump::apply`].
    ///
    /// # Errors
    ///
    /// Those of [`Pump::apply`].
    pub fn apply(&mut self, now: Instant, command: Command) -> Result<(), Rejected> {
        self.pump.apply(now, command)
    }

    /// Why the last connection ended, of those that were come back from.
    pub(crate) fn lost(&self) -> CloseReason {
        self.life.as_ref().map_or(CloseReason::Lost, |life| life.lost.clone())
    }

    /// How many sends wait until the session is ready.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.life.as_ref().map_or(0, |life| life.queue.len())
    }

    /// How many messages and publications waited in vain: they were longer than the new server takes, or the
    /// session has ended. Calls are told it each.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.life.as_ref().map_or(0, |life| life.dropped)
    }

    /// As [`Pump::space`].
    pub fn space(&mut self) -> &mut [u8] {
        self.pump.space()
    }

    /// As [`Pump::filled`].
    pub fn filled(&mut self, now: Instant, bytes: usize) {
        self.pump.filled(now, bytes);
    }

    /// As [`Pump::chunks`].
    pub fn chunks<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        self.pump.chunks(out)
    }

    /// As [`Pump::wrote`].
    pub fn wrote(&mut self, now: Instant, bytes: usize) {
        self.pump.wrote(now, bytes);
    }

    /// As [`Pump::write_failed`].
    pub fn write_failed(&mut self, now: Instant) {
        self.pump.write_failed(now);
    }

    /// As [`Pump::set_untaken`]: messages of all connections count that wait.
    pub const fn set_untaken(&mut self, bytes: usize) {
        self.pump.set_untaken(bytes);
    }

    /// As [`Pump::pause`]; it holds for connections to come, too.
    pub const fn pause(&mut self, paused: bool) {
        self.pump.pause(paused);
    }

    /// As [`Pump::is_paused`].
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pump.is_paused()
    }
}
