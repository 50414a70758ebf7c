//! **switchboard** for [tokio]: clients and servers over Unix sockets, pipes and TCP on this machine, as
//! futures. All that they do is [`switchboard_futures`]'s; this is what it needs of tokio.
//!
//! ```
//! use switchboard::Restart;
//! use switchboard_tokio::{Client, Context, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.sock");
//! # let address = path.to_str().ok_or("the path is no text")?;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let server = Server::builder()
//!     .handle("add", |_: Context, (a, b): (u64, u64)| async move { Ok(a + b) })
//!     .bind(address)
//!     .await?;
//!
//! let client = Client::connect(address).await?;
//! let sum: u64 = client.request("add", &(1, 2)).await?;
//! assert_eq!(sum, 3);
//!
//! client.close("done").await;
//! server.close(Restart::never()).await;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! Connections are driven by tasks of the runtime in which [`Client::connect`] or [`ServerBuilder::bind`] was
//! called, of either flavour. It must have I/O and time enabled (`enable_all`), or tokio panics there; where
//! there is no runtime at all that is [`OpenError::BadConfig`]. What is asked of a client later, and what it
//! gives out, may be polled by any executor.

#![forbid(unsafe_code)]

#[cfg(unix)]
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

pub use switchboard_futures::*;

/// A client that tokio runs.
pub type Client = switchboard_futures::Client<Tokio>;
/// How it connects.
pub type ClientBuilder = switchboard_futures::ClientBuilder<Tokio>;
/// A server that tokio runs.
pub type Server = switchboard_futures::Server<Tokio>;
/// What it serves, and where.
pub type ServerBuilder = switchboard_futures::ServerBuilder<Tokio>;

/// tokio as a runtime: the one in whose context it is used.
#[derive(Debug)]
pub struct Tokio;

impl Runtime for Tokio {
    fn check() -> Result<(), String> {
        let here = Handle::try_current().map(drop);
        here.map_err(|error| format!("switchboard-tokio runs within tokio only: {error}"))
    }

    #[cfg(unix)]
    fn transport(stream: Stream) -> std::io::Result<Box<dyn Transport>> {
        Self::check().map_err(std::io::Error::other)?;
        Ok(Box::new(watch::Watched::new(stream)?))
    }

    #[cfg(unix)]
    fn acceptor(listener: Listener) -> std::io::Result<Box<dyn Acceptor>> {
        Self::check().map_err(std::io::Error::other)?;
        Ok(Box::new(watch::Accepting::new(listener)?))
    }

    fn timer() -> Box<dyn Timer> {
        Box::new(Clock(Box::pin(sleep(Duration::ZERO))))
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }
}

#[derive(Debug)]
struct Clock(Pin<Box<Sleep>>);

impl Timer for Clock {
    fn poll_at(&mut self, cx: &mut task::Context<'_>, at: Instant) -> Poll<()> {
        if self.0.deadline().into_std() != at {
            self.0.as_mut().reset(at.into());
        }
        self.0.as_mut().poll(cx)
    }
}
