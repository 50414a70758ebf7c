//! **switchboard** for [smol]: clients and servers over Unix sockets, pipes and TCP on this machine, as
//! futures. All that they do is [`switchboard_futures`]'s; this is what it needs of smol.
//!
//! ```
//! use switchboard::Restart;
//! use switchboard_smol::{Client, Context, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.sock");
//! # let address = path.to_str().ok_or("the path is no text")?;
//! smol::block_on(async {
//!     let server = Server::builder()
//!         .handle("add", |_: Context, (a, b): (u64, u64)| async move { Ok(a + b) })
//!         .bind(address)
//!         .await?;
//!
//!     let client = Client::connect(address).await?;
//!     let sum: u64 = client.request("add", &(1, 2)).await?;
//!     assert_eq!(sum, 3);
//!
//!     client.close("done").await;
//!     server.close(Restart::never()).await;
//!     Ok(())
//! })
//! # }
//! ```
//!
//! Connections are driven by the executor of [`smol::spawn`], a thread that smol starts at the first need
//! (`SMOL_THREADS` says how many). The futures of this package may be polled by any executor.

#![forbid(unsafe_code)]

use std::future::Future;

pub use switchboard_futures::*;

/// A client that smol runs.
pub type Client = switchboard_futures::Client<Smol>;
/// How it connects.
pub type ClientBuilder = switchboard_futures::ClientBuilder<Smol>;
/// A server that smol runs.
pub type Server = switchboard_futures::Server<Smol>;
/// What it serves, and where.
pub type ServerBuilder = switchboard_futures::ServerBuilder<Smol>;

/// smol as a runtime: its reactor watches descriptors and keeps time, [`smol::spawn`] runs tasks.
#[derive(Debug)]
pub struct Smol;

impl Runtime for Smol {
    #[cfg(unix)]
    fn transport(stream: Stream) -> std::io::Result<Box<dyn Transport>> {
        switchboard_async_io::transport(stream)
    }

    #[cfg(unix)]
    fn acceptor(listener: Listener) -> std::io::Result<Box<dyn Acceptor>> {
        switchboard_async_io::acceptor(listener)
    }

    fn timer() -> Box<dyn Timer> {
        switchboard_async_io::timer()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }
}

/// The README's examples must compile and run, and those of the guides.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../docs/own-executor.md")]
#[doc = include_str!("../../../docs/reconnect.md")]
struct Guides;
