//! `Listener`: a server's socket and its file. Called by adapters; knows addresses, the folder,
//! streams, credentials and errors.
//!
//! Its rules: the file is never wider than 0600; a live server is never replaced; nothing is
//! removed but a dead socket of this user at the start, and our own file at the end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use crate::address::Address;
use crate::credentials::Credentials;
use crate::error::OpenError;
use crate::folder::{FileId, Folder, kind_name};
use crate::resolve;
use crate::stream::{self, Stream};

/// How many clients may wait to be accepted. So many that the clients of a busy desktop can all
/// come back at once after a restart; the kernel cuts it to its own limit (4,096 on Linux).
const BACKLOG: i32 = 1024;

/// This user and nobody else. (Root passes anyway.)
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A server's socket, which listens. Non-blocking. Dropping it stops listening and removes the
/// socket file if it is still its own.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    folder: Folder,
    name: OsString,
    path: PathBuf,
    file: FileId,
}

impl Listener {
    /// Makes the socket file and listens there. A socket that a dead server of this user left is
    /// replaced. Of servers that start at once exactly one gets the place.
    ///
    /// It waits for others that start or stop in the same folder, at most two seconds.
    ///
    /// # Errors
    ///
    /// - [`OpenError::InUse`]: another server serves there.
    /// - [`OpenError::BadAddress`]: as of [`Address::path`]; the folder is missing; or the file is
    ///   there and no socket.
    /// - [`OpenError::NotPermitted`]: the socket belongs to another user; others could replace the
    ///   file in this folder; or this user may not write there.
    /// - [`OpenError::Busy`]: another program keeps the folder locked.
    /// - [`OpenError::Io`]: all else.
    pub fn bind(address: &Address) -> Result<Self, OpenError> {
        let path = address.path()?;
        let (folder, name) = resolve::split(&path);
        let folder = Folder::open(folder)?;
        folder.check_writers()?;
        let socket =
            stream::socket().map_err(|error| OpenError::io("cannot make a socket", error))?;
        // Before `bind`: Linux gives the file the socket's mode, so there is no instant in which
        // it is wider. Other systems do not know this; see `adopt`.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        rustix::fs::fchmod(&socket, MODE)
            .map_err(|error| OpenError::io("cannot set the mode of a socket", error))?;

        let lock = folder.lock()?;
        make_room(&folder, &name, &path, address)?;
        bind(&socket, &path, address)?;
        let file = adopt(&socket, &folder, &name).map_err(|error| {
            // Best effort: the error that counts is the first, and the next start clears it away.
            let _ = folder.remove(&name);
            OpenError::io(format_args!("cannot listen at {path:?}"), error)
        })?;
        drop(lock);
        Ok(Self { socket: socket.into(), folder, name, path, file })
    }

    /// Takes the next client that waits, and says who it is (`None` on systems that do not tell).
    /// Whether it may come in is the caller's to decide.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nobody waits now. Any other error says nothing
    /// about the listener, which goes on. When descriptors have run out the client stays in the
    /// queue and the listener readable: pause before the next try.
    pub fn accept(&self) -> io::Result<(Stream, Option<Credentials>)> {
        let (socket, _) = self.socket.accept()?;
        let stream = Stream::new(socket)?;
        let credentials = stream.credentials()?;
        Ok((stream, credentials))
    }

    /// The path of the socket file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Drop for Listener {
    /// The file goes while the socket still listens: so long no other server takes the place, and
    /// what is removed is ours. The lock is for the case that somebody removed our file by hand and
    /// another server starts in this moment; without it the close goes on.
    fn drop(&mut self) {
        let _lock = self.folder.lock_soon();
        if let Ok(Some(entry)) = self.folder.entry(&self.name) {
            if entry.id == self.file {
                // A file that cannot be removed is left for the next start to clear away.
                let _ = self.folder.remove(&self.name);
            }
        }
    }
}

/// Clears away what a dead server of this user left; touches nothing else.
fn make_room(
    folder: &Folder,
    name: &OsStr,
    path: &Path,
    address: &Address,
) -> Result<(), OpenError> {
    let look = folder
        .entry(name)
        .map_err(|error| OpenError::io(format_args!("cannot look at {path:?}"), error))?;
    let Some(entry) = look else { return Ok(()) };
    if entry.kind != FileType::Socket {
        return Err(OpenError::BadAddress(format!(
            "{path:?} is {} and no socket, and was not touched; choose another path, or remove it",
            kind_name(entry.kind)
        )));
    }
    if entry.uid != rustix::process::geteuid().as_raw() {
        return Err(OpenError::NotPermitted(format!(
            "the socket {path:?} belongs to uid {}, and was not touched; choose another path",
            entry.uid
        )));
    }
    // A client that goes at once is all that a live server sees of this.
    match stream::connect(path) {
        // The queue is full, or the socket is of another type: somebody is there.
        Ok(_) | Err(Errno::AGAIN | Errno::PROTOTYPE) => {
            Err(OpenError::InUse { address: address.to_string() })
        }
        Err(Errno::CONNREFUSED) => folder
            .remove(name)
            .map_err(|error| OpenError::io(format_args!("cannot remove {path:?}"), error)),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(OpenError::io(
            format_args!("cannot tell whether a server is at {path:?}, which was not touched"),
            error,
        )),
    }
}

fn bind(socket: &OwnedFd, path: &Path, address: &Address) -> Result<(), OpenError> {
    let result = SocketAddrUnix::new(path).and_then(|place| rustix::net::bind(socket, &place));
    result.map_err(|error| match error {
        // Somebody who takes no lock came first.
        Errno::ADDRINUSE => OpenError::InUse { address: address.to_string() },
        Errno::ACCESS | Errno::PERM => OpenError::NotPermitted(format!(
            "this user may not make {path:?}; choose a folder that it can write"
        )),
        other => OpenError::io(format_args!("cannot make {path:?}"), other),
    })
}

/// Remembers the file that `bind` made, sees to its mode, and listens. In this order: until
/// `listen` nobody can connect, so a mode that is too wide for an instant lets nobody in.
fn adopt(socket: &OwnedFd, folder: &Folder, name: &OsStr) -> Result<FileId, Errno> {
    let entry = folder.entry(name)?.ok_or(Errno::NOENT)?;
    // Never true on Linux, but for a umask that takes from the owner.
    if entry.mode != MODE {
        folder.chmod(name, MODE)?;
    }
    rustix::net::listen(socket, BACKLOG)?;
    Ok(entry.id)
}
