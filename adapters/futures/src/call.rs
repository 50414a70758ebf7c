//! `Call`: a call under way, as a future. Called by programs; knows the link.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use switchboard::{
    Attempt, CallError, CallId, EncodeError, FromPayload, Options, Payload, Rejected,
};

use crate::link::Link;
use crate::state::State;
use crate::wakers::{On, Place};

/// So many bytes of calls are written together; the driver writes what is less.
const BATCH: u64 = 16 * 1024;

/// A call, made by [`Client::request`](crate::Client::request) and [`Peer::request`](crate::Peer::request):
/// it is under way from then on, whoever waits for it, and this is its answer. Those that are made one after
/// the other before one is waited for are written together.
///
/// # Cancel safety
///
/// Dropping it cancels the call: one of which nothing was written never is sent; else the peer is told, and
/// its handler stopped. Putting it aside, as a loop with `select!` does with a reference, loses nothing.
///
/// ```
/// use std::time::Duration;
///
/// use futures_util::future::{join_all, select};
/// use switchboard_smol::Client;
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// # let _server = switchboard_smol::Server::builder()
/// #     .handle("square", |_: switchboard_smol::Context, n: u32| async move { Ok(n * n) })
/// #     .handle("think", |_: switchboard_smol::Context, ()| async {
/// #         std::future::pending::<()>().await;
/// #         Ok(())
/// #     })
/// #     .bind(address)
/// #     .await?;
/// let client = Client::connect(address).await?;
/// // All are under way before the first is waited for.
/// let squares = join_all((1..=3).map(|n| client.request::<u32>("square", &n))).await;
/// assert_eq!(squares.into_iter().sum::<Result<u32, _>>()?, 14);
///
/// // Whoever does not want the answer any more drops the call. (A deadline does the same, and is told.)
/// let answer = client.request::<()>("think", &());
/// let patience = smol::Timer::after(Duration::from_millis(1));
/// drop(select(answer, patience).await);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "dropping a call cancels it"]
pub struct Call<R> {
    stage: Stage,
    answer: PhantomData<fn() -> R>,
}

enum Stage {
    /// There was no room for it.
    Waits(Box<Waits>),
    Open(Open),
    /// It came to nothing.
    Failed(CallError),
    Over,
}

struct Waits {
    link: Arc<Link>,
    channel: Box<str>,
    args: Payload,
    options: Options,
    attempt: Attempt,
    place: Place,
}

struct Open {
    link: Arc<Link>,
    ticket: usize,
    id: CallId,
}

impl<R> Call<R> {
    pub(crate) fn new(
        link: Result<Arc<Link>, CallError>,
        channel: &str,
        args: Result<Payload, EncodeError>,
        options: &Options,
    ) -> Self {
        let stage = link
            .and_then(|link| Ok(begin(link, channel, args?, options)))
            .unwrap_or_else(Stage::Failed);
        Self { stage, answer: PhantomData }
    }

    /// One of many: it does not wait until there is room.
    pub(crate) fn without_waiting(mut self) -> Self {
        if let Stage::Waits(_) = &self.stage {
            self.stage = Stage::Failed(CallError::Rejected(Rejected::Full));
        }
        self
    }
}

fn begin(link: Arc<Link>, channel: &str, args: Payload, options: &Options) -> Stage {
    let mut attempt = Attempt::new();
    let tried = try_to_begin(&link, &mut link.enter(), channel, &args, options, &mut attempt);
    match tried {
        Poll::Ready(Ok((ticket, id))) => Stage::Open(Open { link, ticket, id }),
        Poll::Ready(Err(error)) => Stage::Failed(error),
        Poll::Pending => {
            let (channel, options) = (channel.into(), options.clone());
            let place = Place::new();
            Stage::Waits(Box::new(Waits { link, channel, args, options, attempt, place }))
        }
    }
}

fn try_to_begin(
    link: &Link,
    state: &mut State,
    channel: &str,
    args: &Payload,
    options: &Options,
    attempt: &mut Attempt,
) -> Poll<Result<(usize, CallId), CallError>> {
    let tried = attempt.poll(state.now, options, &link.config, |options| {
        state.begin(|session, now, ticket| session.request(now, channel, args, options, ticket))
    });
    match &tried {
        Poll::Ready(Ok(_)) if is_alone(state) => link.nudge(state),
        Poll::Ready(Ok(_)) => {
            link.clear_seat(state);
            if state.session.connection().unsent() >= BATCH {
                link.nudge(state);
            } else {
                state.calls_driver = true;
            }
        }
        Poll::Ready(Err(_)) => {}
        Poll::Pending => state.wake_at(attempt.until()),
    }
    tried.map_err(|error| state.call_error(error))
}

/// Whether nothing is expected but the answer to one call: so its task can drive.
fn is_alone(state: &mut State) -> bool {
    !state.expects_more && state.session.connection().counters().open_made <= 1
}

impl Waits {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Open, CallError>> {
        let Self { link, channel, args, options, attempt, place } = self;
        let tried = link.poll(On::Room, place, cx, |state| {
            try_to_begin(link, state, channel, args, options, attempt)
        });
        tried.map_ok(|(ticket, id)| Open { link: Arc::clone(link), ticket, id })
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.link.leave(On::Room, &mut self.place);
    }
}

impl Open {
    fn poll(&self, cx: &Context<'_>) -> Poll<Result<Payload, CallError>> {
        let Self { link, ticket, .. } = self;
        let mut state = link.lock();
        let mut answer = state.inbox.answer(*ticket);
        let mut drives = answer.is_pending() && is_alone(&mut state);
        if drives {
            link.sit(&mut state, *ticket, cx.waker());
            // If the answer comes now, it is here that it is seen: to be woken for it would be for nothing.
            state.wakers.looks(*ticket);
            state.now = link.now();
            link.nudge(&mut state);
            answer = state.inbox.answer(*ticket);
            drives = answer.is_pending();
        }
        if !drives {
            link.leave_seat(&mut state, *ticket);
        }
        if answer.is_pending() {
            state.wakers.add_ticket(*ticket, cx.waker());
        } else {
            state.wakers.looks(*ticket);
        }
        answer
    }

    fn cancel(&self) {
        let Self { link, ticket, id } = self;
        let mut state = link.enter();
        state.wakers.looks(*ticket);
        link.leave_seat(&mut state, *ticket);
        state.inbox.abandon(*ticket);
        // One that has ended is open no more, and says so.
        let now = state.now;
        let _ = state.session.cancel(now, *id);
        link.nudge(&mut state);
    }
}

impl<R: FromPayload> Future for Call<R> {
    type Output = Result<R, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let polled = match &mut self.stage {
                Stage::Waits(waits) => match waits.poll(cx) {
                    Poll::Ready(Ok(open)) => {
                        self.stage = Stage::Open(open);
                        continue;
                    }
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Pending => Poll::Pending,
                },
                Stage::Open(open) => open.poll(cx),
                Stage::Failed(error) => Poll::Ready(Err(error.clone())),
                Stage::Over => Poll::Pending,
            };
            let Poll::Ready(outcome) = polled else { return Poll::Pending };
            let over = core::mem::replace(&mut self.stage, Stage::Over);
            return Poll::Ready(match over {
                Stage::Open(Open { link, .. }) => outcome.and_then(|payload| {
                    R::from_payload(payload, &link.config.payload).map_err(CallError::from)
                }),
                _ => outcome.and_then(|_| Err(CallError::Rejected(Rejected::UnknownCall))),
            });
        }
    }
}

impl<R> Drop for Call<R> {
    fn drop(&mut self) {
        if let Stage::Open(open) = &self.stage {
            open.cancel();
        }
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Waits(_) => "waits for room",
            Stage::Open(_) => "under way",
            Stage::Failed(_) | Stage::Over => "over",
        };
        f.debug_struct("Call").field("stage", &stage).finish_non_exhaustive()
    }
}
