//! The items of a link's calls (`docs/protocol.md` section 4.3): how threads wait for items and for room.
//! Called by `exchange` and `items`; knows `link`, `seat`, `state` and the core.

use std::sync::Arc;
use std::task::Poll;

use switchboard::{CallError, CallId, Options, Payload, ToPayload};

use crate::exchange::Exchange;
use crate::link::Link;

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
        let (ticket, id) = self.when_there_is_room(&options, |state, options| {
            let opened = state.begin(|session, now, ticket| {
                session.request(now, channel, &payload, options, ticket)
            })?;
            state.inbox.open_items(opened.1);
            Ok(opened)
        })?;
        self.nudge(&mut self.enter());
        Ok(Exchange::new(Arc::clone(self), ticket, id))
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
                let sent = state.send_item(call, payload);
                let seen = state.stirs;
                // If it was refused: what is not written holds back the room that is waited for.
                self.nudge_amid(&mut state);
                match sent {
                    Poll::Ready(sent) => return sent,
                    Poll::Pending => seen,
                }
            };
            self.wait_for(None, None, |state| {
                if state.stirs == seen { Poll::Pending } else { Poll::Ready(()) }
            });
        }
    }

    /// Says that all items of a call of this side have been sent.
    pub(crate) fn end_items(self: &Arc<Self>, call: CallId) -> Result<(), CallError> {
        let mut state = self.enter();
        let now = state.now;
        let ended = state.session.connection().end(now, call);
        ended.map_err(|rejected| state.call_error(rejected))?;
        self.nudge(&mut state);
        Ok(())
    }

    /// Waits for the next item of a call; `None` when no more will come: of a call that this side made it
    /// has ended (`ticket` has), of another one the peer has sent all.
    ///
    /// Fails if a call of the peer's is over before that.
    pub(crate) fn next_item(
        self: &Arc<Self>,
        call: CallId,
        ticket: Option<usize>,
    ) -> Result<Option<Payload>, CallError> {
        let item = self.wait_for(None, None, |state| state.next_item(call, ticket));
        if let Ok(Some(_)) = item {
            // Its credit may be due.
            self.nudge(&mut self.enter());
        }
        item
    }
}
