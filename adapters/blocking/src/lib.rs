//! **switchboard** for plain threads: clients and servers over Unix sockets, pipes and TCP
//! on this machine, without an executor.
//!
//! ```
//! use switchboard::Restart;
//! use switchboard_blocking::{Client, Context, Server};
//!
//! let folder = tempfile::tempdir()?;
//! let address = folder.path().join("app.sock");
//! let address = address.to_str().ok_or("the path is no text")?;
//!
//! let server = Server::builder()
//!     .handle("add", |_: Context, (a, b): (u64, u64)| Ok(a + b))
//!     .bind(address)?;
//!
//! let client = Client::connect(address)?;
//! let sum: u64 = client.request("add", &(1, 2))?;
//! assert_eq!(sum, 3);
//!
//! client.close("done");
//! server.close(Restart::never());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who runs what
//!
//! - **Client**: whoever waits for an answer reads for all; no thread of its own is in the way of a
//!   call. While nobody waits it looks every 4 s what has come. With handlers, listeners or
//!   subscriptions a thread reads while nobody waits, and steps back when somebody does; handlers and
//!   listeners run on a few further threads, subscriptions on yours.
//!   One thread keeps time, and sleeps; another one writes what a slow server did not take at once,
//!   and ends.
//! - **Server**: one thread accepts, one keeps time, one a connection reads and runs `handle_inline`;
//!   `handle` and `on` run on a few shared threads, and connections take turns on them.
//! - Both call the other: a server through [`Peer`], also from within a handler.
//! - No code of yours runs under a lock of this crate. A handler that panics costs its own call only
//!   (with `panic = "abort"` it ends the program, as everywhere).
//!
//! Who may call whom: `client`, `server`, their builders, `scope`, `peer`, `context`, `call`, `exchange`,
//! `items`, `subscription` and `guard` are the programs' side; `calls`, `streams` and `feeds` are what both
//! ends ask, `serving` what both ends serve, with `listening`, `services` and `pool`, and `topics` what a
//! server does besides; `host` is what a server's threads share. All know `link` (a session and its socket;
//! `drive` drives it), `seat` (who waits for it) and `state` (what they share, with the core's inbox);
//! `link` knows `timer` and `wait`. What waits takes its locks, threads and clock from `sync`.

#![forbid(unsafe_code)]

mod call;
mod calls;
mod client;
mod client_builder;
mod context;
mod drive;
mod exchange;
mod feeds;
mod guard;
mod host;
mod items;
mod link;
mod listening;
mod peer;
mod pool;
#[cfg(all(test, shuttle))]
mod schedules;
mod scope;
mod seat;
mod server;
mod server_builder;
mod services;
mod serving;
mod state;
mod streams;
mod subscription;
mod sync;
mod timer;
mod topics;
mod wait;

pub use call::{Call, Canceller};
pub use client::Client;
pub use client_builder::ClientBuilder;
pub use context::Context;
pub use exchange::{Exchange, ExchangeReceiver, ExchangeSender};
pub use guard::Guard;
pub use items::{ItemSender, Items};
pub use peer::Peer;
pub use scope::Scope;
pub use server::{Outcomes, Server};
pub use server_builder::ServerBuilder;
pub use subscription::Subscription;
pub use switchboard_endpoint::{Address, AdmissionLimits, Credentials, OpenError, Stream};

/// The guides' examples must compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/first-program.md")]
#[doc = include_str!("../../../docs/errors.md")]
#[doc = include_str!("../../../docs/limits.md")]
#[doc = include_str!("../../../docs/pubsub.md")]
struct Guides;
