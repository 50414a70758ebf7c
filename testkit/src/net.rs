//! `Net`: a server with any number of clients, joined in memory on one virtual clock. Knows `Side`,
//! `Line` and `Trace`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard::{Config, Connection, ConnectionId, Event, Instant, Welcome};

use crate::clock::{self, Joined};
use crate::line::{self, Line};
use crate::{Link, Side, Trace};

/// What a server does about the events of its connections.
type Handler = Box<dyn FnMut(&mut Server, ConnectionId, Event) -> Option<Event> + Send>;

/// A server with any number of clients, each with a connection of its own, on one virtual clock.
///
/// ```
/// use switchboard::Event;
/// use switchboard_testkit::Net;
///
/// // A server that hands each message on to every other client.
/// let mut net = Net::new();
/// net.on_event(|server, from, event| {
///     let Event::Message(message) = event else { return Some(event) };
///     let (channel, payload) = (message.channel().to_owned(), message.into_payload());
///     for id in server.ids().filter(|id| *id != from).collect::<Vec<_>>() {
///         server.side(id).send(&channel, &payload).ok();
///     }
///     None
/// });
/// let (anna, bert) = (net.connect(), net.connect());
/// net.client(anna).send("news", &switchboard::Payload::null()).unwrap();
/// net.drive();
/// assert_eq!(net.client(bert).happened(), ["message news of 1 B"]);
/// assert!(net.client(anna).happened().is_empty());
/// ```
pub struct Net {
    /// The server.
    pub server: Server,
    /// What passed between all of them. It prints itself when the test fails.
    pub trace: Trace,
    clients: Vec<Side>,
    lines: Vec<Line>,
    handler: Option<Handler>,
    now: Instant,
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("now", &self.now)
            .field("clients", &self.clients)
            .field("server", &self.server)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

/// The server of a [`Net`]: a side for each connection.
#[derive(Debug)]
pub struct Server {
    config: Arc<Config>,
    sides: Vec<Side>,
}

impl Server {
    /// Its connections, those that have ended, too: numbers 1, 2 and so on, in the order in which the
    /// clients came.
    pub fn ids(&self) -> impl Iterator<Item = ConnectionId> + use<> {
        (1..=self.sides.len() as u64).filter_map(ConnectionId::new)
    }

    /// The server's side of a connection.
    ///
    /// # Panics
    ///
    /// If there is none with this number.
    pub fn side(&mut self, id: ConnectionId) -> &mut Side {
        &mut self.sides[index(id)]
    }
}

/// Where a connection stands in each list.
fn index(id: ConnectionId) -> usize {
    // Number 0 is none, and is found nowhere.
    usize::try_from(id.number()).unwrap_or(usize::MAX).wrapping_sub(1)
}

impl Default for Net {
    fn default() -> Self {
        Self::with_config(Arc::default())
    }
}

impl Net {
    /// A server with default limits, and no client yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A server with these limits for each connection, and no client yet.
    #[must_use]
    pub fn with_config(server: Arc<Config>) -> Self {
        Self {
            server: Server { config: server, sides: Vec::new() },
            trace: Trace::default(),
            clients: Vec::new(),
            lines: Vec::new(),
            handler: None,
            now: Instant::ZERO,
        }
    }

    /// From now on this deals with the events of all the server's connections, in order; one that it
    /// returns is kept in the [`events`](Side::events) of that connection's side. It may command any
    /// of them. A `hello` that it returns is accepted.
    pub fn on_event(
        &mut self,
        handler: impl FnMut(&mut Server, ConnectionId, Event) -> Option<Event> + Send + 'static,
    ) {
        self.handler = Some(Box::new(handler));
    }

    /// A client with default limits comes and is accepted; its connection's number.
    pub fn connect(&mut self) -> ConnectionId {
        // Cannot fail: an empty hello is short.
        let client = Connection::client(Arc::default(), &Default::default(), self.now);
        let id = self.join(client.expect("an empty hello is short"));
        self.drive();
        let index = index(id);
        let welcome = |event: &Event| !matches!(event, Event::Welcome(_));
        self.clients[index].events.retain(welcome);
        id
    }

    /// Any client comes, to be driven from its `hello` on; its connection's number. Its time must be
    /// [`now`](Self::now).
    pub fn join(&mut self, client: Connection) -> ConnectionId {
        let number = self.clients.len() + 1;
        // Cannot fail: nobody has 2^53 clients in memory.
        let id = ConnectionId::new(number as u64).expect("a number of a connection");
        let server = Connection::server(Arc::clone(&self.server.config), id, self.now);
        let (mut client, mut server) = (Side::new(client), Side::new(server));
        (client.now, server.now) = (self.now, self.now);
        server.fresh = Some(Vec::new());
        self.clients.push(client);
        self.server.sides.push(server);
        self.lines.push(Line::new(format!("client {number}"), format!("server {number}")));
        id
    }

    /// The client's side of a connection.
    ///
    /// # Panics
    ///
    /// If there is none with this number.
    pub fn client(&mut self, id: ConnectionId) -> &mut Side {
        &mut self.clients[index(id)]
    }

    /// What both directions of a connection are like from now on.
    ///
    /// # Panics
    ///
    /// If there is none with this number.
    pub fn set_links(&mut self, id: ConnectionId, link: Link) {
        let (up, down) = line::both(link);
        self.set_link_to_server(id, up);
        self.set_link_to_client(id, down);
    }

    /// What the direction from this client to the server is like from now on.
    ///
    /// # Panics
    ///
    /// If there is no connection with this number.
    pub fn set_link_to_server(&mut self, id: ConnectionId, link: Link) {
        self.lines[index(id)].up.set_link(link, &mut self.server.sides[index(id)]);
    }

    /// What the direction from the server to this client is like from now on.
    ///
    /// # Panics
    ///
    /// If there is no connection with this number.
    pub fn set_link_to_client(&mut self, id: ConnectionId, link: Link) {
        self.lines[index(id)].down.set_link(link, &mut self.clients[index(id)]);
    }

    /// Breaks a connection now: what is under way is lost, and both its sides notice at once.
    ///
    /// # Panics
    ///
    /// If there is none with this number.
    pub fn cut(&mut self, id: ConnectionId) {
        let at = index(id);
        let (client, server) = (&mut self.clients[at], &mut self.server.sides[at]);
        self.lines[at].cut(client, server, self.now, &mut self.trace);
    }

    /// The time since the net was made.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// As [`Pair::step`](crate::Pair::step).
    pub fn step(&mut self) -> bool {
        clock::step(self)
    }

    /// As [`Pair::drive`](crate::Pair::drive).
    ///
    /// # Panics
    ///
    /// If it never comes to rest: use [`drive_for`](Self::drive_for) there.
    pub fn drive(&mut self) {
        clock::drive(self);
    }

    /// As [`Pair::drive_for`](crate::Pair::drive_for).
    ///
    /// # Panics
    ///
    /// If there is no end of what happens at one point in time.
    pub fn drive_for(&mut self, time: Duration) {
        clock::drive_for(self, time);
    }

    /// Gives the handler what happened at the server; whether anything did.
    fn tell(&mut self) -> bool {
        let mut busy = false;
        for id in self.server.ids() {
            self.server.side(id).run();
            let fresh = self.server.side(id).fresh.replace(Vec::new());
            for event in fresh.into_iter().flatten() {
                busy = true;
                let kept = match &mut self.handler {
                    Some(handler) => handler(&mut self.server, id, event),
                    None => Some(event),
                };
                let side = self.server.side(id);
                if let Some(Event::Hello(_)) = kept {
                    let now = side.now;
                    // Fails only if the handler has answered, or the client has gone.
                    let _ = side.connection().accept(now, &Welcome::new());
                } else {
                    side.events.extend(kept);
                }
            }
        }
        busy
    }
}

impl Joined for Net {
    fn now(&self) -> Instant {
        self.now
    }

    fn set_now(&mut self, now: Instant) {
        self.now = now;
        for side in self.clients.iter_mut().chain(&mut self.server.sides) {
            side.now = now;
        }
    }

    fn carry(&mut self) -> bool {
        let mut busy = self.tell();
        let sides = self.clients.iter_mut().zip(&mut self.server.sides);
        for (line, (client, server)) in self.lines.iter_mut().zip(sides) {
            busy |= line.carry(client, server, self.now, &mut self.trace);
        }
        busy
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.lines.iter().filter_map(|line| line.next_arrival(self.now)).min()
    }

    fn next_timer(&mut self) -> Option<Instant> {
        clock::timers(self.clients.iter_mut().chain(&mut self.server.sides))
    }
}
