//! Many schedules of the same scenario: who waits, who reads, who wakes whom. Called by the tests below;
//! knows clients as programs do, and a server on the other end of a real socket.
//!
//! Time stands still, so that a wake-up that is lost is a scenario without an end, which is told with the
//! schedule that led to it. A scenario has ended when all threads have: those of the client, too.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod callers;
mod ending;
mod leaving;
mod pushes;

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{MaxSteps, Runner};
use switchboard::{CallId, Config, Event, Payload, to_payload};
use switchboard_endpoint::Stream;
use switchboard_testkit::Side;

use crate::sync::thread::{Builder, JoinHandle};
use crate::sync::{poll, set_time};
use crate::{Client, ClientBuilder};

/// Schedules of each scenario, unless the environment says otherwise.
const SCHEDULES: usize = 1000;
/// No scenario has so many steps but one that does not end: threads that wait for a socket go round.
const STEPS: usize = 20_000;
/// Of both halves, so that a failure comes again. `SHUTTLE_RANDOM_SEED` has shuttle try others.
const SEED: u64 = 8;

/// Runs a scenario in many schedules: half of them any, half such as have few changes of threads at moments
/// that matter.
fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let count = std::env::var("SWITCHBOARD_SCHEDULES").ok();
    let count = count.map_or(SCHEDULES, |count| count.parse().expect("a number of schedules"));
    let scenario = Arc::new(scenario);
    let run = |scheduler: Box<dyn Scheduler + Send>| {
        let mut config = shuttle::Config::new();
        config.stack_size = 256 * 1024;
        config.max_steps = MaxSteps::FailAfter(STEPS);
        let scenario = Arc::clone(&scenario);
        Runner::new(scheduler, config).run(move || {
            set_time(Duration::ZERO);
            scenario();
        });
    };
    let seed = std::env::var("SHUTTLE_RANDOM_SEED").ok();
    let seed = seed.map_or(SEED, |seed| seed.parse().expect("a seed"));
    run(Box::new(RandomScheduler::new_from_seed(seed, count.div_ceil(2))));
    run(Box::new(PctScheduler::new_from_seed(seed, 3, count / 2)));
}

fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().name("caller".into()).spawn(run).unwrap()
}

/// A client and its server, which has a thread of its own.
fn connect(builder: ClientBuilder, server: Server) -> (Client, JoinHandle<usize>) {
    let (one, other) = Stream::pair().unwrap();
    if server.socket_takes_little {
        rustix::net::sockopt::set_socket_send_buffer_size(&other, 0).unwrap();
    }
    let server = spawn(move || server.run(&one));
    (builder.attach(other).unwrap(), server)
}

/// A server that answers each call on `echo` with its arguments, in any order, one by one, those on `never`
/// when they are cancelled, and others not at all.
struct Server {
    side: Side,
    calls: Vec<(CallId, Payload)>,
    unanswered: Vec<CallId>,
    /// The numbers that it says, unasked, once there is a client.
    news: Vec<u32>,
    says: Vec<u32>,
    /// It is gone without a word when it has answered so many calls, or got so many messages.
    leaves_after: Option<u32>,
    /// Its client writes a little at a time.
    socket_takes_little: bool,
    messages: usize,
}

impl Server {
    fn new(config: Config) -> Self {
        let side = Side::server(Arc::new(config));
        Self {
            side,
            calls: Vec::new(),
            unanswered: Vec::new(),
            news: Vec::new(),
            says: Vec::new(),
            leaves_after: None,
            socket_takes_little: false,
            messages: 0,
        }
    }

    /// Until the connection has ended; how many messages came.
    fn run(mut self, stream: &Stream) -> usize {
        loop {
            self.write(stream);
            if self.side.done.is_some() || self.leaves_after == Some(0) {
                return self.messages;
            }
            let idle = self.calls.is_empty() && self.says.is_empty();
            if idle || thread_rng().gen_bool(0.5) {
                self.read(stream, idle);
            } else {
                self.say();
            }
        }
    }

    fn say(&mut self) {
        let choice = thread_rng().gen_range(0..self.calls.len() + self.says.len());
        if choice < self.calls.len() {
            let (call, args) = self.calls.swap_remove(choice);
            // It may have been given up.
            let _ = self.side.answer(call, Ok(&args));
            self.leaves_after = self.leaves_after.map(|left| left - 1);
        } else {
            let number = self.says.remove(0);
            self.side.send("news", &to_payload(&number).unwrap()).unwrap();
        }
    }

    fn read(&mut self, stream: &Stream, waits: bool) {
        let mut descriptors = [PollFd::new(stream, PollFlags::IN)];
        if waits {
            poll(&mut descriptors, None).unwrap();
        } else if rustix::event::poll(&mut descriptors, Some(&Timespec::default())).unwrap() == 0 {
            return;
        }
        let mut bytes = [0; 4096];
        match stream.try_read(&mut bytes).unwrap_or(0) {
            0 => self.side.end(),
            count => self.side.feed(&bytes[..count]),
        }
        for event in core::mem::take(&mut self.side.events) {
            match event {
                Event::Hello(_) => {
                    self.side.accept();
                    self.says = core::mem::take(&mut self.news);
                }
                Event::Request { call, request, .. } if request.channel() == "echo" => {
                    self.calls.push((call, request.into_payload()));
                }
                Event::Request { call, request, .. } if request.channel() == "never" => {
                    self.unanswered.push(call);
                }
                Event::Cancelled { call, .. } if self.unanswered.contains(&call) => {
                    self.calls.push((call, Payload::null()));
                }
                Event::Message(_) => {
                    self.messages += 1;
                    self.leaves_after = self.leaves_after.map(|left| left - 1);
                }
                other => self.side.events.push(other),
            }
        }
    }

    fn write(&mut self, stream: &Stream) {
        let bytes = self.side.written();
        // What is said here fits into the socket; the client may be gone.
        let _ = stream.try_write_vectored(&[IoSlice::new(&bytes)]);
        if self.side.shut {
            let _ = stream.shutdown_write();
        }
    }
}
