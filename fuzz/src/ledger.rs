//! `Ledger`: what one side commanded and was told. Each event is checked as it comes: every call ends
//! exactly once, its callee hears of it once, and `Event::Closed` comes once and last.

use std::collections::{BTreeMap, VecDeque};

use switchboard::{CallError, CallId, Event, Failure, Options, Payload, Rejected};
use switchboard_testkit::{Side, words};

use crate::script;

/// How a call of this side ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) call: CallId,
    pub(crate) outcome: Result<Payload, CallError>,
}

/// A call of the peer that is to be answered.
#[derive(Clone, Copy, Debug)]
struct Asked {
    call: CallId,
    size: usize,
    stopped: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Calls of this side in order; the index is the token.
    pub(crate) made: Vec<CallId>,
    /// How they ended, by number.
    pub(crate) ended: BTreeMap<u64, Ended>,
    /// Calls of the peer that are to be answered, in order.
    asked: VecDeque<Asked>,
    last_asked: u64,
    pub(crate) hello: bool,
    pub(crate) closed: bool,
    /// Pings that the application asked for.
    pings: VecDeque<u32>,
    /// All events in words, oldest first.
    pub(crate) told: Vec<String>,
    /// Payloads of requests and messages of the peer, in order: which it was.
    pub(crate) got: Vec<(Option<CallId>, Payload)>,
}

impl Ledger {
    /// Takes what happened; checks each event and what must hold between two.
    pub(crate) fn read(&mut self, side: &mut Side) {
        side.run();
        for event in std::mem::take(&mut side.events) {
            assert!(!self.closed, "{event:?} behind Closed");
            self.told.push(words::event(&event));
            self.take(event);
        }
        let now = side.now;
        let config = side.connection().config().clone();
        let due = side.connection().poll_timeout();
        assert!(due.is_none_or(|(due, _)| due > now), "what was due is still due: {due:?}");
        assert_eq!(side.done.is_some(), side.connection().closed().is_some());
        assert!(side.done.is_none() || self.closed, "done, and nobody was told");
        if side.connection().closed().is_none() && !self.closed {
            assert!(self.asked.len() <= config.max_calls as usize, "more calls than max-calls");
            let waiting: usize = self.asked.iter().map(|asked| asked.size).sum();
            assert!(waiting <= config.max_unanswered, "{waiting} B of requests wait");
        }
        let open = self.made.len() - self.ended.len();
        assert!(!self.closed || open == 0, "closed with {open} open calls");
        assert!(self.closed || open <= side.connection().counters().open_made);
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Hello(_) => assert!(!std::mem::replace(&mut self.hello, true), "hello twice"),
            Event::Welcome(_) | Event::Closing { .. } => {}
            Event::Message(message) => self.got.push((None, message.into_payload())),
            Event::Request { call, request, .. } => {
                assert!(call.number() > self.last_asked, "{call} came again or too late");
                self.last_asked = call.number();
                let payload = request.into_payload();
                self.asked.push_back(Asked { call, size: payload.len(), stopped: false });
                self.got.push((Some(call), payload));
            }
            Event::Cancelled { call, .. } => {
                let asked = self.asked.iter_mut().find(|asked| asked.call == call);
                let asked = asked.expect("only an unanswered call is stopped");
                assert!(!std::mem::replace(&mut asked.stopped, true), "{call} stopped twice");
            }
            Event::Answer { call, token, outcome } => {
                assert_eq!(self.made.get(token as usize), Some(&call), "not the token of {call}");
                let ended = self.ended.insert(call.number(), Ended { call, outcome });
                assert!(ended.is_none(), "{call} ended twice");
            }
            // Nobody here asks for streams, offers topics or subscribes.
            Event::Item { .. }
            | Event::End { .. }
            | Event::Room { .. }
            | Event::Subscribe(_)
            | Event::Unsubscribe { .. }
            | Event::Publish { .. }
            | Event::Delivery { .. }
            | Event::Lagged { .. }
            | Event::SubscriptionEnded { .. } => panic!("not asked for: {event:?}"),
            Event::Pong { token, .. } => {
                assert_eq!(self.pings.pop_front(), Some(token), "not the oldest ping");
            }
            Event::Closed(_) => self.closed = true,
        }
    }

    /// Makes a call, within a deadline if it is above 0.
    pub(crate) fn request(&mut self, side: &mut Side, payload: &Payload, deadline: u8) {
        let options = match deadline {
            0 => Options::new().no_deadline(),
            byte => Options::new().deadline(script::time(byte)),
        };
        let token = self.made.len() as u64;
        if let Ok(call) = side.call("c", payload, &options, token) {
            assert!(self.made.last().is_none_or(|last| *last < call), "ids ascend");
            self.made.push(call);
        }
        self.read(side);
    }

    /// Answers the newest or the oldest call that waits; which one it was.
    pub(crate) fn respond(
        &mut self,
        side: &mut Side,
        newest: bool,
        answer: Result<&Payload, &Failure>,
    ) -> Option<CallId> {
        let asked = if newest { self.asked.pop_back() } else { self.asked.pop_front() }?;
        let answered = side.answer(asked.call, answer);
        match answered {
            Err(Rejected::Full) if newest => self.asked.push_back(asked),
            Err(Rejected::Full) => self.asked.push_front(asked),
            Err(error) => assert!(self.closed && error == Rejected::UnknownCall, "{error}"),
            Ok(()) => assert_eq!(side.respond(asked.call.number()), Err(Rejected::UnknownCall)),
        }
        self.read(side);
        (answered.is_ok() && !asked.stopped).then_some(asked.call)
    }

    /// Gives up a call of this side: one that is open ends, another one is unknown.
    pub(crate) fn cancel(&mut self, side: &mut Side, which: u8) {
        let Some(call) = self.made.get(usize::from(which) % self.made.len().max(1)) else { return };
        let number = call.number();
        let open = !self.ended.contains_key(&number) && !self.closed;
        assert_eq!(side.cancel(number).is_ok(), open, "cancel {number}");
        self.read(side);
        assert!(self.ended.contains_key(&number), "given up, and not ended");
    }

    pub(crate) fn ping(&mut self, side: &mut Side, token: u8) {
        let now = side.now;
        if side.connection().ping(now, token.into()).is_ok() {
            self.pings.push_back(token.into());
        }
        self.read(side);
    }
}
