//! Many schedules of the same scenario: who drives, who is woken, who is dropped. Called by the tests below;
//! knows clients and servers as programs do, joined by a pipe in memory. Where the subject is a client its
//! server is the testkit's.
//!
//! Time stands still and no timer wakes by itself, so that a wake-up that is lost is a deadlock, which is
//! told with the schedule that led to it. A scenario has ended when all threads and tasks have: the drivers,
//! too.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod calls;
mod dropping;
mod ending;
mod pipe;
mod serving;
mod streams;
mod topics;

use std::cell::RefCell;
use std::future::Future;
use std::io;

use shuttle::future::block_on;
use shuttle::thread::{JoinHandle, spawn};
use switchboard_endpoint::{Listener, OpenError, Stream};
use switchboard_testkit::schedules::Echo;

use self::pipe::{Bell, End};
use crate::client_builder::ClientBuilder;
use crate::runtime::{Acceptor, Runtime, Timer, Transport};

/// More than anybody writes here.
const ROOMY: usize = 1 << 20;
/// And less.
const LITTLE: usize = 2000;

std::thread_local! {
    /// What the next client or server gets in place of a stream, and of a timer.
    static NEXT: RefCell<(Option<End>, Option<Bell>)> = const { RefCell::new((None, None)) };
}

/// shuttle's executor, and a pipe in place of each stream.
struct Scheduled;

type Client = crate::Client<Scheduled>;
type Server = crate::Server<Scheduled>;

impl Runtime for Scheduled {
    fn transport(_: Stream) -> io::Result<Box<dyn Transport>> {
        Ok(Box::new(NEXT.with_borrow_mut(|next| next.0.take()).unwrap()))
    }

    fn acceptor(_: Listener) -> io::Result<Box<dyn Acceptor>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn timer() -> Box<dyn Timer> {
        Box::new(NEXT.with_borrow_mut(|next| next.1.take()).unwrap_or_default())
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        // A task of shuttle's that nobody waits for need not end; a thread must.
        drop(spawn(|| block_on(task)));
    }
}

/// A client and its server, which has a thread of its own; and the client's timer.
fn connect(builder: ClientBuilder<Scheduled>, server: Echo) -> (Client, JoinHandle<usize>, Bell) {
    let (its, end) = pipe::pair(if server.takes_little { LITTLE } else { ROOMY });
    let server = spawn(move || server.run(&its));
    let (client, bell) = attach(builder, end);
    (client.unwrap(), server, bell)
}

/// A client of a server of ours.
fn join(server: &Server, builder: ClientBuilder<Scheduled>) -> Client {
    attach(builder, pair(server)).0.unwrap()
}

/// A connection of a server of ours; its client's end.
fn pair(server: &Server) -> End {
    let ((its, end), (stream, _other)) = (pipe::pair(ROOMY), Stream::pair().unwrap());
    NEXT.set((Some(its), None));
    server.attach(stream).unwrap();
    end
}

/// A client at this end, and its timer.
fn attach(builder: ClientBuilder<Scheduled>, end: End) -> (Result<Client, OpenError>, Bell) {
    let (bell, (stream, _other)) = (Bell::default(), Stream::pair().unwrap());
    NEXT.set((Some(end), Some(bell.clone())));
    (block_on(builder.attach(stream)), bell)
}
