//! The core in an event loop over `mio`: a server and three clients in one thread. Nothing blocks but
//! the poll, and deadlines are its timeout. Run it with `cargo run --example mio_loop`.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant as Clock};
use switchboard::{
    Config, Connection, ConnectionId, Event, Failure, Hello, Instant, Next, Options, Pump, Welcome,
    from_payload, to_payload,
};

const CLIENTS: usize = 3;
type Done<T> = Result<T, Box<dyn std::error::Error>>;

/// One end of a connection.
struct Peer {
    name: String,
    pump: Pump,
    stream: TcpStream,
    until: Option<Instant>, // When to ask it again, even if nothing comes.
    over: bool,
}

/// What a read or write came to; `None`: it would block. 0: there will be no further one.
fn came_to(result: std::io::Result<usize>) -> Option<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        result => Some(result.unwrap_or(0)),
    }
}

impl Peer {
    fn new(poll: &Poll, at: usize, of: Connection, mut stream: TcpStream) -> Done<Self> {
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(at), both)?;
        let name = format!("{} {at}", if of.id().is_some() { "server" } else { "client" });
        Ok(Self { name, pump: Pump::new(of), stream, until: None, over: false })
    }

    /// Does all that can be done now. `mio` tells of changes only: so go on until both would block.
    fn turn(&mut self, now: Instant) -> Done<()> {
        self.until = loop {
            match self.pump.next(now) {
                Next::Event(event) => self.handle(now, event)?,
                Next::Shut => drop(self.stream.shutdown(std::net::Shutdown::Write)),
                Next::Yield => break Some(now), // The others first; the poll will not wait.
                Next::Done(reason) => {
                    println!("{}: {reason}", self.name);
                    self.over = true;
                    break None;
                }
                Next::Io { read, write, until } => {
                    let mut chunk = [&[][..]; 1];
                    self.pump.chunks(&mut chunk);
                    let wrote = write.then(|| came_to(self.stream.write(chunk[0]))).flatten();
                    match wrote {
                        Some(0) => self.pump.write_failed(now),
                        wrote => self.pump.wrote(now, wrote.unwrap_or(0)),
                    }
                    let came = read.then(|| came_to(self.stream.read(self.pump.space()))).flatten();
                    match (wrote, came) {
                        (None, None) => break until,
                        (_, None) => {}
                        (_, Some(count)) => self.pump.filled(now, count),
                    }
                }
            }
        };
        Ok(())
    }

    /// The application: the server answers "echo" and never "sleep", a client calls both.
    fn handle(&mut self, now: Instant, event: Event) -> Done<()> {
        let (link, name) = (self.pump.connection(), &self.name);
        match event {
            Event::Hello(_) => link.accept(now, &Welcome::new())?,
            Event::Request { call, request, .. } if request.channel() == "echo" => {
                link.respond(now, call, Ok(&request.into_payload()))?;
            }
            Event::Cancelled { call, status } => {
                link.respond(now, call, Err(&Failure::new(status, "overslept")))?;
            }
            Event::Welcome(_) => {
                let soon = Options::new().deadline(Duration::from_millis(100));
                link.request(now, "echo", &to_payload("hello")?, &Options::new(), 0)?;
                link.request(now, "sleep", &to_payload(&())?, &soon, 0)?;
            }
            Event::Answer { outcome: Ok(value), .. } => {
                println!("{name}: {}", from_payload::<String>(&value, &link.config().payload)?);
            }
            Event::Answer { outcome: Err(error), .. } => {
                println!("{name}: {error}");
                link.close(now, "done", None);
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Done<()> {
    let (origin, config) = (Clock::now(), std::sync::Arc::new(Config::default()));
    let now = || Instant::from(origin.elapsed());
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(64));
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    poll.registry().register(&mut listener, Token(usize::MAX), Interest::READABLE)?;
    let mut peers = Vec::new();
    for number in 0..CLIENTS {
        let client = Connection::client(config.clone(), &Hello::new(), now())?;
        peers.push(Peer::new(&poll, number, client, TcpStream::connect(listener.local_addr()?)?)?);
    }
    while peers.len() < 2 * CLIENTS || peers.iter().any(|peer| !peer.over) {
        let until = peers.iter().filter_map(|peer| peer.until).min();
        poll.poll(&mut events, until.map(|until| until - now()))?;
        while let Ok((stream, _)) = listener.accept() {
            let id = ConnectionId::new(peers.len() as u64).ok_or("too many connections")?;
            let server = Connection::server(config.clone(), id, now());
            peers.push(Peer::new(&poll, peers.len(), server, stream)?);
        }
        for (at, peer) in peers.iter_mut().enumerate().filter(|(_, peer)| !peer.over) {
            let due = peer.until.is_some_and(|until| until <= now());
            if due || events.iter().any(|event| event.token() == Token(at)) {
                peer.turn(now())?;
            }
        }
    }
    Ok(())
}
