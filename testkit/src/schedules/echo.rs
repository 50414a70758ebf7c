//! `Echo`: the server of a scenario whose subject is a client. Part of `schedules`.

use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use switchboard::{CallId, Config, Event, Payload, to_payload};

use crate::Side;

/// The way to the client.
pub trait Wire {
    /// Says something, and perhaps nothing more after it. The client may be gone.
    fn say(&self, bytes: &[u8], ends: bool);

    /// What has come, if anything has or it `waits`; nothing is the end.
    fn hear(&self, waits: bool) -> Option<Vec<u8>>;
}

/// A server that answers each call on `echo` with its arguments, in any order, one by one, those on `never`
/// when they are cancelled, and others not at all.
#[derive(Debug)]
pub struct Echo {
    side: Side,
    calls: Vec<(CallId, Payload)>,
    unanswered: Vec<CallId>,
    /// The numbers that it says on `news`, unasked, once there is a client. Default: none.
    pub news: Vec<u32>,
    says: Vec<u32>,
    /// It pings before each answer. Default: no.
    pub pings: bool,
    /// It is gone without a word when it has answered so many calls, or got so many messages. Default: never.
    pub leaves_after: Option<u32>,
    /// Its client can write only a little at a time; whoever joins the two sees to it. Default: no.
    pub takes_little: bool,
    messages: usize,
}

impl Echo {
    /// A server with these limits.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            side: Side::server(Arc::new(config)),
            calls: Vec::new(),
            unanswered: Vec::new(),
            news: Vec::new(),
            says: Vec::new(),
            pings: false,
            leaves_after: None,
            takes_little: false,
            messages: 0,
        }
    }

    /// Serves until the connection has ended; how many messages came.
    pub fn run(mut self, wire: &impl Wire) -> usize {
        loop {
            wire.say(&self.side.written(), self.side.shut);
            if self.side.done.is_some() || self.leaves_after == Some(0) {
                return self.messages;
            }
            let idle = self.calls.is_empty() && self.says.is_empty();
            if idle || thread_rng().gen_bool(0.5) {
                match wire.hear(idle) {
                    None => {}
                    Some(bytes) if bytes.is_empty() => self.side.end(),
                    Some(bytes) => self.side.feed(&bytes),
                }
                self.take_events();
            } else {
                self.speak();
            }
        }
    }

    /// Nobody may be there any more to be told.
    fn speak(&mut self) {
        let choice = thread_rng().gen_range(0..self.calls.len() + self.says.len());
        if choice < self.calls.len() {
            if self.pings {
                let now = self.side.now;
                let _ = self.side.connection().ping(now, 0);
            }
            let (call, args) = self.calls.swap_remove(choice);
            let _ = self.side.answer(call, Ok(&args));
            self.leaves_after = self.leaves_after.map(|left| left - 1);
        } else {
            let number = self.says.remove(0);
            let number = to_payload(&number).expect("a number is short");
            let _ = self.side.send("news", &number);
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
