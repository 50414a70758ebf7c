//! `Ending`: the task that says when a server that closes has waited long enough. Called by `host`, of
//! which it is a part: whoever waits may be where the runtime gives no timer.

use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use crate::host::Host;
use crate::runtime::Runtime;

pub(super) struct Ending(pub(super) Arc<Host>);

impl Ending {
    /// Waits until all that came was heard, once the server closes, and at most as long as for calls.
    pub(super) async fn run<R: Runtime>(self) {
        let Self(host) = &self;
        let closes = |closing| if closing { Poll::Ready(()) } else { Poll::Pending };
        host.wait(|state, _| closes(state.closing.is_some())).await;
        let (mut timer, until) = (R::timer(), Instant::now().checked_add(host.config.drain));
        host.wait(|state, cx| match until {
            _ if state.connections.is_empty() => Poll::Ready(()),
            Some(until) => timer.poll_at(cx, until),
            None => Poll::Pending,
        })
        .await;
    }
}

impl Drop for Ending {
    /// It may also be the runtime that has ended, and with it every listener.
    fn drop(&mut self) {
        self.0.change(|state| state.over = true);
    }
}
