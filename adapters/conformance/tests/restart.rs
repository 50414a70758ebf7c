//! Many clients of a server that is killed, or that restarts: all come back, one by one, and no user of theirs
//! is told of what was full meanwhile. The server's process is this test program, started once more.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "matrix/async_std.rs"]
mod async_std;
#[path = "matrix/blocking.rs"]
mod blocking;
#[path = "matrix/futures.rs"]
mod futures;
#[path = "matrix/smol.rs"]
mod smol;
#[path = "matrix/tokio.rs"]
mod tokio;

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Read, stdin};
use std::os::unix::net::UnixListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use switchboard::{Backoff, Options, Payload, Restart, SessionStatus, to_payload};
use switchboard_conformance::{Adapter, Client, Opened, Serves, Watchdog};
use switchboard_endpoint::{Address, AdmissionLimits, OpenError, Stream};
use switchboard_tokio::{Context, Server};

/// Where the server's process serves.
const ADDRESS: &str = "SWITCHBOARD_TEST_ADDRESS";

/// How many clients of each adapter: those that block have threads.
static CLIENTS: [(&dyn Adapter, usize); 5] = [
    (&async_std::ASYNC_STD, 100),
    (&blocking::Blocking, 100),
    (&smol::SMOL, 100),
    (&tokio::ONE_THREAD, 100),
    (&tokio::THREADS, 100),
];

/// Each client has a descriptor or two.
fn with_many_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Another process of this program, which serves.
struct Other {
    child: Child,
    /// What else it says: as long as it runs it can.
    _said: ChildStdout,
}

impl Other {
    fn start(address: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "the_other_process", "--nocapture", "--test-threads=1"]);
        command.env(ADDRESS, address);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        assert!(said.by_ref().lines().any(|line| line.unwrap() == "@serves"));
        Self { child, _said: said.into_inner() }
    }

    /// It is no more, and has not said a word.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// It closes, to come back.
    fn close(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
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
    let Ok(address) = env::var(ADDRESS) else { return };
    with_many_descriptors();
    let mut limits = AdmissionLimits::default();
    limits.connections_per_user = limits.connections;
    let builder =
        Server::builder().limits(limits).handle("echo", async |_: Context, args: Payload| Ok(args));
    ::tokio::runtime::Runtime::new().unwrap().block_on(async {
        let server = builder.bind(&address).await.unwrap();
        // On a line of its own, whatever the test harness has written before.
        println!("\n@serves");
        ::tokio::task::spawn_blocking(|| stdin().lines().for_each(drop)).await.unwrap();
        server.close(Restart::after(Duration::from_millis(100))).await;
    });
}

/// So long that chance decides who is the first to be back.
fn backoff() -> Backoff {
    Backoff::new().first(Duration::from_secs(1))
}

/// Whose status is what now.
type Told = (usize, SessionStatus);

/// Clients of all adapters, and what they are told.
struct Crowd {
    clients: Vec<Arc<dyn Client>>,
    told: Receiver<Told>,
    /// Where each stands.
    stand: BTreeMap<usize, SessionStatus>,
    /// Who came to a status, in order.
    log: Vec<Told>,
}

fn come(adapter: &dyn Adapter, address: &str, told: &Sender<Told>, number: usize) -> Opened {
    let told = told.clone();
    // Whoever does not listen any more has seen enough.
    let on_status = move |status| told.send((number, status)).unwrap_or(());
    let comes_back = Some((backoff(), Arc::new(on_status) as _));
    adapter.connect(address, &Payload::null(), Serves { comes_back, ..Serves::default() })
}

impl Crowd {
    fn of(address: &str) -> Self {
        let (sender, told) = channel();
        let adapters =
            CLIENTS.iter().flat_map(|(adapter, count)| std::iter::repeat_n(adapter, *count));
        let come = |(number, adapter): (usize, &&dyn Adapter)| {
            Arc::from(come(*adapter, address, &sender, number).unwrap())
        };
        let clients = adapters.enumerate().map(come).collect();
        Self { clients, told, stand: BTreeMap::new(), log: Vec::new() }
    }

    /// Waits until all stand there at the same time.
    fn come_to(&mut self, status: SessionStatus) {
        while self.stand.values().filter(|stands| **stands == status).count() < self.clients.len() {
            let (number, status) = self.told.recv().unwrap();
            self.stand.insert(number, status);
            self.log.push((number, status));
        }
    }

    /// In which order they came to this status for the last time.
    fn order(&self, status: SessionStatus) -> BTreeMap<usize, usize> {
        let came = self.log.iter().enumerate().filter(|(_, (_, told))| *told == status);
        came.map(|(at, (number, _))| (*number, at)).collect()
    }

    /// Which part of the pairs of one adapter has not come back in the order in which it was lost.
    fn disorder(&self) -> f64 {
        let (lost, back) =
            (self.order(SessionStatus::Disconnected), self.order(SessionStatus::Ready));
        let (mut pairs, mut crossed, mut first) = (0, 0, 0);
        for (_, count) in CLIENTS {
            for one in first..first + count {
                for other in first..one {
                    pairs += 1;
                    let goes = |order: &BTreeMap<usize, usize>| order[&one] < order[&other];
                    crossed += u64::from(goes(&lost) != goes(&back));
                }
            }
            first += count;
        }
        crossed as f64 / f64::from(pairs)
    }
}

/// Everybody's server ends so, and is started again.
fn all_come_back(ends: fn(Other)) {
    with_many_descriptors();
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("s").display().to_string();
    let server = Other::start(&address);
    let mut crowd = Crowd::of(&address);
    crowd.come_to(SessionStatus::Ready);
    ends(server);
    crowd.come_to(SessionStatus::Reconnecting);
    // Each has a user who knows of nothing.
    let ask = |(number, client): (usize, &Arc<dyn Client>)| {
        let args = to_payload(&(number as u64)).unwrap();
        let call = client.start("echo", &args, &Options::new().no_deadline()).unwrap();
        (args, call)
    };
    let calls: Vec<_> = crowd.clients.iter().enumerate().map(ask).collect();
    let _server = Other::start(&address);
    for (args, call) in calls {
        assert_eq!(call.wait(), Ok(args));
    }
    crowd.come_to(SessionStatus::Ready);
    assert!(crowd.clients.iter().all(|client| client.closed().is_none()));
    // Chance crosses up to half of the pairs, fewer the longer it takes until all have lost it; without any
    // it is the clock that crosses some.
    let disorder = crowd.disorder();
    assert!(disorder > 0.1, "they come back in the order in which they went: {disorder}");
}

#[test]
fn all_clients_of_a_server_that_was_killed_come_back() {
    let _watchdog = Watchdog::of("all_clients_of_a_server_that_was_killed_come_back");
    all_come_back(Other::kill);
}

#[test]
fn all_clients_of_a_server_that_restarts_come_back() {
    let _watchdog = Watchdog::of("all_clients_of_a_server_that_restarts_come_back");
    all_come_back(Other::close);
}

/// A queue of clients that is full is told to those who do not come back, and waited for by the others.
#[test]
fn a_full_queue_is_waited_for() {
    let _watchdog = Watchdog::of("a_full_queue_is_waited_for");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let address = path.display().to_string();
    // It has as short a queue as there is, and nobody takes anybody from it.
    let listener = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let place: Address = address.parse().unwrap();
    let mut queue = Vec::new();
    let full = loop {
        match Stream::connect(&place) {
            Ok(stream) => queue.push(stream),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, OpenError::Busy { .. }), "{full:?}");
    let (sender, told) = channel();
    thread::scope(|scope| {
        let connect = |(number, (adapter, _)): (usize, (&'static dyn Adapter, usize))| {
            let once = adapter.connect(&address, &Payload::null(), Serves::default());
            assert!(matches!(once.err(), Some(OpenError::Busy { .. })));
            let (sender, address) = (&sender, &address);
            scope.spawn(move || come(adapter, address, sender, number).unwrap())
        };
        let clients: Vec<_> = CLIENTS.into_iter().enumerate().map(connect).collect();
        let reconnecting = told.iter().filter(|(_, told)| *told == SessionStatus::Reconnecting);
        assert_eq!(reconnecting.take(clients.len()).count(), clients.len());
        drop(listener);
        let _server = smol::SMOL.serve(&address, Serves::default()).unwrap();
        clients.into_iter().for_each(|client| drop(client.join().unwrap()));
    });
}
