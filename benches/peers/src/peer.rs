//! `Peer`: what is compared, a server and a client that send 64 bytes there and back, each in a process of
//! its own. Implemented once in each file beside; the command line starts either side by the peer's name.

use std::io::{BufRead, Write, stdin, stdout};
use std::time::Instant;

/// What a request carries, and its answer. It is text so that what has no bytes can carry it too.
pub(crate) const PAYLOAD: &[u8; 64] =
    b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Requests in flight at once on the one connection.
pub(crate) const MANY: usize = 64;

/// A library, or a way of using it.
pub(crate) trait Peer: Sized {
    fn name() -> String;
    /// Serves at a path until it is killed; says that it does with [`ready`].
    fn serve(path: &str);
    fn connect(path: &str) -> Self;
    /// As many requests, one after the other's answer.
    fn one_by_one(&mut self, times: usize);
    /// As many times [`MANY`] requests, which are in flight together.
    fn together(&mut self, times: usize);
}

/// Says that the server serves.
pub(crate) fn ready() {
    let mut out = stdout();
    out.write_all(b"!").and_then(|()| out.flush()).expect("somebody listens");
}

/// The version of a package that is built in.
#[allow(dead_code, reason = "each package can be left out")]
pub(crate) fn version(package: &str) -> &'static str {
    let head = format!("name = \"{package}\"\nversion = \"");
    let (_, behind) = include_str!("../Cargo.lock").split_once(&head).expect("it is built in");
    behind.split('"').next().expect("a version")
}

/// A peer as a value.
pub(crate) struct Kind {
    pub(crate) name: String,
    pub(crate) serve: fn(&str),
    /// The client: each line that it gets is how many are in flight, and how often; it answers with the
    /// nanoseconds that took. The scripts of other languages do the same.
    pub(crate) ask: fn(&str),
}

impl Kind {
    pub(crate) fn of<P: Peer>() -> Self {
        Self { name: P::name(), serve: P::serve, ask: ask::<P> }
    }
}

fn ask<P: Peer>(path: &str) {
    let mut peer = P::connect(path);
    for line in stdin().lock().lines() {
        let line = line.expect("text");
        let (flight, times) = line.split_once(' ').expect("two numbers");
        let times = times.parse().expect("a number");
        let start = Instant::now();
        match flight {
            "1" => peer.one_by_one(times),
            _ => peer.together(times),
        }
        println!("{}", start.elapsed().as_nanos());
    }
}
