//! What the driver needs of a runtime: transports, an acceptor, a timer, and somebody who runs tasks.
//! Implemented by the adapters for each runtime, and by programs with an executor of their own.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::Instant;

use switchboard_endpoint::{Credentials, Listener, Stream};

/// A runtime, as a type without values: `switchboard-smol`, `switchboard-tokio` and
/// `switchboard-async-std` have theirs.
///
/// An executor of one's own, with the reactor of a runtime that is there:
///
/// ```
/// use std::future::Future;
/// use std::{io, thread};
///
/// use switchboard_futures::{Acceptor, Client, Listener, Runtime, Server, Stream, Timer, Transport};
/// use switchboard_smol::Smol;
///
/// /// smol's reactor, and a thread for every task.
/// struct Mine;
///
/// impl Runtime for Mine {
///     fn transport(stream: Stream) -> io::Result<Box<dyn Transport>> {
///         Smol::transport(stream)
///     }
///     fn acceptor(listener: Listener) -> io::Result<Box<dyn Acceptor>> {
///         Smol::acceptor(listener)
///     }
///     fn timer() -> Box<dyn Timer> {
///         Smol::timer()
///     }
///     fn spawn(task: impl Future<Output = ()> + Send + 'static) {
///         thread::spawn(|| smol::block_on(task));
///     }
/// }
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// let _server = Server::<Mine>::builder().bind(address).await?;
/// let client = Client::<Mine>::connect(address).await?;
/// client.ping().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// `docs/own-executor.md` has one with a queue, and what a reactor of one's own must keep.
pub trait Runtime: Send + Sync + 'static {
    /// What is missing where this is called, for the programmer to read; asked before anything is opened.
    /// Nothing by default: there are runtimes that run everywhere.
    ///
    /// # Errors
    ///
    /// What is missing. Whoever opens something hands it on as
    /// [`OpenError::BadConfig`](switchboard_endpoint::OpenError::BadConfig).
    fn check() -> Result<(), String> {
        Ok(())
    }

    /// Watches a connected stream.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    #[cfg(unix)]
    fn transport(stream: Stream) -> io::Result<Box<dyn Transport>>;

    /// Watches a connected stream: there is none on a system on which the endpoint serves no address.
    ///
    /// # Errors
    ///
    /// Always.
    #[cfg(not(unix))]
    fn transport(_: Stream) -> io::Result<Box<dyn Transport>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Watches a listener.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    #[cfg(unix)]
    fn acceptor(listener: Listener) -> io::Result<Box<dyn Acceptor>>;

    /// Watches a listener: there is none, as with streams.
    ///
    /// # Errors
    ///
    /// Always.
    #[cfg(not(unix))]
    fn acceptor(_: Listener) -> io::Result<Box<dyn Acceptor>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A timer.
    fn timer() -> Box<dyn Timer>;

    /// Runs a task to its end, whoever waits for it or not.
    fn spawn(task: impl Future<Output = ()> + Send + 'static);
}

/// A connected stream that a runtime watches. Each method is called by one task at a time; of each
/// direction the waker that was given last counts.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Reads what is there. 0 is the end of the stream. A read that does not fill the buffer has drained
    /// the stream: a runtime that keeps a readiness of its own takes note.
    ///
    /// # Errors
    ///
    /// After [`Interrupted`](io::ErrorKind::Interrupted) and [`WouldBlock`](io::ErrorKind::WouldBlock) it is
    /// asked again at once. Everything else is final.
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Waits until something can be written, or the stream is broken. A write that takes all there is may end
    /// the waiting: whoever finds no room asks anew.
    ///
    /// # Errors
    ///
    /// Nobody can be told of room, such as for want of a descriptor: it is asked again 10 ms later, for room
    /// itself comes and goes without that.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Writes as much of `slices`, in their order, as goes now.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing goes now, and
    /// [`poll_writable`](Self::poll_writable) tells when something does;
    /// [`Interrupted`](io::ErrorKind::Interrupted) if it is to be tried again at once. Everything else is
    /// final, and so is to take nothing.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Tells the peer that nothing more comes; reading goes on.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn shutdown_write(&self) -> io::Result<()>;

    /// Ends both directions at once.
    fn hang_up(&self);
}

/// A listener that a runtime watches.
pub trait Acceptor: Send + 'static {
    /// Waits for the next client, and who it is. An error that is no
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) may pass: it is asked again after a pause.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream, Option<Credentials>)>>;

    /// Whether nobody will come any more ([`Listener::is_exhausted`]).
    fn is_exhausted(&self) -> bool;
}

/// A timer that can be set again and again.
pub trait Timer: fmt::Debug + Send + 'static {
    /// Waits until `at`, in place of what was waited for before. Ready once it has come, and then as often
    /// as it is asked.
    fn poll_at(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()>;
}
