//! `Driver`: the task of a connection. Made by clients and servers, and run by whatever runs tasks; knows the
//! link and what the connection serves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use switchboard::{CloseReason, Instant};
use switchboard_endpoint::{HOLD, OpenError, Unopened};

use crate::link::Link;
use crate::peer::PeerFacts;
use crate::serving::Serving;
use crate::state::Opened;

/// So many answers in a row, or times that something came, then other tasks have their turn.
const TURN: usize = 64;

/// Opens a transport to the server, as often as it is lost; whether one was there before. It does not wait.
pub(crate) type Dial = Box<dyn Fn(bool) -> Result<Opened, Unopened> + Send + Sync>;

/// Drives one connection to its end, and says why it ended: reads and writes what its calls do not, keeps
/// time, and runs its handlers and listeners. Until it is polled nothing of that happens.
///
/// The adapters for each runtime spawn it; [`ClientBuilder::connect_with_driver`] gives it to whoever wants
/// to run it in another place.
///
/// [`ClientBuilder::connect_with_driver`]: crate::ClientBuilder::connect_with_driver
///
/// # Cancel safety
///
/// Dropping it ends the connection at once: whoever waits for something of it is told, and so is the peer.
///
/// ```
/// use futures_util::future::join;
/// use switchboard_smol::Client;
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// # let _server = switchboard_smol::Server::builder()
/// #     .handle("add", |_: switchboard_smol::Context, (a, b): (u64, u64)| async move { Ok(a + b) })
/// #     .bind(address)
/// #     .await?;
/// let (client, driver) = Client::builder().connect_with_driver(address).await?;
/// // Both in this task, and none is spawned. The driver ends when the connection has.
/// let program = async {
///     let sum: u64 = client.request("add", &(1, 2)).await?;
///     client.close("done").await;
///     Ok::<u64, switchboard::CallError>(sum)
/// };
/// let (sum, _reason) = join(program, driver).await;
/// assert_eq!(sum?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "a driver does nothing until it is polled, as a rule in a task of its own"]
pub struct Driver {
    link: Arc<Link>,
    serving: Serving,
    /// How a client that comes back does.
    dial: Option<Dial>,
    held: Held,
}

impl Driver {
    pub(crate) const fn new(link: Arc<Link>, serving: Serving, dial: Option<Dial>) -> Self {
        Self { link, serving, dial, held: Held(None) }
    }

    /// Waits until the server has accepted.
    pub(crate) fn poll_welcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), OpenError>> {
        self.link.seat.set_driver(cx.waker());
        loop {
            let (more, done) = {
                let mut state = self.link.enter_as_driver();
                let more = self.link.drive(&mut state);
                let refused = state.inbox.closed().cloned().map(|reason| {
                    let error = state.open_error.take();
                    Err(error.map_or_else(|| reason.into(), |error| *error))
                });
                (more, state.welcome.as_ref().map(|_| Ok(())).or(refused))
            };
            self.tell();
            if let Some(done) = done {
                return Poll::Ready(done);
            }
            if !self.open() {
                if more {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
    }

    /// Opens a transport, if one is wanted; whether one was.
    fn open(&self) -> bool {
        let (wanted, known) = {
            let mut state = self.link.enter_as_driver();
            (core::mem::take(&mut state.connects), state.welcome.is_some())
        };
        let Some(dial) = self.dial.as_ref().filter(|_| wanted) else { return false };
        let opened = dial(known);
        let mut state = self.link.enter_as_driver();
        let now = state.now;
        match opened {
            Ok(opened) => {
                state.opened(opened);
                state.session.connected(now);
            }
            Err(unopened) => {
                state.session.failed(now, unopened.reason());
                state.open_error = Some(Box::new(unopened.error));
            }
        }
        true
    }

    /// Tells of a new server, and of changes of the status.
    fn tell(&mut self) {
        if let Some(facts) = self.new_server() {
            self.serving.introduce(facts);
        }
        loop {
            let status = self.link.enter_as_driver().statuses.pop_front();
            let Some(status) = status else { return };
            self.serving.status(status);
        }
    }

    /// Who is at the other end, if that is another one than before.
    fn new_server(&self) -> Option<PeerFacts> {
        let mut state = self.link.enter_as_driver();
        let new = core::mem::take(&mut state.introduces);
        let welcome = state.welcome.as_ref().filter(|_| new)?;
        Some(PeerFacts {
            link: Arc::downgrade(&self.link),
            id: welcome.connection,
            credentials: state.server,
            hello: None,
            state: None,
            closed: Arc::clone(&state.closed),
        })
    }

    /// Gives what came to whoever serves it.
    fn take_events(&mut self, cx: &mut Context<'_>) {
        let mut answered = None;
        loop {
            let event = {
                // At the time of this turn: to read the clock for each costs more than to answer it.
                let mut state = self.link.lock_as_driver();
                if let Some((call, answer)) = answered.take() {
                    state.respond(call, answer);
                }
                state.next_event()
            };
            let Some(event) = event else { return };
            answered = self.serving.take(&self.link, event, cx);
            self.serving.flush(false);
        }
    }

    /// Goes on with what is under way; whether it came to anything.
    fn serve(&mut self, cx: &mut Context<'_>) -> bool {
        for count in 0..TURN {
            let Poll::Ready(answer) = self.serving.poll(&self.link, cx) else { return count > 0 };
            if let Some((call, answer)) = answer {
                self.link.lock_as_driver().respond(call, answer);
            }
        }
        true
    }
}

/// Since when publications are held back, because the next turn may bring more.
struct Held(Option<Instant>);

impl Held {
    /// Whether they are to be written now, at the end of a turn.
    fn ends(&mut self, now: Instant, more: bool) -> bool {
        let since = *self.0.get_or_insert(now);
        let ends = !more || now - since >= HOLD;
        if ends {
            self.0 = None;
        }
        ends
    }
}

impl Future for Driver {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let this = &mut *self;
        this.link.seat.set_driver(cx.waker());
        let budget = this.link.config.turn_frames;
        this.serving.begin_turn(budget);
        let mut began = None;
        for _ in 0..TURN {
            let (more, closed, now, asked, came) = {
                let mut state = this.link.enter_as_driver();
                let began = *began.get_or_insert_with(|| state.frames_in());
                let more = this.link.drive(&mut state);
                let spent = state.frames_in().saturating_sub(began) >= u64::from(budget);
                let closed = if state.done { state.inbox.closed().cloned() } else { None };
                let came = state.inbox.has_events();
                (more || spent, closed, state.now, state.asks_driver(), came)
            };
            // One after the other: what a handler does may bring events, and their answers room.
            let opened = asked && this.open();
            if asked {
                this.tell();
            }
            if came {
                this.take_events(cx);
            }
            if closed.is_some() {
                this.serving.end();
            }
            let served = this.serve(cx);
            let more = more || this.serving.has_had_its_turn();
            // What it publishes is written together, once for all that has come.
            this.serving.flush(this.held.ends(now, more && closed.is_none()));
            if let Some(reason) = closed.filter(|_| !this.serving.has_messages()) {
                return Poll::Ready(reason);
            }
            if more {
                break;
            }
            // Also what nobody was given may have been answered in passing, and is to be written.
            if !came && !opened && !served {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.serving.end();
        self.serving.flush(true);
        // One that has ended says no more.
        self.link.abort("its driver was dropped");
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("serving", &self.serving).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn publications_wait_while_turns_bring_more_and_no_longer_than_a_moment() {
        let (mut held, start) = (Held(None), Instant::ZERO);
        let just_before = start + (HOLD - Duration::from_nanos(1));
        assert!(!held.ends(start, true) && !held.ends(just_before, true));
        assert!(held.ends(start + HOLD, true), "whatever comes");
        assert!(!held.ends(start + HOLD, true), "those behind them wait anew");
        assert!(held.ends(start + HOLD, false), "nothing comes behind them");
        assert!(!held.ends(start + HOLD * 3, true));
    }
}
