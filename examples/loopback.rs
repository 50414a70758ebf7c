//! Two state machines in one function: a client and a server that talk without any IO. Prints every
//! frame that passes and every event that it causes.
//!
//! Run it with `cargo run --example loopback`.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchboard::service::no_handler;
use switchboard::wire::{Decoder, Frame};
use switchboard::{
    Config, Connection, ConnectionId, Event, Hello, Instant, Next, Options, Pump, Welcome,
    from_payload, to_payload,
};

fn main() -> Result<(), Box<dyn Error>> {
    let config = Arc::new(Config::default());
    let id = ConnectionId::new(1).ok_or("1 is an id")?;
    let mut now = Instant::ZERO;
    let hello = Hello::new().payload(to_payload("let me in")?);
    let mut client = Pump::new(Connection::client(Arc::clone(&config), &hello, now)?);
    let mut server = Pump::new(Connection::server(config, id, now));

    // Whoever drives a pump carries bytes until neither side has any left.
    let mut busy = true;
    while busy {
        busy = false;
        now = now + Duration::from_micros(10);
        while let Next::Event(event) = client.next(now) {
            client_event(&mut client, now, event)?;
            busy = true;
        }
        busy |= carry("client", &mut client, &mut server, now)?;
        while let Next::Event(event) = server.next(now) {
            server_event(&mut server, now, event)?;
            busy = true;
        }
        busy |= carry("server", &mut server, &mut client, now)?;
    }
    Ok(())
}

/// What the client's program does: two calls, then it closes.
fn client_event(pump: &mut Pump, now: Instant, event: Event) -> Result<(), Box<dyn Error>> {
    let connection = pump.connection();
    match event {
        Event::Welcome(welcome) => {
            println!("client: welcome, this is connection {}", welcome.connection);
            connection.send(now, "log", &to_payload("hello")?, &Options::new())?;
            connection.request(now, "add", &to_payload(&(1, 2))?, &Options::new(), 1)?;
            connection.request(now, "divide", &to_payload(&(1, 0))?, &Options::new(), 2)?;
        }
        Event::Answer { token, outcome: Ok(value), .. } => {
            let sum: u64 = from_payload(&value, &connection.config().payload)?;
            println!("client: call {token} gave {sum}");
        }
        Event::Answer { token, outcome: Err(error), .. } => {
            println!("client: call {token} failed: {error}");
            connection.close(now, "that was all", None);
        }
        Event::Closed(reason) => println!("client: {reason}"),
        other => println!("client: {other:?}"),
    }
    Ok(())
}

/// What the server's program does: it lets everybody in and can add.
fn server_event(pump: &mut Pump, now: Instant, event: Event) -> Result<(), Box<dyn Error>> {
    let connection = pump.connection();
    let limits = connection.config().payload;
    match event {
        Event::Hello(hello) => {
            let words: String = from_payload(&hello.payload, &limits)?;
            println!("server: a client says {words:?}");
            connection.accept(now, &Welcome::new())?;
        }
        Event::Message(message) => println!("server: message on {:?}", message.channel()),
        Event::Request { call, request, .. } if request.channel() == "add" => {
            let (a, b): (u64, u64) = from_payload(&request.into_payload(), &limits)?;
            connection.respond(now, call, Ok(&to_payload(&(a + b))?))?;
        }
        Event::Request { call, request, .. } => {
            connection.respond(now, call, Err(&no_handler(request.channel())))?;
        }
        Event::Closed(reason) => println!("server: {reason}"),
        other => println!("server: {other:?}"),
    }
    Ok(())
}

/// Carries what waits from one pump to the other, and prints the frames in it; whether there was
/// anything.
fn carry(name: &str, from: &mut Pump, to: &mut Pump, now: Instant) -> Result<bool, Box<dyn Error>> {
    if let Next::Shut | Next::Done(_) = from.next(now) {
        to.filled(now, 0);
        return Ok(false);
    }
    let mut chunks = [&[][..]; 8];
    let lent = from.chunks(&mut chunks);
    let bytes = Bytes::from(chunks[..lent].concat());
    from.wrote(now, bytes.len());
    let mut tap = Decoder::new(u32::MAX);
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let count = rest.len().min(to.space().len());
        to.space()[..count].copy_from_slice(&rest[..count]);
        to.filled(now, count);
        tap.space()[..count].copy_from_slice(&rest[..count]);
        tap.filled(count);
        rest = &rest[count..];
    }
    while let Some(frame) = tap.peek()? {
        let length = frame.len();
        let kind = Frame::decode(frame)?.kind().name();
        println!("  {name} > {kind:<9} {:02x?}", &tap.take_tail(length)[..]);
    }
    Ok(!bytes.is_empty())
}
