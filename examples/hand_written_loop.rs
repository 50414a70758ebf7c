//! A loop of one's own: the protocol over a blocking stream with the core alone, no adapter. A client and
//! a server on two threads; any `Read + Write` with a read timeout would do.
//!
//! Run it with `cargo run --example hand_written_loop`.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant as Clock;

use switchboard::{
    CloseReason, Config, Connection, ConnectionId, Event, Hello, Instant, Next, Options, Pump,
    Welcome, from_payload, to_payload,
};

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The whole loop: asks the pump what to do and does it, until the connection has ended.
fn drive(
    mut pump: Pump,
    mut stream: TcpStream,
    mut handle: impl FnMut(&mut Connection, Instant, Event) -> Done<()>,
) -> Done<CloseReason> {
    let origin = Clock::now();
    let now = || Instant::from(origin.elapsed());
    loop {
        match pump.next(now()) {
            Next::Event(event) => handle(pump.connection(), now(), event)?,
            Next::Yield => {}
            Next::Shut => stream.shutdown(Shutdown::Write)?,
            Next::Done(reason) => return Ok(reason),
            Next::Io { write: true, .. } => {
                let mut chunk = [&[][..]; 1];
                pump.chunks(&mut chunk);
                match stream.write(chunk[0]) {
                    Ok(count) => pump.wrote(now(), count),
                    Err(_) => pump.write_failed(now()),
                }
            }
            Next::Io { until, .. } => {
                // A timeout of 0 would mean none.
                let left =
                    until.map(|until| (until - now()).max(std::time::Duration::from_millis(1)));
                stream.set_read_timeout(left)?;
                match stream.read(pump.space()) {
                    Ok(count) => pump.filled(now(), count),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => pump.filled(now(), 0),
                }
            }
        }
    }
}

fn serve(stream: TcpStream) -> Done<CloseReason> {
    let id = ConnectionId::new(1).ok_or("1 is an id")?;
    let pump = Pump::new(Connection::server(Arc::new(Config::default()), id, Instant::ZERO));
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

fn main() -> Done<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (served, _) = listener.accept()?;
    let server = std::thread::spawn(move || serve(served));

    let connection = Connection::client(Arc::new(Config::default()), &Hello::new(), Instant::ZERO)?;
    let reason = drive(Pump::new(connection), client, |connection, now, event| {
        match event {
            Event::Welcome(_) => {
                connection.request(now, "upper", &to_payload("hello")?, &Options::new(), 0)?;
            }
            Event::Answer { outcome, .. } => {
                let answer: String = from_payload(&outcome?, &connection.config().payload)?;
                println!("the server says {answer}");
                connection.close(now, "done", None);
            }
            _ => {}
        }
        Ok(())
    })?;
    println!("client: {reason}");
    println!("server: {}", server.join().map_err(|_| "the server panicked")??);
    Ok(())
}
