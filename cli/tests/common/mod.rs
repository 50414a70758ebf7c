//! The real binary, a server of it over a real socket, and servers that speak raw bytes.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::iter;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// No test waits longer for what must come.
const LONG: Duration = Duration::from_secs(30);

/// How a run of the binary ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn binary(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Done {
    finish(binary(arguments).spawn().unwrap())
}

/// Runs it with these bytes on stdin.
pub(crate) fn feed(bytes: &[u8], arguments: &[&str]) -> Done {
    let mut child = binary(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = thread::spawn(move || {
        // It need not read to the end.
        let _ = stdin.write_all(&bytes);
    });
    let done = finish(child);
    writer.join().unwrap();
    done
}

/// Waits for the end; kills what takes too long.
pub(crate) fn finish(child: Child) -> Done {
    let pid = Pid::from_child(&child);
    let (ended, ends) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if ends.recv_timeout(LONG) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    Done {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `switchboard serve`, ready.
pub(crate) struct Serve {
    folder: TempDir,
    child: Option<Child>,
    lines: Receiver<String>,
    /// What it said before it listened.
    pub(crate) before: Vec<String>,
}

impl Serve {
    pub(crate) fn demo() -> Self {
        Self::start(&["--demo"])
    }

    /// Waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("s.sock");
        let mut command = binary(&["serve", address.to_str().unwrap()]);
        let child = command.args(arguments).spawn().unwrap();
        let mut serve = Self { folder, child: None, lines: mpsc::channel().1, before: vec![] };
        serve.adopt(child);
        serve
    }

    /// Takes another one for the same address; waits until it listens.
    pub(crate) fn adopt(&mut self, mut child: Child) {
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        self.child = Some(child);
        self.lines = lines;
        let ready = format!("listening on {}", self.address());
        self.before = iter::from_fn(|| Some(self.line())).take_while(|l| *l != ready).collect();
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("s.sock")
    }

    pub(crate) fn address(&self) -> String {
        self.path().to_str().unwrap().into()
    }

    /// The next line of its stderr.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(LONG).unwrap()
    }

    /// Calls `channel` on it, with the rest of the command line.
    pub(crate) fn call(&self, channel: &str, rest: &[&str]) -> Done {
        run(&[&["call", &self.address(), channel], rest].concat())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// Its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        finish(self.child.take().unwrap()).code
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A server of one client that does what a test says.
pub(crate) struct Fake {
    folder: TempDir,
    server: JoinHandle<()>,
}

impl Fake {
    pub(crate) fn new(talk: impl FnOnce(&mut UnixStream) + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s.sock")).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(LONG)).unwrap();
            talk(&mut stream);
        });
        Self { folder, server }
    }

    /// Runs `command ADDRESS rest` against it.
    pub(crate) fn run(self, command: &str, rest: &[&str]) -> Done {
        let address = self.folder.path().join("s.sock");
        let done = run(&[&[command, address.to_str().unwrap()], rest].concat());
        self.server.join().unwrap();
        done
    }
}

/// Reads a frame without its length; nothing at the end of the stream.
pub(crate) fn read_frame(stream: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    if stream.read_exact(&mut length).is_err() {
        return Vec::new();
    }
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).unwrap();
    frame
}

pub(crate) fn write_frame(stream: &mut UnixStream, frame: &[u8]) {
    write_frames(stream, &[frame]);
}

/// Writes them at once: who reads the first may go, and the second would break the pipe.
pub(crate) fn write_frames(stream: &mut UnixStream, frames: &[&[u8]]) {
    let mut bytes = Vec::new();
    for frame in frames {
        bytes.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(frame);
    }
    stream.write_all(&bytes).unwrap();
}

/// `[0, "switchboard", [1], {}, null]`.
pub(crate) const HELLO: &[u8] = b"\x85\x00\x6bswitchboard\x81\x01\xa0\xf6";

/// `[1, 1, 7, {}, null]`.
pub(crate) const WELCOME: &[u8] = b"\x85\x01\x01\x07\xa0\xf6";

/// `[8, 1, answer]`: what the first call of a client is answered.
pub(crate) fn response(answer: &ciborium::Value) -> Vec<u8> {
    let mut frame = b"\x83\x08\x01".to_vec();
    ciborium::into_writer(answer, &mut frame).unwrap();
    frame
}

/// `[9, 1, status, "no", null]`: likewise, with a failure.
pub(crate) fn failure(status: u8) -> Vec<u8> {
    [b"\x85\x09\x01", &[status][..], b"\x62no\xf6"].concat()
}

/// `[3, 0, "", null]`.
pub(crate) const GOODBYE: &[u8] = b"\x84\x03\x00\x60\xf6";

/// Reads `hello` and answers it with `frame`.
pub(crate) fn greet(stream: &mut UnixStream, frame: &[u8]) {
    assert_eq!(read_frame(stream)[..2], [0x85, 0x00]);
    write_frame(stream, frame);
}

/// Waits until the client has gone.
pub(crate) fn hang_on(stream: &mut UnixStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Answers the client's goodbye, if it stays for that, and waits until it has gone.
pub(crate) fn part(stream: &mut UnixStream) {
    read_frame(stream);
    // It need not wait for this.
    let _ = stream.write_all(&[&[0, 0, 0, 5], GOODBYE].concat());
    hang_on(stream);
}
