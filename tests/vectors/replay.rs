//! Plays one side of a conversation with a real connection on a virtual clock: feeds it what the other
//! side says, commands what an application would, and compares what it writes byte for byte.

use std::sync::Arc;
use std::time::Duration;

use switchboard::wire::{Frame, Settings};
use switchboard::{
    CallId, Command, Config, Connection, ConnectionId, Event, Failure, Hello, Instant, Item, Next,
    Options, Publication, Pump, Rejected, Status, Welcome, from_payload,
};

use crate::script::{Conversation, Line, Note, Role, Step};
use crate::tells;
use crate::wishes::{cbor, decode, delivery, headers, options};

/// One side at work.
struct Side {
    role: Role,
    pump: Pump,
    now: Instant,
    /// What it wrote and no line has claimed.
    wrote: Vec<u8>,
    events: Vec<Event>,
    /// The calls that it has cancelled or answered, and the subscriptions that it does not want.
    given_up: Vec<CallId>,
    /// Items that it has not used.
    items: Vec<(CallId, Item)>,
    /// Calls for a subscription, or about a publication, that it was asked.
    subscribes: Vec<CallId>,
    publishes: Vec<CallId>,
    /// What it delivers in the whole conversation, in order.
    deliveries: Vec<Publication>,
    /// It has asked to shut its write half.
    shut: bool,
    done: bool,
    /// It offers topics.
    offers: bool,
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
    let open = (counters.open_made, counters.open_served);
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
        let refuses = |reason: &str| {
            let mut own = conversation.lines().filter(|line| line.from == role);
            own.any(|line| line.notation.contains(reason))
        };
        config.takes_items = !refuses("takes no stream");
        config.offers_topics = !refuses("no topics here");
        let deliveries = conversation.lines().filter(|line| line.from == role).filter_map(delivery);
        let deliveries = deliveries.collect();
        let offers = config.offers_topics;
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
            items: Vec::new(),
            subscribes: Vec::new(),
            publishes: Vec::new(),
            deliveries,
            offers,
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
        match decode(line) {
            Frame::Cancel { id } | Frame::Response { id, .. } | Frame::Failure { id, .. } => {
                self.given_up.push(id);
            }
            Frame::Unsubscribe { subscription, .. } => self.given_up.push(subscription),
            _ => {}
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
            let frame = decode(line);
            let told = self.events.iter().any(|event| tells::brings(&frame, event));
            let quiet = tells::is_quiet(&frame, |id| self.given_up.contains(&id), self.offers);
            assert!(told || quiet, "{line}: not told, but {:?}", self.events);
        }
    }

    /// Does what there is to do but IO, and writes all.
    fn settle(&mut self) {
        loop {
            match self.pump.next(self.now) {
                Next::Event(event) => self.note(event),
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

    /// What happened, and what the application has to remember of it.
    fn note(&mut self, event: Event) {
        match &event {
            Event::Item { call, item } => self.items.push((*call, item.clone())),
            Event::Subscribe(wanted) => self.subscribes.push(wanted.subscription),
            Event::Publish { call: Some(call), .. } => self.publishes.push(*call),
            _ => {}
        }
        self.events.push(event);
    }

    /// Answers any call but a request, or ends a subscription; `None`: it is a request.
    fn answer_topics(
        &mut self,
        id: CallId,
        answer: Result<&[u8], Failure>,
    ) -> Option<Result<(), Rejected>> {
        let command = match answer {
            Ok(value) if self.subscribes.contains(&id) => {
                let count =
                    from_payload::<usize>(&cbor(value), &Default::default()).expect("a number");
                let retained = self.deliveries.drain(..count).collect();
                Command::Subscribe { subscription: id, retained }
            }
            Ok(value) if self.publishes.contains(&id) => {
                let count = from_payload(&cbor(value), &Default::default()).expect("a number");
                Command::Published { call: id, count }
            }
            Err(failure)
                if self.subscribes.contains(&id) && failure.status != Status::CANCELLED =>
            {
                Command::EndSubscription { subscription: id, failure }
            }
            Err(failure) if self.subscribes.contains(&id) => Command::Refuse { call: id, failure },
            _ => return None,
        };
        Some(self.pump.connection().apply(self.now, command))
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
        let topics = match decode(line) {
            Frame::Response { id, payload } => self.answer_topics(id, Ok(payload)),
            Frame::Failure { id, error, reason, .. } => {
                self.answer_topics(id, Err(Failure::new(error, reason)))
            }
            _ => None,
        };
        if let Some(done) = topics {
            return done.unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        let items = core::mem::take(&mut self.items);
        let connection = self.pump.connection();
        let done = match decode(line) {
            Frame::Item { id, payload } => connection.item(now, id, &cbor(payload)),
            Frame::End { id } => connection.end(now, id),
            Frame::Credit { id, .. } => {
                let used = items.iter().filter(|(call, _)| *call == id);
                used.for_each(|(call, item)| connection.taken(now, *call, item));
                Ok(())
            }
            Frame::Subscribe { pattern, .. } => {
                connection.subscribe(now, pattern, &options(line), 0).map(drop)
            }
            Frame::Unsubscribe { subscription, .. } => {
                connection.unsubscribe(now, subscription, &options(line), 0).map(drop)
            }
            Frame::Publish { id: None, topic, payload, .. } => {
                connection.publish(now, topic, &cbor(payload), &options(line))
            }
            Frame::Publish { topic, payload, .. } => {
                connection.publish_counted(now, topic, &cbor(payload), &options(line), 0).map(drop)
            }
            Frame::Delivery { subscription, .. } => {
                let publication = delivery(line).expect("it is one");
                connection.apply(now, Command::Deliver { subscription, publication })
            }
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
            Frame::Request { channel, payload, .. } => {
                connection.request(now, channel, &cbor(payload), &options(line), 0).map(drop)
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

/// Takes over what a connection of this crate would announce.
fn configure(config: &mut Config, settings: Settings) {
    config.max_frame = settings.max_frame;
    config.max_calls = settings.max_calls;
    // A window of 0 is none of this crate's.
    config.stream_window = settings.stream_window.max(1);
    config.keepalive = settings.keepalive;
    config.interfaces = settings.interfaces;
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
