//! **switchboard** is an IPC protocol for Rust, as a pure state machine: bytes, time and commands go
//! in; bytes, events and a deadline come out. No socket, thread, clock, lock or future is in this
//! crate, and it is `no_std`.
//!
//! Most programs want an adapter, which drives this crate over a transport: `switchboard-blocking` for
//! plain threads, `switchboard-smol` or `switchboard-tokio` for futures, `switchboard-futures` for an
//! executor of one's own (`docs/which-adapter.md` compares them). A program with an event loop of its own
//! drives a [`Pump`].
//!
//! # Layers
//!
//! ```text
//! wire     bytes <-> frames                    usable alone
//! payload  values <-> CBOR, checked
//! topic, publication, backlog   names, values for many, those that wait
//! connection   one link: handshake, calls, streams, messages, subscriptions, closing
//! pump         a connection, its receive buffer and its budget
//! session      a client's connection that comes back
//! inbox        what came out of a session and waits for whoever wants it, for adapters
//! hub          topics -> who, and retained values: routing only, usable alone
//! broker       pub/sub between connections: events in, commands out
//! service      channel -> handler, for adapters
//! ```
//!
//! # The loop
//!
//! 1. Ask [`Pump::next`] what to do, until it says [`Next::Io`]; handle each [`Event`].
//! 2. Write what [`Pump::chunks`] lends, without blocking; tell [`Pump::wrote`].
//! 3. Wait until the transport is ready, or for the deadline, without holding a lock.
//! 4. Read into [`Pump::space`], without blocking; tell [`Pump::filled`]. Go to 1.
//!
//! # What holds
//!
//! - Every function returns at once, and none panics whatever a peer sends.
//! - Every call ends exactly once, and says whether it may have run.
//! - Everything is bounded by a named limit; [`Config::memory_bound`] is their sum.
//! - The same inputs give the same bytes out.
//!
//! The rules are in `docs/protocol.md`; the documentation of each item names its section.

#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod backlog;
mod broker;
mod close_reason;
mod command;
mod config;
mod connection;
mod counters;
mod delivery;
mod error;
mod event;
mod failure;
pub mod hub;
mod id;
mod inbox;
mod instant;
mod options;
mod payload;
mod policy;
mod publication;
mod pump;
mod restart;
pub mod service;
mod session;
mod status;
mod topic;
pub mod wire;

pub use backlog::{Allowance, Backlog, Due, Overflow};
pub use broker::{Asked, Broker, BrokerLimits, Hall, Line, Owner};
pub use close_reason::{CloseReason, Timer};
pub use command::Command;
pub use config::{Config, ConfigError};
pub use connection::{Connection, Hello, Welcome};
pub use counters::Counters;
pub use delivery::{Delivery, DeliveryError};
pub use error::{CallError, Fate, ProtocolError, Rejected};
pub use event::{Event, Item, PeerHello, PeerWelcome, Received, Subscribe};
pub use failure::Failure;
pub use id::{CallId, ConnectionId};
pub use inbox::{Attempt, Inbox, Stir};
pub use instant::Instant;
pub use options::{Options, Streams};
pub use payload::{
    DecodeError, EncodeError, FromPayload, MAX_DEPTH, Payload, PayloadLimits, ScanError, ToPayload,
    from_payload, scan, to_payload,
};
pub use policy::Policy;
pub use publication::Publication;
pub use pump::{Next, Pump};
pub use restart::Restart;
pub use session::{Backoff, Session, SessionNext, SessionStatus};
pub use status::Status;
pub use topic::{is_pattern, is_topic};
pub use wire::{HeaderValue, Headers};
