//! P4: one publisher, a hundred subscribers, with the blocking server, beside a process that writes what it
//! reads to a hundred sockets without looking at it (the floor), and redis-server, where it is installed.
//!
//! `cargo bench -p switchboard-blocking --bench fanout` pins everything to one processor, which is what
//! repeats; with `-- --free` the system places the processes as it likes.

#[path = "../../../benches/common/fanout.rs"]
mod fanout;
#[path = "../../../benches/common/pin.rs"]
mod pin;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::Command;

use fanout::SUBSCRIBERS;
use switchboard_blocking::Server;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--serve") {
        return serve(&args[at + 1], &args[at + 2]);
    }
    pin::pin();
    fanout::tell("threads", true, |kind, place| {
        let mut command = Command::new(std::env::current_exe().expect("a program"));
        command.args(["--serve", kind, place]);
        command
    });
}

/// Serves until it is killed; says so with one byte once it does.
fn serve(kind: &str, place: &str) {
    let ready = || {
        let mut out = std::io::stdout();
        out.write_all(b"!").and_then(|()| out.flush()).expect("somebody listens");
    };
    if kind == "ours" {
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
