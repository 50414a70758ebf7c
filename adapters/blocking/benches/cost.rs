//! What a call costs, client and server together: allocations, counted by an allocator of this program's own,
//! and system calls, counted by strace where it is installed. No times: run it anywhere, on any load.
//!
//! `cargo bench -p switchboard-blocking --bench cost`

#[path = "../tests/counting/mod.rs"]
mod counting;
#[allow(dead_code, reason = "`request` uses the rest of it")]
mod servers;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
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
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--run") {
        let calls = args[at + 2].parse().expect("a number");
        return println!("{}", run(&args[at + 1], calls));
    }
    println!("{:<46}{:>14}{:>14}", "a call, both ends together", "allocations", "system calls");
    for (kind, name) in KINDS {
        let allocations = output(Command::new(program()).args(["--run", kind, &CALLS.to_string()]));
        let allocations: f64 = allocations.trim().parse().expect("a number");
        let once = system_calls(kind, CALLS);
        let twice = system_calls(kind, 2 * CALLS);
        let per_call = |count: f64| format!("{:.2}", count / CALLS as f64);
        let calls =
            once.zip(twice).map_or_else(|| "no strace".into(), |(one, two)| per_call(two - one));
        println!("{name:<46}{:>14}{calls:>14}", per_call(allocations));
    }
}

fn program() -> std::path::PathBuf {
    std::env::current_exe().expect("a program")
}

fn output(command: &mut Command) -> String {
    let done = command.output().expect("it runs");
    String::from_utf8(done.stdout).expect("text")
}

/// How many system calls a whole process makes that calls so often; `None` without strace.
fn system_calls(kind: &str, calls: usize) -> Option<f64> {
    let mut strace = Command::new("strace");
    let strace = strace.args(["-f", "-c", "-U", "calls,name", "-o", "/dev/stderr"]);
    let strace = strace.arg(program()).args(["--run", kind, &calls.to_string()]);
    let done = strace.stdout(Stdio::null()).stderr(Stdio::piped()).output().ok()?;
    let table = String::from_utf8(done.stderr).ok()?;
    let total = table.lines().find(|line| line.trim_end().ends_with("total"))?;
    total.split_whitespace().next()?.parse().ok()
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
