//! **switchboard** for programs that still use [async-std]: clients and servers over Unix sockets, pipes and
//! TCP on this machine, as futures. All that they do is [`switchboard_futures`]'s; this is what it needs of
//! async-std.
//!
//! **async-std is discontinued** ([RUSTSEC-2025-0052]): its maintainers recommend smol, and so do we. A new
//! program takes `switchboard-smol`, which differs by its imports only; this package is for those that have
//! async-std already, and no other package of switchboard depends on it.
//!
//! ```
//! use async_std::task;
//! use switchboard::Restart;
//! use switchboard_async_std::{Client, Context, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.sock");
//! # let address = path.to_str().ok_or("the path is no text")?;
//! task::block_on(async {
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
//! Connections are driven by the executor of [`async_std::task::spawn`]: threads that it starts at the first
//! need, one for each processor (`ASYNC_STD_THREAD_COUNT` says how many). Its sockets are watched by
//! [`switchboard_async_io`] and are not async-std's own, whose Unix sockets write one piece at a time. The
//! futures of this package may be polled by any executor.
//!
//! [RUSTSEC-2025-0052]: https://rustsec.org/advisories/RUSTSEC-2025-0052.html

#![forbid(unsafe_code)]

use std::future::Future;

pub use switchboard_futures::*;

/// A client that async-std runs.
pub type Client = switchboard_futures::Client<AsyncStd>;
/// How it connects.
pub type ClientBuilder = switchboard_futures::ClientBuilder<AsyncStd>;
/// A server that async-std runs.
pub type Server = switchboard_futures::Server<AsyncStd>;
/// What it serves, and where.
pub type ServerBuilder = switchboard_futures::ServerBuilder<AsyncStd>;

/// async-std as a runtime: its reactor watches descriptors and keeps time, [`async_std::task::spawn`] runs
/// tasks.
#[derive(Debug)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
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
        // A handle that is dropped leaves its task alone.
        drop(async_std::task::spawn(task));
    }
}
