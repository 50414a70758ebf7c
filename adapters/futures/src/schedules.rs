//! Many schedules of the same scenario: who drives, who is woken, who is dropped. Called by the tests below;
//! knows clients as programs do, and a server at the other end of a pipe in memory.
//!
//! Time stands still and no timer wakes by itself, so that a wake-up that is lost is a deadlock, which is
//! told with the schedule that led to it. A scenario has ended when all threads and tasks have: the driver,
//! too.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod calls;
mod dropping;
mod ending;
mod pipe;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread::{JoinHandle, spawn};
use shuttle::{MaxSteps, Runner};
use switchboard::{CallId, Config, Event, Payload, to_payload};
use switchboard_endpoint::{Listener, Stream};
use switchboard_testkit::Side;

use self::pipe::{Bell, End, Pipe};
use crate::client_builder::ClientBuilder;
use crate::runtime::{Acceptor, Runtime, Timer, Transport};
use crate::sync::set_time;

/// Schedules of each scenario, unless the environment says otherwise.
const SCHEDULES: usize = 1000;
/// No scenario has so many steps but one that does not end.
const STEPS: usize = 20_000;
/// Of both halves, so that a failure comes again. `SHUTTLE_RANDOM_SEED` has shuttle try others.
const SEED: u64 = 8;
/// More than anybody writes here.
const ROOMY: usize = 1 << 20;

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

std::thread_local! {
    /// The pipe that the next client gets.
    static NEXT: RefCell<Option<Arc<Pipe>>> = const { RefCell::new(None) };
}

fn next() -> Arc<Pipe> {
    NEXT.with_borrow(|next| Arc::clone(next.as_ref().unwrap()))
}

/// shuttle's executor, and a pipe in place of each stream.
struct Scheduled;

type Client = crate::Client<Scheduled>;

impl Runtime for Scheduled {
    fn transport(_: Stream) -> io::Result<Box<dyn Transport>> {
        Ok(Box::new(End(next())))
    }

    fn acceptor(_: Listener) -> io::Result<Box<dyn Acceptor>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn timer() -> Box<dyn Timer> {
        Box::new(Bell(next()))
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        drop(shuttle::future::spawn(task));
    }
}

/// A client and its server, which has a thread of its own.
fn connect(
    builder: ClientBuilder<Scheduled>,
    server: Server,
) -> (Client, JoinHandle<usize>, Arc<Pipe>) {
    let pipe = Pipe::new(server.room);
    NEXT.set(Some(Arc::clone(&pipe)));
    let its = Arc::clone(&pipe);
    let server = spawn(move || server.run(&its));
    let (stream, _other) = Stream::pair().unwrap();
    (block_on(builder.attach(stream)).unwrap(), server, pipe)
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
    /// How many bytes are kept until it reads.
    room: usize,
    messages: usize,
}

impl Server {
    fn new(config: Config) -> Self {
        Self {
            side: Side::server(Arc::new(config)),
            calls: Vec::new(),
            unanswered: Vec::new(),
            news: Vec::new(),
            says: Vec::new(),
            leaves_after: None,
            room: ROOMY,
            messages: 0,
        }
    }

    /// Until the connection has ended; how many messages came.
    fn run(mut self, pipe: &Pipe) -> usize {
        loop {
            pipe.say(&self.side.written(), self.side.shut);
            if self.side.done.is_some() || self.leaves_after == Some(0) {
                pipe.leave();
                return self.messages;
            }
            let idle = self.calls.is_empty() && self.says.is_empty();
            if idle || thread_rng().gen_bool(0.5) {
                match pipe.hear(idle) {
                    None => {}
                    Some(bytes) if bytes.is_empty() => self.side.end(),
                    Some(bytes) => self.side.feed(&bytes),
                }
                self.take_events();
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
            // It may have closed.
            let _ = self.side.send("news", &to_payload(&number).unwrap());
        }
    }

    fn take_events(&mut self) {
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
}
