//! A session and whatever serves it, joined by hand on a clock that the test sets: transports are opened,
//! refused and cut when the test says so.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use switchboard::{
    Backoff, CallId, CloseReason, Command, Config, Connection, ConnectionId, Event, Failure, Hello,
    Instant, Payload, Session, SessionNext, Status, Welcome,
};
use switchboard_testkit::{Side, words};

/// What the server does with what it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    /// How it greets: it accepts, unless it refuses with this, or says nothing at all.
    pub(crate) refuses: Option<(Status, Option<Duration>)>,
    pub(crate) silent: bool,
    /// Calls are answered at once; else they are kept in `asked`.
    pub(crate) answers: bool,
    /// Subscriptions are refused with this.
    pub(crate) subscriptions: Option<Status>,
    /// Or not answered, and kept in `wanted`.
    pub(crate) hesitates: bool,
    pub(crate) config: Arc<Config>,
}

impl Default for Manners {
    fn default() -> Self {
        let mut config = Config::default();
        config.offers_topics = true;
        Self {
            refuses: None,
            silent: false,
            answers: true,
            subscriptions: None,
            hesitates: false,
            config: Arc::new(config),
        }
    }
}

/// The session, and the server that it has now.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) session: Session,
    pub(crate) server: Option<Side>,
    pub(crate) manners: Manners,
    pub(crate) now: Instant,
    /// What the session told, in words: `- Ready` is a status, `-> connect` and `-> drop` are wishes.
    pub(crate) told: Vec<String>,
    /// The same as it came, for who looks closer.
    pub(crate) events: VecDeque<Event>,
    /// What the servers were told, in words.
    pub(crate) heard: Vec<String>,
    /// Both in their order, what servers were told behind `<`.
    pub(crate) log: Vec<String>,
    /// Calls and subscriptions that the present server has not answered.
    pub(crate) asked: VecDeque<CallId>,
    pub(crate) wanted: VecDeque<CallId>,
    /// Subscriptions that it has accepted.
    pub(crate) accepted: BTreeSet<CallId>,
    /// When the session is to be asked again.
    pub(crate) until: Option<Instant>,
    /// A transport is wanted.
    pub(crate) connecting: bool,
    pub(crate) done: Option<CloseReason>,
}

impl Host {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self::with(Arc::default(), backoff, 42)
    }

    pub(crate) fn with(config: Arc<Config>, backoff: Backoff, seed: u64) -> Self {
        let session = Session::new(config, Hello::new(), backoff, seed).expect("a short hello");
        Self {
            session,
            server: None,
            manners: Manners::default(),
            now: Instant::ZERO,
            told: Vec::new(),
            events: VecDeque::new(),
            heard: Vec::new(),
            log: Vec::new(),
            asked: VecDeque::new(),
            wanted: VecDeque::new(),
            accepted: BTreeSet::new(),
            until: None,
            connecting: false,
            done: None,
        }
    }

    /// One that is ready, with nothing told yet.
    pub(crate) fn ready(backoff: Backoff) -> Self {
        let mut host = Self::new(backoff);
        host.open();
        host.told.clear();
        host.events.clear();
        host
    }

    /// Asks the session until it waits.
    pub(crate) fn ask(&mut self) {
        for _ in 0..10_000 {
            match self.session.next(self.now) {
                SessionNext::Event(event) => {
                    self.tell(words::event(&event));
                    self.events.push_back(event);
                }
                SessionNext::Status(status) => {
                    assert_eq!(status, self.session.status(), "the status is the one told last");
                    self.tell(format!("- {status:?}"));
                }
                SessionNext::Connect => {
                    self.tell("-> connect".into());
                    self.connecting = true;
                }
                SessionNext::Wait { until } => {
                    self.until = until;
                    return self.is_later(until);
                }
                SessionNext::Io { until, .. } => {
                    self.until = until;
                    return self.is_later(until);
                }
                SessionNext::Yield => {}
                SessionNext::Shut => self.end_of_stream(),
                SessionNext::Drop => {
                    self.tell("-> drop".into());
                    self.end_of_stream();
                    self.server = None;
                }
                SessionNext::Done(reason) => {
                    self.end_of_stream();
                    (self.server, self.connecting, self.until) = (None, false, None);
                    return self.done = Some(reason);
                }
            }
        }
        panic!("the session never comes to rest: {:?}", self.told);
    }

    fn tell(&mut self, line: String) {
        self.log.push(line.clone());
        self.told.push(line);
    }

    fn is_later(&self, until: Option<Instant>) {
        assert!(until.is_none_or(|until| until > self.now), "what was due is still due");
    }

    fn end_of_stream(&mut self) {
        if let Some(server) = self.server.as_mut().filter(|server| server.done.is_none()) {
            server.now = self.now;
            server.end();
        }
    }

    /// Lets all bytes get to where they go.
    pub(crate) fn settle(&mut self) {
        self.ask();
        while self.carry() {
            self.ask();
        }
    }

    fn carry(&mut self) -> bool {
        let Some(server) = &mut self.server else { return false };
        server.now = self.now;
        server.run();
        let mut busy = false;
        loop {
            let mut chunks = [&[][..]; 4];
            let lent = self.session.chunks(&mut chunks);
            let bytes = chunks[..lent].concat();
            if bytes.is_empty() {
                break;
            }
            self.session.wrote(self.now, bytes.len());
            server.feed(&bytes);
            busy = true;
        }
        self.serve();
        let Some(server) = &mut self.server else { return true };
        let bytes = server.written();
        let ended = server.shut || server.done.is_some();
        busy |= !bytes.is_empty();
        self.feed(&bytes);
        if ended && self.session.connection().wants_input() {
            self.session.filled(self.now, 0);
            self.server = self.server.take().filter(|server| server.done.is_none());
            busy = true;
        }
        busy
    }

    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.session.space();
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.session.filled(self.now, count);
            bytes = &bytes[count..];
            self.ask();
        }
    }

    /// What the server does about its events.
    fn serve(&mut self) {
        let (now, manners) = (self.now, self.manners.clone());
        let Some(server) = &mut self.server else { return };
        for event in std::mem::take(&mut server.events) {
            let heard = words::event(&event);
            self.log.push(format!("< {heard}"));
            self.heard.push(heard);
            match event {
                Event::Hello(_) => match manners.refuses {
                    Some((status, after)) => {
                        let failure = Failure::new(status, "no");
                        server.connection().refuse(now, failure, after).expect("it waits");
                    }
                    None if manners.silent => {}
                    None => server.connection().accept(now, &Welcome::new()).expect("it waits"),
                },
                Event::Request { call, .. } if manners.answers => {
                    let _ = server.answer(call, Ok(&Payload::null()));
                }
                Event::Request { call, .. } => self.asked.push_back(call),
                Event::Publish { call: Some(call), .. } => {
                    let _ = server.connection().apply(now, Command::Published { call, count: 0 });
                }
                Event::Subscribe(wanted) => {
                    let subscription = wanted.subscription;
                    let command = match manners.subscriptions {
                        _ if manners.hesitates => {
                            self.wanted.push_back(subscription);
                            continue;
                        }
                        None => Command::Subscribe { subscription, retained: vec![] },
                        Some(status) => {
                            let failure = Failure::new(status, "not here");
                            Command::Refuse { call: subscription, failure }
                        }
                    };
                    if server.connection().apply(now, command).is_ok()
                        && manners.subscriptions.is_none()
                    {
                        self.accepted.insert(subscription);
                    }
                }
                Event::Cancelled { call, .. } if self.wanted.contains(&call) => {
                    self.wanted.retain(|wanted| *wanted != call);
                    let failure = Failure::new(Status::CANCELLED, "");
                    let _ = server.connection().apply(now, Command::Refuse { call, failure });
                }
                Event::Unsubscribe { subscription } => {
                    self.accepted.remove(&subscription);
                }
                _ => {}
            }
        }
        server.run();
    }

    pub(crate) fn new_server(&self) -> Side {
        let id = ConnectionId::new(7).expect("7 is in range");
        let connection = Connection::server(self.manners.config.clone(), id, self.now);
        let mut server = Side::new(connection);
        server.now = self.now;
        server
    }

    /// The transport that is wanted opens, and a server is at its end.
    pub(crate) fn open(&mut self) {
        self.ask();
        if std::mem::take(&mut self.connecting) {
            self.server = Some(self.new_server());
            (self.asked, self.wanted, self.accepted) = Default::default();
            self.session.connected(self.now);
        }
        self.settle();
    }

    /// The same, and of what the session writes only the `hello` has come yet.
    pub(crate) fn open_unwritten(&mut self) {
        self.ask();
        if std::mem::take(&mut self.connecting) {
            self.server = Some(self.new_server());
            (self.asked, self.wanted, self.accepted) = Default::default();
            self.session.connected(self.now);
        }
        self.ask();
        self.carry();
        self.ask();
    }

    /// It cannot be opened.
    pub(crate) fn fail(&mut self) {
        self.ask();
        if std::mem::take(&mut self.connecting) {
            let message = "nobody is there".into();
            self.session.failed(self.now, CloseReason::Unreachable { message });
        }
        self.settle();
    }

    /// The connection breaks.
    pub(crate) fn cut(&mut self) {
        if self.server.take().is_some() {
            self.session.write_failed(self.now);
            self.session.filled(self.now, 0);
        }
        self.settle();
    }

    /// The connection breaks when at most so many of the bytes that wait have come to the server.
    pub(crate) fn cut_within(&mut self, most: usize) {
        self.ask();
        if let Some(server) = &mut self.server {
            server.now = self.now;
            let mut chunks = [&[][..]; 8];
            let lent = self.session.chunks(&mut chunks);
            let mut bytes = chunks[..lent].concat();
            bytes.truncate(most);
            self.session.wrote(self.now, bytes.len());
            server.feed(&bytes);
        }
        self.serve();
        self.cut();
    }

    /// The server accepts the subscriptions that it has hesitated about.
    pub(crate) fn accept_wanted(&mut self) {
        let now = self.now;
        let Some(server) = &mut self.server else { return };
        server.now = now;
        for subscription in self.wanted.drain(..) {
            let accept = Command::Subscribe { subscription, retained: vec![] };
            if server.connection().apply(now, accept).is_ok() {
                self.accepted.insert(subscription);
            }
        }
        self.settle();
    }

    /// The connection breaks, and a new one opens as soon as it is wanted.
    pub(crate) fn come_back(&mut self) {
        self.cut();
        while !self.connecting {
            self.pass_to_next();
        }
        self.told.clear();
        self.heard.clear();
        self.events.clear();
        self.open();
    }

    /// The server closes gracefully.
    pub(crate) fn goodbye(&mut self, after: Option<Duration>) {
        let now = self.now;
        if let Some(server) = &mut self.server {
            server.now = now;
            server.connection().close(now, "bye", after);
        }
        self.settle();
    }

    /// Time passes; what is due on the way happens then.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let server = self.server.as_mut().and_then(|side| side.connection().poll_timeout());
            let next = [self.until, server.map(|(due, _)| due)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = next.max(self.now);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Time passes until the session acts by itself.
    pub(crate) fn pass_to_next(&mut self) -> Duration {
        self.settle();
        let until = self.until.expect("something is scheduled");
        let wait = until - self.now;
        self.now = until;
        self.settle();
        wait
    }

    pub(crate) fn told(&mut self) -> Vec<String> {
        self.settle();
        self.events.clear();
        std::mem::take(&mut self.told)
    }

    pub(crate) fn heard(&mut self) -> Vec<String> {
        self.settle();
        std::mem::take(&mut self.heard)
    }

    /// It has ended, and nothing ever happens again.
    pub(crate) fn is_over(&mut self) {
        self.settle();
        assert!(self.done.is_some(), "not done: {:?}", self.told);
        let told = self.told.len();
        self.pass(Duration::from_secs(100_000));
        assert_eq!(self.until, None, "something is scheduled after the end");
        assert_eq!(self.told[told..], [""; 0], "something is told after the end");
    }
}
