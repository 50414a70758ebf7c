//! `Pair`: two sides joined in memory, on one virtual clock. Knows `Side`, `Line` and `Trace`.

use std::sync::Arc;
use std::time::Duration;

use switchboard::{Config, Instant};

use crate::clock::{self, Joined};
use crate::line::{self, Line};
use crate::{Link, Side, Trace};

/// A client and a server joined in memory, on one virtual clock that stands still unless a test lets
/// time pass.
///
/// A side's commands take effect at once; what they cause happens in [`step`](Self::step),
/// [`drive`](Self::drive) and [`drive_for`](Self::drive_for).
#[derive(Debug)]
pub struct Pair {
    /// The client's side.
    pub client: Side,
    /// The server's side.
    pub server: Side,
    /// What passed between them. It prints itself when the test fails.
    pub trace: Trace,
    line: Line,
}

impl Pair {
    /// A client and a server with these limits, before the handshake: the server has to
    /// [`accept`](Side::accept).
    #[must_use]
    pub fn new(client: Arc<Config>, server: Arc<Config>) -> Self {
        Self::join(Side::client(client), Side::server(server))
    }

    /// Both with default limits, the handshake complete.
    #[must_use]
    pub fn open() -> Self {
        Self::opened(Arc::default(), Arc::default())
    }

    /// Both with these limits, the handshake complete; nothing has happened yet, and the time is 0.
    #[must_use]
    pub fn opened(client: Arc<Config>, server: Arc<Config>) -> Self {
        let mut pair = Self::new(client, server);
        pair.drive();
        pair.server.accept();
        pair.drive();
        pair.client.events.clear();
        pair.server.events.clear();
        pair.trace.clear();
        pair
    }

    /// Joins any two sides, such as a client with a `hello` of its own and a server that serves.
    #[must_use]
    pub fn join(client: Side, server: Side) -> Self {
        let line = Line::new("client".into(), "server".into());
        Self { client, server, trace: Trace::default(), line }
    }

    /// What both directions are like from now on. Random pieces are others for each.
    pub fn set_links(&mut self, link: Link) {
        let (up, down) = line::both(link);
        self.set_link_to_server(up);
        self.set_link_to_client(down);
    }

    /// What the direction from the client to the server is like from now on.
    pub fn set_link_to_server(&mut self, link: Link) {
        self.line.up.set_link(link, &mut self.server);
    }

    /// What the direction from the server to the client is like from now on.
    pub fn set_link_to_client(&mut self, link: Link) {
        self.line.down.set_link(link, &mut self.client);
    }

    /// Breaks the connection now: what is under way is lost, and both sides notice at once.
    pub fn cut(&mut self) {
        let now = self.now();
        self.line.cut(&mut self.client, &mut self.server, now, &mut self.trace);
    }

    /// The time since the pair was made: that of the side whose clock is ahead, if a test has set one.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.client.now.max(self.server.now)
    }

    /// How many bytes are under way to the server: written, and not yet read there.
    #[must_use]
    pub const fn under_way_to_server(&self) -> usize {
        self.line.up.held()
    }

    /// How many bytes are under way to the client.
    #[must_use]
    pub const fn under_way_to_client(&self) -> usize {
        self.line.down.held()
    }

    /// Lets happen what can happen now, or else lets the clock jump to the earliest wake-up, a byte's
    /// arrival or a timer, and lets that happen. `false`: there is none.
    pub fn step(&mut self) -> bool {
        clock::step(self)
    }

    /// Lets happen what happens without a timer: until no byte is on its way any more. The clock jumps
    /// over the links' latency, and timers on the way run; otherwise it stands still. Bytes that
    /// their reader does not want to read stay under way.
    ///
    /// # Panics
    ///
    /// If it has not come to rest after 100,000 jumps of the clock, such as with handlers that answer
    /// each other for ever: use [`drive_for`](Self::drive_for) there.
    pub fn drive(&mut self) {
        clock::drive(self);
    }

    /// Time passes; whatever is due on the way happens when it is due.
    ///
    /// # Panics
    ///
    /// If there is no end of what happens at one point in time: 100,000 rounds.
    pub fn drive_for(&mut self, time: Duration) {
        clock::drive_for(self, time);
    }
}

impl Joined for Pair {
    fn now(&self) -> Instant {
        self.now()
    }

    fn set_now(&mut self, now: Instant) {
        (self.client.now, self.server.now) = (now, now);
    }

    fn carry(&mut self) -> bool {
        let now = self.now();
        self.set_now(now);
        self.line.carry(&mut self.client, &mut self.server, now, &mut self.trace)
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.line.next_arrival(self.now())
    }

    fn next_timer(&mut self) -> Option<Instant> {
        clock::timers([&mut self.client, &mut self.server])
    }
}
