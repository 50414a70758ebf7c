//! The servers of the benchmarks, each in a process of its own, and the client of the bare protocol.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use serde::{Deserialize, Serialize};
use switchboard::{Config, Payload};
use switchboard_blocking::{Context, Server, ServerBuilder};

/// A small struct, of about 64 bytes as a payload.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Small {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) price: f64,
    pub(crate) stock: Option<u32>,
}

impl Small {
    pub(crate) fn new() -> Self {
        Self { id: 1234, name: "a name of twenty...".into(), price: 99.5, stock: Some(12) }
    }
}

/// A server of ours that sends back what it gets.
pub(crate) fn ours() -> ServerBuilder {
    Server::builder()
        .handle_inline("raw", |_: Context, raw: Payload| Ok(raw))
        .handle_inline("typed", |_: Context, small: Small| Ok(small))
        .handle("pool", |_: Context, raw: Payload| Ok(raw))
        .handle("sink", |cx: Context, ()| Ok(cx.items::<Payload>().count()))
}

/// Serves until it is killed; says so with one byte once it does.
pub(crate) fn serve(kind: &str, path: &str) {
    if kind == "switchboard" {
        let mut config = Config::default();
        config.max_frame = 64 << 20;
        let server = ours().config(config).bind(path).expect("a free place");
        ready();
        return server.closed();
    }
    let listener = UnixListener::bind(path).expect("a free place");
    ready();
    for stream in listener.incoming().flatten() {
        let serve = match kind {
            "bare" => bare,
            "sink" => sink,
            _ => floor,
        };
        thread::spawn(move || serve(stream));
    }
}

fn ready() {
    let mut out = std::io::stdout();
    out.write_all(b"!").and_then(|()| out.flush()).expect("somebody listens");
}

/// Sends back what it gets, in pieces of as many bytes as the first four say, or several at once.
fn floor(mut stream: UnixStream) {
    let mut size = [0; 4];
    if stream.read_exact(&mut size).is_err() {
        return;
    }
    let size = u32::from_be_bytes(size) as usize;
    let mut buffer = vec![0; size.max(64 * 64)];
    let mut filled = 0;
    while let Ok(count @ 1..) = stream.read(&mut buffer[filled..]) {
        filled += count;
        let whole = filled - filled % size;
        if whole > 0 {
            if stream.write_all(&buffer[..whole]).is_err() {
                return;
            }
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
        }
    }
}

/// Says that it is done whenever so many bytes have come as the first four say.
fn sink(mut stream: UnixStream) {
    let mut size = [0; 4];
    if stream.read_exact(&mut size).is_err() {
        return;
    }
    let (size, mut came) = (u32::from_be_bytes(size) as usize, 0);
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        came += count;
        if came >= size {
            came -= size;
            if stream.write_all(b"!").is_err() {
                return;
            }
        }
    }
}

/// The bytes of a message's length and number.
const HEAD: usize = 12;

/// Messages out of a stream.
struct Messages {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Messages {
    fn new() -> Self {
        Self { buffer: vec![0; 64 * 1024], start: 0, end: 0 }
    }

    /// The next message that is there whole.
    fn next(&mut self) -> Option<(u64, &[u8])> {
        let head = self.buffer[self.start..self.end].first_chunk::<HEAD>()?;
        let length = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
        let number = u64::from_be_bytes(head[4..].try_into().ok()?);
        let whole = self.start + HEAD + length;
        if whole > self.end {
            if self.buffer.len() - self.start < HEAD + length {
                self.buffer.resize(self.buffer.len() + HEAD + length, 0);
            }
            return None;
        }
        let body = self.start + HEAD..whole;
        self.start = whole;
        Some((number, &self.buffer[body]))
    }

    fn fill(&mut self, stream: &mut UnixStream) -> bool {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let count = stream.read(&mut self.buffer[self.end..]).unwrap_or(0);
        self.end += count;
        count > 0
    }
}

fn put(out: &mut Vec<u8>, number: u64, body: &[u8]) {
    out.extend_from_slice(&u32::try_from(body.len()).expect("small").to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(body);
}

fn bare(mut stream: UnixStream) {
    let (mut messages, mut out) = (Messages::new(), Vec::new());
    while messages.fill(&mut stream) {
        while let Some((number, body)) = messages.next() {
            put(&mut out, number, body);
        }
        if !out.is_empty() && stream.write_all(&out).is_err() {
            return;
        }
        out.clear();
    }
}

/// A client of the bare protocol.
pub(crate) struct Bare {
    stream: UnixStream,
    messages: Messages,
    out: Vec<u8>,
    number: u64,
}

impl Bare {
    pub(crate) fn connect(path: &str) -> Self {
        let stream = UnixStream::connect(path).expect("it serves");
        Self { stream, messages: Messages::new(), out: Vec::new(), number: 0 }
    }

    pub(crate) fn call(&mut self, body: &[u8]) {
        self.calls(body, 1);
    }

    pub(crate) fn calls(&mut self, body: &[u8], count: usize) {
        self.out.clear();
        for _ in 0..count {
            self.number += 1;
            put(&mut self.out, self.number, body);
        }
        self.stream.write_all(&self.out).expect("written");
        let mut answers = 0;
        while answers < count {
            assert!(self.messages.fill(&mut self.stream), "it serves");
            while let Some((_, answer)) = self.messages.next() {
                assert_eq!(answer.len(), body.len());
                answers += 1;
            }
        }
    }
}
