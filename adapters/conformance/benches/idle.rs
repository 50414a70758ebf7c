//! P7: what a connection that says nothing costs its server, in resident bytes, with 10,000 of them from
//! another process, on each runtime, beside the runtime's own sockets that wait for a byte (the floor).
//!
//! `cargo bench -p switchboard-conformance --bench idle`

#[allow(dead_code, reason = "`request` uses the rest of it")]
mod runtimes;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use runtimes::{OnAsyncStd, OnSmol, OneThread, Process, Raw, Threads};

const CONNECTIONS: usize = 10_000;
/// `[0, "switchboard", [1], {}, null]` behind its length: what a client says first.
const HELLO: &[u8] = b"\0\0\0\x12\x85\x00\x6bswitchboard\x81\x01\xa0\xf6";

fn main() {
    if runtimes::serves() {
        return;
    }
    runtimes::raise_limit();
    println!("{CONNECTIONS} idle connections: resident bytes of their server for each");
    measure::<OnSmol>();
    measure::<OnAsyncStd>();
    measure::<OneThread>();
    measure::<Threads>();
}

fn measure<R: Raw>() {
    let floor = each::<R>("floor", b"!", |answer| answer.read_exact(&mut [0]).expect("it answers"));
    let ours = each::<R>("ours", HELLO, |answer| {
        let mut head = [0; 6];
        answer.read_exact(&mut head).expect("it answers");
        // `[1, ...`, behind its length: a welcome.
        assert_eq!(head[4..], [0x85, 0x01]);
    });
    println!("  {:<36} floor {floor:>6}   ours {ours:>6}", R::NAME);
}

/// Has as many clients say something and hear the answer.
fn each<R: Raw>(kind: &str, says: &[u8], hear: impl Fn(&mut UnixStream)) -> usize {
    let server = Process::start::<R>(kind);
    let connect = || {
        let mut stream = UnixStream::connect(&server.path).expect("it serves");
        stream.write_all(says).expect("it reads");
        hear(&mut stream);
        stream
    };
    // What one connection brings with it that others share is none of theirs.
    let first = connect();
    let before = server.resident();
    let streams: Vec<_> = (0..CONNECTIONS).map(|_| connect()).collect();
    // What was needed for the handshake only is given back a moment later.
    thread::sleep(Duration::from_secs(2));
    let after = server.resident();
    drop((first, streams));
    after.saturating_sub(before) / CONNECTIONS
}
