//! What the tests of this package share: bytes through a stream, and this program once more as a
//! child, in a role.
#![allow(dead_code, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::env;
use std::io::{self, BufRead, BufReader, ErrorKind, IoSlice, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use switchboard_endpoint::{Address, Credentials, Listener, Stream};

const ROLE: &str = "SWITCHBOARD_TEST_ROLE";

/// This program as a child that runs its test `child` only, which acts by its role. What the test
/// harness prints comes first on standard output.
pub(crate) fn myself(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "-q"]).env(ROLE, role);
    command
}

/// The role of this process; `None` in the parent, where `child` is a test that does nothing.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Whether a descriptor is readable within so many ms.
pub(crate) fn readable(source: &impl AsFd, within: u64) -> bool {
    let timeout = Timespec::try_from(Duration::from_millis(within)).unwrap();
    let mut waited = [PollFd::new(source, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut waited, Some(&timeout))).unwrap() > 0
}

/// The next bytes, at most `most`; none is the end.
pub(crate) fn read(stream: &Stream, most: usize) -> Vec<u8> {
    let mut buffer = vec![0; most];
    loop {
        match stream.try_read(&mut buffer) {
            Ok(count) => {
                buffer.truncate(count);
                return buffer;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(readable(stream, 20_000), "nothing comes");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) fn read_exactly(stream: &Stream, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        let piece = read(stream, count - all.len());
        assert!(!piece.is_empty(), "the end after {all:?}");
        all.extend(piece);
    }
    all
}

/// Drops what comes before `mark`, and that.
pub(crate) fn skip_to(stream: &Stream, mark: u8) {
    while read_exactly(stream, 1) != [mark] {}
}

pub(crate) fn write(stream: &Stream, bytes: &[u8]) {
    assert_eq!(stream.try_write_vectored(&[IoSlice::new(bytes)]).unwrap(), bytes.len());
}

/// The next client, which is on its way.
pub(crate) fn accept(listener: &Listener) -> (Stream, Option<Credentials>) {
    assert!(readable(listener, 20_000), "nobody comes");
    listener.accept().unwrap()
}

/// That bytes go both ways, and that each end sees the other's end.
pub(crate) fn talk(one: &Stream, other: &Stream) {
    for (from, to) in [(one, other), (other, one)] {
        let mut nothing = [0];
        assert_eq!(to.try_read(&mut nothing).unwrap_err().kind(), ErrorKind::WouldBlock);
        write(from, b"hello");
        assert_eq!(read_exactly(to, 5), b"hello");
    }
    one.shutdown_write().unwrap();
    assert!(read(other, 1).is_empty());
    write(other, b"last");
    assert_eq!(read_exactly(one, 4), b"last");
    let error = one.try_write_vectored(&[IoSlice::new(b"x")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    one.shutdown_write().unwrap();
    other.hang_up();
    assert!(read(one, 1).is_empty());
    other.hang_up();
    one.hang_up();
}

/// Waits for what comes soon.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A child with which one talks in lines: to its standard input, from its standard error.
pub(crate) struct Talker {
    pub(crate) child: Child,
    says: BufReader<ChildStderr>,
}

impl Talker {
    pub(crate) fn start(command: &mut Command, address: &Address) -> io::Result<Self> {
        command.env("ADDRESS", address.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let says = BufReader::new(child.stderr.take().unwrap());
        Ok(Self { child, says })
    }

    pub(crate) fn says(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    /// Tells it to end, by the end of its input.
    pub(crate) fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        // So that a test that fails leaves nobody behind. One that has ended is not killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a child is told next; `None` at the end.
pub(crate) fn hear() -> Option<String> {
    io::stdin().lines().next().map(Result::unwrap)
}
