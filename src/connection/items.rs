//! Streams of items (`docs/protocol.md` section 4.3): what the application does with them, and what the
//! peer's frames do. Part of the connection; `stream.rs` counts.

use alloc::boxed::Box;

use super::Connection;
use super::outbox::Counted;
use super::receive::Then;
use super::stream::{Freed, Incoming, Outgoing, Stream, Tail, cost};
use super::turns::Taker;
use crate::error::{CallError, ProtocolError, Rejected};
use crate::event::{Event, Item};
use crate::failure::Failure;
use crate::id::CallId;
use crate::instant::Instant;
use crate::payload::Payload;
use crate::status::Status;
use crate::wire::{Amount, Frame, item_len};

/// So many bytes of items of one stream wait for their turn, and no more: what one stream has cannot be
/// had by the others.
pub(super) const MOST_WAITING: usize = 64 * 1024;

impl Connection {
    /// Sends an item of a call's stream: as its caller, if the call was made with
    /// [`send_items`](crate::Options::send_items), or as its callee, if the caller takes items. Items of
    /// one stream leave in order, streams take turns. 64 KiB of one stream wait for their turn, of all
    /// together [`Config::max_unsent`](crate::Config::max_unsent), and one item more.
    ///
    /// ```
    /// use switchboard::{Config, Event, Options, Payload, to_payload};
    /// use switchboard_testkit::Pair;
    ///
    /// let mut config = Config::default();
    /// config.takes_items = true;
    /// let mut pair = Pair::opened(Default::default(), config.into());
    /// let now = pair.now();
    ///
    /// let options = Options::new().send_items();
    /// let call = pair.client.call("sum", &Payload::null(), &options, 0)?;
    /// pair.client.connection().item(now, call, &to_payload(&20)?)?;
    /// pair.client.connection().item(now, call, &to_payload(&22)?)?;
    /// pair.client.connection().end(now, call)?;
    /// pair.drive();
    ///
    /// for event in std::mem::take(&mut pair.server.events) {
    ///     if let Event::Item { call, item } = event {
    ///         // Used: the client may send as much again.
    ///         pair.server.connection().taken(now, call, &item);
    ///     }
    /// }
    /// pair.server.answer(call, Ok(&to_payload(&42)?))?;
    /// pair.drive();
    /// assert_eq!(pair.client.happened(), ["call 1 ended well"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Rejected`], and nothing was queued:
    ///
    /// - `NoCredit` if the peer takes no more now, `Full` if too much waits to be written:
    ///   [`Event::Room`] tells when to try again;
    /// - `UnknownCall` if the call has ended or was given up, `NoStream` if it has no such stream or
    ///   that is complete, `TooLarge`; `NotReady`, `Closed`.
    pub fn item(&mut self, now: Instant, call: CallId, payload: &Payload) -> Result<(), Rejected> {
        self.may_go_on()?;
        let call = self.on_wire(call).ok_or(Rejected::UnknownCall)?;
        let length = item_len(call, payload.len());
        let (too_large, waiting) = (length > self.peer_max_frame as usize, self.waiting);
        let is_full = waiting >= self.config.max_unsent;
        let outgoing = self.open_outgoing(call)?;
        if too_large {
            return Err(Rejected::TooLarge);
        }
        if !outgoing.has_credit() {
            outgoing.starved = true;
            return Err(Rejected::NoCredit);
        }
        if is_full || outgoing.waiting >= MOST_WAITING {
            if !self.refused.contains(&call) {
                self.refused.push(call);
            }
            return Err(Rejected::Full);
        }
        let cost = cost(length);
        outgoing.push(payload.clone(), cost);
        self.waiting += cost as usize;
        self.join(call);
        self.note_unsent(now);
        Ok(())
    }

    /// Says that all items of a call of this side have been sent.
    ///
    /// # Errors
    ///
    /// [`Rejected`]: `UnknownCall` if the call has ended or was given up, `NoStream` if it has no such
    /// stream or that is complete; `NotReady`, `Closed`.
    pub fn end(&mut self, now: Instant, call: CallId) -> Result<(), Rejected> {
        self.may_go_on()?;
        if !self.our_ids.owns(call) {
            return Err(Rejected::UnknownCall);
        }
        self.open_outgoing(call)?.tail = Tail::End;
        self.join(call);
        self.note_unsent(now);
        Ok(())
    }

    /// Says that the application has used an item of a call, so that the peer may send more; once for
    /// each. A call that has ended needs no more: nothing happens then.
    pub fn taken(&mut self, now: Instant, call: CallId, item: &Item) {
        let Some(call) = self.on_wire(call) else { return };
        let ours = self.our_ids.owns(call);
        let (stream, wanted) = if ours {
            let Some(made) = self.made.get_mut(call) else { return };
            (&mut made.stream, !made.settled)
        } else {
            let Some(served) = self.served.get_mut(call) else { return };
            let wanted = served.stopped.is_none() && !served.is_answered();
            (&mut served.stream, wanted)
        };
        let incoming = stream.as_mut().and_then(|stream| stream.incoming.as_mut());
        let Some(incoming) = incoming else { return };
        let freed = incoming.take(item.cost(), item.held());
        let mut amounts = [None; 3];
        if wanted {
            // An item of 4 GiB is given back in three parts.
            amounts = [(); 3].map(|()| incoming.give_back());
        }
        self.unanswered = self.unanswered.saturating_sub(freed);
        if self.may_go_on().is_ok() {
            for amount in amounts.into_iter().flatten() {
                // Credit is too short to be too large.
                let _ = self.push(now, &Frame::Credit { id: call, amount }, None, Counted::No);
            }
        }
    }

    /// Both directions of a call, as its flags say.
    pub(super) fn new_stream(&self, sends: bool, takes: bool) -> Option<Box<Stream>> {
        let outgoing = sends.then(|| Outgoing::new(self.peer_stream_window));
        let incoming = takes.then(|| Incoming::new(self.config.stream_window));
        (sends || takes).then(|| Box::new(Stream { outgoing, incoming }))
    }

    pub(super) fn outgoing(&mut self, call: CallId) -> Option<&mut Outgoing> {
        let stream = if self.our_ids.owns(call) {
            &mut self.made.get_mut(call)?.stream
        } else {
            &mut self.served.get_mut(call)?.stream
        };
        stream.as_mut()?.outgoing.as_mut()
    }

    /// The stream of a call that goes on, to which items may be added.
    fn open_outgoing(&mut self, call: CallId) -> Result<&mut Outgoing, Rejected> {
        let goes_on = if self.our_ids.owns(call) {
            self.made.get_mut(call).is_some_and(|made| !made.settled)
        } else {
            let served = self.served.get_mut(call);
            served.is_some_and(|served| served.stopped.is_none() && !served.is_answered())
        };
        if !goes_on {
            return Err(Rejected::UnknownCall);
        }
        let outgoing = self.outgoing(call).ok_or(Rejected::NoStream)?;
        if matches!(outgoing.tail, Tail::Open) { Ok(outgoing) } else { Err(Rejected::NoStream) }
    }

    /// A call with a stream is over, for its user at least.
    pub(super) fn free(&mut self, call: CallId, freed: Freed) {
        self.waiting -= freed.waiting.min(self.waiting);
        self.unanswered -= freed.held.min(self.unanswered);
        if freed.queued {
            self.turns.leave(Taker::Call(call));
        }
    }

    /// An item of the peer.
    pub(super) fn item_came(
        &mut self,
        now: Instant,
        id: CallId,
        length: usize,
        payload: usize,
    ) -> Result<Then, ProtocolError> {
        let cost = cost(length);
        let (incoming, wanted) = if let Some(served) = self.served.get_mut(id) {
            if served.cancelled {
                return Err(ProtocolError::UnexpectedFrame);
            }
            let wanted = served.stopped.is_none() && !served.is_answered();
            (served.stream.as_mut().and_then(|stream| stream.incoming.as_mut()), wanted)
        } else if self.their_ids.was_opened(id) {
            return Ok(Then::Skip);
        } else {
            self.check_made(id)?;
            let made = self.made.get_mut(id).ok_or(ProtocolError::UnknownCall)?;
            let wanted = !made.settled;
            (made.stream.as_mut().and_then(|stream| stream.incoming.as_mut()), wanted)
        };
        let incoming = incoming.ok_or(ProtocolError::UnexpectedStream)?;
        incoming.came(cost)?;
        if !wanted {
            return Ok(Then::Skip);
        }
        let held = Item::held_by(payload);
        if self.unanswered + held > self.config.max_unanswered {
            self.refuse_item(now, id);
            return Ok(Then::Skip);
        }
        incoming.hand(cost, held);
        self.unanswered += held;
        Ok(Then::Item(payload, id, cost))
    }

    /// There is no room for an item, which ends its call.
    fn refuse_item(&mut self, now: Instant, id: CallId) {
        let status = Status::RESOURCE_EXHAUSTED;
        if self.our_ids.owns(id) {
            let failure = Failure::new(status, "too many bytes of items are not taken");
            // It is open, so that it can be given up.
            let _ = self.give_up(now, id, |_| CallError::Failed(failure));
        } else {
            self.stop_served(now, id, status);
        }
    }

    /// The caller's stream is complete.
    pub(super) fn end_came(&mut self, id: CallId) -> Result<Then, ProtocolError> {
        let Some(served) = self.served.get_mut(id) else {
            let ended = self.their_ids.was_opened(id);
            return if ended { Ok(Then::Skip) } else { Err(ProtocolError::UnknownCall) };
        };
        if served.cancelled {
            return Err(ProtocolError::UnexpectedFrame);
        }
        let wanted = served.stopped.is_none() && !served.is_answered();
        let incoming = served.stream.as_mut().and_then(|stream| stream.incoming.as_mut());
        let incoming = incoming.filter(|incoming| !incoming.ended);
        incoming.ok_or(ProtocolError::UnexpectedStream)?.ended = true;
        if wanted {
            self.events.push_back(Event::End { call: id });
        }
        Ok(Then::Skip)
    }

    /// The peer takes more of a stream.
    pub(super) fn credit_came(
        &mut self,
        id: CallId,
        amount: Amount,
    ) -> Result<Then, ProtocolError> {
        let cancelled = match self.served.get_mut(id) {
            Some(served) => served.cancelled,
            None if self.their_ids.was_opened(id) => return Ok(Then::Skip),
            None => {
                self.check_made(id)?;
                false
            }
        };
        if cancelled {
            return Err(ProtocolError::UnexpectedFrame);
        }
        let outgoing = self.outgoing(id).ok_or(ProtocolError::UnexpectedStream)?;
        if outgoing.granted(amount)? {
            self.events.push_back(Event::Room { call: id });
        }
        Ok(Then::Skip)
    }
}
