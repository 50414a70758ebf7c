//! P2 and P3: calls over a Unix socket between two processes, on smol and on tokio, beside the runtime's own
//! socket that only carries the same bytes (the floor). All in one run, in turns, told as ratios; each time
//! is that of 64 calls.
//!
//! `cargo bench -p switchboard-futures --bench request` pins everything to one processor, which is what
//! repeats; with `-- --free` the system places the processes as it likes.

#[path = "../../../benches/common/mod.rs"]
mod common;

use std::future::Future;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use common::{candidate, table};
use futures_util::future::join_all;
use rustix::thread::{CpuSet, sched_setaffinity};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::unix::{UnixListener as SmolListener, UnixStream as SmolStream};
use switchboard::{Failure, Payload};
use switchboard_futures::{Client, Context, Runtime, Server, ServerBuilder};
use switchboard_smol::Smol;
use switchboard_tokio::Tokio;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime;

/// What goes there and back.
const SIZE: usize = 64;
/// Calls that are measured at once.
const CALLS: usize = 64;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--serve") {
        return serve(&args[at + 1], &args[at + 2]);
    }
    let free = args.iter().any(|arg| arg == "--free");
    if !free {
        let mut one = CpuSet::new();
        one.set(0);
        sched_setaffinity(None, &one).expect("a process may choose its processor");
    }
    println!("{}", if free { "free" } else { "pinned to one processor" });
    let folder = tempfile::tempdir().expect("a folder");
    let server = |kind: &str| {
        let path = folder.path().join(kind).to_str().expect("text").to_owned();
        let mut command = Command::new(std::env::current_exe().expect("a program"));
        let command = command.args(["--serve", kind, &path]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a server");
        child.stdout.take().expect("piped").read_exact(&mut [0]).expect("it serves");
        (path, Process(child))
    };
    let tokio = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    {
        let ((floor, _floor), (ours, _ours)) = (server("smol-floor"), server("smol"));
        let mut socket = smol::block_on(SmolStream::connect(&floor)).expect("it serves");
        let ping = async || {
            let mut buffer = [7; SIZE];
            for _ in 0..CALLS {
                AsyncWriteExt::write_all(&mut socket, &buffer).await.expect("written");
                AsyncReadExt::read_exact(&mut socket, &mut buffer).await.expect("read");
            }
        };
        measure::<Smol>("smol", &ours, ping, &|future| smol::block_on(future));
    }
    let ((floor, _floor), (ours, _ours)) = (server("tokio-floor"), server("tokio"));
    let mut socket = tokio.block_on(UnixStream::connect(&floor)).expect("it serves");
    let ping = async || {
        let mut buffer = [7; SIZE];
        for _ in 0..CALLS {
            socket.write_all(&buffer).await.expect("written");
            socket.read_exact(&mut buffer).await.expect("read");
        }
    };
    measure::<Tokio>("tokio, one thread", &ours, ping, &|future| tokio.block_on(future));
}

type BlockOn<'a> = &'a dyn Fn(&mut (dyn Future<Output = ()> + Unpin));

fn measure<R: Runtime>(name: &str, ours: &str, mut ping: impl AsyncFnMut(), block_on: BlockOn<'_>) {
    let mut connected = None;
    block_on(&mut Box::pin(async {
        connected = Client::<R>::connect(ours).await.ok();
    }));
    let client = connected.expect("it serves");
    let raw = Payload::bytes(&[7; SIZE]);
    let one_by_one = candidate("one call after the other", || {
        block_on(&mut Box::pin(async {
            for _ in 0..CALLS {
                client.request::<Payload>("raw", &raw).await.expect("an answer");
            }
        }));
    });
    let at_once = candidate("64 in flight", || {
        block_on(&mut Box::pin(async {
            let calls = (0..CALLS).map(|_| client.request::<Payload>("raw", &raw));
            for answer in join_all(calls).await {
                answer.expect("an answer");
            }
        }));
    });
    let floor = candidate("floor: the bytes alone, one after the other", || {
        block_on(&mut Box::pin(ping()))
    });
    table(&format!("{name}: 64 calls of 64 bytes"), vec![floor, one_by_one, at_once]);
}

/// A server's process.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ours<R: Runtime>() -> ServerBuilder<R> {
    Server::builder().handle("raw", async |_: Context, raw: Payload| Ok::<_, Failure>(raw))
}

/// Serves until it is killed; says so with one byte once it does.
fn serve(kind: &str, path: &str) {
    let ready = || {
        let mut out = std::io::stdout();
        out.write_all(b"!").and_then(|()| out.flush()).expect("somebody listens");
    };
    let tokio = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match kind {
        "smol" => smol::block_on(async {
            let server = ours::<Smol>().bind(path).await.expect("a free place");
            ready();
            server.closed().await;
        }),
        "tokio" => tokio.block_on(async {
            let server = ours::<Tokio>().bind(path).await.expect("a free place");
            ready();
            server.closed().await;
        }),
        "smol-floor" => smol::block_on(async {
            let listener = SmolListener::bind(path).expect("a free place");
            ready();
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut buffer = [0; SIZE];
            while AsyncReadExt::read_exact(&mut stream, &mut buffer).await.is_ok() {
                AsyncWriteExt::write_all(&mut stream, &buffer).await.expect("written");
            }
        }),
        _ => tokio.block_on(async {
            let listener = UnixListener::bind(path).expect("a free place");
            ready();
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut buffer = [0; SIZE];
            while stream.read_exact(&mut buffer).await.is_ok() {
                stream.write_all(&buffer).await.expect("written");
            }
        }),
    }
}
