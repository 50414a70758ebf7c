//! Subscriptions and publications (`docs/protocol.md` section 5): those that this side makes, and what a
//! broker decided on those of the peer. Part of the connection; what the peer's frames do is in
//! `topic_frames.rs`.

use alloc::vec::Vec;

use super::calls::{Asked, Wish};
use super::commands::Call;
use super::outbox::Counted;
use super::phase::Phase;
use super::subscriptions::Own;
use super::{Connection, cut};
use crate::backlog::Overflow;
use crate::command::Command;
use crate::error::Rejected;
use crate::failure::Failure;
use crate::id::CallId;
use crate::instant::Instant;
use crate::options::Options;
use crate::payload::Payload;
use crate::publication::Publication;
use crate::status::Status;
use crate::topic::{is_pattern, is_topic};
use crate::wire::{Frame, HeaderMap, delivery_len, uint};

impl Connection {
    /// Subscribes to the topics that match a pattern. The call ends as all do, with an
    /// [`Event::Answer`](crate::Event::Answer); from a good one on [`Event::Delivery`] and
    /// [`Event::Lagged`] come with the call's id. Of the options the deadline, the headers,
    /// [`policy`](Options::policy), [`retained`](Options::retained) and [`group`](Options::group) count.
    ///
    /// A subscription whose call was given up is ended by itself.
    ///
    /// ```
    /// use switchboard::{Command, Config, Event, Options, Publication, to_payload};
    /// use switchboard_testkit::Pair;
    ///
    /// let mut config = Config::default();
    /// config.offers_topics = true;
    /// let mut pair = Pair::opened(Default::default(), config.into());
    /// let now = pair.now();
    ///
    /// pair.client.connection().subscribe(now, "rooms.>", &Options::new(), 0)?;
    /// pair.drive();
    /// let Some(Event::Subscribe(wanted)) = pair.server.events.pop() else { panic!() };
    ///
    /// // As a rule a broker decides this.
    /// let subscription = wanted.subscription;
    /// let accept = Command::Subscribe { subscription, retained: vec![] };
    /// pair.server.connection().apply(now, accept)?;
    /// let publication = Publication::new("rooms.7", &to_payload(&21.5)?, &Options::new())?;
    /// pair.server.connection().apply(now, Command::Deliver { subscription, publication })?;
    /// pair.drive();
    /// assert_eq!(pair.client.happened(), ["call 1 ended well", "delivery 1 rooms.7 of 3 B"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        now: Instant,
        pattern: &str,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        self.may_queue()?;
        if !is_pattern(pattern) {
            return Err(Rejected::BadTopic);
        }
        let headers = options.checked_subscribe_map()?;
        let left = options.time_left(&self.config);
        let call = Call { token, left, wish: Wish::Subscribe, stream: None };
        self.open_call(now, call, None, |id| Frame::Subscribe { id, pattern, headers })
    }

    /// Ends a subscription of this side: no event comes of it any more. The call ends as all do.
    ///
    /// # Errors
    ///
    /// [`Rejected`], and nothing was queued: `UnknownSubscription`, `NotReady`, `Closed`, `Full`,
    /// `Busy`, `IdsExhausted`.
    pub fn unsubscribe(
        &mut self,
        now: Instant,
        subscription: CallId,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        if self.own.get(&subscription) != Some(&Own::Live) {
            return Err(Rejected::UnknownSubscription);
        }
        self.may_queue()?;
        let left = options.time_left(&self.config);
        let call = Call { token, left, wish: Wish::Unsubscribe(subscription), stream: None };
        let id = self.open_call(now, call, None, |id| Frame::Unsubscribe { id, subscription })?;
        self.own.insert(subscription, Own::Leaving);
        Ok(id)
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
        now: Instant,
        topic: &str,
        payload: &Payload,
        options: &Options,
    ) -> Result<(), Rejected> {
        let headers = self.may_publish(topic, options)?;
        let frame = Frame::Publish { id: None, topic, headers, payload: &[] };
        self.push(now, &frame, Some(payload), Counted::No).map_err(|_| Rejected::TooLarge)?;
        Ok(())
    }

    fn may_publish<'o>(
        &self,
        topic: &str,
        options: &'o Options,
    ) -> Result<HeaderMap<'o>, Rejected> {
        self.may_queue()?;
        let headers = options.publish_map();
        if !is_topic(topic) {
            Err(Rejected::BadTopic)
        } else if !headers.is_within_limits() {
            Err(Rejected::BadHeaders)
        } else {
            Ok(headers)
        }
    }

    /// The same as a call: its answer is the number of subscriptions that the value was queued for.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish), `Busy` and `IdsExhausted`.
    pub fn publish_counted(
        &mut self,
        now: Instant,
        topic: &str,
        payload: &Payload,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        let headers = self.may_publish(topic, options)?;
        let left = options.time_left(&self.config);
        let call = Call { token, left, wish: Wish::Answer, stream: None };
        self.open_call(now, call, Some(payload), |id| Frame::Publish {
            id: Some(id),
            topic,
            headers,
            payload: &[],
        })
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
            Command::Subscribe { subscription, retained } => {
                let subscription = self.on_wire(subscription).ok_or(Rejected::UnknownCall)?;
                self.begin_subscription(now, subscription, retained)
            }
            Command::Deliver { subscription, publication } => {
                let gone = Rejected::UnknownSubscription;
                let subscription = self.on_wire(subscription).ok_or(gone)?;
                self.deliver(now, subscription, publication)
            }
            Command::DeliverAll { subscription, publications } => {
                self.deliver_all(now, subscription, &publications)
            }
            Command::EndSubscription { subscription, failure } => {
                let gone = Rejected::UnknownSubscription;
                let subscription = self.on_wire(subscription).ok_or(gone)?;
                self.end_subscription(now, subscription, &failure)
            }
            Command::Published { call, count } => {
                let call = self.on_wire(call).ok_or(Rejected::UnknownCall)?;
                let served = self.served.get_mut(call);
                served
                    .filter(|served| served.asked == Asked::Publish)
                    .ok_or(Rejected::UnknownCall)?;
                self.answer_now(now, call, Ok(&number(count)))
            }
            Command::Refuse { call, failure } => {
                let call = self.on_wire(call).ok_or(Rejected::UnknownCall)?;
                let served = self.served.get_mut(call).filter(|served| !served.is_answered());
                served.ok_or(Rejected::UnknownCall)?;
                self.answer_now(now, call, Err(&failure))
            }
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

    fn begin_subscription(
        &mut self,
        now: Instant,
        id: CallId,
        mut retained: Vec<Publication>,
    ) -> Result<(), Rejected> {
        let served = self.served.get_mut(id).ok_or(Rejected::UnknownCall)?;
        let (Asked::Subscribe(policy), stopped) = (served.asked, served.stopped) else {
            return Err(Rejected::UnknownCall);
        };
        if !matches!(self.phase, Phase::Open) {
            let failure = Failure::new(Status::UNAVAILABLE, "closing");
            return self.answer_now(now, id, Err(&failure));
        }
        // One that was given up does not begin to live.
        self.answer_now(now, id, Ok(&number(retained.len() as u64)))?;
        if stopped.is_some() {
            return Ok(());
        }
        self.subscriptions.insert(id, policy);
        let count = retained.len();
        retained.retain(|value| self.fits(id, value));
        let lost = (count - retained.len()) as u64;
        let queued = self.subscriptions.retain(id, retained);
        self.subscriptions.lag(id, lost);
        self.go_on(now, id, queued);
        Ok(())
    }

    fn deliver(&mut self, now: Instant, id: CallId, value: Publication) -> Result<(), Rejected> {
        self.subscriptions.get_mut(id).ok_or(Rejected::UnknownSubscription)?;
        let queued = self.put(id, value);
        self.go_on(now, id, queued);
        Ok(())
    }

    pub(crate) fn deliver_all(
        &mut self,
        now: Instant,
        id: CallId,
        values: &[Publication],
    ) -> Result<(), Rejected> {
        self.subscriptions.get_mut(id).ok_or(Rejected::UnknownSubscription)?;
        let moved = self.move_at_once(id, values);
        let queued = values[moved..].iter().try_for_each(|value| self.put(id, value.clone()));
        self.go_on(now, id, queued);
        Ok(())
    }

    fn put(&mut self, id: CallId, value: Publication) -> Result<(), Overflow> {
        if self.fits(id, &value) {
            return self.subscriptions.deliver(id, value);
        }
        self.subscriptions.lag(id, 1);
        Ok(())
    }

    /// Whether the peer takes a delivery in one frame.
    pub(super) fn fits(&self, id: CallId, value: &Publication) -> bool {
        delivery_len(id, value.encoded_len()) <= self.peer_max_frame as usize
    }

    /// Something was queued for a subscription, or its policy is to disconnect.
    fn go_on(&mut self, now: Instant, id: CallId, queued: Result<(), Overflow>) {
        if queued.is_err() {
            let text = "a subscription's queue is full";
            return self.fail_with(now, Failure::new(Status::RESOURCE_EXHAUSTED, text));
        }
        self.join_subscription(id);
        self.note_unsent(now);
    }

    fn end_subscription(
        &mut self,
        now: Instant,
        id: CallId,
        failure: &Failure,
    ) -> Result<(), Rejected> {
        if !self.forget_subscription(id) {
            return Err(Rejected::UnknownSubscription);
        }
        let error = failure.status;
        let frame = Frame::Failure { id, error, reason: cut(&failure.message), payload: &[] };
        let data = if self.is_unsent_full() { &Payload::null() } else { &failure.data };
        if self.push(now, &frame, Some(data), Counted::No).is_err() {
            // Without its data it fits the least max-frame.
            let _ = self.push(now, &frame, Some(&Payload::null()), Counted::No);
        }
        Ok(())
    }
}

/// A number as a payload.
fn number(number: u64) -> Payload {
    Payload::from_peer(uint(number).freeze())
}
