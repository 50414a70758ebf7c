//! What the async benchmarks share: each runtime with its own sockets, which carry the floor and the bare
//! protocol, and the servers, each in a process of its own.

use std::future::{Future, pending};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use switchboard::{Failure, Payload};
use switchboard_async_std::AsyncStd;
use switchboard_futures::{AdmissionLimits, Context, Runtime, Server, ServerBuilder};
use switchboard_smol::Smol;
use switchboard_tokio::Tokio as OnTokio;
use tokio::runtime;

/// A small struct, of about 64 bytes as a payload.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Small {
    id: u64,
    name: String,
    price: f64,
    stock: Option<u32>,
}

impl Small {
    pub(crate) fn new() -> Self {
        Self { id: 1234, name: "a name of twenty...".into(), price: 99.5, stock: Some(12) }
    }
}

/// A runtime, and its own sockets.
pub(crate) trait Raw {
    const NAME: &'static str;
    type Adapter: Runtime;
    type Socket: Socket;

    fn block_on<T>(future: impl Future<Output = T>) -> T;
    async fn connect(path: &str) -> Self::Socket;
    /// Serves whoever comes, each in a task of its own, with what it gets: as it comes, or by messages.
    async fn echo(path: &str, bare: bool);
    /// Serves so many who say something, each of which then gets whatever the next one writes.
    async fn fan_out(path: &str, subscribers: usize);
}

/// A connected socket of a runtime.
pub(crate) trait Socket {
    async fn read(&mut self, buffer: &mut [u8]) -> usize;
    async fn write_all(&mut self, bytes: &[u8]);
}

macro_rules! socket {
    ($stream:ty, $read:path, $write:path) => {
        impl Socket for $stream {
            async fn read(&mut self, buffer: &mut [u8]) -> usize {
                <Self as $read>::read(self, buffer).await.unwrap_or(0)
            }

            async fn write_all(&mut self, bytes: &[u8]) {
                // Whoever has gone is found out by reading.
                let _ = <Self as $write>::write_all(self, bytes).await;
            }
        }
    };
}

macro_rules! raw {
    ($type:ident, $name:literal, $adapter:ty, $stream:ty, $block_on:expr, $listen:expr, $spawn:expr) => {
        pub(crate) enum $type {}

        impl Raw for $type {
            const NAME: &'static str = $name;
            type Adapter = $adapter;
            type Socket = $stream;

            fn block_on<T>(future: impl Future<Output = T>) -> T {
                $block_on(future)
            }

            async fn connect(path: &str) -> $stream {
                <$stream>::connect(path).await.expect("it serves")
            }

            async fn echo(path: &str, bare: bool) {
                let listener = $listen(path).await.expect("a free place");
                ready();
                loop {
                    let (stream, _) = listener.accept().await.expect("a client");
                    $spawn(send_back(stream, bare));
                }
            }

            async fn fan_out(path: &str, subscribers: usize) {
                let listener = $listen(path).await.expect("a free place");
                ready();
                let mut sockets = Vec::new();
                while sockets.len() < subscribers {
                    let (mut stream, _) = listener.accept().await.expect("a subscriber");
                    Socket::read(&mut stream, &mut [0]).await;
                    Socket::write_all(&mut stream, b"!").await;
                    sockets.push(stream);
                }
                let (publisher, _) = listener.accept().await.expect("a publisher");
                $spawn(carry(publisher, sockets));
                pending().await
            }
        }
    };
}

socket!(smol::net::unix::UnixStream, smol::io::AsyncReadExt, smol::io::AsyncWriteExt);
socket!(async_std::os::unix::net::UnixStream, async_std::io::ReadExt, async_std::io::WriteExt);
socket!(tokio::net::UnixStream, tokio::io::AsyncReadExt, tokio::io::AsyncWriteExt);

raw!(
    OnSmol,
    "smol",
    Smol,
    smol::net::unix::UnixStream,
    smol::block_on,
    async |path| smol::net::unix::UnixListener::bind(path),
    |future| smol::spawn(future).detach()
);
raw!(
    OnAsyncStd,
    "async-std",
    AsyncStd,
    async_std::os::unix::net::UnixStream,
    async_std::task::block_on,
    async |path| async_std::os::unix::net::UnixListener::bind(path).await,
    |future| drop(async_std::task::spawn(future))
);
raw!(
    OneThread,
    "tokio, one thread",
    OnTokio,
    tokio::net::UnixStream,
    |future| ONE.block_on(future),
    async |path| tokio::net::UnixListener::bind(path),
    |future| drop(tokio::spawn(future))
);
raw!(
    Threads,
    "tokio, a thread for each processor",
    OnTokio,
    tokio::net::UnixStream,
    |future| MANY.block_on(future),
    async |path| tokio::net::UnixListener::bind(path),
    |future| drop(tokio::spawn(future))
);

static ONE: LazyLock<runtime::Runtime> = LazyLock::new(|| {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
});
static MANY: LazyLock<runtime::Runtime> =
    LazyLock::new(|| runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime"));

/// Sends back what comes to the end.
async fn send_back(mut stream: impl Socket, bare: bool) {
    let (mut messages, mut answers) = (Messages::default(), Vec::new());
    let mut buffer = vec![0; 64];
    loop {
        let count = stream.read(&mut buffer).await;
        if count == 0 {
            return;
        }
        if bare {
            answers.clear();
            messages
                .each(&buffer[..count], |number, payload| message(number, payload, &mut answers));
            stream.write_all(&answers).await;
        } else {
            stream.write_all(&buffer[..count]).await;
        }
        // An idle connection is not the one that has this.
        if count == buffer.len() {
            buffer.resize(64 << 10, 0);
        }
    }
}

/// Writes what comes to each of the sockets.
async fn carry(mut publisher: impl Socket, mut subscribers: Vec<impl Socket>) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = publisher.read(&mut buffer).await;
        if count == 0 {
            return;
        }
        for subscriber in &mut subscribers {
            subscriber.write_all(&buffer[..count]).await;
        }
    }
}

/// The bytes of a bare message's length and number.
pub(crate) const HEAD: usize = 12;

/// A message of the bare protocol.
pub(crate) fn message(number: u64, payload: &[u8], into: &mut Vec<u8>) {
    into.extend(u32::try_from(payload.len()).expect("small").to_be_bytes());
    into.extend(number.to_be_bytes());
    into.extend_from_slice(payload);
}

/// Messages out of a stream.
#[derive(Default)]
pub(crate) struct Messages {
    came: Vec<u8>,
}

impl Messages {
    /// Shows all that are whole by now: number and payload.
    pub(crate) fn each(&mut self, bytes: &[u8], mut show: impl FnMut(u64, &[u8])) {
        self.came.extend_from_slice(bytes);
        let mut rest = &self.came[..];
        while let Some((head, behind)) = rest.split_first_chunk::<HEAD>() {
            let length = u32::from_be_bytes(*head.first_chunk().expect("four bytes")) as usize;
            let Some((payload, behind)) = behind.split_at_checked(length) else { break };
            show(u64::from_be_bytes(*head.last_chunk().expect("eight bytes")), payload);
            rest = behind;
        }
        let taken = self.came.len() - rest.len();
        self.came.drain(..taken);
    }
}

/// This program as the server of a kind for a runtime.
pub(crate) fn command<R: Raw>(kind: &str, path: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command.args(["--serve", R::NAME, kind, path]);
    command
}

/// A server's process and its address.
pub(crate) struct Process {
    child: Child,
    pub(crate) path: String,
    _folder: tempfile::TempDir,
}

impl Process {
    /// Starts this program as the server of a kind for a runtime.
    pub(crate) fn start<R: Raw>(kind: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s").to_str().expect("text").to_owned();
        let mut command = command::<R>(kind, &path);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a server");
        child.stdout.take().expect("piped").read_exact(&mut [0]).expect("it serves");
        Self { child, path, _folder: folder }
    }

    /// Its resident bytes.
    #[allow(dead_code, reason = "not every benchmark counts memory")]
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says");
        let number = line.split_whitespace().nth(1).expect("a number");
        number.parse::<usize>().expect("a number") << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says that the server serves.
fn ready() {
    let mut out = std::io::stdout();
    out.write_all(b"!").and_then(|()| out.flush()).expect("somebody listens");
}

/// Whether this process is a server, and then serves until it is killed.
pub(crate) fn serves() -> bool {
    let args: Vec<String> = std::env::args().collect();
    let Some(at) = args.iter().position(|arg| arg == "--serve") else { return false };
    let [name, kind, path] = &args[at + 1..] else { panic!("--serve RUNTIME KIND ADDRESS") };
    raise_limit();
    match name.as_str() {
        OnSmol::NAME => serve::<OnSmol>(kind, path),
        OnAsyncStd::NAME => serve::<OnAsyncStd>(kind, path),
        OneThread::NAME => serve::<OneThread>(kind, path),
        _ => serve::<Threads>(kind, path),
    }
    true
}

/// As many descriptors as the system allows.
pub(crate) fn raise_limit() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).expect("it may");
}

/// A server of ours that sends back what it gets.
pub(crate) fn ours<R: Runtime>() -> ServerBuilder<R> {
    Server::builder()
        .handle("raw", async |_: Context, raw: Payload| Ok::<_, Failure>(raw))
        .handle("typed", async |_: Context, small: Small| Ok::<_, Failure>(small))
}

fn serve<R: Raw>(kind: &str, path: &str) {
    R::block_on(async {
        match kind {
            "floor" => R::echo(path, false).await,
            "bare" => R::echo(path, true).await,
            "fan-out" => R::fan_out(path, 100).await,
            _ => {
                let mut limits = AdmissionLimits::default();
                (limits.connections, limits.connections_per_user) = (20_000, 20_000);
                // Whoever connects does not wait for the others of its own.
                (limits.unaccepted, limits.unaccepted_per_user) = (20_000, 20_000);
                let server = ours::<R::Adapter>().limits(limits).bind(path).await;
                let server = server.expect("a free place");
                ready();
                server.closed().await;
            }
        }
    });
}
