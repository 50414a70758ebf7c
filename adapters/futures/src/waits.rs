//! How futures wait for something of a link, and leave it alone when they are dropped. Called by all that
//! give out futures; knows the link and its wakers.

use std::future::poll_fn;
use std::task::{Context, Poll};

use switchboard::CloseReason;

use crate::link::Link;
use crate::state::State;
use crate::wakers::{On, Place};

/// A future that waits, until it is dropped.
struct Waits<'a> {
    link: &'a Link,
    on: On,
    place: Place,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.link.leave(self.on, &mut self.place);
    }
}

impl Link {
    /// Whether `ready` gives something; else the task is woken when what it waits `on` changes, and is to
    /// [leave](Self::leave) its place if it waits no more.
    pub(crate) fn poll<T>(
        &self,
        on: On,
        place: &mut Place,
        cx: &Context<'_>,
        ready: impl FnOnce(&mut State) -> Poll<T>,
    ) -> Poll<T> {
        let mut state = self.enter();
        let polled = ready(&mut state);
        if polled.is_pending() {
            state.wakers.add(on, place, cx.waker());
            // Nobody knows whether the call that drives is still polled.
            self.clear_seat(&mut state);
        } else if place.is_taken() {
            state.wakers.leave(on, place);
        }
        // Also when it is there: what was commanded is to be written, and credit to be given.
        self.nudge(&mut state);
        polled
    }

    /// Whoever had this place waits no more.
    pub(crate) fn leave(&self, on: On, place: &mut Place) {
        if place.is_taken() {
            self.lock().wakers.leave(on, place);
        }
    }

    /// Waits until `ready` gives something; what it looks at is what the task waits `on`.
    pub(crate) async fn wait<T>(&self, on: On, mut ready: impl FnMut(&mut State) -> Poll<T>) -> T {
        let mut waits = Waits { link: self, on, place: Place::new() };
        poll_fn(|cx| self.poll(on, &mut waits.place, cx, &mut ready)).await
    }

    /// Waits until the transport is done with; says why it ended.
    pub(crate) async fn ended(&self) -> CloseReason {
        self.wait(On::End, |state| match state.inbox.closed() {
            Some(reason) if state.done => Poll::Ready(reason.clone()),
            _ => Poll::Pending,
        })
        .await
    }
}
