//! P8: what a match costs among 1 to 1,000,000 subscriptions, and what a frame costs among 1 to 10,000
//! connections. Run with `cargo bench --bench growth`.

mod common;

use std::sync::Arc;

use common::{candidate, table};
use switchboard::hub::{Hub, Subscriber};
use switchboard::{
    Broker, BrokerLimits, CallId, Config, Connection, ConnectionId, Event, Hello, Instant, Next,
    Options, Owner, Payload, Publication, Pump, Subscribe, Welcome,
};

const NOW: Instant = Instant::ZERO;

fn main() {
    matches();
    stars();
    deliveries();
    frames();
}

fn who(number: u64) -> Subscriber {
    Subscriber {
        connection: ConnectionId::new(number % 1000).expect("a number"),
        subscription: CallId::new(number + 1).expect("an id"),
    }
}

/// So many devices, each with a subscription; every hundredth has a wildcard.
fn hub(count: u64) -> Hub<()> {
    let mut hub = Hub::new();
    for number in 0..count {
        let pattern = match number % 100 {
            99 => format!("device.{number}.*"),
            _ => format!("device.{number}.temperature"),
        };
        hub.subscribe(who(number), "", &pattern, None);
    }
    hub
}

/// Topics of devices far from each other, so that no cache has what the next one needs.
fn topics(count: u64) -> Vec<String> {
    let number = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count;
    (0..4096).map(|at| format!("device.{}.temperature", number(at))).collect()
}

fn matches() {
    let counts = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];
    let names = ["1", "10", "100", "1,000", "10,000", "100,000", "1,000,000"];
    let mut hubs: Vec<_> = counts.iter().map(|count| (hub(*count), topics(*count))).collect();
    for (title, mask) in [("a match, of any topic", 4095), ("a match, of the same topic", 0)] {
        let candidates = hubs.iter_mut().zip(names).map(|((hub, topics), name)| {
            let (mut at, mut to) = (0, Vec::new());
            candidate(name, move || {
                at = (at + 1) & mask;
                to.clear();
                hub.route("", &topics[at], None, &mut to);
                assert_eq!(to.len(), 1);
            })
        });
        table(&format!("{title}, among so many subscriptions"), 1, candidates.collect());
    }
}

/// What one owner can do to a match with all the subscriptions that it may have: each star makes the
/// search go two ways, and none of the patterns fits in the end.
fn stars() {
    let hubs = [1u32, 4096].map(|count| {
        let mut hub: Hub<()> = Hub::new();
        hub.subscribe(who(0), "", &["a"; 16].join("."), None);
        for bits in 0..count {
            let tokens = (0..12).map(|at| if bits & (1 << at) == 0 { "a" } else { "*" });
            let pattern = tokens.chain(["a", "a", "a", "z"]).collect::<Vec<_>>().join(".");
            hub.subscribe(who(u64::from(bits) + 1), "", &pattern, None);
        }
        hub
    });
    let topic = ["a"; 16].join(".");
    let candidates =
        hubs.into_iter().zip(["one pattern without a star", "4,096 with up to 12 stars"]);
    let candidates = candidates.map(|(mut hub, name)| {
        let (mut to, topic) = (Vec::new(), topic.clone());
        candidate(name, move || {
            to.clear();
            hub.route("", &topic, None, &mut to);
            assert_eq!(to.len(), 1);
        })
    });
    table(
        "a match, among patterns that are chosen to be searched in vain",
        1,
        candidates.collect(),
    );
}

/// Ten thousand deliveries, decided and polled, of more or fewer publications.
fn deliveries() {
    const DELIVERIES: usize = 10_000;
    let publication = Publication::new("a.b", &Payload::bytes(&[7; 64]), &Options::new());
    let publication = publication.expect("good names");
    let candidates = [(1, "to 1 subscriber each"), (100, "to 100"), (10_000, "to 10,000")];
    let candidates = candidates.into_iter().map(|(subscribers, name)| {
        let mut limits = BrokerLimits::default();
        limits.owner_subscriptions = subscribers;
        let mut broker = Broker::new(limits);
        for number in 0..subscribers as u64 {
            let Subscriber { connection, subscription } = who(number);
            if number < 1000 {
                broker.join(connection, Owner(0), "");
            }
            let asked = Subscribe::new(subscription, "a.*");
            broker.handle(connection, Event::Subscribe(Box::new(asked)));
        }
        while broker.poll_command().is_some() {}
        let publication = publication.clone();
        candidate(name, move || {
            for _ in 0..DELIVERIES / subscribers {
                let count = broker.publish("", publication.clone()).expect("it is not retained");
                assert_eq!(count, subscribers as u64);
                while broker.poll_command().is_some() {}
            }
        })
    });
    table("10,000 deliveries, decided and polled", 1, candidates.collect());
}

/// A client's pump and a server's, whose handshake is complete.
fn open(config: &Arc<Config>, number: u64) -> (Pump, Pump) {
    let client = Connection::client(Arc::clone(config), &Hello::new(), NOW).expect("short");
    let id = ConnectionId::new(number).expect("a number");
    let server = Connection::server(Arc::clone(config), id, NOW);
    let (mut client, mut server) = (Pump::new(client), Pump::new(server));
    carry(&mut client, &mut server);
    next_event(&mut server);
    server.connection().accept(NOW, &Welcome::new()).expect("it said hello");
    carry(&mut server, &mut client);
    next_event(&mut client);
    (client, server)
}

fn carry(from: &mut Pump, to: &mut Pump) {
    let mut chunks = [&[][..]; 4];
    let lent = from.chunks(&mut chunks);
    let mut moved = 0;
    for mut chunk in chunks[..lent].iter().copied() {
        moved += chunk.len();
        while !chunk.is_empty() {
            let space = to.space();
            let (now, later) = chunk.split_at(chunk.len().min(space.len()));
            space[..now.len()].copy_from_slice(now);
            to.filled(NOW, now.len());
            chunk = later;
        }
    }
    from.wrote(NOW, moved);
}

fn next_event(pump: &mut Pump) -> Option<Event> {
    match pump.next(NOW) {
        Next::Event(event) => Some(event),
        _ => None,
    }
}

fn frames() {
    let config = Arc::default();
    let (payload, options) = (Payload::bytes(&[7; 64]), Options::new());
    let counts = [1usize, 10, 100, 1000, 10_000];
    let names = ["1", "10", "100", "1,000", "10,000"];
    let pairs = |count: usize| (1..=count as u64).map(|number| open(&config, number)).collect();
    let mut nets: Vec<Vec<_>> = counts.iter().map(|count| pairs(*count)).collect();
    let candidates = nets.iter_mut().zip(names).map(|(pairs, name)| {
        let (mut turn, options, payload) = (0, &options, &payload);
        candidate(name, move || {
            // Sixteen messages a turn, as a busy connection brings them; the next turn is another's.
            turn = (turn + 7919) % pairs.len();
            let (client, server) = &mut pairs[turn];
            for _ in 0..16 {
                client.connection().send(NOW, "log", payload, options).expect("room");
            }
            carry(client, server);
            let mut came = 0;
            while next_event(server).is_some() {
                came += 1;
            }
            assert_eq!(came, 16);
        })
    });
    table("sixteen messages, among so many connections", 1, candidates.collect());
}
