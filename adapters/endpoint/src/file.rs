//! `SocketFile`: a listening socket and its file. Called by `listener`; knows the folder, options
//! and errors, and connects to see whether a server lives.
//!
//! Its rules: the file is never wider than asked; a live server is never replaced; nothing is
//! removed but a dead socket of this user at the start, and our own file at the end. The file is
//! bound where it is used, not renamed into place: the system knows a socket by the name that it was
//! bound to, and cleaners of temporary folders spare those that are in use by that name.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use rustix::fs::{FileType, Gid, Mode};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use crate::address::Address;
use crate::connect;
use crate::error::OpenError;
use crate::folder::{FileId, Folder, kind_name};
use crate::listener::BACKLOG;
use crate::options::BindOptions;
use crate::resolve;

/// This user and nobody else. (Root passes anyway.) Every file begins like that.
const NARROWEST: Mode = Mode::RUSR.union(Mode::WUSR);

#[derive(Debug)]
pub(crate) struct SocketFile {
    pub(crate) socket: UnixListener,
    folder: Folder,
    name: OsString,
    pub(crate) path: PathBuf,
    file: FileId,
}

/// What the file shall be.
#[derive(Clone, Copy)]
struct Wanted {
    mode: Mode,
    group: Option<Gid>,
}

impl SocketFile {
    pub(crate) fn bind(address: &Address, options: &BindOptions) -> Result<Self, OpenError> {
        let path = address.path()?;
        let wanted = Wanted {
            mode: options.mode.map_or(NARROWEST, |mode| Mode::from_bits_truncate(mode as _)),
            group: options.group.as_deref().map(find_group).transpose()?,
        };
        let (folder, name) = resolve::split(&path);
        let folder = Folder::open(folder)?;
        folder.check_writers()?;
        let socket =
            connect::socket().map_err(|error| OpenError::io("cannot make a socket", error))?;
        // Before `bind`: Linux gives the file the socket's mode, so there is no instant in which
        // it is wider. Other systems do not know this; see `adopt`.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        rustix::fs::fchmod(&socket, NARROWEST)
            .map_err(|error| OpenError::io("cannot set the mode of a socket", error))?;

        let lock = folder.lock()?;
        make_room(&folder, &name, &path, address)?;
        bind(&socket, &path, address)?;
        let file = adopt(&socket, &folder, &name, wanted).map_err(|error| {
            // Best effort: the error that counts is the first, and the next start clears it away.
            let _ = folder.remove(&name);
            match (error, &options.group) {
                (Errno::PERM | Errno::ACCESS, Some(group)) => OpenError::NotPermitted(format!(
                    "this user may not give {path:?} to the group {group:?}; choose a group that it \
                     is in"
                )),
                _ => OpenError::io(format_args!("cannot listen at {path:?}"), error),
            }
        })?;
        drop(lock);
        Ok(Self { socket: socket.into(), folder, name, path, file })
    }
}

impl Drop for SocketFile {
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

/// A group by its number or name.
fn find_group(group: &str) -> Result<Gid, OpenError> {
    let digits = !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    let found = match group.parse::<u32>() {
        // The largest number means "leave it" to the system.
        Ok(number) if digits && number != u32::MAX => Some(number),
        _ if digits => None,
        _ => Group::from_name(group)
            .map_err(|error| {
                OpenError::io(format_args!("cannot look up the group {group:?}"), error)
            })?
            .map(|group| group.gid.as_raw()),
    };
    found.map(Gid::from_raw).ok_or_else(|| {
        OpenError::BadConfig(format!(
            "there is no group {group:?} here; check its name, or make it"
        ))
    })
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
    match connect::connect(path) {
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

/// Remembers the file that `bind` made, sees to its mode and group, and listens. In this order:
/// the group changes while its members may do nothing yet; and until `listen` nobody can connect,
/// so a mode that is too wide for an instant lets nobody in.
fn adopt(socket: &OwnedFd, folder: &Folder, name: &OsStr, wanted: Wanted) -> Result<FileId, Errno> {
    let entry = folder.entry(name)?.ok_or(Errno::NOENT)?;
    // Never true on Linux, but for a umask that takes from the owner.
    if entry.mode != NARROWEST {
        folder.chmod(name, NARROWEST)?;
    }
    if let Some(group) = wanted.group {
        folder.chgrp(name, group)?;
    }
    if wanted.mode != NARROWEST {
        folder.chmod(name, wanted.mode)?;
    }
    rustix::net::listen(socket, BACKLOG)?;
    Ok(entry.id)
}
