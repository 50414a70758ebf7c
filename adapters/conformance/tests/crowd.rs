//! Very many connections: ten thousand at once, of a server in another process, and ever new ones that come and
//! go. Neither leaves a descriptor or memory behind. A test binary of its own, because both are the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "matrix/async_std.rs"]
mod async_std;
#[path = "matrix/blocking.rs"]
mod blocking;
#[path = "../../blocking/tests/counting/mod.rs"]
mod counting;
#[path = "matrix/futures.rs"]
mod futures;
#[path = "matrix/smol.rs"]
mod smol;
#[path = "matrix/tokio.rs"]
mod tokio;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use counting::live;
use rustix::process::{Resource, getrlimit, setrlimit};
use switchboard::{Options, Payload, Restart};
use switchboard_conformance::{Adapter, Serves, Watchdog};
use switchboard_endpoint::AdmissionLimits;
use switchboard_futures::{Context, Runtime, Server};

/// How many come and go, in place of those that take a debug build a few seconds.
const ROUNDS: &str = "SWITCHBOARD_TEST_ROUNDS";
/// The runtime of the server in another process, and its address.
const SERVES: &str = "SWITCHBOARD_TEST_SERVES";
/// `[0, "switchboard", [1], {}, null]`
const HELLO: &[u8] = b"\0\0\0\x12\x85\0kswitchboard\x81\x01\xa0\xf6";
/// What an idle connection may cost its server. It is below 6 KiB, where memory is as it is here.
const EACH: usize = 8 << 10;

static ADAPTERS: [&dyn Adapter; 5] =
    [&async_std::ASYNC_STD, &blocking::Blocking, &smol::SMOL, &tokio::ONE_THREAD, &tokio::THREADS];

/// So many descriptors as this process may have.
fn with_many_descriptors() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap())
}

/// What a process has open.
fn descriptors(process: &str) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

/// What is counted is the process's: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_until(holds: impl Fn() -> bool) {
    while !holds() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Another process of this program, which serves.
struct Other {
    child: Child,
    /// What else it says: as long as it runs it can.
    _said: ChildStdout,
}

impl Other {
    fn start(runtime: &str, address: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "the_other_process", "--nocapture", "--test-threads=1"]);
        command.env(SERVES, format!("{runtime} {address}"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        assert!(said.by_ref().lines().any(|line| line.unwrap() == "@serves"));
        Self { child, _said: said.into_inner() }
    }

    fn descriptors(&self) -> usize {
        descriptors(&self.child.id().to_string())
    }

    /// Its resident bytes.
    fn resident(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<usize>().unwrap() << 10
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test, but what another process of this program does.
#[test]
fn the_other_process() {
    let Ok(serves) = env::var(SERVES) else { return };
    let (runtime, address) = serves.split_once(' ').unwrap();
    with_many_descriptors();
    match runtime {
        "async-std" => {
            ::async_std::task::block_on(serve::<switchboard_async_std::AsyncStd>(address))
        }
        "smol" => ::smol::block_on(serve::<switchboard_smol::Smol>(address)),
        _ => {
            let runtime = ::tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(serve::<switchboard_tokio::Tokio>(address));
        }
    }
}

async fn serve<R: Runtime>(address: &str) {
    let mut limits = AdmissionLimits::default();
    (limits.connections, limits.connections_per_user) = (20_000, 20_000);
    let builder = Server::<R>::builder().limits(limits);
    let builder = builder.handle("echo", async |_: Context, args: Payload| Ok(args));
    let server = builder.bind(address).await.unwrap();
    // On a line of its own, whatever the test harness has written before.
    println!("\n@serves");
    server.closed().await;
}

/// A connection that has said hello, and was let in.
fn guest(address: &str) -> UnixStream {
    let mut stream = UnixStream::connect(address).unwrap();
    stream.write_all(HELLO).unwrap();
    let mut welcome = [0; 6];
    stream.read_exact(&mut welcome).unwrap();
    assert_eq!(welcome[4..], [0x85, 1], "a welcome");
    stream
}

// Threat 69.
#[test]
fn ten_thousand_idle_connections_cost_little_and_those_who_are_busy_nothing() {
    let _alone = alone();
    let most = with_many_descriptors();
    assert!(most > 10_100, "this test needs 10,100 descriptors: ulimit -Hn says {most}");
    for runtime in ["async-std", "smol", "tokio"] {
        let _watchdog = Watchdog::of(runtime);
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("s").display().to_string();
        let other = Other::start(runtime, &address);
        let adapter = &tokio::ONE_THREAD;
        let client = adapter.connect(&address, &Payload::null(), Serves::default()).unwrap();
        let echo = || client.request("echo", &Payload::null(), &Options::new());
        assert_eq!(echo(), Ok(Payload::null()));
        let (open, resident) = (other.descriptors(), other.resident());
        let guests: Vec<_> = (0..10_000).map(|_| guest(&address)).collect();
        for _ in 0..100 {
            assert_eq!(echo(), Ok(Payload::null()));
        }
        assert_eq!(other.descriptors(), open + guests.len(), "one each");
        let each = other.resident().saturating_sub(resident) / guests.len();
        assert!(each <= EACH, "{runtime}: {each} bytes each");
        drop(guests);
        wait_until(|| other.descriptors() == open);
        assert_eq!(echo(), Ok(Payload::null()));
    }
}

// Threat 69.
#[test]
fn connections_come_and_go_and_leave_nothing_behind() {
    let _alone = alone();
    let rounds = env::var(ROUNDS).ok().map(|rounds| rounds.parse().unwrap());
    let _watchdog = rounds.is_none().then(|| Watchdog::of("crowd"));
    for adapter in ADAPTERS {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("s").display().to_string();
        let serves = Serves::default().handle("echo", |_, args| Ok(args));
        let server = adapter.serve(&address, serves).unwrap();
        let visit = |round: usize| {
            let client = adapter.connect(&address, &Payload::null(), Serves::default()).unwrap();
            let echo = client.request("echo", &Payload::null(), &Options::new());
            assert_eq!(echo, Ok(Payload::null()));
            match round % 3 {
                0 => client.close("done"),
                1 => client.abort("gone"),
                _ => drop(client),
            }
        };
        let left = || server.peers().is_empty();
        // Until all that is made once is made.
        (0..100).for_each(visit);
        wait_until(left);
        let (open, memory) = (descriptors("self"), live());
        (0..rounds.unwrap_or(300)).for_each(visit);
        wait_until(|| left() && descriptors("self") <= open);
        wait_until(|| live() - memory < 16 << 10);
        server.close(Restart::never());
    }
}
