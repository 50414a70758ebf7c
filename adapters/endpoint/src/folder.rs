//! `Folder`: the folder of a socket file, held open. Called by `file`; knows errors only.
//!
//! What is done to the file is done through the folder's descriptor, so that it is done in the
//! folder that was checked and locked, whatever becomes of its path.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, FlockOperation, Gid, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use crate::error::OpenError;

/// How long to wait between tries for the lock, in ms: two seconds in all. Whoever holds it to
/// start a server is done within one of the first; a stranger may hold it for ever.
const PAUSES_TO_OPEN: [u64; 12] = [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 976];

/// The same at the close, where nobody waits gladly and the lock matters little.
const PAUSES_TO_CLOSE: [u64; 4] = [1, 2, 4, 8];

#[derive(Debug)]
pub(crate) struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
}

/// The folder's lock, held until dropped. It is on the folder itself: a lock file would be one
/// more file to leave behind, and could itself be replaced.
#[derive(Debug)]
pub(crate) struct Lock<'a>(&'a Folder);

/// What stands under a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: FileType,
    pub(crate) mode: Mode,
    pub(crate) uid: u32,
    pub(crate) id: FileId,
}

/// How a kind of file is called that is no socket.
pub(crate) const fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symlink",
        _ => "a device or pipe",
    }
}

/// Which file it is, whatever its name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl Folder {
    pub(crate) fn open(path: PathBuf) -> Result<Self, OpenError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::open(&path, flags, Mode::empty())) {
            Ok(descriptor) => Ok(Self { descriptor, path }),
            Err(Errno::NOENT) => Err(OpenError::BadAddress(format!(
                "the folder {path:?} does not exist; create it, or choose another one"
            ))),
            Err(Errno::NOTDIR) => {
                Err(OpenError::BadAddress(format!("{path:?} is no folder; choose another one")))
            }
            Err(Errno::ACCESS) => Err(OpenError::NotPermitted(format!(
                "this user may not read the folder {path:?}; choose another one"
            ))),
            Err(error) => Err(OpenError::io(format_args!("cannot open {path:?}"), error)),
        }
    }

    /// Refuses a folder in which others could put another socket in the place of ours.
    pub(crate) fn check_writers(&self) -> Result<(), OpenError> {
        let found = self.stat()?;
        let user = rustix::process::geteuid().as_raw();
        let group = rustix::process::getegid().as_raw();
        let mode = Mode::from_raw_mode(found.st_mode);
        others_can_replace(mode, found.st_uid, found.st_gid, user, group).map_or(Ok(()), |who| {
            Err(OpenError::NotPermitted(format!(
                "the folder {:?} {who}, who could replace the socket; choose a folder that only \
                 you can write",
                self.path
            )))
        })
    }

    /// Keeps other servers from starting in this folder meanwhile. `flock` without waiting, tried
    /// again for two seconds: in `/tmp` anybody may hold the lock, and nobody shall hang us.
    pub(crate) fn lock(&self) -> Result<Lock<'_>, OpenError> {
        match self.try_lock(&PAUSES_TO_OPEN) {
            Ok(lock) => Ok(lock),
            Err(Errno::WOULDBLOCK) => Err(OpenError::busy(format!(
                "another program has kept the folder {:?} locked for two seconds",
                self.path
            ))),
            Err(error) => Err(OpenError::io(
                format_args!("cannot lock {:?}; choose a folder on a local disk", self.path),
                error,
            )),
        }
    }

    /// The lock, if it can be had soon.
    pub(crate) fn lock_soon(&self) -> Option<Lock<'_>> {
        self.try_lock(&PAUSES_TO_CLOSE).ok()
    }

    fn try_lock(&self, pauses: &[u64]) -> Result<Lock<'_>, Errno> {
        let mut pauses = pauses.iter();
        loop {
            let lock = FlockOperation::NonBlockingLockExclusive;
            match retry_on_intr(|| rustix::fs::flock(&self.descriptor, lock)) {
                Ok(()) => return Ok(Lock(self)),
                Err(Errno::WOULDBLOCK) => {
                    let pause = pauses.next().ok_or(Errno::WOULDBLOCK)?;
                    thread::sleep(Duration::from_millis(*pause));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What stands under `name`, if anything. A symlink is not followed.
    pub(crate) fn entry(&self, name: &OsStr) -> Result<Option<Entry>, Errno> {
        match rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(Entry {
                kind: FileType::from_raw_mode(found.st_mode),
                mode: Mode::from_raw_mode(found.st_mode),
                uid: found.st_uid,
                id: FileId::of(&found),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn chmod(&self, name: &OsStr, mode: Mode) -> Result<(), Errno> {
        rustix::fs::chmodat(&self.descriptor, name, mode, AtFlags::empty())
    }

    pub(crate) fn chgrp(&self, name: &OsStr, group: Gid) -> Result<(), Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(&self.descriptor, name, None, Some(group), flags)
    }

    /// Removes `name`; that it is gone already is no error.
    pub(crate) fn remove(&self, name: &OsStr) -> Result<(), Errno> {
        match rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            result => result,
        }
    }

    fn stat(&self) -> Result<Stat, OpenError> {
        rustix::fs::fstat(&self.descriptor)
            .map_err(|error| OpenError::io(format_args!("cannot look at {:?}", self.path), error))
    }
}

impl FileId {
    #[allow(clippy::unnecessary_cast, reason = "the fields' types differ from system to system")]
    pub(crate) const fn of(found: &Stat) -> Self {
        Self(found.st_dev as u64, found.st_ino as u64)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // It cannot fail on a descriptor that is locked, and closing the descriptor unlocks too.
        let _ = rustix::fs::flock(&self.0.descriptor, FlockOperation::Unlock);
    }
}

/// Who could replace a file of ours in a folder of this mode and owner, if anybody but root.
///
/// The sticky bit keeps files from all but their owners. Our own group may write: where each user
/// has a group of its own, folders are made like that (umask 002).
fn others_can_replace(mode: Mode, uid: u32, gid: u32, user: u32, group: u32) -> Option<String> {
    if mode.contains(Mode::SVTX) {
        None
    } else if uid != user && uid != 0 {
        Some(format!("belongs to uid {uid}"))
    } else if mode.contains(Mode::WOTH) {
        Some("can be written by everybody".into())
    } else if mode.contains(Mode::WGRP) && gid != group {
        Some(format!("can be written by the group {gid}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_ours_and_roots_and_sticky_ones_are_safe() {
        let safe = |mode, uid, gid| {
            others_can_replace(Mode::from_raw_mode(mode), uid, gid, 1000, 100).is_none()
        };
        assert!(safe(0o755, 1000, 7));
        assert!(safe(0o775, 1000, 100));
        assert!(safe(0o755, 0, 0));
        assert!(safe(0o1777, 0, 0));
        assert!(safe(0o1777, 65534, 65534));
        assert!(!safe(0o775, 1000, 7));
        assert!(!safe(0o777, 1000, 100));
        assert!(!safe(0o777, 0, 0));
        assert!(!safe(0o700, 1001, 100));
    }

    #[test]
    fn a_lock_excludes_and_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let one = Folder::open(folder.path().into()).unwrap();
        let other = Folder::open(folder.path().into()).unwrap();
        let lock = one.try_lock(&[]).unwrap();
        assert!(matches!(other.try_lock(&[1]), Err(Errno::WOULDBLOCK)));
        drop(lock);
        assert!(other.try_lock(&[]).is_ok());
    }

    #[test]
    fn the_pauses_are_two_seconds() {
        assert_eq!(PAUSES_TO_OPEN.iter().sum::<u64>(), 2000);
    }
}
