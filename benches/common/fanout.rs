//! Fan-out, as the benchmarks of all adapters measure it: one publisher and a hundred subscribers, both raw
//! sockets, so that it is the server that is measured, beside a process that writes what it reads to a
//! hundred sockets without looking at it (the floor). Told in deliveries a second, as ratios, and with the
//! server's processor time for a delivery (on Linux, to a hundredth of a second in all).

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use switchboard::CallId;
use switchboard::wire::{Frame, HeaderMap};

pub(crate) const SUBSCRIBERS: usize = 100;
const ROUNDS: usize = 7;
/// Publications of one round.
const COUNT: usize = 20_000;
/// So many are under way before the publisher waits for the subscribers: less than any queue has room for.
const WINDOW: usize = 200;
/// `[0, "switchboard", [1], {}, null]` behind its length: what a client says first.
const HELLO: &[u8] = b"\0\0\0\x12\x85\0kswitchboard\x81\x01\xa0\xf6";

/// Prints a table for each size of a payload. `server` is the command that serves as `floor` or as `ours` at
/// a path, and says so with a byte; with `redis`, redis-server is the third, where it is installed.
pub(crate) fn tell(title: &str, redis: bool, server: impl Fn(&str, &str) -> Command) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    for size in [64, 1024] {
        let start = |name, kind, place: String| {
            let word = if kind == Kind::Floor { "floor" } else { "ours" };
            Candidate::start(name, kind, server(word, &place), &place, size)
        };
        let mut candidates = vec![
            start("floor: the bytes alone", Kind::Floor, place(&format!("f{size}"))),
            start("switchboard", Kind::Ours, place(&format!("s{size}"))),
        ];
        if redis {
            match start_redis(&place(&format!("r{size}")), size) {
                Some(candidate) => candidates.push(candidate),
                None => println!("!!! NOT MEASURED: redis-server, which does not start here"),
            }
        }
        let mut rates = vec![Vec::new(); candidates.len()];
        for round in 0..=ROUNDS {
            for (rates, candidate) in rates.iter_mut().zip(&mut candidates) {
                let rate = candidate.round();
                if round == 0 {
                    // Everything reaches its size in the first one, which does not count.
                    candidate.busy = Duration::ZERO;
                } else {
                    rates.push(rate);
                }
            }
        }
        println!("\n{title}: {size} bytes, one publisher, {SUBSCRIBERS} subscribers");
        println!(
            "  {:<28} {:>20} {:>16} {:>20}",
            "", "deliveries a second", "times the floor", "the server's ns each"
        );
        let mut floor = None;
        for (rates, candidate) in rates.iter_mut().zip(&candidates) {
            rates.sort_by(f64::total_cmp);
            let median = rates[ROUNDS / 2];
            let floor = *floor.get_or_insert(median);
            let (name, rate, ratio) = (candidate.name, median / 1e6, median / floor);
            let busy = candidate.busy.as_secs_f64() * 1e9 / (ROUNDS * COUNT * SUBSCRIBERS) as f64;
            println!("  {name:<28} {rate:>18.2} M {ratio:>16.2} {busy:>20.0}");
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
    fn start(
        name: &'static str,
        kind: Kind,
        mut server: Command,
        place: &str,
        size: usize,
    ) -> Self {
        let mut server = server.stdout(Stdio::piped()).spawn().expect("a server");
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
            while length < size {
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

fn start_redis(place: &str, size: usize) -> Option<Candidate> {
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
