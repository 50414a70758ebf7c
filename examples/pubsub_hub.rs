//! A whole pub/sub server in memory, on the core alone: a broker, a connection for each client, and a
//! loop that carries events in one direction and commands in the other. Prints what the clients get.
//!
//! Run it with `cargo run --example pubsub_hub`.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use switchboard::{
    Asked, Broker, Config, Connection, ConnectionId, Event, Failure, Hello, Instant, Next, Options,
    Owner, Policy, Pump, Status, Welcome, from_payload, to_payload,
};

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// Nothing here takes time; a program on sockets asks its clock each time.
const NOW: Instant = Instant::ZERO;

fn main() -> Done {
    let mut hub = Server::new();
    let celsius = hub.connect("thermometer")?;
    let display = hub.connect("display")?;
    let workers = [hub.connect("worker 1")?, hub.connect("worker 2")?];

    println!("- a value that is retained reaches those who come later");
    hub.publish(celsius, "rooms.kitchen.temperature", "21.5", &Options::new().retain())?;
    hub.publish(celsius, "rooms.cellar.temperature", "12.0", &Options::new().retain())?;
    let newest = Options::new().retained().policy(Policy::DropOldest);
    hub.client(display).subscribe(NOW, "rooms.*.temperature", &newest, 0)?;
    hub.run()?;
    hub.publish(celsius, "rooms.kitchen.temperature", "22.0", &Options::new().retain())?;

    println!("- the members of a group take turns");
    for worker in workers {
        hub.client(worker).subscribe(NOW, "jobs.>", &Options::new().group("workers"), 0)?;
    }
    hub.run()?;
    for job in ["wash", "dry", "fold"] {
        hub.publish(display, "jobs.laundry", job, &Options::new())?;
    }

    println!("- the program publishes, too, and says what is nobody's to hear");
    let fire =
        switchboard::Publication::new("alarms.fire", &to_payload("leave")?, &Options::new())?;
    println!("queued for {}", hub.broker.publish("", fire)?);
    hub.client(display).subscribe(NOW, "secrets.>", &Options::new(), 0)?;
    hub.run()?;

    println!("- whoever goes gets nothing more");
    hub.client(workers[0]).close(NOW, "that was all", None);
    hub.run()?;
    hub.publish(display, "jobs.laundry", "iron", &Options::new())?;
    Ok(())
}

/// What a program has that serves pub/sub. The clients are here only because all is in memory.
struct Server {
    broker: Broker,
    peers: BTreeMap<ConnectionId, Peer>,
}

struct Peer {
    name: &'static str,
    server: Pump,
    client: Pump,
}

impl Server {
    fn new() -> Self {
        Self { broker: Broker::default(), peers: BTreeMap::new() }
    }

    fn connect(&mut self, name: &'static str) -> Done<ConnectionId> {
        let id = ConnectionId::new(1 + self.peers.len() as u64).ok_or("too many")?;
        let mut config = Config::default();
        config.offers_topics = true;
        let server = Pump::new(Connection::server(Arc::new(config), id, NOW));
        let client = Connection::client(Arc::default(), &Hello::new(), NOW)?;
        self.peers.insert(id, Peer { name, server, client: Pump::new(client) });
        self.run()?;
        Ok(id)
    }

    fn client(&mut self, id: ConnectionId) -> &mut Connection {
        self.peers.get_mut(&id).expect("it is connected").client.connection()
    }

    fn publish(&mut self, by: ConnectionId, topic: &str, value: &str, how: &Options) -> Done {
        let value = to_payload(value)?;
        self.client(by).publish_counted(NOW, topic, &value, how, 0)?;
        self.run()
    }

    /// Carries bytes, events and commands until nothing is left.
    fn run(&mut self) -> Done {
        let mut busy = true;
        while busy {
            busy = self.step()?;
            // One thread has all the connections here. With one each, this goes to their inboxes.
            while let Some((to, command)) = self.broker.poll_command() {
                busy = true;
                let Some(peer) = self.peers.get_mut(&to) else { continue };
                // Refused if the client has gone on meanwhile, which harms nobody.
                let _ = peer.server.connection().apply(NOW, command);
            }
            for (id, peer) in &mut self.peers {
                self.broker.set_full(*id, peer.server.connection().is_crowded());
            }
        }
        Ok(())
    }

    /// Each connection's turn.
    fn step(&mut self) -> Done<bool> {
        let mut busy = false;
        for (id, Peer { name, server, client }) in &mut self.peers {
            busy |= carry(client, server) | carry(server, client);
            while let Next::Event(event) = server.next(NOW) {
                busy = true;
                serve(&mut self.broker, *id, server.connection(), event)?;
            }
            while let Next::Event(event) = client.next(NOW) {
                busy = true;
                show(name, event)?;
            }
        }
        Ok(busy)
    }
}

/// What the server does about an event of a connection.
fn serve(broker: &mut Broker, id: ConnectionId, connection: &mut Connection, event: Event) -> Done {
    if let Some(Err(failure)) = Asked::of(&event).map(|asked| check(&asked)) {
        broker.refuse(id, event, failure);
        return Ok(());
    }
    match broker.handle(id, event) {
        Some(Event::Hello(hello)) => {
            connection.accept(NOW, &Welcome::new())?;
            // The owner is the user whom the transport knows; scopes part programs that share a server.
            broker.join(id, Owner(1000), &hello.settings.scope);
        }
        // Calls and messages are handled here: this server has none.
        Some(Event::Request { call, request, .. }) => {
            let failure = switchboard::service::no_handler(request.channel());
            connection.respond(NOW, call, Err(&failure))?;
        }
        Some(_) | None => {}
    }
    Ok(())
}

/// The central check: who may ask for what. Here nobody hears secrets.
fn check(asked: &Asked<'_>) -> Result<(), Failure> {
    match asked {
        Asked::Subscribe { pattern, .. } if pattern.starts_with("secrets.") => {
            Err(Failure::new(Status::PERMISSION_DENIED, "nobody hears secrets"))
        }
        _ => Ok(()),
    }
}

/// What a client's program does about an event.
fn show(name: &str, event: Event) -> Done {
    match event {
        Event::Delivery { publication, .. } => {
            let value: String = from_payload(&publication.payload(), &Default::default())?;
            println!("{name}: {} is {value}", publication.topic());
        }
        Event::Lagged { dropped, .. } => println!("{name}: {dropped} missing"),
        Event::Answer { outcome: Err(error), .. } => println!("{name}: {error}"),
        Event::Closed(reason) => println!("{name}: {reason}"),
        _ => {}
    }
    Ok(())
}

/// Carries what waits from one pump to the other; whether there was anything.
fn carry(from: &mut Pump, to: &mut Pump) -> bool {
    let mut chunks = [&[][..]; 8];
    let lent = from.chunks(&mut chunks);
    let bytes = chunks[..lent].concat();
    from.wrote(NOW, bytes.len());
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let count = rest.len().min(to.space().len());
        to.space()[..count].copy_from_slice(&rest[..count]);
        to.filled(NOW, count);
        rest = &rest[count..];
    }
    !bytes.is_empty()
}
