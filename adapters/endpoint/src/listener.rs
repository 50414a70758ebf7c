//! `Listener`: a server's place to meet its clients, whatever the transport. Called by adapters;
//! knows addresses, socket files, TCP, streams, credentials and errors.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::address::{Address, Place};
use crate::connect;
use crate::credentials::Credentials;
use crate::error::OpenError;
use crate::file::SocketFile;
use crate::options::BindOptions;
use crate::stream::Stream;
use crate::tcp;

/// How many clients may wait to be accepted. So many that the clients of a busy desktop can all
/// come back at once after a restart; the kernel cuts it to its own limit (4,096 on Linux).
pub(crate) const BACKLOG: i32 = 1024;

/// A server's place, where clients are accepted. Non-blocking. Dropping it stops that, and removes
/// the socket file, if there is one and it is still its own. All methods may be called from several
/// threads at once.
#[derive(Debug)]
pub struct Listener {
    bound: Bound,
    address: Address,
}

#[derive(Debug)]
enum Bound {
    File(SocketFile),
    Abstract(UnixListener),
    Tcp(TcpListener),
    Stdio(Once),
}

/// Standard input and output: one client, which is there from the start.
#[derive(Debug)]
struct Once {
    /// Until it is accepted.
    stream: Mutex<Option<Stream>>,
    /// Readable until then; its other end stays open, so that it never is again.
    ready: UnixStream,
    _other: UnixStream,
}

impl Listener {
    /// Makes the place and listens there, as [`BindOptions`] do by default.
    ///
    /// Of a path or name: a socket that a dead server of this user left is replaced; of servers
    /// that start at once exactly one gets the place; it waits for others that start or stop in the
    /// same folder, at most two seconds. `stdio` has one client, the program that started this one.
    ///
    /// # Errors
    ///
    /// - [`OpenError::InUse`]: another server serves there.
    /// - [`OpenError::BadAddress`]: as of [`Address::path`] and [`Stream::stdio`]; the folder is
    ///   missing; the file is there and no socket; or the address is not served on this system.
    /// - [`OpenError::NotPermitted`]: the socket belongs to another user; others could replace the
    ///   file in this folder; or this user may not write there, or not serve at that port.
    /// - [`OpenError::Busy`]: another program keeps the folder locked.
    /// - [`OpenError::BadConfig`]: this process has used `stdio` before.
    /// - [`OpenError::Io`]: all else.
    pub fn bind(address: &Address) -> Result<Self, OpenError> {
        Self::bind_with(address, &BindOptions::new())
    }

    pub(crate) fn bind_with(address: &Address, options: &BindOptions) -> Result<Self, OpenError> {
        if !matches!(address.0, Place::Path(_) | Place::Name(_)) {
            options.check_absent(address)?;
        }
        let mut told = address.clone();
        let bound = match &address.0 {
            Place::Path(_) | Place::Name(_) => Bound::File(SocketFile::bind(address, options)?),
            Place::Abstract(name) => Bound::Abstract(bind_abstract(name, address)?),
            Place::Tcp(host, port) => {
                let (socket, chosen) = tcp::bind(*host, *port, address, BACKLOG)?;
                told = chosen;
                Bound::Tcp(socket)
            }
            Place::Stdio => Bound::Stdio(Once::new()?),
        };
        Ok(Self { bound, address: told })
    }

    /// Takes the next client that waits, and says who it is (`None` where nothing tells: see
    /// [`Stream::credentials`]). Whether it may come in is the caller's to decide.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nobody waits now; whether anybody ever will says
    /// [`is_exhausted`](Self::is_exhausted). Any other error says nothing about the listener, which
    /// goes on. When descriptors have run out the client stays in the queue and the listener
    /// readable: pause before the next try ([`AcceptPause`](crate::AcceptPause)).
    pub fn accept(&self) -> io::Result<(Stream, Option<Credentials>)> {
        let stream = match &self.bound {
            Bound::File(SocketFile { socket, .. }) | Bound::Abstract(socket) => {
                Stream::unix(socket.accept()?.0.into())?
            }
            Bound::Tcp(socket) => Stream::tcp(socket.accept()?.0.into())?,
            Bound::Stdio(once) => once.accept()?,
        };
        let credentials = stream.credentials()?;
        Ok((stream, credentials))
    }

    /// Whether no client will ever come again: with `stdio`, when its one client was accepted. When
    /// that connection has ended, the server has nothing left to do. Other transports never are.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        match &self.bound {
            Bound::Stdio(once) => once.lock().is_none(),
            Bound::File(_) | Bound::Abstract(_) | Bound::Tcp(_) => false,
        }
    }

    /// Where it serves: what a client connects to. The address as it was given, but for TCP, where
    /// `localhost` and a port of 0 have become what they are.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The path of the socket file; `None` where there is no file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.bound {
            Bound::File(file) => Some(&file.path),
            Bound::Abstract(_) | Bound::Tcp(_) | Bound::Stdio(_) => None,
        }
    }
}

impl AsFd for Listener {
    /// Readable when a client waits.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.bound {
            Bound::File(SocketFile { socket, .. }) | Bound::Abstract(socket) => socket.as_fd(),
            Bound::Tcp(socket) => socket.as_fd(),
            Bound::Stdio(once) => once.ready.as_fd(),
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Once {
    fn new() -> Result<Self, OpenError> {
        let (ready, other) = UnixStream::pair()?;
        io::Write::write_all(&mut &other, &[1])?;
        let stream = Mutex::new(Some(Stream::stdio()?));
        Ok(Self { stream, ready, _other: other })
    }

    fn accept(&self) -> io::Result<Stream> {
        let stream = self.lock().take().ok_or(io::ErrorKind::WouldBlock)?;
        io::Read::read_exact(&mut &self.ready, &mut [0])?;
        Ok(stream)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Stream>> {
        // Held for a look or a take, neither of which can panic halfway.
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bind_abstract(name: &str, address: &Address) -> Result<UnixListener, OpenError> {
    let place = connect::abstract_name(name, address)?;
    let listening = || {
        let socket = connect::socket()?;
        rustix::net::bind(&socket, &place)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    match listening() {
        Ok(socket) => Ok(socket.into()),
        Err(Errno::ADDRINUSE) => Err(OpenError::InUse { address: address.to_string() }),
        Err(error) => Err(OpenError::io(format_args!("cannot listen at {address}"), error)),
    }
}
