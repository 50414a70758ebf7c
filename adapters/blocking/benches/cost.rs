//! What a call costs, client and server together: allocations, counted by an allocator of this program's own,
//! and system calls, counted by strace where it is installed. No times: run it anywhere, on any load.
//!
//! `cargo bench -p switchboard-blocking --bench cost`

#[path = "../../../benches/common/cost.rs"]
mod cost;
#[path = "../tests/counting/mod.rs"]
mod counting;
#[allow(dead_code, reason = "`request` uses the rest of it")]
mod servers;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use servers::{Small, ours};
use switchboard::Payload;
use switchboard_blocking::{Client, Stream};

/// Calls until everything has reached its size.
const WARM: usize = 200;
/// Calls that are counted.
const CALLS: usize = 6_400;
/// Calls in flight, where there are many.
const MANY: usize = 64;

const KINDS: [(&str, &str); 6] = [
    ("floor", "floor: the bytes alone"),
    ("raw", "handle_inline, raw payload"),
    ("typed", "handle_inline, a small struct"),
    ("pool", "handle (a thread of the pool), raw payload"),
    ("many", "the same inline, 64 in flight, raw payload"),
    ("large", "handle_inline, raw payload of 64 KiB"),
];

fn main() {
    cost::tell(&KINDS, CALLS, run);
}

/// Calls so often within this process; gives the allocations of that.
fn run(kind: &str, calls: usize) -> usize {
    if kind == "floor" {
        return floor(calls);
    }
    let server = ours().start().expect("a server");
    let (one, other) = Stream::pair().expect("two sockets");
    server.attach(one).expect("it serves");
    let client = Client::builder().attach(other).expect("it serves");
    let raw = Payload::bytes(&[7; 64]);
    let large = Payload::bytes(&[7; 64 << 10]);
    let small = Small::new();
    counted(calls, |count| match kind {
        "typed" => {
            (0..count).for_each(|_| drop(client.request::<Small>("typed", &small).expect("one")));
        }
        "many" => (0..count.div_ceil(MANY)).for_each(|_| {
            let calls: Vec<_> = (0..MANY).map(|_| client.start::<Payload>("raw", &raw)).collect();
            calls.into_iter().for_each(|call| drop(call.expect("sent").wait().expect("one")));
        }),
        _ => {
            let raw = if kind == "large" { &large } else { &raw };
            let channel = if kind == "pool" { "pool" } else { "raw" };
            (0..count).for_each(|_| drop(client.request::<Payload>(channel, raw).expect("one")));
        }
    })
}

fn floor(calls: usize) -> usize {
    let (mut one, mut other) = UnixStream::pair().expect("two sockets");
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while other.read_exact(&mut buffer).is_ok() {
            other.write_all(&buffer).expect("written");
        }
    });
    let mut buffer = [0; 64];
    counted(calls, |count| {
        for _ in 0..count {
            one.write_all(&buffer).expect("written");
            one.read_exact(&mut buffer).expect("read");
        }
    })
}

fn counted(calls: usize, mut call: impl FnMut(usize)) -> usize {
    call(WARM);
    let before = counting::made();
    call(calls);
    counting::made() - before
}
