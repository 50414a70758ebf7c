//! `Pipes`: two descriptors that are one stream, one to read and one to write: pipes, or a socket
//! each (some parents make those). Called by `stream` and `stdio`; calls the operating system.
//!
//! Pipes are set to `O_NONBLOCK`, there is no other way. That is a property of the end of the pipe
//! and not of the descriptor: other processes that hold the *same* end see it, too, and the peer's
//! end does not. Sockets are asked not to wait at each call, and stay as they are.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::Shutdown;

use crate::credentials::{self, Credentials};
use crate::sigpipe;
use crate::stream;

#[derive(Debug)]
pub(crate) struct Pipes {
    read: OwnedFd,
    read_is_socket: bool,
    /// Empty when it has been shut. Shared, so that whoever waits for it waits for this pipe and
    /// never for another file that got its number.
    write: Mutex<Option<Arc<OwnedFd>>>,
    write_is_socket: bool,
}

impl Pipes {
    /// Takes two descriptors, each a pipe or a connected Unix socket.
    pub(crate) fn new(read: OwnedFd, write: OwnedFd) -> io::Result<Self> {
        let read_is_socket = prepare(&read)?;
        let write_is_socket = prepare(&write)?;
        let write = Mutex::new(Some(Arc::new(write)));
        Ok(Self { read, read_is_socket, write, write_is_socket })
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        if self.read_is_socket {
            return stream::receive(&self.read, buffer);
        }
        retry_on_intr(|| rustix::io::read(&self.read, &mut *buffer))
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let end = self.write_end().ok_or(Errno::PIPE)?;
        if self.write_is_socket {
            return stream::send(&end, slices);
        }
        sigpipe::spared(|| retry_on_intr(|| rustix::io::writev(&end, slices)))
    }

    /// Closes the end to write, which is the only way to tell the reader of a pipe.
    pub(crate) fn shut_write(&self) -> io::Result<()> {
        match self.lock().take() {
            Some(end) if self.write_is_socket => {
                match rustix::net::shutdown(&end, Shutdown::Write) {
                    Ok(()) | Err(Errno::NOTCONN) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn hang_up(&self) {
        // A peer that is gone needs no telling.
        let _ = self.shut_write();
        if self.read_is_socket {
            let _ = rustix::net::shutdown(&self.read, Shutdown::Both);
        }
    }

    pub(crate) fn credentials(&self) -> io::Result<Option<Credentials>> {
        if self.read_is_socket {
            credentials::of_peer(&self.read)
        } else {
            credentials::of_pipe(&self.read)
        }
    }

    pub(crate) fn read_end(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    pub(crate) fn write_end(&self) -> Option<Arc<OwnedFd>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<OwnedFd>>> {
        // Held for a clone or a take, neither of which can panic halfway.
        self.write.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a descriptor one that does not wait; whether it is a socket.
fn prepare(end: &OwnedFd) -> Result<bool, Errno> {
    if FileType::from_raw_mode(fstat(end)?.st_mode) == FileType::Socket {
        stream::prepare(end)?;
        return Ok(true);
    }
    fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
    Ok(false)
}
