//! Subscriptions and publications (`docs/protocol.md` section 5): those that this side makes, and what a
//! broker decided on those of the peer. Part of the connection.

use super::Connection;
use crate::command::Command;
use crate::error::Rejected;
use crate::id::CallId;
use crate::instant::Instant;
use crate::options::Options;
use crate::payload::Payload;

impl Connection {
    /// Subscribes to the topics that match a pattern. The call ends as all do, with an
    /// [`Event::Answer`](crate::Event::Answer); from a good one on [`Event::Delivery`] and
    /// [`Event::Lagged`] come with the call's id. Of the options the deadline, the headers,
    /// [`policy`](Options::policy), [`retained`](Options::retained) and [`group`](Options::group) count.
    ///
    /// A subscription whose call was given up is ended by itself.
    ///
    /// [`Event::Delivery`]: crate::Event::Delivery
    /// [`Event::Lagged`]: crate::Event::Lagged
    ///
    /// # Errors
    ///
    /// [`Rejected`], and nothing was queued: `NotReady`, `Closed`, `Full`, `Busy`, `BadTopic`,
    /// `BadHeaders`, `IdsExhausted`.
    pub fn subscribe(
        &mut self,
        _now: Instant,
        _pattern: &str,
        _options: &Options,
        _token: u64,
    ) -> Result<CallId, Rejected> {
        Err(Rejected::Closed)
    }

    /// Ends a subscription of this side: no event comes of it any more. The call ends as all do.
    ///
    /// # Errors
    ///
    /// [`Rejected`], and nothing was queued: `UnknownSubscription`, `NotReady`, `Closed`, `Full`,
    /// `Busy`, `IdsExhausted`.
    pub fn unsubscribe(
        &mut self,
        _now: Instant,
        _subscription: CallId,
        _options: &Options,
        _token: u64,
    ) -> Result<CallId, Rejected> {
        Err(Rejected::UnknownSubscription)
    }

    /// Publishes a value under a topic of the peer's: at most once, in order with everything else that
    /// is sent. Of the options the headers, [`retain`](Options::retain), [`forget`](Options::forget) and
    /// [`echo`](Options::echo) count.
    ///
    /// # Errors
    ///
    /// [`Rejected`], and nothing was queued: `NotReady`, `Closed`, `Full`, `TooLarge`, `BadTopic`,
    /// `BadHeaders`.
    pub fn publish(
        &mut self,
        _now: Instant,
        _topic: &str,
        _payload: &Payload,
        _options: &Options,
    ) -> Result<(), Rejected> {
        Err(Rejected::Closed)
    }

    /// The same as a call: its answer is the number of subscriptions that the value was queued for.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish), `Busy` and `IdsExhausted`.
    pub fn publish_counted(
        &mut self,
        _now: Instant,
        _topic: &str,
        _payload: &Payload,
        _options: &Options,
        _token: u64,
    ) -> Result<CallId, Rejected> {
        Err(Rejected::Closed)
    }

    /// Does what was decided for this connection.
    ///
    /// # Errors
    ///
    /// [`Rejected`], and nothing was done: `UnknownCall` or `UnknownSubscription` if the peer has gone on
    /// meanwhile, which is harmless; those of [`send`](Self::send) and [`request`](Self::request) for
    /// these.
    pub fn apply(&mut self, now: Instant, command: Command) -> Result<(), Rejected> {
        match command {
            Command::Subscribe { .. } | Command::Published { .. } => Err(Rejected::UnknownCall),
            Command::Deliver { .. } | Command::EndSubscription { .. } => {
                Err(Rejected::UnknownSubscription)
            }
            Command::Refuse { call, failure } => self.respond(now, call, Err(&failure)),
            Command::Send { channel, payload, options } => {
                self.send(now, &channel, &payload, &options)
            }
            Command::Request { channel, payload, options, token } => {
                self.request(now, &channel, &payload, &options, token).map(drop)
            }
            Command::Fail(failure) => {
                self.fail_with(now, failure);
                Ok(())
            }
        }
    }
}
