//! What a client's connection takes over from the one before it, for a session that comes back: ids that do
//! not repeat. Part of the connection; called by the session.
//!
//! On the wire ids need only ascend on each connection. So this side's go on where those of the connection
//! before ended, and what is done again for a user keeps the id that the user knows: it is done in the order
//! of ids, before anything newer. The peer begins anew with 2, so that its ids are shown higher than they
//! are: by the last one that the connection before has shown.

use alloc::sync::Arc;

use super::calls::{Ids, Wish};
use super::commands::Call;
use super::phase::Phase;
use super::subscriptions::Own;
use super::{Connection, Hello, Role};
use crate::close_reason::Timer;
use crate::config::Config;
use crate::error::Rejected;
use crate::event::Event;
use crate::id::CallId;
use crate::instant::Instant;
use crate::status::Status;
use crate::wire::Frame;

/// Above this the peer's ids begin anew: whoever opened so many calls within one session did not count them.
const HIGHEST: u64 = 1 << 51;

impl Connection {
    /// A client that has no transport yet: it knows its limits, hands out ids, and takes nothing.
    pub(crate) fn unopened(config: Arc<Config>) -> Self {
        Self::new(config, Role::Client, None, Instant::ZERO)
    }

    /// The next connection of a session. New calls wait for [`hold_ids`](Self::hold_ids) to end.
    ///
    /// # Errors
    ///
    /// Those of [`client`](Self::client).
    pub(crate) fn client_after(
        config: Arc<Config>,
        hello: &Hello,
        now: Instant,
        before: &Self,
    ) -> Result<Self, Rejected> {
        let mut connection = Self::client(config, hello, now)?;
        connection.our_ids = before.our_ids;
        let shown = before.their_ids.last() + before.raised;
        connection.raised = if shown < HIGHEST { shown } else { 0 };
        connection.ids_held = true;
        Ok(connection)
    }

    /// How many calls more the peer takes now.
    pub(crate) fn free_slots(&self) -> usize {
        (self.peer_max_calls as usize).saturating_sub(self.made.len())
    }

    /// Takes an id for a call that is opened later, with [`with_id`](Self::with_id).
    pub(crate) fn reserve_id(&mut self) -> Result<CallId, Rejected> {
        let id = self.our_ids.peek().ok_or(Rejected::IdsExhausted)?;
        self.our_ids.take();
        Ok(id)
    }

    /// Opens one call with this id, which no connection or an earlier one has used, and which is above all
    /// that this one has.
    pub(crate) fn with_id(
        &mut self,
        id: CallId,
        open: impl FnOnce(&mut Self) -> Result<(), Rejected>,
    ) -> Result<(), Rejected> {
        let ids = core::mem::replace(&mut self.our_ids, Ids::at(id));
        let opened = open(self);
        self.our_ids = ids;
        opened
    }

    /// While ids are held, calls are opened with reserved ones only: those that the connection makes by
    /// itself wait, since their ids would be too high.
    pub(crate) fn hold_ids(&mut self, now: Instant, hold: bool) {
        self.ids_held = hold;
        self.leave_given_up(now);
    }

    /// Ends subscriptions whose calls were given up, and which live at the peer all the same, as soon as ids
    /// are not held and the peer takes a call.
    pub(super) fn leave_given_up(&mut self, now: Instant) {
        while let Some(subscription) = self.given_up.pop() {
            let wish = Wish::Unsubscribe(subscription);
            let leave = Call { token: 0, left: None, wish, stream: None };
            let frame = |id| Frame::Unsubscribe { id, subscription };
            let may = matches!(self.phase, Phase::Open) && !self.ids_held;
            let left = may.then(|| self.open_call(now, leave, None, frame));
            let Some(Ok(id)) = left else { return self.given_up.push(subscription) };
            if let Some(made) = self.made.get_mut(id) {
                made.settled = true;
            }
        }
    }

    /// Whether deliveries to a subscription are dropped, because it will be ended.
    pub(crate) fn mute(&mut self, subscription: CallId, mute: bool) {
        if let Some(own) = self.own.get_mut(&subscription) {
            *own = if mute { Own::Leaving } else { Own::Live };
        }
    }

    /// A call of the peer that has ended with the connection, and whose handler is to be told.
    pub(crate) fn take_orphan(&mut self) -> Option<Event> {
        let call = self.orphans.pop()?;
        Some(self.shown(Event::Cancelled { call, status: Status::UNAVAILABLE }))
    }

    /// What the session had to do before anything new took too long.
    pub(crate) fn handshake_timed_out(&mut self, now: Instant) {
        self.time_out(now, Timer::Handshake);
    }

    /// An event with the peer's ids as they are shown.
    pub(super) fn shown(&self, mut event: Event) -> Event {
        if self.raised == 0 {
            return event;
        }
        match &mut event {
            Event::Request { call, .. }
            | Event::Item { call, .. }
            | Event::End { call }
            | Event::Room { call }
            | Event::Cancelled { call, .. }
            | Event::Unsubscribe { subscription: call }
            | Event::Publish { call: Some(call), .. } => *call = self.raise(*call),
            Event::Subscribe(wanted) => wanted.subscription = self.raise(wanted.subscription),
            Event::Hello(_)
            | Event::Welcome(_)
            | Event::Message(_)
            | Event::Publish { call: None, .. }
            | Event::Delivery { .. }
            | Event::Lagged { .. }
            | Event::SubscriptionEnded { .. }
            | Event::Answer { .. }
            | Event::Pong { .. }
            | Event::Closing { .. }
            | Event::Closed(_) => {}
        }
        event
    }

    fn raise(&self, id: CallId) -> CallId {
        let raised = CallId::new(id.number() + self.raised).filter(|_| !self.our_ids.owns(id));
        raised.unwrap_or(id)
    }

    /// The id on the wire of a call that is shown with this one; `None`: an earlier connection's.
    pub(super) const fn on_wire(&self, id: CallId) -> Option<CallId> {
        if self.raised == 0 || self.our_ids.owns(id) {
            return Some(id);
        }
        match id.number().checked_sub(self.raised) {
            Some(number) => CallId::new(number),
            None => None,
        }
    }
}
