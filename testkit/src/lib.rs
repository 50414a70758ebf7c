//! Connections of `switchboard` joined in memory, on a virtual clock: for tests that need no socket,
//! thread, clock or sleep, and give the same result every time.
//!
//! - [`Pair`] is a client and a server, [`Net`] a server with any number of clients.
//! - [`Link`] says what a direction between two sides is like: latency, the pieces in which bytes
//!   come, how much may be under way, when it breaks.
//! - [`Side`] is one end: commands, what happened, a handler for its events. Alone it is driven by
//!   hand, byte by byte.
//! - The clock stands still unless a test lets time pass, and then it jumps from one thing that is due
//!   to the next: an hour takes no time.
//! - A [`Trace`] of every frame prints itself when a test fails.
//!
//! ```
//! use std::time::Duration;
//!
//! use switchboard::{Options, from_payload, to_payload};
//! use switchboard_testkit::{Link, Pair};
//!
//! // What is under test, as a rule: the server's part.
//! let mut pair = Pair::open();
//! pair.set_links(Link::new().latency(Duration::from_millis(5)));
//! pair.server.serve(|request| {
//!     let (a, b): (u64, u64) = from_payload(&request.into_payload(), &Default::default())?;
//!     Ok(to_payload(&(a + b))?)
//! });
//!
//! let arguments = to_payload(&(1, 2))?;
//! pair.client.call("sum", &arguments, &Options::new(), 0)?;
//! pair.drive();
//!
//! assert_eq!(pair.client.happened(), ["call 1 ended well"]);
//! assert_eq!(pair.now(), Duration::from_millis(10).into());
//! assert_eq!(
//!     pair.trace.to_string(),
//!     "0ns client > request 1 \"sum\" 3 B\n5ms server > response 1 1 B\n",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod by_hand;
mod clock;
mod dice;
mod line;
mod link;
mod net;
mod pair;
#[cfg(feature = "_schedules")]
pub mod schedules;
mod side;
mod trace;
pub mod words;

pub use dice::Dice;
pub use link::{Chunking, Link};
pub use net::{Net, Server};
pub use pair::Pair;
pub use side::Side;
pub use trace::Trace;
