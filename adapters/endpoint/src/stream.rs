//! `Stream`: one end of a connection over a Unix socket, non-blocking. Called by adapters and by
//! `listener`; knows addresses, credentials, errors and how kinds of files are called.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketType,
};

use crate::address::Address;
use crate::credentials::{self, Credentials};
use crate::error::OpenError;
use crate::folder::kind_name;
use crate::resolve;

/// One end of a connection. Non-blocking: whoever drives it waits until it is readable or writable
/// and calls again.
///
/// Descriptors that a peer sends along (`SCM_RIGHTS`) are dropped by the kernel, unseen: nothing
/// here asks for them.
#[derive(Debug)]
pub struct Stream(UnixStream);

/// `sendmsg` takes no more slices at once (`IOV_MAX` of Linux, the BSDs and macOS).
const SLICES_MAX: usize = 1024;

/// A gone peer is an error (`EPIPE`) and no signal, which would end a program that has not asked
/// to be spared: a C program with Rust in it, for one. Apple's systems know it by socket only.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

impl Stream {
    /// Connects to the server at `address`, and returns at once: it is there, or it is not.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotRunning`] if nobody serves there, [`OpenError::Busy`] if its queue of
    /// clients is full, [`OpenError::NotPermitted`] if this user may not connect,
    /// [`OpenError::BadAddress`] as of [`Address::path`], if the folder is missing, and if there is
    /// a file that is no socket or another type of socket, else [`OpenError::Io`].
    pub fn connect(address: &Address) -> Result<Self, OpenError> {
        let path = address.path()?;
        let error = match connect(&path) {
            Ok(socket) => return Self::new(socket.into()).map_err(OpenError::Io),
            Err(error) => error,
        };
        Err(match error {
            Errno::NOENT | Errno::CONNREFUSED | Errno::NOTSOCK => unserved(&path, address),
            Errno::AGAIN => {
                OpenError::busy(format!("{address}: too many clients wait to be accepted"))
            }
            Errno::ACCESS | Errno::PERM => OpenError::NotPermitted(format!(
                "this user may not connect to {path:?}; run as the user whose server it is"
            )),
            Errno::PROTOTYPE => OpenError::BadAddress(format!(
                "{path:?} is a socket of another type; check the address"
            )),
            Errno::NOTDIR => OpenError::BadAddress(format!(
                "{path:?} goes through a file as if that were a folder; check the address"
            )),
            other => OpenError::io(format_args!("cannot connect to {path:?}"), other),
        })
    }

    /// Two ends that are connected to each other, without an address. For tests, and for a child
    /// process.
    ///
    /// # Errors
    ///
    /// What the operating system says, as a rule that there are no descriptors left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self::new(one)?, Self::new(other)?))
    }

    /// Takes a connected socket and makes it what this type promises.
    pub(crate) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        #[cfg(target_vendor = "apple")]
        rustix::net::sockopt::set_socket_nosigpipe(&socket, true)?;
        Ok(Self(socket))
    }

    /// Reads what is there, at most as much as fits. 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is there now. Everything else is final:
    /// the connection is lost.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (count, _) =
            retry_on_intr(|| rustix::net::recv(&self.0, &mut *buffer, RecvFlags::empty()))?;
        Ok(count)
    }

    /// Writes as much of `slices`, in their order, as goes now. A gone peer is an error and never
    /// a signal.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing goes now. Everything else is final:
    /// the connection is lost, or its write half is shut.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let slices = &slices[..slices.len().min(SLICES_MAX)];
        let mut nothing = SendAncillaryBuffer::default();
        // `sendmsg`, because std's vectored write is `writev`, and that raises SIGPIPE.
        Ok(retry_on_intr(|| rustix::net::sendmsg(&self.0, slices, &mut nothing, NO_SIGNAL))?)
    }

    /// Tells the peer that nothing more comes. Reading goes on.
    ///
    /// # Errors
    ///
    /// What the operating system says; that the peer is gone is no error.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self.0.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    /// Who is at the other end; `None` on systems that do not tell.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn credentials(&self) -> io::Result<Option<Credentials>> {
        credentials::of_peer(&self.0)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
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

/// A stream socket that does not block and is closed on `exec`.
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
