//! `Side`: one end of a connection. In a [`Pair`](crate::Pair) or a [`Net`](crate::Net) it is driven
//! with its peer; alone it is driven by hand. Knows the core, `Chunking`, `Dice` and `words`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard::{
    CallId, CloseReason, Config, Connection, ConnectionId, Event, Failure, Hello, Instant, Options,
    Payload, Pump, Received, Rejected, Welcome,
};

use crate::{Chunking, Dice, words};

/// `hello` of a client that names no setting (`docs/protocol.md` section 2.3).
const HELLO: &[u8] = b"\0\0\0\x12\x85\0\x6bswitchboard\x81\x01\xa0\xf6";
/// `welcome` of a server that names no setting, to connection 7.
const WELCOME: &[u8] = b"\0\0\0\x06\x85\x01\x01\x07\xa0\xf6";

/// What a side does about its events; one that it returns is kept in [`Side::events`].
pub(crate) type Handler = Box<dyn FnMut(&mut Side, Event) -> Option<Event> + Send>;

/// One end of a connection: a pump, a clock, and all that came out of it.
///
/// In a `Pair` or `Net` its time, bytes and end of stream come from there, and a test commands it,
/// asks what happened, or gives it a handler. Alone it is driven by hand: [`feed`](Self::feed) and
/// [`end`](Self::end) are its peer, [`written`](Self::written) what the peer gets, and
/// [`wait`](Self::wait) lets time pass.
///
/// ```
/// use std::sync::Arc;
/// use switchboard_testkit::Side;
///
/// let mut server = Side::open(false, Arc::default());
/// server.feed(b"\0\0\0\x03\x82\x04\x05"); // a ping with token 5
/// assert_eq!(server.said(), ["pong 5"]);
/// ```
pub struct Side {
    /// What is driven.
    pub pump: Pump,
    /// What time it is: 0 at first. A test may set it, backwards, too.
    pub now: Instant,
    /// What happened and was neither handled nor asked for yet, in order.
    pub events: Vec<Event>,
    /// Whether it asked to shut the write half: its peer is at the end of the stream behind all that
    /// was written.
    pub shut: bool,
    /// Why it ended, once it has and its transport is dropped.
    pub done: Option<CloseReason>,
    /// In which pieces bytes come to it. Default: whole.
    pub chunking: Chunking,
    /// Looks at the outputs at random moments in random order, too, which must make no difference.
    /// Default: no.
    pub restless: Option<Dice>,
    pub(crate) handler: Option<Handler>,
    /// Answers that must wait until more is written.
    pub(crate) due: VecDeque<(CallId, Result<Payload, Failure>)>,
    /// Events that a `Net` has not seen yet, if it is part of one.
    pub(crate) fresh: Option<Vec<Event>>,
    /// Whether it wants to read: not while too many messages are untaken.
    pub(crate) reads: bool,
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side")
            .field("now", &self.now)
            .field("events", &self.events)
            .field("shut", &self.shut)
            .field("done", &self.done)
            .field("pump", &self.pump)
            .finish_non_exhaustive()
    }
}

impl Side {
    /// Drives this connection, which was made at time 0.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self {
            pump: Pump::new(connection),
            now: Instant::ZERO,
            events: Vec::new(),
            shut: false,
            done: None,
            chunking: Chunking::Whole,
            restless: None,
            handler: None,
            due: VecDeque::new(),
            fresh: None,
            reads: true,
        }
    }

    /// A client with these limits and an empty `hello`, which waits to be written.
    #[must_use]
    pub fn client(config: Arc<Config>) -> Self {
        let client = Connection::client(config, &Hello::new(), Instant::ZERO);
        // Cannot fail: an empty hello is short.
        Self::new(client.expect("an empty hello is short"))
    }

    /// A server with these limits, which waits for `hello`; its connection has number 7.
    #[must_use]
    pub fn server(config: Arc<Config>) -> Self {
        // Cannot fail: 7 is in range.
        let id = ConnectionId::new(7).expect("7 is in range");
        Self::new(Connection::server(config, id, Instant::ZERO))
    }

    /// A client or a server with these limits whose handshake is complete, to be driven by hand: its
    /// peer has every setting's default. Nothing waits on it.
    #[must_use]
    pub fn open(client: bool, config: Arc<Config>) -> Self {
        let mut side = if client { Self::client(config) } else { Self::server(config) };
        side.feed(if client { WELCOME } else { HELLO });
        if !client {
            side.accept();
        }
        side.written();
        side.events.clear();
        side
    }

    // What happens without the test.

    /// From now on this deals with each event, in order; one that it returns is kept in
    /// [`events`](Self::events) as if there were no handler. It may command the side.
    ///
    /// ```
    /// use switchboard::Event;
    /// use switchboard_testkit::Pair;
    ///
    /// let mut pair = Pair::open();
    /// pair.server.on_event(|side, event| match event {
    ///     Event::Request { call, request, .. } => {
    ///         side.answer(call, Ok(&request.into_payload())).ok();
    ///         None
    ///     }
    ///     other => Some(other),
    /// });
    /// pair.client.request("echo").unwrap();
    /// pair.drive();
    /// assert_eq!(pair.client.happened(), ["call 1 ended well"]);
    /// ```
    pub fn on_event(
        &mut self,
        handler: impl FnMut(&mut Self, Event) -> Option<Event> + Send + 'static,
    ) {
        self.handler = Some(Box::new(handler));
    }

    /// From now on this side accepts every `hello` and answers each call with what this makes of it;
    /// all other events are kept in [`events`](Self::events). Takes the place of another handler.
    pub fn serve(
        &mut self,
        mut answer: impl FnMut(Received) -> Result<Payload, Failure> + Send + 'static,
    ) {
        self.on_event(move |side, event| match event {
            Event::Hello(_) => {
                side.accept();
                None
            }
            Event::Request { call, request, .. } => {
                side.due.push_back((call, answer(request)));
                side.answer_due();
                None
            }
            other => Some(other),
        });
    }

    pub(crate) fn answer_due(&mut self) {
        while let Some((call, answer)) = self.due.pop_front() {
            // Any other failure means that nobody waits for the answer.
            if self.answer(call, answer.as_ref()) == Err(Rejected::Full) {
                return self.due.push_front((call, answer));
            }
        }
    }

    // Commands.

    /// The connection, for every command and question that has no short form here; `now` is
    /// [`Side::now`].
    pub const fn connection(&mut self) -> &mut Connection {
        self.pump.connection()
    }

    /// Server: accepts the client, with nothing to say.
    ///
    /// # Panics
    ///
    /// If no `hello` waits for an answer.
    pub fn accept(&mut self) {
        let now = self.now;
        self.connection().accept(now, &Welcome::new()).expect("a hello waits for an answer");
    }

    /// Sends a message without headers.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::send`].
    pub fn send(&mut self, channel: &str, payload: &Payload) -> Result<(), Rejected> {
        let now = self.now;
        self.connection().send(now, channel, payload, &Options::new())
    }

    /// Makes a call with null for its arguments, without a deadline, with token 0.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::request`].
    pub fn request(&mut self, channel: &str) -> Result<CallId, Rejected> {
        self.call(channel, &Payload::null(), &Options::new().no_deadline(), 0)
    }

    /// Makes a call; `token` comes back with its end.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::request`].
    pub fn call(
        &mut self,
        channel: &str,
        payload: &Payload,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        let now = self.now;
        self.connection().request(now, channel, payload, options, token)
    }

    /// Answers a call.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::respond`].
    pub fn answer(
        &mut self,
        call: CallId,
        answer: Result<&Payload, &Failure>,
    ) -> Result<(), Rejected> {
        let now = self.now;
        self.connection().respond(now, call, answer)
    }

    /// Answers the call with this number with null: a client's calls are 1, 3, 5 and so on, a
    /// server's 2, 4, 6.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::respond`].
    ///
    /// # Panics
    ///
    /// If the number is none of a call: 0, or above 2^53 - 1.
    pub fn respond(&mut self, call: u64) -> Result<(), Rejected> {
        self.answer(CallId::new(call).expect("a call's number"), Ok(&Payload::null()))
    }

    /// Gives up the call with this number.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::cancel`].
    ///
    /// # Panics
    ///
    /// If the number is none of a call: 0, or above 2^53 - 1.
    pub fn cancel(&mut self, call: u64) -> Result<(), Rejected> {
        let now = self.now;
        self.connection().cancel(now, CallId::new(call).expect("a call's number"))
    }

    /// Closes gracefully, without asking a client to come back.
    pub fn close(&mut self, message: &str) {
        let now = self.now;
        self.connection().close(now, message, None);
    }

    // Questions.

    /// What happened since the last question, in [words](words::event); takes it out of
    /// [`events`](Self::events).
    pub fn happened(&mut self) -> Vec<String> {
        self.run();
        self.events.drain(..).map(|event| words::event(&event)).collect()
    }

    /// What was written since the last question, in [words](words::frames); takes it out, so that in
    /// a `Pair` it does not reach the peer.
    pub fn said(&mut self) -> Vec<String> {
        words::frames(&self.written())
    }

    /// Asserts that it is done and that nothing ever happens again; 1,000 s pass for it.
    ///
    /// # Panics
    ///
    /// If it is not done, or something happens.
    pub fn is_over(&mut self) {
        assert!(self.done.is_some(), "not done");
        assert_eq!(self.connection().poll_timeout(), None);
        assert_eq!(self.connection().unsent(), 0);
        self.wait(Duration::from_secs(1000));
        assert_eq!((self.happened(), self.said()), (vec![], vec![]));
    }
}
