//! What must come of what, whatever the adapter. Each scenario panics if it does not.

#![allow(clippy::unwrap_used, reason = "what fails here fails the scenario")]
#![allow(clippy::missing_panics_doc, reason = "that is how they fail")]

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use switchboard::{
    CallError, CloseReason, Config, Failure, Fate, FromPayload, Options, Payload, PayloadLimits,
    Restart, Status, to_payload,
};
use switchboard_endpoint::OpenError;
use tempfile::TempDir;

use crate::gate::Gate;
use crate::{Adapter, Asked, End, Server, Serves};

/// A server, and where it is.
struct Home {
    server: Box<dyn Server>,
    address: String,
    _folder: TempDir,
}

impl Home {
    fn of(adapter: &impl Adapter, serves: Serves) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("s").to_str().unwrap().to_owned();
        let server = adapter.serve(&address, serves);
        Self { server, address, _folder: folder }
    }

    fn client(&self, adapter: &impl Adapter, serves: Serves) -> Box<dyn End> {
        adapter.connect(&self.address, &Payload::null(), serves).unwrap()
    }

    /// The only peer.
    fn peer(&self) -> Box<dyn End> {
        let mut peers = self.server.peers();
        assert_eq!(peers.len(), 1, "peers");
        peers.remove(0)
    }
}

fn number(n: u64) -> Payload {
    to_payload(&n).unwrap()
}

fn read(payload: Payload) -> u64 {
    u64::from_payload(payload, &PayloadLimits::default()).unwrap()
}

fn patient() -> Options {
    Options::new().no_deadline()
}

/// A connection whose close nobody waits for longer than the watchdog does.
fn no_hurry() -> Config {
    let mut config = Config::default();
    config.drain = Duration::from_secs(60 * 60);
    config.linger = config.drain;
    config
}

fn failure(result: Result<Payload, CallError>) -> Failure {
    match result {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

fn wait_until(so: impl Fn() -> bool) {
    while !so() {
        thread::yield_now();
    }
}

fn echo(_: &dyn Asked, args: Payload) -> Result<Payload, Failure> {
    Ok(args)
}

/// A handler that waits at a gate.
fn held(gate: &Arc<Gate>) -> impl Fn(&dyn Asked, Payload) -> Result<Payload, Failure> + use<> {
    let gate = Arc::clone(gate);
    move |_, args| {
        gate.pass();
        Ok(args)
    }
}

/// A handler that goes on until nobody waits for it, and tells then.
fn until_cancelled(
    began: &Arc<Gate>,
    learned: Sender<()>,
) -> impl Fn(&dyn Asked, Payload) -> Result<Payload, Failure> + Clone + use<> {
    let began = Arc::clone(began);
    began.open();
    move |asked, args| {
        began.pass();
        wait_until(|| asked.is_cancelled());
        learned.send(())?;
        Ok(args)
    }
}

/// Section 1 of the protocol: payloads are passed on byte for byte.
pub fn values_come_back_as_they_went(adapter: &impl Adapter) {
    let home = Home::of(adapter, Serves::default().handle("echo", echo));
    let client = home.client(adapter, Serves::default());
    // An integer that is spelled longer than it must be, nothing, much, and something of structure.
    let long = Payload::from_cbor(&b"\x18\x05"[..]).unwrap();
    let much = Payload::bytes(&vec![0xff; 3 << 20]);
    for payload in [long, Payload::null(), much, to_payload(&("ü", [1.5], false)).unwrap()] {
        assert!(client.request("echo", &payload, &patient()).unwrap() == payload);
    }
}

/// Section 3: the server decides by what the client says of itself; whoever is refused learns why.
pub fn hello_is_seen_and_a_refusal_reaches_the_client_whole(adapter: &impl Adapter) {
    let told = Failure::new(Status::UNAUTHENTICATED, "no key").with_data(number(7));
    let why = told.clone();
    let key = move |hello: &Payload| if *hello == number(42) { Ok(()) } else { Err(why.clone()) };
    let serves = Serves { authorize: Some(Arc::new(key)), ..Serves::default() };
    let home = Home::of(adapter, serves);
    match adapter.connect(&home.address, &Payload::null(), Serves::default()).map(drop) {
        Err(OpenError::Refused { failure, .. }) => assert_eq!(failure, told),
        other => panic!("{other:?}"),
    }
    assert!(home.server.peers().is_empty());
    let client = adapter.connect(&home.address, &number(42), Serves::default()).unwrap();
    assert_eq!((client.closed(), home.peer().closed()), (None, None));
}

/// Section 6: what a handler says went wrong is what its caller is told.
pub fn a_failure_keeps_status_message_and_data(adapter: &impl Adapter) {
    let told = Failure::new(Status::new(4711).unwrap(), "out of ü").with_data(number(3));
    let fails = {
        let told = told.clone();
        move |_: &dyn Asked, _| Err(told.clone())
    };
    let home = Home::of(adapter, Serves::default().handle("fails", fails.clone()));
    let client = home.client(adapter, Serves::default().handle("fails", fails));
    assert_eq!(failure(client.request("fails", &Payload::null(), &patient())), told);
    assert_eq!(failure(home.peer().request("fails", &Payload::null(), &patient())), told);
}

/// Section 4.2: the handler knows how long its caller waits, and learns that it no longer does.
pub fn a_deadline_travels_and_ends_the_call_for_both(adapter: &impl Adapter) {
    let (began, (sender, learned)) = (Arc::new(Gate::default()), channel());
    let hours = |left: Duration| left.as_secs() / 60 / 60;
    let left = move |asked: &dyn Asked, _| Ok(number(asked.time_left().map_or(0, hours)));
    let serves = Serves::default().handle("late", until_cancelled(&began, sender));
    let home = Home::of(adapter, serves.handle("left", left));
    let client = home.client(adapter, Serves::default());
    let day = Options::new().deadline(Duration::from_secs(5 * 60 * 60 + 1800));
    assert_eq!(read(client.request("left", &Payload::null(), &day).unwrap()), 5);
    assert_eq!(read(client.request("left", &Payload::null(), &patient()).unwrap()), 0);
    let hasty = Options::new().deadline(Duration::from_millis(300));
    let error = client.request("late", &Payload::null(), &hasty).unwrap_err();
    assert_eq!((error.status(), error.may_have_run()), (Status::DEADLINE_EXCEEDED, true));
    learned.recv().unwrap();
}

/// Section 4.2: whoever waits is told, and so is the handler; a call that is dropped is cancelled.
pub fn a_cancel_reaches_the_handler(adapter: &impl Adapter) {
    let (began, (sender, learned)) = (Arc::new(Gate::default()), channel());
    let late = until_cancelled(&began, sender);
    let home = Home::of(adapter, Serves::default().handle("late", late.clone()));
    let client = home.client(adapter, Serves::default().handle("late", late));
    for (count, end) in [&client, &home.peer()].into_iter().enumerate() {
        let call = end.start("late", &Payload::null(), &patient()).unwrap();
        let cancel = call.canceller();
        thread::scope(|scope| {
            let waits = scope.spawn(|| call.wait());
            began.wait_for(2 * count + 1);
            cancel();
            assert_eq!(waits.join().unwrap(), Err(CallError::Cancelled(Fate::MayHaveRun)));
            learned.recv().unwrap();
            cancel();
        });
        let call = end.start("late", &Payload::null(), &patient()).unwrap();
        began.wait_for(2 * count + 2);
        drop(call);
        learned.recv().unwrap();
    }
}

/// A handler that panics answers INTERNAL, and the connection goes on.
pub fn a_panic_costs_its_own_call_only(adapter: &impl Adapter) {
    let panics = |_: &dyn Asked, _| std::panic::resume_unwind(Box::new(()));
    let home = Home::of(adapter, Serves::default().handle("panics", panics).handle("echo", echo));
    let client = home.client(adapter, Serves::default());
    // More often than there are threads.
    for n in 0..40 {
        let told = failure(client.request("panics", &number(n), &patient()));
        assert_eq!(told.status, Status::INTERNAL);
        assert_eq!(read(client.request("echo", &number(n), &patient()).unwrap()), n);
    }
}

/// Section 4.5: nothing but the handshake tells client from server.
pub fn the_server_calls_its_client(adapter: &impl Adapter) {
    let home = Home::of(adapter, Serves::default());
    let (sender, came) = channel();
    let serves = Serves::default().handle("echo", echo);
    let _client = home.client(adapter, serves.on("n", move |n| sender.send(read(n)).unwrap()));
    let peer = home.peer();
    for n in 0..100 {
        assert_eq!(read(peer.request("echo", &number(n), &patient()).unwrap()), n);
        peer.send("n", &number(n)).unwrap();
    }
    assert!(came.iter().take(100).eq(0..100));
}

/// Calls go back and forth on one connection, each within the one before.
pub fn a_handler_calls_its_caller_back(adapter: &impl Adapter) {
    fn down(asked: &dyn Asked, n: Payload) -> Result<Payload, Failure> {
        match read(n) {
            0 => Ok(number(0)),
            n => Ok(number(1 + read(asked.request("down", &number(n - 1))?))),
        }
    }
    let home = Home::of(adapter, Serves::default().handle("down", down));
    let client = home.client(adapter, Serves::default().handle("down", down));
    for _ in 0..20 {
        assert_eq!(read(client.request("down", &number(5), &patient()).unwrap()), 5);
        assert_eq!(read(home.peer().request("down", &number(5), &patient()).unwrap()), 5);
    }
}

/// Section 4.4.
pub fn messages_arrive_in_order(adapter: &impl Adapter) {
    let (sender, came) = channel();
    let tells = move |n| sender.send(read(n)).unwrap();
    let home = Home::of(adapter, Serves::default().on("n", tells.clone()));
    let client = home.client(adapter, Serves::default().on("n", tells));
    for end in [&client, &home.peer()] {
        (0..3000).for_each(|n| end.send("n", &number(n)).unwrap());
        assert!(came.iter().take(3000).eq(0..3000));
    }
}

/// Section 4.4.
pub fn requests_begin_in_order(adapter: &impl Adapter) {
    let (sender, came) = channel();
    let tells = move |_: &dyn Asked, n: Payload| {
        sender.send(read(n.clone()))?;
        Ok(n)
    };
    let mut serves = Serves::default().handle("n", tells);
    serves.one_by_one = true;
    let home = Home::of(adapter, serves);
    let client = home.client(adapter, Serves::default());
    let start = |n| client.start("n", &number(n), &patient()).unwrap();
    let calls: Vec<_> = (0..500).map(start).collect();
    assert!(came.iter().take(500).eq(0..500));
    for (n, call) in calls.into_iter().enumerate().rev() {
        assert_eq!(read(call.wait().unwrap()), n as u64);
    }
}

/// Section 7.1: both sides know that it was meant, and what was said.
pub fn a_client_closes_gracefully(adapter: &impl Adapter) {
    let home = Home::of(adapter, Serves::config(no_hurry()));
    let client = home.client(adapter, Serves::config(no_hurry()));
    let peer = home.peer();
    client.close("done");
    assert_eq!(client.closed(), Some(CloseReason::Closed { message: "done".into() }));
    wait_until(|| peer.closed().is_some());
    let reason = CloseReason::PeerClosed { message: "done".into(), reconnect_after: None };
    assert_eq!(peer.closed(), Some(reason.clone()));
    wait_until(|| home.server.peers().is_empty());
    let ended = CallError::Disconnected(reason, Fate::NeverSent);
    assert_eq!(peer.send("n", &number(1)), Err(ended));
    client.send("n", &number(1)).unwrap_err();
}

/// Section 7.1: open calls go on, new ones are refused, and the client knows when to come back.
pub fn a_server_closes_gracefully_and_open_calls_end(adapter: &impl Adapter) {
    let gate = Arc::new(Gate::default());
    let serves = Serves::config(no_hurry()).handle("slow", held(&gate));
    let home = Home::of(adapter, serves);
    // A listener, so that it reads also while nobody waits.
    let client = home.client(adapter, Serves::config(no_hurry()).on("n", |_| {}));
    let call = client.start("slow", &number(7), &patient()).unwrap();
    gate.wait_for(1);
    let back = Duration::from_secs(2);
    thread::scope(|scope| {
        scope.spawn(|| home.server.close(Restart::after(back).message("update")));
        wait_until(|| client.request("nobody", &number(1), &patient()).is_err_and(is_refused));
        gate.open();
        assert_eq!(read(call.wait().unwrap()), 7);
    });
    wait_until(|| client.closed().is_some());
    let reason = CloseReason::PeerClosed { message: "update".into(), reconnect_after: Some(back) };
    assert_eq!(client.closed(), Some(reason));
}

/// Whether a call was refused because of a close.
fn is_refused(error: CallError) -> bool {
    error.status() == Status::UNAVAILABLE
}

/// Section 7.3: who ends it at once has a reason of its own, the other one a loss.
pub fn an_abort_ends_open_calls(adapter: &impl Adapter) {
    let gate = Arc::new(Gate::default());
    let home = Home::of(adapter, Serves::default().handle("slow", held(&gate)));
    let client = home.client(adapter, Serves::default());
    let peer = home.peer();
    let call = client.start("slow", &number(7), &patient()).unwrap();
    gate.wait_for(1);
    client.abort("enough");
    let reason = CloseReason::Aborted { message: "enough".into() };
    let ended = CallError::Disconnected(reason.clone(), Fate::MayHaveRun);
    assert_eq!(call.wait(), Err(ended));
    assert_eq!(client.closed(), Some(reason));
    wait_until(|| peer.closed().is_some());
    assert_eq!(peer.closed(), Some(CloseReason::Lost));
    gate.open();
}

/// Section 7.3: each call ends once, and says that it may have run.
pub fn a_loss_ends_open_calls_of_both_sides(adapter: &impl Adapter) {
    let gate = Arc::new(Gate::default());
    let home = Home::of(adapter, Serves::default().handle("slow", held(&gate)));
    let client = home.client(adapter, Serves::default().handle("slow", held(&gate)));
    let peer = home.peer();
    let start = |end: &dyn End| end.start("slow", &number(7), &patient()).unwrap();
    let calls = [start(&*client), start(&*client)];
    let back = start(&*peer);
    gate.wait_for(3);
    drop(home);
    for call in calls {
        let lost = CallError::Disconnected(CloseReason::Lost, Fate::MayHaveRun);
        assert_eq!(call.wait(), Err(lost));
    }
    let ended = back.wait().unwrap_err();
    assert!(matches!(ended, CallError::Disconnected(_, Fate::MayHaveRun)), "{ended:?}");
    let never = CallError::Disconnected(CloseReason::Lost, Fate::NeverSent);
    assert_eq!(client.request("slow", &number(1), &patient()), Err(never));
    gate.open();
}

/// Section 8: a caller over `max-calls`, or with too much unsent, waits for its turn, within its deadline.
pub fn calls_over_the_limits_wait_and_end_at_their_deadlines(adapter: &impl Adapter) {
    let gate = Arc::new(Gate::default());
    let mut config = Config::default();
    (config.max_calls, config.max_unsent) = (1, 1);
    let home = Home::of(adapter, Serves::config(config.clone()).handle("slow", held(&gate)));
    let client = home.client(adapter, Serves::config(config));
    let call = client.start("slow", &number(7), &patient()).unwrap();
    gate.wait_for(1);
    let short = Options::new().deadline(Duration::from_millis(50));
    let late = Err(CallError::Deadline(Fate::NeverSent));
    assert_eq!(client.request("slow", &number(8), &short), late);
    thread::scope(|scope| {
        for thread in 0..8 {
            let client = &client;
            scope.spawn(move || {
                for n in thread * 100..thread * 100 + 50 {
                    let answer = client.request("slow", &number(n), &patient());
                    assert_eq!(read(answer.unwrap()), n);
                }
            });
        }
        gate.open();
    });
    assert_eq!(read(call.wait().unwrap()), 7);
}
