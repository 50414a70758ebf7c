//! How a connection and a server end.
#![cfg(unix)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use common::{GOODBYE, Gate, Home, Tell};
use switchboard::{
    CallError, CloseReason, Config, Fate, Options, Rejected, Restart, Status, Welcome,
};
use switchboard_blocking::{Client, Server, ServerBuilder};

/// Handlers "pool" and "inline" that wait at a gate, and "works".
fn gated(builder: ServerBuilder) -> (Home, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let builder = builder
        .handle("pool", gate.handler())
        .handle_inline("inline", gate.handler())
        .handle("works", |_, ()| Ok(true));
    (Home::of(builder), gate)
}

/// Closes in a hurry.
fn short() -> Config {
    let mut config = Config::default();
    config.drain = Duration::from_millis(50);
    config.linger = Duration::from_millis(50);
    config
}

/// Tells of each connection of the server that ends.
fn ends(builder: ServerBuilder) -> (ServerBuilder, Receiver<()>) {
    let (sender, ended) = channel();
    let authorize = move |_: &_, _: Option<&_>| Ok(Welcome::new().state(Tell(sender.clone())));
    (builder.authorize(authorize), ended)
}

fn closed(message: &str) -> CloseReason {
    CloseReason::Closed { message: message.into() }
}

// Threat 66.
#[test]
fn a_client_closes_gracefully_and_once() {
    let (builder, ended) = ends(Server::builder());
    let (home, _gate) = gated(builder);
    let client = home.client();
    let twin = client.clone();
    assert_eq!(client.close("done"), closed("done"));
    ended.recv().unwrap();
    assert_eq!(twin.close("again"), closed("done"));
    let disconnected = CallError::Disconnected(closed("done"), Fate::NeverSent);
    assert_eq!(twin.request::<bool>("works", &()), Err(disconnected.clone()));
    assert_eq!(twin.send("works", &()), Err(disconnected.clone()));
    assert_eq!(twin.ping(), Err(disconnected));
    twin.abort("at all");
    assert_eq!(twin.close("again"), closed("done"));
}

#[test]
fn a_dropped_client_says_goodbye() {
    let (home, _gate) = gated(Server::builder());
    let client = home.client();
    let again = client.clone();
    assert!(client.request::<bool>("works", &()).unwrap());
    drop(client);
    assert!(again.request::<bool>("works", &()).unwrap(), "not the last clone");

    let place = common::Place::new();
    let listener = place.listen();
    let address = place.address();
    let client = thread::spawn(move || Client::connect(&address).unwrap());
    let mut raw = common::Raw::welcomes(&listener, common::WELCOME);
    drop(client.join().unwrap());
    assert_eq!(raw.rest(), GOODBYE);
}

/// Whether a call was refused because of a close.
fn is_refused(error: &CallError) -> bool {
    match error {
        CallError::Failed(failure) if failure.status == Status::UNIMPLEMENTED => false,
        CallError::Failed(failure) if failure.status == Status::UNAVAILABLE => true,
        CallError::Rejected(Rejected::Closed) | CallError::Disconnected(_, Fate::NeverSent) => true,
        other => panic!("{other:?}"),
    }
}

// Threat 66.
#[test]
fn open_calls_end_during_a_close() {
    for channel in ["pool", "inline"] {
        for by_client in [true, false] {
            let (home, gate) = gated(Server::builder());
            let (client, witness) = (home.client(), home.client());
            thread::scope(|scope| {
                let call = scope.spawn(|| client.request::<()>(channel, &()));
                gate.wait_for(1);
                let close = scope.spawn(|| {
                    if by_client {
                        assert_eq!(client.close("done"), closed("done"));
                    } else {
                        home.server.close(Restart::never());
                    }
                });
                // New calls are refused as soon as the close is under way: told by a connection that
                // hears of it last. (Behind an inline handler a client's own would wait.)
                let asked = if by_client { &client } else { &witness };
                let asks = channel == "pool" || !by_client;
                while asks && !is_refused(&asked.request::<()>("nobody", &()).unwrap_err()) {}
                gate.open();
                call.join().unwrap().unwrap();
                close.join().unwrap();
            });
        }
    }
}

#[test]
fn a_server_that_closes_tells_its_clients_and_removes_its_file() {
    let (home, _gate) = gated(Server::builder().config(short()));
    let client = home.client();
    home.server.close(Restart::after(Duration::from_secs(2)).message("update"));
    assert!(!Path::new(&home.address).exists());
    // Nobody read meanwhile, so that the server waited until `drain`; the call reads all that.
    let error = client.request::<bool>("works", &()).unwrap_err();
    assert!(matches!(error, CallError::Disconnected(_, Fate::NeverSent)), "{error:?}");
    assert!(matches!(client.close(""), CloseReason::PeerError { .. }));
    home.server.close(Restart::never());
    home.server.closed();
}

#[test]
fn a_waiting_client_learns_why_its_server_closes() {
    let (home, gate) = gated(Server::builder());
    let (client, witness) = (home.client(), home.client());
    thread::scope(|scope| {
        let call = scope.spawn(|| client.request::<()>("pool", &()));
        gate.wait_for(1);
        let close = scope.spawn(|| {
            home.server.close(Restart::after(Duration::from_secs(2)).message("update"));
        });
        // A connection that hears of it last knows that all have been told.
        while !is_refused(&witness.request::<()>("nobody", &()).unwrap_err()) {}
        gate.open();
        call.join().unwrap().unwrap();
        let reconnect_after = Some(Duration::from_secs(2));
        let reason = CloseReason::PeerClosed { message: "update".into(), reconnect_after };
        assert_eq!(client.close("me, too"), reason);
        close.join().unwrap();
    });
}

// Threat 66.
#[test]
fn a_server_closes_though_its_peers_and_handlers_are_stuck() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let builder = Server::builder().config(short()).authorize(move |hello, _| {
        if hello.settings.scope == "slow" {
            held.pass();
        }
        Ok(Welcome::new())
    });
    let (home, stuck) = gated(builder);
    let silent = home.welcomed();
    let never = home.raw();
    let client = home.client();
    thread::scope(|scope| {
        for channel in ["pool", "inline"] {
            let client = home.client();
            scope.spawn(move || client.request::<()>(channel, &()).unwrap_err());
        }
        let slow = || Client::builder().scope("slow").connect(&home.address).unwrap_err();
        scope.spawn(slow);
        // One that reads nothing although much is said to it.
        let mut deaf = home.welcomed();
        deaf.say(&b"\0\0\0\x07\x85\x07\x01\x61a\xa0\xf6"[..]);
        stuck.wait_for(2);
        gate.wait_for(1);
        home.server.close(Restart::never());
        assert!(!Path::new(&home.address).exists());
        stuck.open();
        gate.open();
    });
    drop((silent, never, client));
}

#[test]
fn a_handler_may_close_its_own_server() {
    for inline in [true, false] {
        let (sender, servers) = channel::<Server>();
        let servers = std::sync::Mutex::new(servers);
        let close = move |_: switchboard_blocking::Context, ()| {
            let server = servers.lock().unwrap().recv()?;
            server.close(Restart::never());
            Ok(())
        };
        let builder = Server::builder().config(short());
        let home = Home::of(if inline {
            builder.handle_inline("close", close)
        } else {
            builder.handle("close", close)
        });
        sender.send(home.server.clone()).unwrap();
        let error = home.client().request::<()>("close", &()).unwrap_err();
        assert!(matches!(error, CallError::Disconnected(_, Fate::MayHaveRun)), "{error:?}");
        home.server.closed();
    }
}

#[test]
fn a_listener_that_closes_its_own_server_does_not_wait_for_itself() {
    let home = Home::of(Server::builder().config(common::no_hurry()));
    let (server, (sender, closed)) = (home.server.clone(), channel());
    let listener = move |_: switchboard_blocking::Context, ()| {
        server.close(Restart::never());
        sender.send(()).unwrap();
    };
    home.server.on("close", listener).unwrap().detach();
    // One each for two listeners that close at the same time, and that reads also while nobody waits.
    let clients = [home.client(), home.client()];
    for client in &clients {
        client.on("n", |_, ()| {}).unwrap().detach();
        client.send("close", &()).unwrap();
    }
    closed.recv().unwrap();
    home.server.closed();
}

#[test]
fn the_last_server_to_be_dropped_ends_all_at_once() {
    let (builder, ended) = ends(Server::builder());
    let gate = Arc::new(Gate::default());
    let place = common::Place::new();
    let server = builder.handle("pool", gate.handler()).bind(&place.address()).unwrap();
    let twin = server.clone();
    drop(server);
    let client = Client::connect(&place.address()).unwrap();
    let raw = std::os::unix::net::UnixStream::connect(place.address()).unwrap();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.request::<()>("pool", &()).unwrap_err());
        gate.wait_for(1);
        drop(twin);
        let lost = CallError::Disconnected(CloseReason::Lost, Fate::MayHaveRun);
        assert_eq!(call.join().unwrap(), lost);
        assert_eq!(common::Raw(raw).hear(), None);
        gate.open();
    });
    ended.recv().unwrap();
    // The acceptor has its time to go.
    while Path::new(&place.address()).exists() {
        thread::yield_now();
    }
}

#[test]
fn a_handler_may_drop_the_last_handle_of_its_server() {
    for inline in [false, true] {
        let _watchdog = common::watchdog();
        let own: Arc<std::sync::Mutex<Option<Server>>> = Arc::default();
        let (held, (tell, gone)) = (Arc::clone(&own), Tell::new());
        let leave = move |_: switchboard_blocking::Context, ()| {
            let _tell = &tell;
            let server = std::mem::take(&mut *held.lock().unwrap());
            drop(server);
            Ok(())
        };
        let builder = Server::builder();
        let server = if inline {
            builder.handle_inline("leave", leave)
        } else {
            builder.handle("leave", leave)
        };
        let place = common::Place::new();
        *own.lock().unwrap() = Some(server.bind(&place.address()).unwrap());
        let client = Client::connect(&place.address()).unwrap();
        let lost = CallError::Disconnected(CloseReason::Lost, Fate::MayHaveRun);
        assert_eq!(client.request::<()>("leave", &()), Err(lost));
        gone.recv().unwrap();
    }
}

#[test]
fn whoever_is_attached_to_a_server_that_has_closed_is_not_served() {
    let _watchdog = common::watchdog();
    let server = Server::builder().handle("works", |_, ()| Ok(true)).start().unwrap();
    server.close(Restart::never());
    for _ in 0..10 {
        let (one, other) = switchboard_blocking::Stream::pair().unwrap();
        server.attach(one).unwrap();
        let refused = Client::builder().attach(other).unwrap_err();
        assert!(refused.to_string().contains("closing"), "{refused}");
        common::wait_until(|| server.peers().is_empty());
        server.closed();
    }
}

#[test]
fn whoever_waits_for_the_end_of_a_server_without_an_address_waits_for_its_close() {
    let _watchdog = common::watchdog();
    let server = Server::builder().start().unwrap();
    let (waits, closes) = (Gate::default(), AtomicBool::new(false));
    waits.open();
    thread::scope(|scope| {
        scope.spawn(|| {
            waits.pass();
            server.closed();
            assert!(closes.load(Ordering::SeqCst), "it ended before it was closed");
        });
        waits.wait_for(1);
        // Time to wait; without it the test says nothing, but does not fail.
        (0..200).for_each(|_| thread::yield_now());
        closes.store(true, Ordering::SeqCst);
        server.close(Restart::never());
    });
}

#[test]
fn calls_of_a_connection_that_has_ended_are_not_run() {
    let (gate, (tell, gone)) = (Arc::new(Gate::default()), Tell::new());
    let home = Home::of(
        Server::builder()
            .threads(1)
            .authorize(move |_, _| Ok(Welcome::new().state(Tell(tell.0.clone()))))
            .handle("slow", gate.handler()),
    );
    let mut raw = home.welcomed();
    // [7, id, "slow", {}, null] a hundred times, and a ping behind them: they have come.
    for id in 0..100 {
        raw.frame(&[&[0x85, 7, 0x19, 1, 1 + 2 * id], &b"\x64slow\xa0\xf6"[..]].concat());
    }
    raw.frame(b"\x82\x04\x05");
    assert_eq!(raw.hear().unwrap(), b"\x82\x05\x05");
    gate.wait_for(1);
    drop(raw);
    common::wait_until(|| home.server.peers().is_empty());
    gate.open();
    // The last call of it has let go of the connection.
    gone.recv().unwrap();
    assert_eq!(gate.count(), 1, "only the one ran that had begun");
}

#[test]
fn an_abort_ends_the_calls_of_all_threads() {
    let (builder, ended) = ends(Server::builder());
    let (home, gate) = gated(builder);
    let client = home.client().with(Options::new().no_deadline());
    thread::scope(|scope| {
        let call = || client.request::<()>("pool", &()).unwrap_err();
        let calls = [scope.spawn(call), scope.spawn(call), scope.spawn(call)];
        gate.wait_for(3);
        client.abort("enough");
        let aborted = CloseReason::Aborted { message: "enough".into() };
        for call in calls {
            let error = CallError::Disconnected(aborted.clone(), Fate::MayHaveRun);
            assert_eq!(call.join().unwrap(), error);
        }
        assert_eq!(client.close("too late"), aborted);
        gate.open();
    });
    ended.recv().unwrap();
}

#[test]
fn a_close_that_takes_too_long_ends_at_drain() {
    let (home, gate) = gated(Server::builder());
    let client = Client::builder().config(short()).connect(&home.address).unwrap();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.request::<()>("pool", &()).unwrap_err());
        gate.wait_for(1);
        let reason = CloseReason::Timeout(switchboard::Timer::Drain);
        assert_eq!(client.close("now"), reason);
        let error = CallError::Disconnected(reason, Fate::MayHaveRun);
        assert_eq!(call.join().unwrap(), error);
        gate.open();
    });
}
