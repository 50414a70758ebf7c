//! Clients that subscribe, publish, stop reading, go and come, as generated operations say; and what each
//! of them must have been told in the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard::hub::Subscriber;
use switchboard::{
    CallError, CallId, Config, ConnectionId, Event, Options, Policy, Publication, from_payload,
    to_payload,
};
use switchboard_testkit::{Chunking, Link, Net};

use super::world::{Mark, World, mark};

const PATTERNS: [&str; 8] = ["a", "a.*", "a.>", ">", "*.b", "b", "*", "a.*.c"];
const TOPICS: [&str; 5] = ["a", "b", "a.b", "a.c", "a.b.c"];
/// Most clients at once.
const CLIENTS: usize = 4;

/// An operation: what, by whom, and two choices.
pub(crate) type Op = [u8; 4];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Delivery(Mark),
    Lagged(u64),
}

/// What a client knows of a subscription.
#[derive(Debug, Default)]
struct Seen {
    /// With how many retained values, once it was accepted.
    accepted: Option<u64>,
    told: Vec<Told>,
    /// It ended it, or gave up the call.
    left: bool,
    /// The server ended or refused it, or the connection went.
    ended: bool,
}

#[derive(Debug)]
struct Client {
    id: ConnectionId,
    subscriptions: BTreeMap<CallId, Seen>,
    newest: Option<CallId>,
    gone: bool,
}

#[derive(Debug)]
pub(crate) struct Play {
    net: Net,
    world: Arc<Mutex<World>>,
    /// Those that are connected, then those that were.
    clients: Vec<Client>,
    past: Vec<Client>,
    marks: Mark,
    /// The last mark of each publisher that each subscription got.
    last: BTreeMap<(Subscriber, u64), Mark>,
    publishers: BTreeMap<Mark, u64>,
}

impl Play {
    pub(crate) fn new() -> Self {
        let mut config = Config::default();
        config.offers_topics = true;
        config.max_deliveries = 4;
        config.max_delivery_bytes = 4 << 10;
        config.check().expect("a config that makes sense");
        let mut net = Net::with_config(Arc::new(config));
        net.trace.silence();
        let world: Arc<Mutex<World>> = Arc::default();
        let in_net = Arc::clone(&world);
        net.on_event(move |server, from, event| {
            in_net.lock().expect("no panic before").handle(server, from, event)
        });
        let mut play = Self {
            net,
            world,
            clients: Vec::new(),
            past: Vec::new(),
            marks: 0,
            last: BTreeMap::new(),
            publishers: BTreeMap::new(),
        };
        (0..3).for_each(|_| play.connect());
        play
    }

    pub(crate) fn run(&mut self, [what, by, a, b]: Op) {
        let by = usize::from(by) % self.clients.len();
        match what % 20 {
            0..=3 => self.subscribe(by, a, b),
            4 => self.unsubscribe(by, a),
            5 => self.give_up(by),
            6..=12 => self.publish(by, a, b),
            13 => self.publish_own(a, b),
            14 => {
                let link = match a % 4 {
                    0 | 1 => Link::new().window(0),
                    2 => Link::new(),
                    _ => Link::new()
                        .latency(Duration::from_millis(b.into()))
                        .chunking(Chunking::seeded(b.into())),
                };
                self.net.set_link_to_client(self.clients[by].id, link);
            }
            15 => {
                let link = Link::new().latency(Duration::from_millis(a.into()));
                self.net.set_link_to_server(self.clients[by].id, link);
            }
            16 => match a % 4 {
                0 => self.net.cut(self.clients[by].id),
                1 => self.net.client(self.clients[by].id).close("enough"),
                2 => {
                    let (world, server) = (Arc::clone(&self.world), &mut self.net.server);
                    world.lock().expect("no panic before").end_one(server, b.into());
                }
                _ => {}
            },
            17 if self.clients.len() < CLIENTS => self.connect(),
            18 => drop(self.net.step()),
            _ => self.drive(a % 4 == 0),
        }
        self.read();
    }

    /// Lets everything happen, then lets the server's commands lie about or not.
    fn drive(&mut self, lazy: bool) {
        let mut world = self.world.lock().expect("no panic before");
        world.carry(&mut self.net.server);
        world.lazy = lazy;
        drop(world);
        self.net.drive();
    }

    fn connect(&mut self) {
        let id = self.net.connect();
        let subscriptions = BTreeMap::new();
        self.clients.push(Client { id, subscriptions, newest: None, gone: false });
    }

    fn subscribe(&mut self, by: usize, a: u8, b: u8) {
        let mut options = Options::new().no_deadline();
        if let Some(policy) = Policy::new((b % 8).into()) {
            options = options.policy(policy);
        }
        options = match b >> 6 {
            0 => options.retained(),
            1 => options.group(if b & 32 == 0 { "g" } else { "h" }),
            _ => options,
        };
        let client = &mut self.clients[by];
        let side = self.net.client(client.id);
        let now = side.now;
        let pattern = PATTERNS[usize::from(a) % PATTERNS.len()];
        if let Ok(call) = side.connection().subscribe(now, pattern, &options, 1) {
            client.newest = Some(call);
            client.subscriptions.insert(call, Seen::default());
        }
    }

    fn unsubscribe(&mut self, by: usize, a: u8) {
        let client = &mut self.clients[by];
        let at = usize::from(a) % client.subscriptions.len().max(1);
        let Some((call, seen)) = client.subscriptions.iter_mut().nth(at) else { return };
        let side = self.net.client(client.id);
        let now = side.now;
        let options = Options::new().no_deadline();
        if side.connection().unsubscribe(now, *call, &options, 2).is_ok() {
            assert!(!seen.left && !seen.ended, "{call} had no life to end");
            seen.left = true;
        }
    }

    fn give_up(&mut self, by: usize) {
        let client = &mut self.clients[by];
        let Some(call) = client.newest.take() else { return };
        let side = self.net.client(client.id);
        let now = side.now;
        if side.connection().cancel(now, call).is_ok() {
            client.subscriptions.entry(call).or_default().left = true;
        }
    }

    /// What it is that is published next.
    fn value(&mut self, by: u64, b: u8) -> (switchboard::Payload, Options) {
        self.marks += 1;
        self.publishers.insert(self.marks, by);
        let filler = "x".repeat(if b & 128 == 0 { 0 } else { 1500 });
        let mut options = Options::new().no_deadline().echo(b & 4 == 0);
        options = match b % 4 {
            1 => options.retain(),
            2 => options.forget(),
            _ => options,
        };
        (to_payload(&(self.marks, filler)).expect("plain values"), options)
    }

    fn publish(&mut self, by: usize, a: u8, b: u8) {
        let id = self.clients[by].id;
        let (value, options) = self.value(id.number(), b);
        let topic = TOPICS[usize::from(a) % TOPICS.len()];
        let side = self.net.client(id);
        let now = side.now;
        // Refused if the client is closing or has too much to write.
        if b & 8 == 0 {
            let _ = side.connection().publish(now, topic, &value, &options);
        } else {
            let _ = side.connection().publish_counted(now, topic, &value, &options, 3);
        }
    }

    fn publish_own(&mut self, a: u8, b: u8) {
        let (value, options) = self.value(0, b);
        let topic = TOPICS[usize::from(a) % TOPICS.len()];
        let publication = Publication::new(topic, &value, &options).expect("good names");
        let (world, server) = (Arc::clone(&self.world), &mut self.net.server);
        world.lock().expect("no panic before").publish(server, publication);
    }

    /// Takes what the clients were told, and checks each word of it.
    fn read(&mut self) {
        let mut at = 0;
        while at < self.clients.len() {
            let side = self.net.client(self.clients[at].id);
            side.run();
            for event in std::mem::take(&mut side.events) {
                self.take(at, event);
            }
            if self.clients[at].gone && self.clients.len() > 1 {
                let client = self.clients.remove(at);
                self.past.push(client);
            } else {
                at += 1;
            }
        }
    }

    fn take(&mut self, at: usize, event: Event) {
        let world = Arc::clone(&self.world);
        let client = &mut self.clients[at];
        assert!(!client.gone, "{event:?} behind the end");
        let counted =
            |call| world.lock().expect("no panic").counted.get(&(client.id, call)).copied();
        match event {
            Event::Answer { call, token: 1, outcome } => {
                let seen = client.subscriptions.get_mut(&call).expect("it was asked for");
                match outcome {
                    Ok(count) => {
                        assert!(seen.accepted.is_none() && !seen.left);
                        let count = from_payload(&count, &Default::default());
                        seen.accepted = Some(count.expect("a count"));
                    }
                    Err(CallError::Cancelled(_)) => assert!(seen.left),
                    Err(_) => seen.ended = true,
                }
            }
            Event::Answer { call, token: 3, outcome: Ok(count) } => {
                let count = from_payload::<u64>(&count, &Default::default());
                assert_eq!(count.ok(), counted(call), "{call}");
            }
            Event::Delivery { subscription, publication } => {
                let mark = mark(&publication);
                let who = Subscriber { connection: client.id, subscription };
                let seen = client.subscriptions.get_mut(&subscription).expect("it was asked for");
                assert!(seen.accepted.is_some() && !seen.left && !seen.ended, "{subscription}");
                // What is retained may be older than what came before.
                let retained = publication.retain() == Some(true);
                let publisher = self.publishers[&mark];
                let last = self.last.insert((who, publisher), mark);
                assert!(retained || last.is_none_or(|last| last < mark), "out of order");
                seen.told.push(Told::Delivery(mark));
            }
            Event::Lagged { subscription, dropped } => {
                let seen = client.subscriptions.get_mut(&subscription).expect("it was asked for");
                assert!(seen.accepted.is_some() && !seen.left && !seen.ended, "{subscription}");
                assert!(dropped > 0);
                seen.told.push(Told::Lagged(dropped));
            }
            Event::SubscriptionEnded { subscription, .. } => {
                let seen = client.subscriptions.get_mut(&subscription).expect("it was asked for");
                assert!(!seen.left && !std::mem::replace(&mut seen.ended, true));
            }
            Event::Closed(_) => client.gone = true,
            _ => {}
        }
    }

    /// Everybody reads again; what each subscription was due is what came and what was said to be missing.
    pub(crate) fn end(mut self) {
        for client in &self.clients {
            self.net.set_links(client.id, Link::new());
        }
        self.drive(false);
        self.net.drive_for(Duration::from_secs(30));
        self.read();
        let world = self.world.lock().expect("no panic before");
        for client in self.clients.iter().chain(&self.past) {
            for (subscription, seen) in &client.subscriptions {
                let who = Subscriber { connection: client.id, subscription: *subscription };
                let due = world.due.get(&who).map_or(&[][..], |due| due);
                let mut at = 0;
                for told in &seen.told {
                    match told {
                        Told::Delivery(mark) => {
                            assert_eq!(due.get(at), Some(mark), "{who:?}: {seen:?} of {due:?}");
                            at += 1;
                        }
                        Told::Lagged(count) => at += *count as usize,
                    }
                }
                assert!(at <= due.len(), "{who:?}: {seen:?} of {due:?}");
                if let Some(count) = seen.accepted {
                    assert_eq!(Some(&count), world.first.get(&who), "{who:?}");
                }
                let live = !client.gone && seen.accepted.is_some() && !seen.left && !seen.ended;
                assert!(!live || at == due.len(), "a loss that was not told: {seen:?} of {due:?}");
                assert_eq!(live, world.is_live(who), "{who:?}: {seen:?}");
            }
        }
        let connections = self.clients.iter().chain(&self.past).map(|client| client.id);
        drop(world);
        for id in connections.collect::<Vec<_>>() {
            self.net.cut(id);
        }
        self.net.drive();
        let world = self.world.lock().expect("no panic before");
        for client in self.clients.iter().chain(&self.past) {
            assert_eq!(world.broker.subscriptions(client.id).count(), 0);
        }
    }
}
