//! `Side`: one end of a connection, driven by hand.

use core::time::Duration;
use std::sync::Arc;

use switchboard::{
    CallId, CloseReason, Config, Connection, ConnectionId, Event, Hello, Instant, Next, Options,
    Payload, Pump, Rejected, Welcome,
};

use super::{Chunking, Dice, HELLO, WELCOME, hex, words};

/// One end of a connection: a pump, and all that came out of it.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) pump: Pump,
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    /// Whether it asked to shut the write half.
    pub(crate) shut: bool,
    pub(crate) done: Option<CloseReason>,
    pub(crate) chunking: Chunking,
    /// Asks what is to be done at random moments, too.
    pub(crate) restless: Option<Dice>,
}

impl Side {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            pump: Pump::new(connection),
            now: Instant::ZERO,
            events: Vec::new(),
            shut: false,
            done: None,
            chunking: Chunking::Whole,
            restless: None,
        }
    }

    pub(crate) fn client(config: Arc<Config>) -> Self {
        let client = Connection::client(config, &Hello::new(), Instant::ZERO);
        Self::new(client.expect("an empty hello is short"))
    }

    pub(crate) fn server(config: Arc<Config>) -> Self {
        let id = ConnectionId::new(7).expect("7 is in range");
        Self::new(Connection::server(config, id, Instant::ZERO))
    }

    /// A side with these limits whose handshake is complete; nothing waits on it.
    pub(crate) fn open(client: bool, config: Arc<Config>) -> Self {
        let mut side = if client { Self::client(config) } else { Self::server(config) };
        side.feed(&hex(if client { WELCOME } else { HELLO }));
        if !client {
            side.accept();
        }
        side.written();
        side.events.clear();
        side
    }

    pub(crate) const fn connection(&mut self) -> &mut Connection {
        self.pump.connection()
    }

    pub(crate) fn accept(&mut self) {
        let now = self.now;
        self.connection().accept(now, &Welcome::new()).expect("hello was said");
    }

    pub(crate) fn send(&mut self, channel: &str, payload: &Payload) -> Result<(), Rejected> {
        let now = self.now;
        self.connection().send(now, channel, payload, &Options::new())
    }

    /// A call without a deadline; its token is its id.
    pub(crate) fn request(&mut self, channel: &str) -> Result<CallId, Rejected> {
        self.call(channel, &Payload::null(), &Options::new().no_deadline(), 0)
    }

    pub(crate) fn call(
        &mut self,
        channel: &str,
        payload: &Payload,
        options: &Options,
        token: u64,
    ) -> Result<CallId, Rejected> {
        let now = self.now;
        self.connection().request(now, channel, payload, options, token)
    }

    /// Answers with null.
    pub(crate) fn respond(&mut self, call: u64) -> Result<(), Rejected> {
        let (now, call) = (self.now, CallId::new(call).expect("an id"));
        self.connection().respond(now, call, Ok(&Payload::null()))
    }

    pub(crate) fn cancel(&mut self, call: u64) -> Result<(), Rejected> {
        let (now, call) = (self.now, CallId::new(call).expect("an id"));
        self.connection().cancel(now, call)
    }

    pub(crate) fn close(&mut self, message: &str) {
        let now = self.now;
        self.connection().close(now, message, None);
    }

    /// Asks for what is to be done until only IO is left.
    pub(crate) fn run(&mut self) {
        loop {
            self.fidget();
            match self.pump.next(self.now) {
                Next::Event(event) => self.events.push(event),
                Next::Shut => self.shut = true,
                Next::Yield => {}
                Next::Done(reason) => break self.done = Some(reason),
                Next::Io { .. } => break,
            }
        }
    }

    /// Looks at every output, in any order.
    fn fidget(&mut self) {
        let Some(dice) = &mut self.restless else { return };
        for _ in 0..dice.roll(4) {
            let connection = self.pump.connection();
            match dice.roll(4) {
                0 => drop(connection.poll_timeout()),
                1 => drop(connection.chunks(&mut [&[][..]; 3])),
                2 => self.shut |= connection.poll_shut(),
                _ => self.events.extend(connection.poll_event()),
            }
        }
    }

    /// Bytes of the peer come, in pieces.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.pump.space();
            let count = self.chunking.next(bytes.len().min(space.len()));
            space[..count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            self.pump.filled(self.now, count);
            self.run();
        }
    }

    /// The peer's end of the stream comes.
    pub(crate) fn end(&mut self) {
        self.pump.filled(self.now, 0);
        self.run();
    }

    /// Writes at most so many bytes.
    pub(crate) fn write(&mut self, most: usize) -> Vec<u8> {
        self.fidget();
        let mut slices = [&[][..]; 4];
        let lent = self.pump.chunks(&mut slices);
        let mut bytes = Vec::new();
        for slice in &slices[..lent] {
            let room = slice.len().min(most - bytes.len());
            bytes.extend_from_slice(&slice[..room]);
        }
        self.pump.wrote(self.now, bytes.len());
        self.run();
        bytes
    }

    /// Writes all that waits.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        self.run();
        let mut all = Vec::new();
        loop {
            let bytes = self.write(usize::MAX);
            if bytes.is_empty() {
                break all;
            }
            all.extend(bytes);
        }
    }

    /// What happened since the last question, in words.
    pub(crate) fn happened(&mut self) -> Vec<String> {
        self.run();
        self.events.drain(..).map(|event| words::event(&event)).collect()
    }

    /// What was written since the last question, in words.
    pub(crate) fn said(&mut self) -> Vec<String> {
        words::frames(&self.written())
    }

    /// Time passes; what was due on the way happens then.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        self.run();
        while let Some((due, _)) = self.connection().poll_timeout().filter(|(due, _)| *due <= until)
        {
            self.now = self.now.max(due);
            self.run();
        }
        self.now = until;
        self.run();
    }

    /// Carries what waits to the other side; whether anything did.
    pub(crate) fn deliver(&mut self, to: &mut Self) -> bool {
        let bytes = self.written();
        to.feed(&bytes);
        let over = self.shut || self.done.is_some();
        let news = over && to.done.is_none();
        if news {
            to.end();
        }
        !bytes.is_empty() || (news && to.done.is_some())
    }

    /// It is done, and nothing ever happens again.
    pub(crate) fn is_over(&mut self) {
        assert!(self.done.is_some(), "not done");
        assert_eq!(self.connection().poll_timeout(), None);
        assert_eq!(self.connection().unsent(), 0);
        self.wait(Duration::from_secs(1000));
        assert_eq!((self.happened(), self.said()), (vec![], vec![]));
    }
}
