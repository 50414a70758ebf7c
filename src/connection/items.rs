//! Streams of items (`docs/protocol.md` section 4.3). Part of the connection.

use super::Connection;
use crate::error::Rejected;
use crate::id::CallId;
use crate::instant::Instant;
use crate::payload::Payload;

impl Connection {
    /// Sends an item of a call's stream: as its caller, if the call was made with
    /// [`send_items`](crate::Options::send_items), or as its callee, if the caller takes items. Items of
    /// one stream leave in order, streams take turns.
    ///
    /// # Errors
    ///
    /// [`Rejected`], and nothing was queued:
    ///
    /// - `NoCredit` if the peer takes no more now, `Full` if too much waits to be written:
    ///   [`Event::Room`](crate::Event::Room) tells when to try again;
    /// - `UnknownCall` if the call has ended or was given up, `NoStream` if it has no such stream or
    ///   that is complete, `TooLarge`.
    pub fn item(
        &mut self,
        _now: Instant,
        _call: CallId,
        _payload: &Payload,
    ) -> Result<(), Rejected> {
        Err(Rejected::NoStream)
    }

    /// Says that all items of a call of this side have been sent.
    ///
    /// # Errors
    ///
    /// [`Rejected`]: `UnknownCall` if the call has ended or was given up, `NoStream` if it has no such
    /// stream or that is complete.
    pub fn end(&mut self, _now: Instant, _call: CallId) -> Result<(), Rejected> {
        Err(Rejected::NoStream)
    }

    /// Says that the application has used items of a call that cost so much ([`Item::cost`]), so that
    /// the peer may send more. A call that has ended needs no more: nothing happens then.
    ///
    /// [`Item::cost`]: crate::Item::cost
    pub fn taken(&mut self, _now: Instant, _call: CallId, _cost: u32) {}
}
