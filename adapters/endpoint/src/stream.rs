//! `Stream`: one end of a connection, non-blocking: a Unix socket, a TCP socket, or two descriptors.
//! Called by adapters and by `listener`; knows pipes, credentials and sockets. How one is opened
//! stands in `connect`, `tcp` and `stdio`.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::io::{Errno, ioctl_fionbio, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

use crate::credentials::{self, Credentials};
use crate::pipes::Pipes;

/// One end of a connection. Nothing here waits: whoever drives it waits until it is readable or
/// writable and calls again. All methods may be called from several threads at once.
///
/// Descriptors that a peer sends along (`SCM_RIGHTS`) are dropped by the kernel, unseen: nothing
/// here asks for them.
#[derive(Debug)]
pub struct Stream(pub(crate) Ends);

#[derive(Debug)]
pub(crate) enum Ends {
    Unix(OwnedFd),
    Tcp(OwnedFd),
    /// One descriptor to read and one to write: standard input and output.
    Two(Pipes),
}

/// `sendmsg` and `writev` take no more slices at once (`IOV_MAX` of Linux, the BSDs and macOS).
const SLICES_MAX: usize = 1024;

/// A gone peer is an error (`EPIPE`) and no signal, which would end a program that has not asked
/// to be spared: a C program with Rust in it, for one. Apple's systems know it by socket only.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

impl Stream {
    /// Two ends that are connected to each other, without an address: the transport in memory of
    /// this layer, for tests and for programs that talk to themselves. For a child process take
    /// [`spawn`](Self::spawn).
    ///
    /// # Errors
    ///
    /// What the operating system says, as a rule that there are no descriptors left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self::unix(one.into())?, Self::unix(other.into())?))
    }

    /// Takes a connected Unix socket of ours and makes it what this type promises.
    pub(crate) fn unix(socket: OwnedFd) -> io::Result<Self> {
        ioctl_fionbio(&socket, true)?;
        prepare(&socket)?;
        Ok(Self(Ends::Unix(socket)))
    }

    /// The same for TCP. Without `TCP_NODELAY` a small frame waits for the answer to the one before.
    pub(crate) fn tcp(socket: OwnedFd) -> io::Result<Self> {
        ioctl_fionbio(&socket, true)?;
        // Some systems say no when the peer has gone; reading tells that, and a stranger who comes
        // and goes must not look like a server that cannot accept.
        let _ = rustix::net::sockopt::set_tcp_nodelay(&socket, true);
        prepare(&socket)?;
        Ok(Self(Ends::Tcp(socket)))
    }

    /// Reads what is there, at most as much as fits. 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is there now. Everything else is final:
    /// the connection is lost.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(match &self.0 {
            Ends::Unix(socket) | Ends::Tcp(socket) => receive(socket, buffer)?,
            Ends::Two(pipes) => pipes.read(buffer)?,
        })
    }

    /// Writes as much of `slices`, in their order, as goes now. A gone peer is an error and never
    /// a signal.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing goes now. Everything else is final:
    /// the connection is lost, or its write half is shut, both as a rule
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let slices = &slices[..slices.len().min(SLICES_MAX)];
        Ok(match &self.0 {
            Ends::Unix(socket) | Ends::Tcp(socket) => send(socket, slices)?,
            Ends::Two(pipes) => pipes.write(slices)?,
        })
    }

    /// Tells the peer that nothing more comes. Reading goes on. Of two pipes the one to write is
    /// closed; that happens when nobody holds its [`write_fd`](Self::write_fd) any more.
    ///
    /// # Errors
    ///
    /// What the operating system says; that the peer is gone is no error.
    pub fn shutdown_write(&self) -> io::Result<()> {
        let socket = match &self.0 {
            Ends::Unix(socket) | Ends::Tcp(socket) => socket,
            Ends::Two(pipes) => return pipes.shut_write(),
        };
        match rustix::net::shutdown(socket, Shutdown::Write) {
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends both directions at once, for the peer as if this end were dropped, while other threads
    /// may still hold it: they read the end of the stream and cannot write.
    ///
    /// Of two pipes only the one to write is closed. The one to read stays until the stream is
    /// dropped, because another thread may be waiting for it: nothing is lost by that but the news,
    /// for a peer that writes and never reads.
    pub fn hang_up(&self) {
        match &self.0 {
            // A peer that is gone needs no telling.
            Ends::Unix(socket) | Ends::Tcp(socket) => {
                let _ = rustix::net::shutdown(socket, Shutdown::Both);
            }
            Ends::Two(pipes) => pipes.hang_up(),
        }
    }

    /// The descriptor to wait for until the stream is writable, where it is not the same as the
    /// one to read, [`as_fd`](AsFd::as_fd): with two pipes. `None` otherwise, and when writing has
    /// been shut.
    ///
    /// Hold it as long as you wait and no longer: it keeps the pipe open.
    #[must_use]
    pub fn write_fd(&self) -> Option<Arc<OwnedFd>> {
        match &self.0 {
            Ends::Unix(_) | Ends::Tcp(_) => None,
            Ends::Two(pipes) => pipes.write_end(),
        }
    }

    /// Who is at the other end. `None` for TCP, and on systems that do not tell.
    ///
    /// Of a [`pair`](Self::pair) and of a child's stream it is whoever made it: this process at
    /// both ends of the pair, the parent at both ends of [`spawn`](Self::spawn). Two pipes tell
    /// who made them, without a process; `None` if others may open them as well (a named pipe).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn credentials(&self) -> io::Result<Option<Credentials>> {
        match &self.0 {
            Ends::Unix(socket) => credentials::of_peer(socket),
            Ends::Tcp(_) => Ok(None),
            Ends::Two(pipes) => pipes.credentials(),
        }
    }
}

impl AsFd for Stream {
    /// The descriptor to read, and for all but two pipes to write as well.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Ends::Unix(socket) | Ends::Tcp(socket) => socket.as_fd(),
            Ends::Two(pipes) => pipes.read_end(),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Sees to what the socket and not each call says, on Apple's systems: that writing raises no signal
/// and does not wait.
#[cfg(target_vendor = "apple")]
pub(crate) fn prepare(socket: &OwnedFd) -> Result<(), Errno> {
    ioctl_fionbio(socket, true)?;
    rustix::net::sockopt::set_socket_nosigpipe(socket, true)
}

/// Nothing to see to: each call says all.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const fn prepare(_: &OwnedFd) -> Result<(), Errno> {
    Ok(())
}

/// Reads from a socket. `DONTWAIT`, because standard input may be shared with other processes and
/// is then left as it is (`stdio`).
pub(crate) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    let flags = RecvFlags::DONTWAIT;
    retry_on_intr(|| rustix::net::recv(socket, &mut *buffer, flags)).map(|(count, _)| count)
}

/// Writes to a socket. `sendmsg`, because std's vectored write is `writev`, and that raises SIGPIPE; and
/// `send` where it does, because it costs a tenth of a microsecond less.
pub(crate) fn send(socket: &OwnedFd, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
    let mut nothing = SendAncillaryBuffer::default();
    let flags = NO_SIGNAL.union(SendFlags::DONTWAIT);
    if let [slice] = slices {
        return retry_on_intr(|| rustix::net::send(socket, slice, flags));
    }
    retry_on_intr(|| rustix::net::sendmsg(socket, slices, &mut nothing, flags))
}
