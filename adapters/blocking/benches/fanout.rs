//! P4: one publisher, a hundred subscribers. The blocking server beside a process that writes what it reads
//! to a hundred sockets without looking at it (the floor), in turns, told in deliveries a second. Publisher
//! and subscribers are raw sockets, so that it is the server that is measured. With redis-server, where it
//! is installed, as the third. Beside it the server's processor time for a delivery, on Linux.
//!
//! `cargo bench -p switchboard-blocking --bench fanout`

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use switchboard::CallId;
use switchboard::wire::{Frame, HeaderMap};
use switchboard_blocking::Server;

const SUBSCRIBERS: usize = 100;
const ROUNDS: usize = 7;
/// Publications of one round.
const COUNT: usize = 20_000;
/// So many are under way before the publisher waits for the subscribers: less than any queue has room for.
const WINDOW: usize = 200;
const HELLO: &[u8] = b"\0\0\0\x12\x85\0kswitchboard\x81\x01\xa0\xf6";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--serve") {
        return serve(&args[at + 1], &args[at + 2]);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    println!("one publisher, {SUBSCRIBERS} subscribers, deliveries a second");
    for size in [64, 1024] {
        let mut candidates = vec![
            Candidate::start(
                "floor: the bytes alone",
                Kind::Floor,
                &place(&format!("f{size}")),
                size,
            ),
            Candidate::start("switchboard", Kind::Ours, &place(&format!("s{size}")), size),
        ];
        candidates.extend(redis(&place(&format!("r{size}")), size));
        let mut rates = vec![Vec::new(); candidates.len()];
        for _ in 0..ROUNDS {
            for (rates, candidate) in rates.iter_mut().zip(&mut candidates) {
                rates.push(candidate.round());
            }
        }
        println!("\n{size} bytes");
        let mut floor = None;
        for (rates, candidate) in rates.iter_mut().zip(&candidates) {
            rates.sort_by(f64::total_cmp);
            let median = rates[ROUNDS / 2];
            let floor = *floor.get_or_insert(median);
            let (name, rate, ratio) = (candidate.name, median / 1e6, median / floor);
            let busy = candidate.busy.as_secs_f64() * 1e9 / (ROUNDS * COUNT * SUBSCRIBERS) as f64;
            println!("  {name:<28} {rate:>7.2} M   x {ratio:.2}   {busy:>4.0} ns");
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Floor,
    Ours,
    Redis,
}

struct Candidate {
    name: &'static str,
    server: Child,
    publisher: UnixStream,
    subscribers: Vec<UnixStream>,
    /// One publication as the publisher writes it.
    publication: Vec<u8>,
    /// What each subscriber gets of it.
    delivery: usize,
    /// The server's processor time in all rounds.
    busy: Duration,
}

impl Drop for Candidate {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Candidate {
    fn start(name: &'static str, kind: Kind, place: &str, size: usize) -> Self {
        let itself = std::env::current_exe().expect("a program");
        let kind_name = if kind == Kind::Floor { "floor" } else { "switchboard" };
        let mut command = Command::new(itself);
        let command = command.args(["--serve", kind_name, place]).stdout(Stdio::piped());
        let mut server = command.spawn().expect("a server");
        server.stdout.take().expect("piped").read_exact(&mut [0]).expect("it serves");
        Self::connect(name, kind, server, place, size)
    }

    fn connect(name: &'static str, kind: Kind, server: Child, place: &str, size: usize) -> Self {
        let stream = || UnixStream::connect(place).expect("it serves");
        let subscribers = (0..SUBSCRIBERS).map(|_| {
            let mut subscriber = stream();
            subscribe(&mut subscriber, kind);
            subscriber
        });
        let subscribers: Vec<_> = subscribers.collect();
        let mut publisher = stream();
        if kind == Kind::Ours {
            greet(&mut publisher);
        }
        let publication = publication(kind, size);
        let mut this = Self {
            name,
            server,
            publisher,
            subscribers,
            publication,
            delivery: 1,
            busy: Duration::ZERO,
        };
        // The first one shows how long a delivery is.
        this.publisher.write_all(&this.publication).expect("written");
        let mut buffer = vec![0; 2 * this.publication.len() + 100];
        for subscriber in &mut this.subscribers {
            let mut length = 0;
            while length == 0 || (length < size) {
                length += subscriber.read(&mut buffer).expect("read");
            }
            this.delivery = length;
        }
        this.subscribers.iter().for_each(|one| one.set_nonblocking(true).expect("a socket"));
        this
    }

    /// Deliveries a second of one round.
    fn round(&mut self) -> f64 {
        let mut publications = self.publication.repeat(WINDOW);
        let (start, before) = (Instant::now(), processor_time(self.server.id()));
        let mut buffer = vec![0; 1 << 16];
        for _ in 0..COUNT / WINDOW {
            thread::scope(|scope| {
                let publisher = &mut self.publisher;
                let publications = &mut publications;
                scope.spawn(move || publisher.write_all(publications).expect("written"));
                read_all(&mut self.subscribers, WINDOW * self.delivery, &mut buffer);
            });
            self.drain_answers();
        }
        self.busy += processor_time(self.server.id()) - before;
        (COUNT * SUBSCRIBERS) as f64 / start.elapsed().as_secs_f64()
    }

    /// Redis answers each publication.
    fn drain_answers(&mut self) {
        self.publisher.set_nonblocking(true).expect("a socket");
        while self.publisher.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        self.publisher.set_nonblocking(false).expect("a socket");
    }
}

/// What a process has used so far, to a hundredth of a second; nothing where it cannot be told.
fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let hundredths = |at| fields.get(at).and_then(|ticks: &&str| ticks.parse::<u64>().ok());
    Duration::from_millis(10 * [12, 13].into_iter().filter_map(hundredths).sum::<u64>())
}

/// Reads so much from each.
fn read_all(subscribers: &mut [UnixStream], each: usize, buffer: &mut [u8]) {
    let mut left = vec![each; subscribers.len()];
    while left.iter().any(|left| *left > 0) {
        let waiting: Vec<usize> = (0..left.len()).filter(|at| left[*at] > 0).collect();
        let ready: Vec<usize> = {
            let mut descriptors: Vec<_> = waiting
                .iter()
                .map(|at| PollFd::from_borrowed_fd(subscribers[*at].as_fd(), PollFlags::IN))
                .collect();
            poll(&mut descriptors, None).expect("waited");
            let with = waiting.iter().zip(&descriptors);
            with.filter(|(_, fd)| !fd.revents().is_empty()).map(|(at, _)| *at).collect()
        };
        for at in ready {
            while let Ok(count @ 1..) = subscribers[at].read(buffer) {
                left[at] = left[at].checked_sub(count).expect("no more than was published");
            }
        }
    }
}

fn redis(place: &str, size: usize) -> Option<Candidate> {
    let mut command = Command::new("redis-server");
    let command = command.args(["--port", "0", "--save", "", "--unixsocket", place]);
    let server = command.stdout(Stdio::null()).spawn().ok()?;
    for _ in 0..100 {
        if UnixStream::connect(place).is_ok() {
            return Some(Candidate::connect("redis-server", Kind::Redis, server, place, size));
        }
        thread::sleep(Duration::from_millis(20));
    }
    None
}

fn publication(kind: Kind, size: usize) -> Vec<u8> {
    match kind {
        Kind::Floor => vec![7; size],
        Kind::Ours => {
            let mut payload = vec![0x59];
            payload.extend(u16::try_from(size).expect("small").to_be_bytes());
            payload.resize(3 + size, 7);
            let headers = HeaderMap::default();
            encoded(&Frame::Publish { id: None, topic: "t", headers, payload: &payload })
        }
        Kind::Redis => {
            let mut command = format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nt\r\n${size}\r\n").into_bytes();
            command.resize(command.len() + size, 7);
            command.extend(b"\r\n");
            command
        }
    }
}

fn subscribe(stream: &mut UnixStream, kind: Kind) {
    match kind {
        // Whoever says something wants to hear.
        Kind::Floor => stream.write_all(b"!").and_then(|()| stream.read_exact(&mut [0])),
        Kind::Ours => {
            greet(stream);
            let id = CallId::new(1).expect("a number");
            let headers = HeaderMap::default();
            stream
                .write_all(&encoded(&Frame::Subscribe { id, pattern: "t", headers }))
                .expect("written");
            hear(stream);
            Ok(())
        }
        Kind::Redis => {
            stream.write_all(b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nt\r\n").expect("written");
            stream.read(&mut [0; 256]).map(drop)
        }
    }
    .expect("subscribed");
}

fn greet(stream: &mut UnixStream) {
    stream.write_all(HELLO).expect("written");
    hear(stream);
}

/// Reads one frame.
fn hear(stream: &mut UnixStream) {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("read");
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).expect("read");
}

fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = bytes::BytesMut::new();
    frame.encode(&mut bytes);
    bytes.to_vec()
}

/// Serves until it is killed; says so with one byte once it does.
fn serve(kind: &str, place: &str) {
    let ready = || {
        let mut out = std::io::stdout();
        out.write_all(b"!").and_then(|()| out.flush()).expect("somebody listens");
    };
    if kind == "switchboard" {
        let server = Server::builder().bind(place).expect("a free place");
        ready();
        return server.closed();
    }
    let listener = UnixListener::bind(place).expect("a free place");
    ready();
    let mut subscribers = Vec::new();
    for mut stream in listener.incoming().flatten() {
        if subscribers.len() < SUBSCRIBERS {
            stream.read_exact(&mut [0]).expect("a word");
            stream.write_all(b"!").expect("written");
            subscribers.push(stream);
            continue;
        }
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            for subscriber in &mut subscribers {
                subscriber.write_all(&buffer[..count]).expect("written");
            }
        }
        return;
    }
}
