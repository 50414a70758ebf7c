//! P1, P5, many calls in flight, and streams: calls over a Unix socket between two processes, beside a bare
//! socket that only carries the same bytes (the floor) and beside a protocol of a length and a number
//! without any state ("bare"). All in one run, in turns, told as ratios.
//!
//! `cargo bench -p switchboard-blocking --bench request` pins everything to one processor, which is what
//! repeats; with `-- --free` the system places the processes as it likes.

#[path = "../../../benches/common/mod.rs"]
mod common;
#[path = "../../../benches/common/pin.rs"]
mod pin;
mod servers;

use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;

use common::{candidate, table};
use servers::{Bare, Small};
use switchboard::{Config, Payload};
use switchboard_blocking::Client;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--serve") {
        return servers::serve(&args[at + 1], &args[at + 2]);
    }
    pin::pin();
    let folder = tempfile::tempdir().expect("a folder");
    let server = |kind: &str| {
        let path = folder.path().join(kind).to_str().expect("text").to_owned();
        let mut command = Command::new(std::env::current_exe().expect("a program"));
        let command = command.args(["--serve", kind, &path]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a server");
        let mut ready = [0];
        child.stdout.take().expect("piped").read_exact(&mut ready).expect("it serves");
        (path, Server(child))
    };
    let (floor, _floor) = server("floor");
    let (bare, _bare) = server("bare");
    let (sink, _sink) = server("sink");
    let (ours, _ours) = server("switchboard");
    one_at_a_time(&floor, &bare, &ours);
    many_in_flight(&floor, &bare, &ours);
    eight_threads(&floor, &ours);
    large(&floor, &bare, &ours, 64 * 1024);
    large(&floor, &bare, &ours, 1024 * 1024);
    stream(&sink, &ours, 64 * 1024);
    stream(&sink, &ours, 1024);
}

/// A server's process.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn client(ours: &str) -> Client {
    let mut config = Config::default();
    config.max_frame = 64 << 20;
    Client::builder().config(config).connect(ours).expect("it serves")
}

/// A socket whose server sends back what it gets, in pieces of `size` bytes.
fn echo(path: &str, size: usize) -> UnixStream {
    let mut stream = UnixStream::connect(path).expect("it serves");
    stream.write_all(&u32::try_from(size).expect("small").to_be_bytes()).expect("written");
    stream
}

fn one_at_a_time(floor: &str, bare: &str, ours: &str) {
    const SIZE: usize = 64;
    let (client, mut bare, mut echo) = (client(ours), Bare::connect(bare), echo(floor, SIZE));
    let raw = Payload::bytes(&[7; SIZE]);
    let small = Small::new();
    let mut buffer = [7; SIZE];
    table(
        "P1: one call at a time, 64 bytes (a call)",
        1,
        vec![
            candidate("floor: the bytes alone", move || {
                echo.write_all(&buffer).expect("written");
                echo.read_exact(&mut buffer).expect("read");
            }),
            candidate("bare: a length and a number", move || bare.call(&[7; SIZE])),
            candidate("handle_inline, raw payload", || {
                client.request::<Payload>("raw", &raw).expect("an answer")
            }),
            candidate("handle_inline, a small struct", || {
                client.request::<Small>("typed", &small).expect("an answer")
            }),
            candidate("handle (a thread of the pool), raw payload", || {
                client.request::<Payload>("pool", &raw).expect("an answer")
            }),
        ],
    );
}

fn many_in_flight(floor: &str, bare: &str, ours: &str) {
    const SIZE: usize = 64;
    const MANY: usize = 64;
    let (client, mut bare, mut echo) = (client(ours), Bare::connect(bare), echo(floor, SIZE));
    let raw = Payload::bytes(&[7; SIZE]);
    let small = Small::new();
    let mut buffer = [7; SIZE * MANY];
    table(
        "64 calls in flight, one thread (a call)",
        MANY,
        vec![
            candidate("floor: the bytes alone", move || {
                echo.write_all(&buffer).expect("written");
                echo.read_exact(&mut buffer).expect("read");
            }),
            candidate("bare: a length and a number", move || bare.calls(&[7; SIZE], MANY)),
            candidate("start, then wait; raw payload", || {
                let calls: Vec<_> =
                    (0..MANY).map(|_| client.start::<Payload>("raw", &raw)).collect();
                for call in calls {
                    black_box(call.expect("sent").wait().expect("an answer"));
                }
            }),
            candidate("start, then wait; a small struct", || {
                let calls: Vec<_> =
                    (0..MANY).map(|_| client.start::<Small>("typed", &small)).collect();
                for call in calls {
                    black_box(call.expect("sent").wait().expect("an answer"));
                }
            }),
        ],
    );
}

fn eight_threads(floor: &str, ours: &str) {
    const SIZE: usize = 64;
    const THREADS: usize = 8;
    const CALLS: usize = 100;
    let client = client(ours);
    let echoes: Vec<_> = (0..THREADS).map(|_| echo(floor, SIZE)).collect();
    let raw = Payload::bytes(&[7; SIZE]);
    let calls = |channel| {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..CALLS {
                        client.request::<Payload>(channel, &raw).expect("an answer");
                    }
                });
            }
        });
    };
    table(
        "8 threads, one call at a time each (a call)",
        THREADS * CALLS,
        vec![
            candidate("floor: a connection each", || {
                thread::scope(|scope| {
                    for mut echo in &echoes {
                        scope.spawn(move || {
                            let mut buffer = [7; SIZE];
                            for _ in 0..CALLS {
                                echo.write_all(&buffer).expect("written");
                                echo.read_exact(&mut buffer).expect("read");
                            }
                        });
                    }
                });
            }),
            candidate("handle_inline, raw payload, one client", || calls("raw")),
            candidate("handle, raw payload, one client", || calls("pool")),
        ],
    );
}

fn large(floor: &str, bare: &str, ours: &str, size: usize) {
    let (client, mut bare, mut echo) = (client(ours), Bare::connect(bare), echo(floor, size));
    let bytes = vec![7; size];
    let raw = Payload::bytes(&bytes);
    let mut buffer = bytes.clone();
    table(
        &format!("P5: {} KiB there and back (a call)", size / 1024),
        1,
        vec![
            candidate("floor: the bytes alone", move || {
                echo.write_all(&buffer).expect("written");
                echo.read_exact(&mut buffer).expect("read");
            }),
            candidate("bare: a length and a number", move || bare.call(&bytes)),
            candidate("handle_inline, raw payload", || {
                client.request::<Payload>("raw", &raw).expect("an answer")
            }),
        ],
    );
}

fn stream(sink: &str, ours: &str, size: usize) {
    const ITEMS: usize = 256;
    let (client, mut sink) = (client(ours), echo(sink, size * ITEMS));
    let bytes = vec![7; size];
    let item = Payload::bytes(&bytes);
    table(
        &format!("a stream of items of {} KiB in, then the answer (an item)", size / 1024),
        ITEMS,
        vec![
            candidate("floor: the bytes alone", move || {
                (0..ITEMS).for_each(|_| sink.write_all(&bytes).expect("written"));
                sink.read_exact(&mut [0]).expect("read");
            }),
            candidate("open, send, finish, answer", || {
                let exchange = client.open("sink", &()).expect("sent");
                (0..ITEMS).for_each(|_| exchange.send(&item).expect("sent"));
                exchange.finish().expect("sent");
                assert_eq!(exchange.answer::<usize>().expect("an answer"), ITEMS);
            }),
        ],
    );
}
