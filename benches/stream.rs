//! A stream of items from one connection to another in memory, with credit given back as items are used,
//! beside a bare copy and beside one-way messages; and a publication to 100 subscribers. Run with
//! `cargo bench --bench stream`.

mod common;

use std::sync::Arc;

use common::{candidate, table};
use switchboard::{
    CallId, Command, Config, Connection, ConnectionId, Event, Hello, Instant, Next, Options,
    Payload, Publication, Pump, Welcome,
};

const NOW: Instant = Instant::ZERO;

/// Moves what waits from one pump to the other.
fn carry(from: &mut Pump, to: &mut Pump) {
    loop {
        let mut chunks = [&[][..]; 4];
        let lent = from.chunks(&mut chunks);
        let mut moved = 0;
        for mut chunk in chunks[..lent].iter().copied() {
            while !chunk.is_empty() {
                let space = to.space();
                let count = space.len().min(chunk.len());
                space[..count].copy_from_slice(&chunk[..count]);
                to.filled(NOW, count);
                chunk = &chunk[count..];
                moved += count;
            }
        }
        if moved == 0 {
            return;
        }
        from.wrote(NOW, moved);
    }
}

fn next(pump: &mut Pump) -> Option<Event> {
    loop {
        match pump.next(NOW) {
            Next::Event(event) => return Some(event),
            Next::Yield => {}
            _ => return None,
        }
    }
}

/// A client and a server whose handshake is complete.
fn open() -> (Pump, Pump) {
    let mut config = Config::default();
    (config.takes_items, config.offers_topics) = (true, true);
    let config = Arc::new(config);
    let client = Connection::client(Arc::clone(&config), &Hello::new(), NOW).expect("short");
    let id = ConnectionId::new(1).expect("in range");
    let mut client = Pump::new(client);
    let mut server = Pump::new(Connection::server(config, id, NOW));
    carry(&mut client, &mut server);
    while next(&mut server).is_some() {}
    server.connection().accept(NOW, &Welcome::new()).expect("it said hello");
    carry(&mut server, &mut client);
    while next(&mut client).is_some() {}
    (client, server)
}

/// A call of the client that sends items.
fn streaming() -> (Pump, Pump, CallId) {
    let (mut client, mut server) = open();
    let options = Options::new().no_deadline().send_items();
    let call = client.connection().request(NOW, "c", &Payload::null(), &options, 0);
    carry(&mut client, &mut server);
    while next(&mut server).is_some() {}
    (client, server, call.expect("it is open"))
}

fn main() {
    for size in [64, 1024, 64 << 10] {
        let payload = Payload::bytes(&vec![7; size]);
        let (mut client, mut server, call) = streaming();
        let (mut sender, mut receiver) = open();
        table(
            &format!("items of {size} bytes"),
            1,
            vec![
                candidate("copy the bytes in, and out", || {
                    let came = bytes::Bytes::copy_from_slice(payload.as_cbor());
                    bytes::Bytes::copy_from_slice(&came)
                }),
                candidate("a message", || {
                    sender.connection().send(NOW, "c", &payload, &Options::new()).expect("room");
                    carry(&mut sender, &mut receiver);
                    next(&mut receiver).is_some()
                }),
                candidate("an item, and its credit", || {
                    client.connection().item(NOW, call, &payload).expect("credit");
                    carry(&mut client, &mut server);
                    while let Some(event) = next(&mut server) {
                        if let Event::Item { call, item } = event {
                            server.connection().taken(NOW, call, &item);
                        }
                    }
                    carry(&mut server, &mut client);
                    next(&mut client).is_some()
                }),
            ],
        );
    }

    let payload = Payload::bytes(&[7; 64]);
    let mut pairs: Vec<_> = (0..100).map(|_| open()).collect();
    let mut subscription = None;
    for (client, server) in &mut pairs {
        let call = client.connection().subscribe(NOW, "t", &Options::new(), 0).expect("open");
        carry(client, server);
        while next(server).is_some() {}
        let accept = Command::Subscribe { subscription: call, retained: vec![] };
        server.connection().apply(NOW, accept).expect("it was asked for");
        carry(server, client);
        while next(client).is_some() {}
        subscription = Some(call);
    }
    let subscription = subscription.expect("100 of them");
    let (mut sender, mut receiver) = open();
    table(
        "100 deliveries of 64 bytes",
        1,
        vec![
            candidate("100 messages on one connection", || {
                for _ in 0..100 {
                    sender.connection().send(NOW, "t", &payload, &Options::new()).expect("room");
                }
                carry(&mut sender, &mut receiver);
                while next(&mut receiver).is_some() {}
            }),
            candidate("a publication for 100 connections", || {
                let publication = Publication::new("t", &payload, &Options::new()).expect("good");
                for (client, server) in &mut pairs {
                    let publication = publication.clone();
                    let deliver = Command::Deliver { subscription, publication };
                    server.connection().apply(NOW, deliver).expect("live");
                    carry(server, client);
                    while next(client).is_some() {}
                }
            }),
        ],
    );
}
