//! The subscriptions of a link, and what it publishes (`docs/protocol.md` section 5). Called by `client` and
//! `subscription`; knows `link`, `seat`, `state` and the core.

use std::sync::Arc;

use switchboard::{CallError, CallId, FromPayload, Options, Payload, ToPayload};

use crate::link::Link;
use crate::state::State;

impl Link {
    /// Subscribes, and waits until that is accepted; gives the subscription's id, and how many retained
    /// values come first.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        pattern: &str,
        options: &Options,
    ) -> Result<(CallId, u64), CallError> {
        let (ticket, id) = self.when_there_is_room(options, |state, options| {
            let State { inbox, session, now, .. } = state;
            inbox.subscribe(*now, session, pattern, options)
        })?;
        // Deliveries come also while nobody waits.
        self.read_in_background();
        let count = self.answer(ticket).and_then(|count| {
            u64::from_payload(count, &self.config.payload).map_err(CallError::from)
        });
        match count {
            Ok(count) => Ok((id, count)),
            Err(error) => {
                self.unsubscribe(id);
                Err(error)
            }
        }
    }

    /// Ends a subscription without waiting.
    pub(crate) fn unsubscribe(self: &Arc<Self>, subscription: CallId) {
        let mut state = self.enter();
        let State { inbox, session, now, .. } = &mut *state;
        inbox.unsubscribe(*now, session, subscription);
        self.nudge(&mut state);
    }

    /// Publishes, once there is room.
    pub(crate) fn publish(
        self: &Arc<Self>,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<(), CallError> {
        let payload = value.to_payload()?;
        self.when_there_is_room(options, |state, options| {
            state.session.publish(state.now, topic, &payload, options)
        })?;
        self.nudge(&mut self.enter());
        Ok(())
    }

    /// Publishes, and waits to learn how many subscriptions got it.
    pub(crate) fn publish_counted(
        self: &Arc<Self>,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<u64, CallError> {
        let payload: Payload = value.to_payload()?;
        let (ticket, _) = self.when_there_is_room(options, |state, options| {
            state.begin(|session, now, ticket| {
                session.publish_counted(now, topic, &payload, options, ticket)
            })
        })?;
        Ok(u64::from_payload(self.answer(ticket)?, &self.config.payload)?)
    }
}
