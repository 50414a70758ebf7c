//! A loop of one's own: the protocol over a blocking stream with the core alone, no adapter. A client and
//! a server that send each other more than the system buffers, and neither waits for the other to read.
//!
//! A blocking stream needs a thread for each direction, so that the loop itself never blocks: while it
//! cannot write it must go on reading, and deadlines must pass. `mio_loop.rs` does it with one thread and
//! streams that do not block. Run it with `cargo run --example hand_written_loop`.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant as Clock};

use switchboard::{
    CloseReason, Config, Connection, ConnectionId, Event, Hello, Instant, Next, Options, Pump,
    Welcome, from_payload, to_payload,
};

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What the threads of a stream tell the loop.
enum Told {
    /// Bytes that came; none is the end.
    Read(Vec<u8>),
    /// Whether the last piece could be written.
    Wrote(bool),
}

/// Reads once for each number it gets, at most so many bytes.
fn reader(mut stream: TcpStream, tell: Sender<Told>) -> Sender<usize> {
    let (ask, asked) = mpsc::channel();
    thread::spawn(move || {
        for most in asked {
            let mut bytes = vec![0; most];
            let count = loop {
                match stream.read(&mut bytes) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => break result.unwrap_or(0),
                }
            };
            bytes.truncate(count);
            let _ = tell.send(Told::Read(bytes));
        }
    });
    ask
}

/// Writes each piece it gets; an empty one shuts the write half.
fn writer(mut stream: TcpStream, tell: Sender<Told>) -> Sender<Vec<u8>> {
    let (ask, asked) = mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        for piece in asked {
            if piece.is_empty() {
                // The peer may have gone already, which is no harm.
                let _ = stream.shutdown(Shutdown::Write);
            } else {
                let _ = tell.send(Told::Wrote(stream.write_all(&piece).is_ok()));
            }
        }
    });
    ask
}

/// The whole loop: asks the pump what to do and does it, until the connection has ended.
fn drive(
    mut pump: Pump,
    stream: &TcpStream,
    mut handle: impl FnMut(&mut Connection, Instant, Event) -> Done<()>,
) -> Done<CloseReason> {
    let origin = Clock::now();
    let now = || Instant::from(origin.elapsed());
    let (tell, told) = mpsc::channel();
    let reader = reader(stream.try_clone()?, tell.clone());
    let writer = writer(stream.try_clone()?, tell);
    let (mut reading, mut writing) = (false, false);
    loop {
        let (read, write, until) = match pump.next(now()) {
            Next::Event(event) => {
                handle(pump.connection(), now(), event)?;
                continue;
            }
            // This loop has no other connection to turn to.
            Next::Yield => continue,
            Next::Shut => {
                writer.send(Vec::new())?;
                continue;
            }
            Next::Done(reason) => return Ok(reason),
            Next::Io { read, write, until } => (read, write, until),
        };
        if write && !writing {
            let mut chunk = [&[][..]; 1];
            pump.chunks(&mut chunk);
            let piece = chunk[0][..chunk[0].len().min(64 << 10)].to_vec();
            let count = piece.len();
            writer.send(piece)?;
            // For the pump it is written: the thread is one more buffer on the way, of one piece.
            pump.wrote(now(), count);
            writing = true;
            continue;
        }
        if read && !reading {
            reader.send(pump.space().len())?;
            reading = true;
        }
        let left = until.map_or(Duration::MAX, |until| until - now());
        match told.recv_timeout(left) {
            Ok(Told::Read(bytes)) => {
                reading = false;
                if bytes.is_empty() {
                    pump.filled(now(), 0);
                }
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let count = rest.read(pump.space())?;
                    pump.filled(now(), count);
                }
            }
            Ok(Told::Wrote(true)) => writing = false,
            // It stays `writing`: nothing more can be written.
            Ok(Told::Wrote(false)) => pump.write_failed(now()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("a thread of the stream died".into()),
        }
    }
}

/// Room for all that waits to be written here.
fn config() -> Arc<Config> {
    let mut config = Config::default();
    config.max_unsent = 64 << 20;
    Arc::new(config)
}

fn serve(stream: &TcpStream) -> Done<CloseReason> {
    let id = ConnectionId::new(1).ok_or("1 is an id")?;
    let pump = Pump::new(Connection::server(config(), id, Instant::ZERO));
    drive(pump, stream, |connection, now, event| {
        match event {
            Event::Hello(_) => connection.accept(now, &Welcome::new())?,
            Event::Request { call, request, .. } => {
                let limits = connection.config().payload;
                let text: String = from_payload(&request.into_payload(), &limits)?;
                connection.respond(now, call, Ok(&to_payload(&text.to_uppercase())?))?;
            }
            _ => {}
        }
        Ok(())
    })
}

fn call(stream: &TcpStream) -> Done<CloseReason> {
    let connection = Connection::client(config(), &Hello::new(), Instant::ZERO)?;
    let mut open = 8;
    drive(Pump::new(connection), stream, |connection, now, event| {
        match event {
            Event::Welcome(_) => {
                // All at once: the answers to the first ones meet the last ones on their way.
                let text = to_payload(&"hello".repeat(800_000))?;
                for tag in 0..open {
                    connection.request(now, "upper", &text, &Options::new(), tag)?;
                }
            }
            Event::Answer { outcome, .. } => {
                let answer: String = from_payload(&outcome?, &connection.config().payload)?;
                println!("the server says {}... ({} bytes)", &answer[..5], answer.len());
                open -= 1;
                if open == 0 {
                    connection.close(now, "done", None);
                }
            }
            _ => {}
        }
        Ok(())
    })
}

fn main() -> Done<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (served, _) = listener.accept()?;
    let server = thread::spawn(move || {
        let reason = serve(&served);
        // Wakes the threads of the stream, whatever they wait for.
        let _ = served.shutdown(Shutdown::Both);
        reason
    });
    let reason = call(&client);
    let _ = client.shutdown(Shutdown::Both);
    println!("client: {}", reason?);
    println!("server: {}", server.join().map_err(|_| "the server panicked")??);
    Ok(())
}
