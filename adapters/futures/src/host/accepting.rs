//! `Accepting`: the task that lets whoever connects in. Called by `host`, of which it is a part; knows the
//! runtime's acceptor.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant as SystemInstant;

use switchboard::Restart;
use switchboard_endpoint::{AcceptPause, Stop};

use crate::host::Host;
use crate::runtime::{Acceptor, Runtime};

/// So many clients are let in in a row, then other tasks have their turn.
const TURN: usize = 16;

/// The acceptor's task. When it ends, in whatever way, the server accepts no more.
pub(super) struct Accepting {
    pub(super) host: Arc<Host>,
    pub(super) acceptor: Option<Box<dyn Acceptor>>,
}

impl Accepting {
    pub(super) async fn run<R: Runtime>(mut self) {
        let (mut pause, mut timer, mut rest) = (AcceptPause::new(), R::timer(), None);
        let (host, mut count) = (Arc::clone(&self.host), 0);
        while let Some(acceptor) = &mut self.acceptor {
            if acceptor.is_exhausted() {
                return host.wait_for_the_last().await;
            }
            let come = host.wait(|state, cx| {
                if state.closing.is_some() {
                    return Poll::Ready(None);
                }
                if rest.is_some_and(|until| timer.poll_at(cx, until).is_pending()) {
                    return Poll::Pending;
                }
                rest = None;
                acceptor.poll_accept(cx).map(Some)
            });
            match come.await {
                None => return,
                Some(Ok((stream, credentials))) => {
                    pause.succeeded();
                    host.arrive::<R>(stream, credentials);
                }
                Some(Err(_)) => rest = Some(SystemInstant::now() + pause.failed()),
            }
            count += 1;
            if count % TURN == 0 {
                yield_now().await;
            }
        }
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        // The socket file goes before whoever waits for the end is told.
        self.acceptor = None;
        self.host.change(|state| {
            state.accepts = false;
            // One that was not asked to end was dropped with its executor, and the server has ended, too.
            state.closing.get_or_insert(Stop::Abort);
        });
    }
}

impl Host {
    /// Nobody else will come: the server has done its work when those have gone who are there.
    async fn wait_for_the_last(&self) {
        self.wait(|state, _| {
            if state.closing.is_some() || state.connections.is_empty() {
                state.closing.get_or_insert_with(|| Stop::Close(Restart::never()));
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

/// Lets other tasks have their turn.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
