//! A server calls its clients: from its handlers and from outside, whatever the client does meanwhile.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use common::{
    Gate, Home, Place, Raw, WELCOME, failure, no_hurry, patient, silent_panic, until_cancelled,
    watchdog, within,
};
use switchboard::{CallError, Failure, Fate, Payload, Status, to_payload};
use switchboard_blocking::{Client, ClientBuilder, Context, Server, ServerBuilder};

/// Handlers that ask the caller for "double", in the pool and inline.
fn asks_back(builder: ServerBuilder) -> ServerBuilder {
    let back = |cx: Context, n: u64| Ok(cx.peer().request::<u64>("double", &n)? + 1);
    builder.handle("pool", back).handle_inline("inline", back)
}

fn doubles() -> ClientBuilder {
    Client::builder().handle("double", |_, n: u64| Ok(2 * n))
}

const BOTH: [&str; 2] = ["pool", "inline"];

#[test]
fn a_handler_calls_its_caller_back_however_few_threads_there_are() {
    for (servers, clients) in [(1, 1), (1, 3), (2, 2), (3, 1)] {
        let home = Home::of(asks_back(Server::builder().threads(servers)));
        let client = home.connect(doubles().threads(clients));
        for n in 0..50 {
            for channel in BOTH {
                assert_eq!(client.request::<u64>(channel, &n).unwrap(), 2 * n + 1);
            }
        }
    }
}

#[test]
fn a_client_is_called_while_it_is_idle() {
    let home = Home::of(Server::builder());
    let client = home.connect(doubles());
    let peer = home.peer();
    for n in 0..100 {
        assert_eq!(peer.request::<u64>("double", &n).unwrap(), 2 * n);
    }
    assert_eq!(client.counters().open_served, 0);
}

#[test]
fn a_client_is_called_while_it_waits_in_a_long_call() {
    let gate = Arc::new(Gate::default());
    let home = Home::of(Server::builder().handle("slow", gate.handler()));
    let client = home.connect(doubles());
    let peer = home.peer();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.with(patient()).request::<()>("slow", &()));
        gate.wait_for(1);
        for n in 0..100 {
            assert_eq!(peer.request::<u64>("double", &n).unwrap(), 2 * n);
        }
        gate.open();
        call.join().unwrap().unwrap();
    });
}

#[test]
fn sixteen_threads_call_while_the_server_calls_back() {
    let home = Home::of(asks_back(Server::builder()));
    let client = home.connect(doubles()).with(patient());
    let peer = home.peer().with(patient());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let outside = scope.spawn(|| {
            let mut n = 0;
            while !over.load(Ordering::Relaxed) || n < 100 {
                assert_eq!(peer.request::<u64>("double", &n).unwrap(), 2 * n);
                n += 1;
            }
        });
        let callers: Vec<_> = (0..16)
            .map(|thread| {
                let client = &client;
                scope.spawn(move || {
                    for call in 0..40 {
                        let n = thread * 1000 + call;
                        let channel = BOTH[(call % 2) as usize];
                        assert_eq!(client.request::<u64>(channel, &n).unwrap(), 2 * n + 1);
                    }
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        over.store(true, Ordering::Relaxed);
        outside.join().unwrap();
    });
}

#[test]
fn a_client_without_the_handler_answers_unimplemented() {
    let back = |cx: Context, ()| match cx.peer().request::<()>("nobody", &()) {
        Err(CallError::Failed(failure)) => Ok((failure.status.number(), failure.message)),
        other => panic!("{other:?}"),
    };
    let home = Home::of(Server::builder().handle("pool", back).handle_inline("inline", back));
    // One that serves nothing at all reads while it waits; one that only listens reads always.
    let listens = Client::builder().on("n", |_, _: u32| {});
    for builder in [Client::builder(), listens, doubles()] {
        let client = home.connect(builder);
        for channel in BOTH {
            let (status, message): (u32, String) = client.request(channel, &()).unwrap();
            assert_eq!(status, Status::UNIMPLEMENTED.number());
            assert!(message.contains("nobody"), "{message}");
        }
        client.close("");
    }
    let _client = home.connect(Client::builder().on("n", |_, _: u32| {}));
    let told = home.server.peers().pop().unwrap().request::<()>("n", &());
    assert_eq!(failure(told).status, Status::UNIMPLEMENTED);
}

#[test]
fn a_clients_failure_reaches_the_server_whole() {
    let told = Failure::new(Status::new(4711).unwrap(), "out of ü")
        .with_data(to_payload(&("left", 3)).unwrap());
    let home = Home::of(Server::builder());
    let _client = home.connect(Client::builder().handle("fails", {
        let told = told.clone();
        move |_, ()| Err::<(), _>(told.clone())
    }));
    assert_eq!(failure(home.peer().request::<()>("fails", &())), told);
}

// Threat 73.
#[test]
fn a_panic_of_a_clients_handler_costs_its_own_call_only() {
    let home = Home::of(Server::builder().handle("works", |_, ()| Ok(true)));
    let panics = |_: Context, ()| -> Result<(), Failure> { silent_panic() };
    let client = home.connect(doubles().threads(2).handle("panics", panics));
    let peer = home.peer();
    for n in 0..20 {
        assert_eq!(failure(peer.request::<()>("panics", &())).status, Status::INTERNAL);
        assert_eq!(peer.request::<u64>("double", &n).unwrap(), 2 * n);
        assert!(client.request::<bool>("works", &()).unwrap());
    }
}

#[test]
fn a_clients_handler_that_blocks_holds_up_nothing_else() {
    let gate = Arc::new(Gate::default());
    let home = Home::of(Server::builder().handle("works", |_, ()| Ok(true)));
    let client = home.connect(doubles().threads(2).handle("blocks", gate.handler()));
    let peer = home.peer().with(patient());
    let blocked = peer.start::<()>("blocks", &()).unwrap();
    gate.wait_for(1);
    for n in 0..50 {
        assert_eq!(peer.request::<u64>("double", &n).unwrap(), 2 * n);
        assert!(client.request::<bool>("works", &()).unwrap());
    }
    assert!(!blocked.has_ended());
    gate.open();
    blocked.wait().unwrap();
}

#[test]
fn a_clients_handler_calls_the_server_in_turn() {
    let home = Home::of(Server::builder().handle("add", |_, (a, b): (u64, u64)| Ok(a + b)));
    let own: Arc<OnceLock<Client>> = Arc::default();
    let client = home.connect(
        Client::builder()
            .handle("peer", |cx: Context, n: u64| Ok(cx.peer().request::<u64>("add", &(n, 1))?))
            .handle("clone", {
                let own = Arc::clone(&own);
                move |_, n: u64| Ok(own.get().unwrap().request::<u64>("add", &(n, 2))?)
            }),
    );
    own.set(client.clone()).unwrap();
    let peer = home.peer();
    for n in 0..50 {
        assert_eq!(peer.request::<u64>("peer", &n).unwrap(), n + 1);
        assert_eq!(peer.request::<u64>("clone", &n).unwrap(), n + 2);
        assert_eq!(client.request::<u64>("add", &(n, 3)).unwrap(), n + 3);
    }
    client.close("");
}

#[test]
fn large_answers_to_a_server_that_reads_late_all_arrive() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let listener = place.listen();
    let address = place.address();
    let client = thread::spawn(move || {
        // No time limit of its own writes what was left lying.
        let large = |_: Context, ()| Ok(Payload::bytes(&[0; 600_000]));
        let builder = Client::builder().config(no_hurry()).handle("b", large);
        builder.connect(&address).unwrap()
    });
    let mut raw = Raw::welcomes(&listener, WELCOME);
    let _client = client.join().unwrap();
    for round in 0..10 {
        // [7, id, "b", {}, null]
        let call = |id: u16| [&[0x85, 7, 0x19][..], &id.to_be_bytes(), b"\x61b\xa0\xf6"].concat();
        (0..40).for_each(|n| raw.frame(&call(1000 + 2 * (40 * round + n))));
        for _ in 0..40 {
            assert_eq!(raw.hear().unwrap()[..2], [0x83, 8]);
        }
    }
}

#[test]
fn a_deadline_of_the_server_ends_its_call_and_the_client_learns_it() {
    let (began, (sender, learned)) = (Arc::new(Gate::default()), channel());
    let home = Home::of(Server::builder().handle("works", |_, ()| Ok(true)));
    let client = home.connect(Client::builder().handle("late", until_cancelled(&began, sender)));
    let error = home.peer().with(within(30)).request::<()>("late", &()).unwrap_err();
    // On a busy machine the client's own answer, that it is too late, may come first.
    match error {
        CallError::Deadline(Fate::MayHaveRun) => {}
        CallError::Failed(failure) if failure.status == Status::DEADLINE_EXCEEDED => {}
        other => panic!("{other:?}"),
    }
    if began_once(&began) {
        assert_eq!(learned.recv().unwrap(), "late");
    }
    assert!(client.request::<bool>("works", &()).unwrap());
}

/// A handler whose time is over before it begins is not run.
fn began_once(began: &Gate) -> bool {
    began.count() == 1
}

#[test]
fn a_deadline_of_the_server_travels_to_the_client() {
    let home = Home::of(Server::builder());
    let _client = home.connect(Client::builder().handle("left", |cx, ()| Ok(cx.time_left())));
    let hour = Duration::from_secs(60 * 60);
    let peer = home.peer();
    let hourly = peer.with(switchboard::Options::new().deadline(hour));
    let left: Option<Duration> = hourly.request("left", &()).unwrap();
    assert!(left.is_some_and(|left| Duration::ZERO < left && left <= hour), "{left:?}");
    let never: Option<Duration> = peer.with(patient()).request("left", &()).unwrap();
    assert_eq!(never, None);
}

#[test]
fn a_call_that_the_server_gives_up_is_cancelled_at_the_client() {
    let (began, (sender, learned)) = (Arc::new(Gate::default()), channel());
    let home = Home::of(Server::builder());
    let client = home.connect(Client::builder().handle("late", until_cancelled(&began, sender)));
    let peer = home.peer().with(patient());
    let call = peer.start::<()>("late", &()).unwrap();
    began.wait_for(1);
    call.canceller().cancel();
    assert_eq!(call.wait(), Err(CallError::Cancelled(Fate::MayHaveRun)));
    assert_eq!(learned.recv().unwrap(), "late");
    let call = peer.start::<()>("late", &()).unwrap();
    began.wait_for(2);
    drop(call);
    assert_eq!(learned.recv().unwrap(), "late");
    // The same while the client waits in a call of its own.
    thread::scope(|scope| {
        let call = peer.start::<()>("late", &()).unwrap();
        began.wait_for(3);
        let own = scope.spawn(|| client.request::<()>("nobody", &()));
        drop(call);
        assert_eq!(learned.recv().unwrap(), "late");
        own.join().unwrap().unwrap_err();
    });
}

#[test]
fn a_handler_of_one_client_calls_another() {
    let home = Home::of(Server::builder());
    let (server, count) = (home.server.clone(), AtomicU32::new(0));
    let relay = home.server.handle("relay", move |cx: Context, n: u64| {
        count.fetch_add(1, Ordering::Relaxed);
        let peers = server.peers();
        let other = peers.iter().find(|peer| peer.id() != cx.peer().id());
        Ok(other.ok_or("nobody else is here").map_err(io)?.request::<u64>("double", &n)?)
    });
    let relay = relay.unwrap();
    let clients = [home.connect(doubles()), home.connect(doubles())];
    thread::scope(|scope| {
        for client in &clients {
            scope.spawn(move || {
                for n in 0..100 {
                    assert_eq!(client.request::<u64>("relay", &n).unwrap(), 2 * n);
                }
            });
        }
    });
    // It holds a clone of the server, which holds it.
    drop(relay);
}

fn io(text: &str) -> std::io::Error {
    std::io::Error::other(text.to_owned())
}

#[test]
fn ten_mebibytes_go_each_way_at_once_in_calls_of_both_sides() {
    let echo = |_: Context, payload: Payload| Ok(payload);
    let home = Home::of(Server::builder().handle("echo", echo).handle_inline("inline", echo));
    let client = home.connect(Client::builder().handle("echo", echo)).with(patient());
    let peer = home.peer().with(patient());
    thread::scope(|scope| {
        for number in 0..2 {
            let (client, peer) = (&client, &peer);
            let payload = Payload::bytes(&vec![number; 10 << 20]);
            let other = payload.clone();
            scope.spawn(move || {
                for channel in ["echo", "inline"] {
                    assert!(client.request::<Payload>(channel, &payload).unwrap() == payload);
                }
            });
            scope.spawn(move || {
                assert!(peer.request::<Payload>("echo", &other).unwrap() == other);
            });
        }
    });
}
