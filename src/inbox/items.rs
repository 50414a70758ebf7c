//! The items of a connection's calls that came and were not taken (`docs/protocol.md` section 4.3). Called
//! by the inbox; knows items.

use alloc::collections::{BTreeMap, VecDeque};
use core::task::Poll;

use super::{Inbox, may_have_run};
use crate::error::{CallError, Fate, Rejected};
use crate::event::Item;
use crate::id::CallId;
use crate::instant::Instant;
use crate::payload::Payload;
use crate::session::Session;

/// The items of the calls that have a stream to this side. Credit bounds them.
#[derive(Debug, Default)]
pub(super) struct Items(BTreeMap<CallId, Queue>);

/// The items of one call.
#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    /// No more will come.
    ended: bool,
}

impl Items {
    /// From now on the items of this call are kept.
    pub(super) fn open(&mut self, call: CallId) {
        self.0.insert(call, Queue::default());
    }

    /// Nobody takes its items any more.
    pub(super) fn close(&mut self, call: CallId) {
        self.0.remove(&call);
    }

    /// One came. Where nobody takes them the call has ended, so that no credit is missed.
    pub(super) fn push(&mut self, call: CallId, item: Item) {
        if let Some(queue) = self.0.get_mut(&call) {
            queue.items.push_back(item);
        }
    }

    /// No more will come.
    pub(super) fn end(&mut self, call: CallId) {
        if let Some(queue) = self.0.get_mut(&call) {
            queue.ended = true;
        }
    }

    /// The next item of a call; `None` when no more will come, also of one that is not kept.
    pub(super) fn next(&mut self, call: CallId) -> Poll<Option<Item>> {
        let Some(queue) = self.0.get_mut(&call) else { return Poll::Ready(None) };
        match queue.items.pop_front() {
            None if !queue.ended => Poll::Pending,
            item => Poll::Ready(item),
        }
    }
}

impl Inbox {
    /// From now on the items that come for this call of this side are kept.
    pub fn open_items(&mut self, call: CallId) {
        self.items.open(call);
    }

    /// Nobody takes the items of this call any more.
    pub fn close_items(&mut self, call: CallId) {
        self.items.close(call);
    }

    /// The next item of a call, and `None` when no more will come: of a call of this side (with `ticket`)
    /// it has ended, of one of the peer's the peer has sent all.
    ///
    /// # Errors
    ///
    /// Of a call of the peer's: it is over before that.
    pub fn next_item(
        &mut self,
        now: Instant,
        session: &mut Session,
        call: CallId,
        ticket: Option<usize>,
    ) -> Poll<Result<Option<Payload>, CallError>> {
        if let Poll::Ready(item) = self.items.next(call) {
            return Poll::Ready(Ok(item.map(|item| {
                session.connection().taken(now, call, &item);
                item.into_payload()
            })));
        }
        match (ticket, &self.closed) {
            (Some(ticket), _) if self.is_settled(ticket) => Poll::Ready(Ok(None)),
            (Some(_), _) => Poll::Pending,
            (None, Some(reason)) => Poll::Ready(Err(may_have_run((**reason).clone()))),
            (None, None) if self.stopped.contains(&call) => {
                Poll::Ready(Err(CallError::Cancelled(Fate::MayHaveRun)))
            }
            (None, None) => Poll::Pending,
        }
    }

    /// Sends an item of a call, if its peer takes it now.
    ///
    /// # Errors
    ///
    /// [`CallError::Cancelled`] if nobody waits for the call any more; what
    /// [`Connection::item`](crate::Connection::item) says.
    pub fn send_item(
        &mut self,
        now: Instant,
        session: &mut Session,
        call: CallId,
        payload: &Payload,
    ) -> Poll<Result<(), CallError>> {
        if self.stopped.contains(&call) {
            return Poll::Ready(Err(CallError::Cancelled(Fate::MayHaveRun)));
        }
        match session.connection().item(now, call, payload) {
            // Its answer waits for room: what is said behind it never goes.
            Err(Rejected::NoCredit | Rejected::Full) if self.is_answered(call) => {
                Poll::Ready(Err(CallError::Rejected(Rejected::UnknownCall)))
            }
            Err(Rejected::NoCredit | Rejected::Full) => Poll::Pending,
            sent => Poll::Ready(sent.map_err(|rejected| self.call_error(session, rejected))),
        }
    }
}
