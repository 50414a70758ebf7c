//! The async driver of **switchboard**, for any runtime. Programs use `switchboard-smol`,
//! `switchboard-tokio` or `switchboard-async-std`, which are this with a [`Runtime`] each; whoever has an
//! executor of their own writes one.
//!
//! # Who runs what
//!
//! - A connection has one task, its [`Driver`]: it reads, writes what did not go at once, keeps time, and
//!   runs the handlers and listeners. Nothing of yours runs under a lock of this crate.
//! - What is asked of a connection is written at once, by the task that asks. A call that is alone reads its
//!   own answer: no other task is between it and the socket.
//! - Handlers are futures, many at once, and are dropped when their call is given up. What takes the
//!   processor for long belongs on a thread of its own, as in all async code.
//! - A server has one task that accepts, and one a connection.
//!
//! Who may call whom: `client`, `server`, their builders, `scope`, `peer`, `context`, `call`, `exchange`,
//! `items`, `subscription`, `driver` and `guard` are the programs' side; `calls` is what both ends ask,
//! `serving` what both ends serve, with `services`; `host` is what a server's tasks share, with `door` (a
//! connection of it) and `topics`. All know `link` (a pump and its transport), `state` (what they share,
//! with the core's inbox), `waits` (how futures wait for it) and `wakers`; `link` knows `seat` (whom the
//! reactor wakes) and `runtime`.

#![forbid(unsafe_code)]

mod call;
mod calls;
mod client;
mod client_builder;
mod context;
mod door;
mod driver;
mod exchange;
mod guard;
mod host;
mod items;
mod link;
mod peer;
mod runtime;
#[cfg(all(test, shuttle))]
mod schedules;
mod scope;
mod seat;
mod server;
mod server_builder;
mod services;
mod serving;
mod state;
mod subscription;
mod sync;
mod topics;
mod waits;
mod wakers;

pub use call::Call;
pub use client::Client;
pub use client_builder::ClientBuilder;
pub use context::Context;
pub use driver::Driver;
pub use exchange::{Exchange, ExchangeReceiver, ExchangeSender};
pub use guard::Guard;
pub use items::{ItemSender, Items};
pub use peer::Peer;
pub use runtime::{Acceptor, Runtime, Timer, Transport};
pub use scope::Scope;
pub use server::{Outcomes, Server};
pub use server_builder::ServerBuilder;
pub use subscription::Subscription;
pub use switchboard_endpoint::{
    Address, AdmissionLimits, Credentials, Listener, OpenError, Stream,
};
