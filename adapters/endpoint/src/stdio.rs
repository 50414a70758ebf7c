//! Standard input and output as a stream, for a child process; and the other end, for its parent.
//! Called by adapters and by `connect` and `listener`; knows streams, pipes and errors.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{AddressFamily, SocketType};
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};

use crate::error::OpenError;
use crate::folder::{FileId, kind_name};
use crate::pipes::Pipes;
use crate::stream::{self, Ends, Stream};

/// Whether this process has made its standard input and output a stream.
static TAKEN: AtomicBool = AtomicBool::new(false);

impl Stream {
    /// Makes standard input and output of this process a stream to the program that started it: one
    /// socket as both, as [`spawn`](Self::spawn) gives a child, or two pipes.
    ///
    /// The stream gets descriptors of its own. Afterwards standard input is empty (`/dev/null`), and
    /// **what the program prints to standard output goes to standard error**, so that a stray
    /// `println!` does not end up between the frames. Call it before anything reads from standard
    /// input: what `std` has read ahead is lost.
    ///
    /// Pipes are set to `O_NONBLOCK` for all processes that hold the same end; a socket is not.
    ///
    /// # Errors
    ///
    /// - [`OpenError::BadAddress`]: one of the two is a terminal, a file, a network socket or else
    ///   nothing that a parent made to talk. Nothing was changed.
    /// - [`OpenError::BadConfig`]: this process has done it before; there is only one.
    /// - [`OpenError::Io`]: all else.
    pub fn stdio() -> Result<Self, OpenError> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Err(OpenError::BadConfig(
                "standard input and output of this process are a stream already, and there is only \
                 one; use stdio once"
                    .into(),
            ));
        }
        let taken = take();
        if taken.is_err() {
            TAKEN.store(false, Ordering::Release);
        }
        taken
    }

    /// Starts a child process whose standard input and output are one socket, and gives the other
    /// end. The child makes a stream of it by [`stdio`](Self::stdio), or by the address `stdio`.
    ///
    /// Sets `command`'s standard input and output, and leaves both as null. All else is `command`'s,
    /// standard error too, which the child inherits by default.
    ///
    /// Dropping the stream tells the child that the connection has ended, and neither ends the
    /// process nor waits for it.
    ///
    /// # Errors
    ///
    /// As of [`Command::spawn`], and what the operating system says where there are no descriptors
    /// left.
    pub fn spawn(command: &mut Command) -> io::Result<(Self, Child)> {
        let (ours, theirs) = UnixStream::pair()?;
        let input = OwnedFd::from(theirs);
        let output = input.try_clone()?;
        let child = command.stdin(input).stdout(output).spawn();
        // The command has kept the child's end. With that open here, the end of the child would not
        // be the end of the stream.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = child?;
        Ok((Self::unix(ours.into())?, child))
    }

    /// A stream of two pipes: one from which the peer's bytes come, and one to which ours go. For a
    /// parent that has started its child with pipes. Each may be a connected Unix socket as well.
    /// Sets pipes to `O_NONBLOCK`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if one is neither, else what the operating
    /// system says.
    pub fn from_pipes(read: OwnedFd, write: OwnedFd) -> io::Result<Self> {
        for end in [&read, &write] {
            if let Some(what) = no_end(end.as_fd())? {
                let text = format!("{what} is no end of a pipe and no Unix socket");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        }
        Ok(Self(Ends::Two(Pipes::new(read, write)?)))
    }
}

/// Refuses what no parent made for this.
fn check(end: BorrowedFd<'_>, name: &str) -> Result<(), OpenError> {
    let looked = no_end(end);
    let what = looked.map_err(|error| OpenError::io(format_args!("cannot use {name}"), error))?;
    what.map_or(Ok(()), |what| {
        Err(OpenError::BadAddress(format!(
            "{name} is {what}, and stdio is for a program that another one starts; start this \
             program from its parent, with a socket or pipes as its standard input and output"
        )))
    })
}

/// What a descriptor is, if it is no pipe and no Unix stream socket. A network socket, which
/// `inetd` would give, is none: nothing tells who is there.
fn no_end(end: BorrowedFd<'_>) -> Result<Option<&'static str>, Errno> {
    let kind = match fstat(end) {
        Ok(found) => FileType::from_raw_mode(found.st_mode),
        Err(Errno::BADF) => return Ok(Some("closed")),
        Err(error) => return Err(error),
    };
    Ok(match kind {
        FileType::Fifo => None,
        FileType::Socket => {
            if rustix::net::getsockname(end)?.address_family() != AddressFamily::UNIX {
                Some("a network socket")
            } else if rustix::net::sockopt::socket_type(end)? != SocketType::STREAM {
                Some("a socket of another type")
            } else {
                None
            }
        }
        FileType::CharacterDevice if rustix::termios::isatty(end) => Some("a terminal"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        other => Some(kind_name(other)),
    })
}

/// Looks at the two, and moves them away.
fn take() -> Result<Stream, OpenError> {
    check(stdin(), "standard input")?;
    check(stdout(), "standard output")?;
    swap().map_err(|error| OpenError::io("cannot use standard input and output", error))
}

/// Moves the two away, and puts something harmless in their place. What can fail comes first.
fn swap() -> io::Result<Stream> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    // Closed standard error is no reason to fail.
    let printed = fcntl_dupfd_cloexec(stderr(), 3).or_else(|_| null.try_clone().map(Into::into))?;
    let input = fcntl_dupfd_cloexec(stdin(), 3)?;
    let is_socket = FileType::from_raw_mode(fstat(&input)?.st_mode) == FileType::Socket;
    let stream = if is_socket && FileId::of(&fstat(&input)?) == FileId::of(&fstat(stdout())?) {
        stream::prepare(&input)?;
        Stream(Ends::Unix(input))
    } else {
        Stream(Ends::Two(Pipes::new(input, fcntl_dupfd_cloexec(stdout(), 3)?)?))
    };
    dup2_stdin(&null)?;
    dup2_stdout(&printed)?;
    Ok(stream)
}
