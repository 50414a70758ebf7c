//! The items of a link's calls (`docs/protocol.md` section 4.3): what came and was not taken, and how
//! threads wait for items and for room. Called by `exchange` and `items`; knows `link`, `seat`, `state`
//! and the core.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use switchboard::{CallError, CallId, Event, Fate, Item, Options, Payload, Rejected, ToPayload};

use crate::exchange::Exchange;
use crate::link::Link;

/// The items of the calls that have a stream to this side. Credit bounds them.
#[derive(Debug, Default)]
pub(crate) struct Inboxes(BTreeMap<CallId, Inbox>);

/// The items of one call.
#[derive(Debug, Default)]
struct Inbox {
    items: VecDeque<Item>,
    /// No more will come.
    ended: bool,
}

/// What a look for the next item comes to.
pub(crate) enum Look {
    Item(Item),
    /// Nothing now.
    Nothing,
    /// No more will come.
    End,
}

impl Inboxes {
    /// From now on the items of this call are kept.
    pub(crate) fn open(&mut self, call: CallId) {
        self.0.insert(call, Inbox::default());
    }

    /// Nobody takes its items any more.
    pub(crate) fn close(&mut self, call: CallId) {
        self.0.remove(&call);
    }

    /// Takes note of an event that concerns streams, and hands others back.
    pub(crate) fn take(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Item { call, item } => {
                // Where nobody takes them the call has ended, so that no credit is missed.
                if let Some(inbox) = self.0.get_mut(&call) {
                    inbox.items.push_back(item);
                }
            }
            Event::End { call } => {
                if let Some(inbox) = self.0.get_mut(&call) {
                    inbox.ended = true;
                }
            }
            Event::Room { .. } => {}
            other => return Some(other),
        }
        None
    }

    fn look(&mut self, call: CallId) -> Look {
        match self.0.get_mut(&call) {
            Some(inbox) => match inbox.items.pop_front() {
                Some(item) => Look::Item(item),
                None if inbox.ended => Look::End,
                None => Look::Nothing,
            },
            None => Look::End,
        }
    }

    fn is_empty(&self, call: CallId) -> bool {
        self.0.get(&call).is_some_and(|inbox| inbox.items.is_empty() && !inbox.ended)
    }
}

impl Link {
    /// Makes a call with streams both ways.
    pub(crate) fn open_exchange(
        self: &Arc<Self>,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<Exchange, CallError> {
        let payload = args.to_payload()?;
        let options = options.clone().send_items().take_items();
        let (waiter, id) = self.when_there_is_room(&options, |state, options, now| {
            let opened = state.waiter(|connection, waiter| {
                connection.request(now, channel, &payload, options, waiter as u64)
            })?;
            state.inboxes.open(opened.1);
            Ok(opened)
        })?;
        self.nudge(&mut self.enter());
        Ok(Exchange::new(Arc::clone(self), waiter, id))
    }

    /// Sends an item, once its peer takes it; fails when the call has ended.
    pub(crate) fn send_item(
        self: &Arc<Self>,
        call: CallId,
        payload: &Payload,
    ) -> Result<(), CallError> {
        loop {
            let seen = {
                let mut state = self.enter();
                let sent = if state.stopped.contains(&call) {
                    Err(CallError::Cancelled(Fate::MayHaveRun))
                } else {
                    let now = state.now;
                    let sent = state.pump.connection().item(now, call, payload);
                    sent.map_err(|rejected| state.call_error(rejected))
                };
                let seen = state.stirs;
                // If it was refused: what is not written holds back the room that is waited for.
                self.nudge(&mut state);
                match sent {
                    Err(CallError::Rejected(Rejected::NoCredit | Rejected::Full)) => seen,
                    sent => return sent,
                }
            };
            self.wait_for(None, None, |state| (state.stirs != seen).then_some(()));
        }
    }

    /// Says that all items of a call of this side have been sent.
    pub(crate) fn end_items(self: &Arc<Self>, call: CallId) -> Result<(), CallError> {
        let mut state = self.enter();
        let now = state.now;
        let ended = state.pump.connection().end(now, call);
        ended.map_err(|rejected| state.call_error(rejected))?;
        self.nudge(&mut state);
        Ok(())
    }

    /// Waits for the next item of a call; `None` when no more will come: of a call that this side made it
    /// has ended (`waiter` has), of another one the peer has sent all.
    ///
    /// Fails if a call of the peer's is over before that.
    pub(crate) fn next_item(
        self: &Arc<Self>,
        call: CallId,
        waiter: Option<usize>,
    ) -> Result<Option<Payload>, CallError> {
        loop {
            {
                let mut state = self.enter();
                match state.inboxes.look(call) {
                    Look::Item(item) => {
                        let now = state.now;
                        state.pump.connection().taken(now, call, &item);
                        self.nudge(&mut state);
                        return Ok(Some(item.into_payload()));
                    }
                    Look::End => return Ok(None),
                    Look::Nothing => {}
                }
            }
            let more = self.wait_for(None, None, |state| {
                if !state.inboxes.is_empty(call) {
                    return Some(Ok(true));
                }
                match (waiter, state.closed.get()) {
                    (Some(waiter), _) => state.is_settled(waiter).then_some(Ok(false)),
                    (None, Some(reason)) => {
                        Some(Err(CallError::Disconnected(reason.clone(), Fate::MayHaveRun)))
                    }
                    (None, None) => {
                        let stopped = state.stopped.contains(&call);
                        stopped.then_some(Err(CallError::Cancelled(Fate::MayHaveRun)))
                    }
                }
            });
            if !more? {
                return Ok(None);
            }
        }
    }
}
