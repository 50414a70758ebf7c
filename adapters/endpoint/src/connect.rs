//! `Stream::connect`: from an address to a connected stream, and why it failed. Called by adapters
//! and by `file`, which looks whether a server lives; knows addresses, streams and errors.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::FileType;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::address::{Address, Place};
use crate::error::OpenError;
use crate::folder::kind_name;
use crate::resolve;
use crate::stream::Stream;
use crate::tcp;

impl Stream {
    /// Connects to the server at `address`, and returns at once: it is there, or it is not. Only
    /// over TCP it waits, at most four seconds, and that only if the server's queue of clients is
    /// full. `stdio` is [`Stream::stdio`].
    ///
    /// # Errors
    ///
    /// - [`OpenError::NotRunning`]: nobody serves there.
    /// - [`OpenError::Busy`]: the server's queue of clients is full.
    /// - [`OpenError::NotPermitted`]: this user may not connect.
    /// - [`OpenError::BadAddress`]: as of [`Address::path`]; the folder is missing; there is a file
    ///   that is no socket, or another type of socket; or the address is not served on this system.
    /// - [`OpenError::BadConfig`], [`OpenError::BadAddress`]: as of [`Stream::stdio`].
    /// - [`OpenError::Io`]: all else.
    pub fn connect(address: &Address) -> Result<Self, OpenError> {
        Self::connect_within(address, tcp::PATIENCE)
    }

    /// The same for one who must not wait, or who tries again by itself: over TCP, too, a full queue is told
    /// at once, which there takes 50 ms.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub fn connect_now(address: &Address) -> Result<Self, OpenError> {
        Self::connect_within(address, tcp::MOMENT)
    }

    fn connect_within(address: &Address, patience: Duration) -> Result<Self, OpenError> {
        match &address.0 {
            Place::Path(_) | Place::Name(_) => to_file(&address.path()?, address),
            Place::Abstract(name) => to_abstract(name, address),
            Place::Tcp(host, port) => tcp::connect(*host, *port, address, patience),
            Place::Stdio => Self::stdio(),
        }
    }
}

fn to_file(path: &Path, address: &Address) -> Result<Stream, OpenError> {
    let error = match connect(path) {
        Ok(socket) => return Stream::unix(socket).map_err(OpenError::Io),
        Err(error) => error,
    };
    Err(match error {
        Errno::NOENT | Errno::CONNREFUSED | Errno::NOTSOCK => unserved(path, address),
        Errno::ACCESS | Errno::PERM => OpenError::NotPermitted(format!(
            "this user may not connect to {path:?}; run as the user whose server it is"
        )),
        Errno::NOTDIR => OpenError::BadAddress(format!(
            "{path:?} goes through a file as if that were a folder; check the address"
        )),
        other => refused(other, address),
    })
}

fn to_abstract(name: &str, address: &Address) -> Result<Stream, OpenError> {
    let place = abstract_name(name, address)?;
    let connected = socket().and_then(|socket| {
        retry_on_intr(|| rustix::net::connect(&socket, &place))?;
        Ok(socket)
    });
    match connected {
        Ok(socket) => Stream::unix(socket).map_err(OpenError::Io),
        Err(Errno::CONNREFUSED) => Err(OpenError::NotRunning { address: address.to_string() }),
        Err(other) => Err(refused(other, address)),
    }
}

/// What a path and an abstract name have in common.
fn refused(error: Errno, address: &Address) -> OpenError {
    match error {
        Errno::AGAIN => OpenError::busy(format!("{address}: too many clients wait to be accepted")),
        Errno::PROTOTYPE => OpenError::BadAddress(format!(
            "{address} is a socket of another type; check the address"
        )),
        other => OpenError::io(format_args!("cannot connect to {address}"), other),
    }
}

/// Why nobody answered at `path`: because nobody can ever serve there, or because nobody does. The
/// system tells both in the same way. Whoever starts between its answer and this look comes too
/// late for this attempt.
fn unserved(path: &Path, address: &Address) -> OpenError {
    let kind =
        |path: &Path| rustix::fs::stat(path).map(|found| FileType::from_raw_mode(found.st_mode));
    let (folder, _) = resolve::split(path);
    match kind(path) {
        Ok(FileType::Socket) => {}
        Ok(other) => {
            return OpenError::BadAddress(format!(
                "{path:?} is {} and no socket; check the address",
                kind_name(other)
            ));
        }
        Err(_) if kind(&folder) == Err(Errno::NOENT) => {
            return OpenError::BadAddress(format!(
                "the folder {folder:?} does not exist; check the address"
            ));
        }
        Err(_) => {}
    }
    OpenError::NotRunning { address: address.to_string() }
}

/// A Unix stream socket that does not block and is closed on `exec`.
pub(crate) fn socket() -> Result<OwnedFd, Errno> {
    #[cfg(not(target_vendor = "apple"))]
    {
        use rustix::net::SocketFlags;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
    }
    #[cfg(target_vendor = "apple")]
    {
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(socket)
    }
}

/// Connects without waiting: `AGAIN` means that somebody listens and the queue is full.
pub(crate) fn connect(path: &Path) -> Result<OwnedFd, Errno> {
    let socket = socket()?;
    let address = SocketAddrUnix::new(path)?;
    retry_on_intr(|| rustix::net::connect(&socket, &address))?;
    Ok(socket)
}

/// The system's form of an abstract name.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn abstract_name(name: &str, address: &Address) -> Result<SocketAddrUnix, OpenError> {
    SocketAddrUnix::new_abstract_name(name.as_bytes())
        .map_err(|error| OpenError::io(format_args!("cannot use {address}"), error))
}

/// There is none.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn abstract_name(_: &str, address: &Address) -> Result<SocketAddrUnix, OpenError> {
    Err(OpenError::BadAddress(format!(
        "{address} is an abstract name, which only Linux and Android have; use a path or a name"
    )))
}
