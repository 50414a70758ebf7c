//! Many schedules of the same scenario: who waits, who reads, who wakes whom. Called by the tests below;
//! knows clients and servers as programs do, joined by a real socket. Where the subject is a client its
//! server is the testkit's.
//!
//! Time stands still, so that a wake-up that is lost is a scenario without an end, which is told with the
//! schedule that led to it. A scenario has ended when all threads have: those of clients and servers, too.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod callers;
mod ending;
mod leaving;
mod pushes;
mod serving;
mod streams;
mod topics;

use std::io::IoSlice;

use rustix::event::{PollFd, PollFlags, Timespec};
use switchboard_endpoint::Stream;
use switchboard_testkit::schedules::{Echo, Wire};

use crate::sync::poll;
use crate::sync::thread::{Builder, JoinHandle};
use crate::{Client, ClientBuilder, Server};

fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().name("caller".into()).spawn(run).unwrap()
}

/// A client and its server, which has a thread of its own.
fn connect(builder: ClientBuilder, server: Echo) -> (Client, JoinHandle<usize>) {
    let (one, other) = Stream::pair().unwrap();
    if server.takes_little {
        rustix::net::sockopt::set_socket_send_buffer_size(&other, 0).unwrap();
    }
    let server = spawn(move || server.run(&Socket(one)));
    (builder.attach(other).unwrap(), server)
}

/// A client of a server of ours.
fn join(server: &Server, builder: ClientBuilder) -> Client {
    let (one, other) = Stream::pair().unwrap();
    server.attach(one).unwrap();
    builder.attach(other).unwrap()
}

/// A client that reads also while nobody calls: a server that closes waits for those who do not.
fn reading() -> ClientBuilder {
    Client::builder().on("news", |_, _: u32| {})
}

struct Socket(Stream);

impl Wire for Socket {
    fn say(&self, bytes: &[u8], ends: bool) {
        // What is said here fits into the socket; the client may be gone.
        let _ = self.0.try_write_vectored(&[IoSlice::new(bytes)]);
        if ends {
            let _ = self.0.shutdown_write();
        }
    }

    fn hear(&self, waits: bool) -> Option<Vec<u8>> {
        let mut descriptors = [PollFd::new(&self.0, PollFlags::IN)];
        if waits {
            poll(&mut descriptors, None).unwrap();
        } else if rustix::event::poll(&mut descriptors, Some(&Timespec::default())).unwrap() == 0 {
            return None;
        }
        let mut bytes = vec![0; 4096];
        let count = self.0.try_read(&mut bytes).unwrap_or(0);
        bytes.truncate(count);
        Some(bytes)
    }
}
