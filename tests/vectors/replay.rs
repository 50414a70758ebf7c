//! Plays one side of a conversation with a real connection on a virtual clock: feeds it what the other
//! side says, commands what an application would, and compares what it writes byte for byte.

use std::sync::Arc;
use std::time::Duration;

use switchboard::wire::{Frame, Settings};
use switchboard::{
    CallId, CloseReason, Config, Connection, ConnectionId, Event, Failure, Headers, Hello, Instant,
    Next, Options, Payload, Pump, Welcome,
};

use crate::script::{Conversation, Line, Note, Role, Step};

/// One side at work.
struct Side {
    role: Role,
    pump: Pump,
    now: Instant,
    /// What it wrote and no line has claimed.
    wrote: Vec<u8>,
    events: Vec<Event>,
    /// The calls that it has cancelled.
    given_up: Vec<CallId>,
    /// It has asked to shut its write half.
    shut: bool,
    done: bool,
    /// In which pieces bytes arrive.
    piece: usize,
}

/// Plays `role`; panics at the first difference.
pub(crate) fn run(conversation: &Conversation, role: Role, piece: usize) {
    let title = &conversation.title;
    let mut side = Side::new(conversation, role, piece);
    let mut steps = conversation.steps.iter();
    while let Some(step) = steps.next() {
        match step {
            Step::Line(line) => side.line(line),
            Step::Pass(time, of) if of.is_none_or(|of| of == role) => side.pass(*time),
            Step::Pass(..) => {}
            Step::Cross(count) => {
                let lines: Vec<&Line> = (0..*count)
                    .map(|_| match steps.next() {
                        Some(Step::Line(line)) => line,
                        _ => panic!("{title}: {count} lines are to cross"),
                    })
                    .collect();
                let (ours, theirs): (Vec<&Line>, _) =
                    lines.into_iter().partition(|line| line.from == role);
                ours.into_iter().chain(theirs).for_each(|line| side.line(line));
            }
            Step::End => side.end(title),
        }
    }
    assert!(side.wrote.is_empty(), "{title}: {role:?} says more: {:02x?}", side.wrote);
    let counters = side.pump.connection().counters();
    let open = (counters.calls_made, counters.calls_served);
    assert_eq!(open, (0, 0), "{title}: {role:?} has calls open");
}

impl Side {
    fn new(conversation: &Conversation, role: Role, piece: usize) -> Self {
        let mut id = ConnectionId::new(1).expect("an id");
        let mut config = Config::default();
        let mut hello = Hello::new();
        for line in conversation.lines().filter(|line| line.kind().is_some()) {
            match decode(line) {
                Frame::Hello { settings, payload, .. } if role == Role::Client => {
                    hello = Hello::new().payload(cbor(payload)).scope(&settings.scope);
                    configure(&mut config, settings);
                    break;
                }
                Frame::Welcome { connection, settings, .. } if role == Role::Server => {
                    id = connection;
                    configure(&mut config, settings);
                    break;
                }
                _ => {}
            }
        }
        config.check().expect("settings that make sense");
        let (config, now) = (Arc::new(config), Instant::ZERO);
        let connection = match role {
            Role::Client => Connection::client(config, &hello, now).expect("a short hello"),
            Role::Server => Connection::server(config, id, now),
        };
        Self {
            role,
            pump: Pump::new(connection),
            now,
            wrote: Vec::new(),
            events: Vec::new(),
            given_up: Vec::new(),
            shut: false,
            done: false,
            piece,
        }
    }

    fn line(&mut self, line: &Line) {
        if line.from != self.role {
            return self.hear(line);
        }
        // The client's hello is said when the connection is made.
        if line.note != Note::ByItself && line.kind() != Some(0) {
            assert!(self.wrote.is_empty(), "before {line}, {:02x?} is said", self.wrote);
            self.command(line);
        }
        self.settle();
        let (said, more) = self.wrote.split_at(line.bytes.len().min(self.wrote.len()));
        assert_eq!(said, line.bytes, "{line}\n  said: {said:02x?}\n  line: {:02x?}", line.bytes);
        self.wrote = more.to_vec();
        if let Frame::Cancel { id } = decode(line) {
            self.given_up.push(id);
        }
    }

    /// What the other side says arrives; what must be told of it is told.
    fn hear(&mut self, line: &Line) {
        self.settle();
        self.events.clear();
        let mut bytes = &line.bytes[..];
        while !bytes.is_empty() && !self.done {
            let space = self.pump.space();
            let count = self.piece.min(bytes.len()).min(space.len());
            space[..count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            self.pump.filled(self.now, count);
            self.settle();
        }
        // What ends the connection or is refused by itself is not told; an answer to a call that was
        // given up neither.
        if line.kind().is_some() && !self.done && !self.shut && self.wrote.is_empty() {
            let told =
                self.events.iter().any(|event| self.tells(event, &decode(line)) == Some(true));
            let quiet = self.tells(&Event::Closed(CloseReason::Lost), &decode(line)).is_none();
            assert!(told || quiet, "{line}: not told, but {:?}", self.events);
        }
    }

    /// Whether the event is what the frame brings about; `None` if it brings about none.
    fn tells(&self, event: &Event, frame: &Frame<'_>) -> Option<bool> {
        Some(match (frame, event) {
            (Frame::Hello { payload, .. }, Event::Hello(hello)) => {
                hello.payload.as_cbor() == *payload
            }
            (Frame::Welcome { payload, .. }, Event::Welcome(welcome)) => {
                welcome.payload.as_cbor() == *payload
            }
            (Frame::Message { channel, payload, .. }, Event::Message(message)) => {
                message.channel() == *channel
                    && message.clone().into_payload().as_cbor() == *payload
            }
            (Frame::Request { id, channel, payload, .. }, Event::Request { call, request, .. }) => {
                (call, request.channel()) == (id, channel)
                    && request.clone().into_payload().as_cbor() == *payload
            }
            (Frame::Response { id, payload }, Event::Answer { call, outcome: Ok(value), .. }) => {
                call == id && value.as_cbor() == *payload
            }
            (
                Frame::Failure { id, error, .. },
                Event::Answer { call, outcome: Err(failed), .. },
            ) => call == id && failed.status() == *error,
            (Frame::Pong { token: of }, Event::Pong { token, .. }) => token == of,
            (Frame::Cancel { id }, Event::Cancelled { call, .. }) => call == id,
            (Frame::Message { channel: "", .. }, _) => return None,
            (Frame::Response { id, .. } | Frame::Failure { id, .. }, _)
                if self.given_up.contains(id) =>
            {
                return None;
            }
            (
                Frame::Hello { .. }
                | Frame::Welcome { .. }
                | Frame::Message { .. }
                | Frame::Request { .. }
                | Frame::Response { .. }
                | Frame::Failure { .. },
                _,
            ) => false,
            _ => return None,
        })
    }

    /// Does what there is to do but IO, and writes all.
    fn settle(&mut self) {
        loop {
            match self.pump.next(self.now) {
                Next::Event(event) => self.events.push(event),
                Next::Yield => {}
                Next::Shut => self.shut = true,
                Next::Done(_) => return self.done = true,
                Next::Io { write: false, .. } => return,
                Next::Io { .. } => {
                    let mut slices = [&[][..]; 4];
                    let lent = self.pump.chunks(&mut slices);
                    let bytes = slices[..lent].concat();
                    self.pump.wrote(self.now, bytes.len());
                    self.wrote.extend(bytes);
                }
            }
        }
    }

    /// Time passes; what is due on the way happens then.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.settle();
        while let Some((due, _)) =
            self.pump.connection().poll_timeout().filter(|(due, _)| *due <= until)
        {
            self.now = self.now.max(due);
            self.settle();
        }
        self.now = until;
    }

    /// All is said, and the other side's end of stream is the end.
    fn end(&mut self, title: &str) {
        self.settle();
        assert!(self.shut || self.done, "{title}: {:?} goes on", self.role);
        self.pump.filled(self.now, 0);
        self.settle();
        assert!(self.done, "{title}: {:?} does not end", self.role);
    }

    /// What the application asks for, so that `line` is said.
    fn command(&mut self, line: &Line) {
        let now = self.now;
        let connection = self.pump.connection();
        let done = match decode(line) {
            Frame::Welcome { payload, .. } => {
                connection.accept(now, &Welcome::new().payload(cbor(payload)))
            }
            Frame::Reject { error, reason, reconnect_after_ms, payload, .. } => {
                let failure = Failure::new(error, reason).with_data(cbor(payload));
                connection.refuse(now, failure, milliseconds(reconnect_after_ms))
            }
            Frame::Goodbye { error: None, reason, reconnect_after_ms } => {
                connection.close(now, reason, milliseconds(reconnect_after_ms));
                Ok(())
            }
            Frame::Ping { token } => connection.ping(now, token),
            Frame::Message { channel, payload, .. } => {
                let options = Options::new().headers(headers(line));
                connection.send(now, channel, &cbor(payload), &options)
            }
            Frame::Request { channel, headers: map, payload, .. } => {
                let options = Options::new().headers(headers(line));
                let options = match map.deadline {
                    Some(ms) => options.deadline(Duration::from_millis(ms)),
                    None => options.no_deadline(),
                };
                connection.request(now, channel, &cbor(payload), &options, 0).map(drop)
            }
            Frame::Response { id, payload } => connection.respond(now, id, Ok(&cbor(payload))),
            Frame::Failure { id, error, reason, payload } => {
                let failure = Failure::new(error, reason).with_data(cbor(payload));
                connection.respond(now, id, Err(&failure))
            }
            Frame::Cancel { id } => connection.cancel(now, id),
            _ => panic!("{line}: nothing that an application asks for"),
        };
        done.unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

fn decode(line: &Line) -> Frame<'_> {
    Frame::decode(&line.bytes[4..]).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Takes over what a connection of this crate would announce.
fn configure(config: &mut Config, settings: Settings) {
    config.max_frame = settings.max_frame;
    config.max_calls = settings.max_calls;
    config.keepalive = settings.keepalive;
    config.interfaces = settings.interfaces;
}

/// The application's headers, from the notation: texts.
fn headers(line: &Line) -> Headers {
    let start = line.notation.find('{').expect("a header map");
    let end = line.notation.find('}').expect("its end");
    let mut headers = Headers::new();
    for entry in line.notation[start + 1..end].split(", ") {
        if let Some((name, text)) = entry.strip_prefix('"').and_then(|e| e.split_once("\": \"")) {
            headers.insert(name, text.trim_end_matches('"')).expect("few headers");
        }
    }
    headers
}

fn cbor(bytes: &[u8]) -> Payload {
    Payload::from_cbor(bytes.to_vec()).expect("a good payload")
}

fn milliseconds(number: Option<u64>) -> Option<Duration> {
    number.map(Duration::from_millis)
}

pub(crate) const fn payload_of<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    match frame {
        Frame::Hello { payload, .. }
        | Frame::Welcome { payload, .. }
        | Frame::Reject { payload, .. }
        | Frame::Message { payload, .. }
        | Frame::Request { payload, .. }
        | Frame::Response { payload, .. }
        | Frame::Failure { payload, .. }
        | Frame::Item { payload, .. }
        | Frame::Publish { payload, .. }
        | Frame::Delivery { payload, .. } => Some(payload),
        _ => None,
    }
}
