//! Processes that are killed, in every phase of a call: the other side learns it, and what may have run. The
//! other process is this test program, started once more.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::env;
use std::io::{BufRead, BufReader, Lines};
use std::net::Shutdown;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::{Gate, Home, Place, Raw, WELCOME, patient, until_cancelled, wait_until, watchdog};
use rustix::process::{Pid, Signal, kill_process};
use switchboard::{
    CallError, CloseReason, Config, Fate, Options, Payload, Rejected, Timer, Welcome,
};
use switchboard_blocking::{Client, ClientBuilder, Context, OpenError, Server};

/// Which of the helpers below a process is, and the address that it is given.
const ROLE: &str = "SWITCHBOARD_TEST_ROLE";
const ADDRESS: &str = "SWITCHBOARD_TEST_ADDRESS";

/// Another process of this program.
struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(role: &str, address: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "the_other_process", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env(ADDRESS, address);
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut other = Self { child, lines };
        other.wait_for("ready");
        other
    }

    /// Waits until it says so.
    fn wait_for(&mut self, what: &str) {
        assert!(self.lines.any(|line| line.unwrap().ends_with(&format!("@{what}"))), "{what}");
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says it on a line of its own, whatever the test harness has written before.
fn say(what: &str) {
    println!("\n@{what}");
}

/// Not a test, but what another process of this program does; it ends when it is killed.
#[test]
fn the_other_process() {
    let (Ok(role), Ok(address)) = (env::var(ROLE), env::var(ADDRESS)) else { return };
    let forever = Gate::default();
    if role == "server" {
        let _server = serve(&address);
        say("ready");
        forever.pass();
    }
    let client = Client::builder()
        .handle("late", |_, ()| {
            say("called");
            Gate::default().pass();
            Ok(())
        })
        .connect(&address)
        .unwrap();
    say("ready");
    if role == "calls" {
        let _ = client.with(patient()).request::<()>("late", &());
    }
    forever.pass();
}

fn serve(address: &str) -> Server {
    let mut config = Config::default();
    config.keepalive = Some(Duration::from_secs(1));
    let builder = Server::builder().config(config).authorize(|hello, _| {
        if hello.settings.scope == "slow" {
            say("asked");
            Gate::default().pass();
        }
        Ok(Welcome::new())
    });
    let late = |_: Context, ()| {
        say("called");
        Gate::default().pass();
        Ok(())
    };
    let back = |cx: Context, ()| Ok(cx.peer().with(patient()).request::<()>("late", &())?);
    let large = |_: Context, ()| {
        say("called");
        Ok(Payload::bytes(&vec![0; 12 << 20]))
    };
    builder
        .handle("pool", late)
        .handle_inline("inline", late)
        .handle("back", back)
        .handle("large", large)
        .handle("works", |_, ()| Ok(true))
        .bind(address)
        .unwrap()
}

fn lost<T>(fate: Fate) -> Result<T, CallError> {
    Err(CallError::Disconnected(CloseReason::Lost, fate))
}

/// Whether a call was lost, or not even begun because a loss was noticed and not read yet.
fn is_lost(end: &Result<(), CallError>) -> bool {
    matches!(
        end,
        Err(CallError::Disconnected(CloseReason::Lost, _) | CallError::Rejected(Rejected::Closed))
    )
}

/// A new server takes the place of one that was killed, and serves.
fn serves_again(address: &str) {
    let server = Other::start("server", address);
    let client = Client::connect(address).unwrap();
    assert!(client.request::<bool>("works", &()).unwrap());
    drop(server);
}

// Threat 28.
#[test]
fn a_server_that_is_killed_while_its_handler_runs() {
    let (_watchdog, place) = (watchdog(), Place::new());
    for reads in [false, true] {
        for channel in ["pool", "inline"] {
            let mut server = Other::start("server", &place.address());
            let builder = Client::builder();
            let builder = if reads { builder.on("n", |_, ()| {}) } else { builder };
            let client = builder.connect(&place.address()).unwrap().with(patient());
            thread::scope(|scope| {
                let calls = [1, 2, 3].map(|_| scope.spawn(|| client.request::<()>(channel, &())));
                let started = client.start::<()>("works", &()).unwrap();
                // Inline one runs at a time; what became of the others is told.
                let running = if channel == "pool" { 3 } else { 1 };
                (0..running).for_each(|_| server.wait_for("called"));
                server.kill();
                let ends = calls.map(|call| call.join().unwrap());
                let may_have_run = ends.iter().filter(|end| **end == lost(Fate::MayHaveRun));
                assert!(may_have_run.count() >= running, "{ends:?}");
                assert!(ends.iter().all(is_lost), "{ends:?}");
                // Answered before, or lost like the others.
                let started = started.wait();
                let answered = matches!(started, Err(CallError::Decode(_)));
                assert!(answered || is_lost(&started), "{started:?}");
            });
            assert_eq!(client.closed(), Some(CloseReason::Lost));
            assert_eq!(client.send("n", &()), lost(Fate::NeverSent));
            assert_eq!(client.close(""), CloseReason::Lost);
        }
    }
    serves_again(&place.address());
}

// Threat 28.
#[test]
fn a_server_that_is_killed_amid_the_handshake() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let address = place.address();
    let mut server = Other::start("server", &address);
    thread::scope(|scope| {
        let slow = scope.spawn(|| Client::builder().scope("slow").connect(&address));
        server.wait_for("asked");
        // Another one is in its queue, unseen.
        server.signal(Signal::STOP);
        let unseen = scope.spawn(|| Client::connect(&address));
        server.kill();
        for client in [slow, unseen] {
            match client.join().unwrap() {
                Err(OpenError::Closed(CloseReason::Lost) | OpenError::NotRunning { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert!(matches!(Client::connect(&address), Err(OpenError::NotRunning { .. })));
    serves_again(&address);
}

// Threat 28.
#[test]
fn a_server_that_is_killed_while_it_does_not_read_and_while_it_writes() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let mut server = Other::start("server", &place.address());
    let client = Client::connect(&place.address()).unwrap().with(patient());
    // It stands still: the first request is written in part, the second not at all.
    server.signal(Signal::STOP);
    let large = Payload::bytes(&vec![0; 1_000_000]);
    let first = client.start::<bool>("works", &large).unwrap();
    let second = client.start::<bool>("works", &()).unwrap();
    server.kill();
    assert_eq!(first.wait(), lost(Fate::MayHaveRun));
    assert_eq!(second.wait(), lost(Fate::NeverSent));

    // An answer of which a part has come: nobody reads the rest meanwhile.
    let mut server = Other::start("server", &place.address());
    let client = Client::connect(&place.address()).unwrap().with(patient());
    client.pause();
    let call = client.start::<Payload>("large", &()).unwrap();
    server.wait_for("called");
    server.kill();
    client.resume();
    assert_eq!(call.wait(), lost(Fate::MayHaveRun));
    serves_again(&place.address());
}

// Threat 28.
#[test]
fn a_server_that_is_killed_while_it_calls_its_client_back() {
    let (_watchdog, place) = (watchdog(), Place::new());
    for _ in 0..3 {
        let mut server = Other::start("server", &place.address());
        let (began, (sender, learned)) = (Arc::new(Gate::default()), channel());
        let client = Client::builder().handle("late", until_cancelled(&began, sender));
        let client = client.connect(&place.address()).unwrap().with(patient());
        thread::scope(|scope| {
            let call = scope.spawn(|| client.request::<()>("back", &()));
            began.wait_for(1);
            server.kill();
            // Its own call is lost, and the handler learns that nobody waits for it.
            assert_eq!(call.join().unwrap(), lost(Fate::MayHaveRun));
            assert_eq!(learned.recv().unwrap(), "late");
        });
    }
}

#[test]
fn a_server_that_is_killed_while_nobody_asks_for_anything() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let mut server = Other::start("server", &place.address());
    let idle = Client::connect(&place.address()).unwrap();
    let reads = Client::builder().on("n", |_, ()| {}).connect(&place.address()).unwrap();
    server.kill();
    wait_until(|| reads.closed().is_some());
    assert_eq!(reads.closed(), Some(CloseReason::Lost));
    // What nobody has read is not known yet; nothing is sent into the void unnoticed for long.
    let told = idle.with(Options::new()).request::<bool>("works", &());
    assert!(told == lost(Fate::NeverSent) || told == lost(Fate::MayHaveRun), "{told:?}");
    assert_eq!(idle.closed(), Some(CloseReason::Lost));
}

/// A process that stands still breaks no socket: only its promises are broken.
#[test]
fn a_server_that_stands_still_is_given_up() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let server = Other::start("server", &place.address());
    let mut config = Config::default();
    config.write_stall = Duration::from_millis(100);
    let connect = |builder: ClientBuilder| builder.connect(&place.address()).unwrap();
    let [waits, idle] = [(); 2].map(|()| connect(Client::builder()).with(patient()));
    let reads = connect(Client::builder().on("n", |_, ()| {}));
    let writes = connect(Client::builder().config(config)).with(patient());
    assert!(idle.request::<bool>("works", &()).unwrap());
    thread::scope(|scope| {
        let call = scope.spawn(|| waits.request::<()>("pool", &()));
        server.signal(Signal::STOP);
        let large = Payload::bytes(&vec![0; 1_000_000]);
        let stalled = CallError::Disconnected(CloseReason::Timeout(Timer::Write), Fate::MayHaveRun);
        assert_eq!(writes.request::<()>("pool", &large), Err(stalled));
        let silent = CloseReason::Timeout(Timer::Keepalive);
        let ended = CallError::Disconnected(silent.clone(), Fate::MayHaveRun);
        assert_eq!(call.join().unwrap(), Err(ended));
        wait_until(|| reads.closed().is_some() && idle.closed().is_some());
        assert_eq!((reads.closed(), idle.closed()), (Some(silent.clone()), Some(silent)));
    });
    drop(server);
}

#[test]
fn a_client_that_is_killed_in_the_midst_of_calls_of_both_sides() {
    for role in ["calls", "idle"] {
        let (began, (sender, learned)) = (Arc::new(Gate::default()), channel());
        let late = until_cancelled(&began, sender);
        let home = Home::of(Server::builder().handle("late", late));
        let mut client = Other::start(role, &home.address);
        let peer = home.peer();
        assert_eq!(peer.credentials().unwrap().pid, Some(client.child.id()));
        let call = peer.with(patient()).start::<()>("late", &()).unwrap();
        client.wait_for("called");
        if role == "calls" {
            began.wait_for(1);
        }
        client.kill();
        assert_eq!(call.wait(), lost(Fate::MayHaveRun));
        if role == "calls" {
            assert_eq!(learned.recv().unwrap(), "late");
        }
        assert_eq!(peer.closed(), Some(CloseReason::Lost));
        wait_until(|| home.server.peers().is_empty());
    }
}

#[test]
fn a_client_whose_write_failed_says_why_to_the_next_caller() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let listener = place.listen();
    let address = place.address();
    let client = thread::spawn(move || Client::connect(&address).unwrap());
    let raw = Raw::welcomes(&listener, WELCOME);
    let client = client.join().unwrap();
    // Not dropped: a process that another test starts just now may hold a copy of it.
    raw.0.shutdown(Shutdown::Both).unwrap();
    // Nobody has noticed yet.
    client.send("n", &1).unwrap();
    let lost = CallError::Disconnected(CloseReason::Lost, Fate::NeverSent);
    assert_eq!(client.request::<()>("n", &1), Err(lost.clone()));
    assert_eq!(client.send("n", &1), Err(lost));
}
