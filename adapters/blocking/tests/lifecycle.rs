//! How a connection begins.
#![cfg(unix)]

mod common;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::{Gate, HELLO, Home, Place, Raw, Tell, silent_panic, watchdog};
use switchboard::{
    Backoff, CloseReason, Config, Failure, Payload, SessionStatus, Status, Timer, Welcome,
    to_payload,
};
use switchboard_blocking::{Client, OpenError, Server};

#[test]
fn authorize_sees_the_client_and_what_it_keeps_reaches_handlers() {
    let me = std::process::id();
    let home = Home::of(
        Server::builder()
            .authorize(move |hello, credentials| {
                if cfg!(target_os = "linux") {
                    let credentials = credentials.unwrap();
                    assert!(credentials.same_user_or_root());
                    assert_eq!(credentials.pid, Some(me));
                }
                assert_eq!(hello.settings.scope, "lab");
                let token: String = switchboard::from_payload(&hello.payload, &Default::default())?;
                Ok(Welcome::new()
                    .state(format!("user of {token}"))
                    .payload(to_payload(&token.len())?))
            })
            .handle("pool", |cx, ()| Ok((cx.state::<String>().cloned(), cx.state::<u8>().copied())))
            .handle_inline("scope", |cx, ()| Ok(cx.peer().hello().unwrap().settings.scope.clone())),
    );
    let client = Client::builder().hello("key").scope("lab").connect(&home.address).unwrap();
    assert_eq!(client.welcome().payload, to_payload(&3).unwrap());
    let state: (Option<String>, Option<u8>) = client.request("pool", &()).unwrap();
    assert_eq!(state, (Some("user of key".to_owned()), None));
    assert_eq!(client.request::<String>("scope", &()).unwrap(), "lab");
}

#[test]
fn authorize_refuses_with_a_reason_that_the_client_sees() {
    let told = Failure::new(Status::UNAUTHENTICATED, "no key").with_data(Payload::bytes(b"x"));
    let home = Home::of(Server::builder().authorize({
        let told = told.clone();
        move |hello, _| {
            if hello.payload == Payload::null() { Err(told.clone()) } else { Ok(Welcome::new()) }
        }
    }));
    match Client::connect(&home.address) {
        Err(OpenError::Refused { failure, .. }) => assert_eq!(failure, told),
        other => panic!("{other:?}"),
    }
    Client::builder().hello("key").connect(&home.address).unwrap();
}

#[test]
fn an_authorize_that_panics_or_says_too_much_refuses() {
    let home = Home::of(Server::builder().authorize(|hello, _| {
        let large = Payload::bytes(&[0; 20_000]);
        if hello.settings.scope == "panic" {
            silent_panic()
        } else {
            Ok(Welcome::new().payload(large))
        }
    }));
    for scope in ["panic", "large"] {
        match Client::builder().scope(scope).connect(&home.address) {
            Err(OpenError::Refused { failure, .. }) => assert_eq!(failure.status, Status::INTERNAL),
            other => panic!("{other:?}"),
        }
    }
}

/// The state asks the server for something when it is dropped: it must not be dropped under a lock.
#[test]
fn what_authorize_keeps_is_dropped_once_and_outside_of_locks() {
    let (sender, dropped) = channel();
    let home = Home::of(Server::builder().authorize(move |hello, _| {
        let large = hello.settings.scope == "large";
        let payload = Payload::bytes(&vec![0; if large { 20_000 } else { 0 }]);
        Ok(Welcome::new().payload(payload).state(Tell(sender.clone())))
    }));
    Client::builder().scope("large").connect(&home.address).unwrap_err();
    dropped.recv().unwrap();
    drop(Client::builder().connect(&home.address).unwrap());
    dropped.recv().unwrap();
    dropped.try_recv().unwrap_err();
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        silent_panic();
    }
}

#[test]
fn a_server_closes_though_what_authorize_kept_panics_when_dropped() {
    let home = Home::of(
        Server::builder()
            .authorize(|_, _| Ok(Welcome::new().state(PanicsWhenDropped)))
            .handle("works", |_, ()| Ok(true)),
    );
    for _ in 0..20 {
        let client = home.client();
        assert!(client.request::<bool>("works", &()).unwrap());
        client.close("");
    }
    home.server.close(switchboard::Restart::never());
}

// Threat 73.
#[test]
fn a_pool_keeps_its_threads_though_what_authorize_kept_panics_when_dropped() {
    for round in 0..20 {
        let (began, goes_on) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
        let (first, second) = (Arc::clone(&began), Arc::clone(&goes_on));
        let home = Home::of(
            Server::builder()
                .threads(1)
                .authorize(|_, _| Ok(Welcome::new().state(PanicsWhenDropped)))
                .handle("wait", move |_, ()| {
                    first.pass();
                    second.pass();
                    Ok(())
                })
                .handle("works", |_, ()| Ok(true)),
        );
        began.open();
        // Its calls outlive it: one runs, the others wait, and the last one drops what was kept.
        let mut gone = home.welcomed();
        gone.frame(b"\x85\x07\x01\x64wait\xa0\xf6");
        (3..20).step_by(2).for_each(|id| {
            gone.frame(&[&[0x85, 7, id][..], b"\x65works\xa0\xf6"].concat());
        });
        began.wait_for(1);
        drop(gone);
        (0..round * 10).for_each(|_| thread::yield_now());
        goes_on.open();
        assert!(home.client().request::<bool>("works", &()).unwrap());
    }
}

#[test]
fn a_slow_authorize_holds_up_nobody_else() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let home =
        Home::of(Server::builder().handle("works", |_, ()| Ok(true)).authorize(move |hello, _| {
            if hello.settings.scope == "slow" {
                held.pass();
            }
            Ok(Welcome::new())
        }));
    thread::scope(|scope| {
        let slow = scope.spawn(|| Client::builder().scope("slow").connect(&home.address).unwrap());
        gate.wait_for(1);
        assert!(home.client().request::<bool>("works", &()).unwrap());
        gate.open();
        assert!(slow.join().unwrap().request::<bool>("works", &()).unwrap());
    });
}

#[test]
fn by_default_the_same_user_may_come_in() {
    let home = Home::of(Server::builder().handle("works", |_, ()| Ok(true)));
    assert!(home.client().request::<bool>("works", &()).unwrap());
}

// Threat 12.
#[test]
fn a_client_that_is_not_ready_in_time_is_rejected() {
    let mut config = Config::default();
    config.handshake_timeout = Duration::from_millis(50);
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let home = Home::of(Server::builder().config(config).authorize(move |_, _| {
        held.pass();
        Ok(Welcome::new())
    }));
    // It says nothing, a part of its hello, or all of it to an authorize that takes too long.
    for hello in [&HELLO[..0], &HELLO[..9], HELLO] {
        let mut raw = home.raw();
        raw.say(hello);
        let reject = raw.hear().unwrap();
        assert_eq!(reject[..3], [0x86, 2, 4], "reject, DEADLINE_EXCEEDED");
        assert_eq!(raw.hear(), None);
    }
    gate.open();
}

#[test]
fn a_server_that_is_not_ready_in_time_is_given_up() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let _silent = place.listen();
    let mut config = Config::default();
    config.handshake_timeout = Duration::from_millis(50);
    match Client::builder().config(config).connect(&place.address()) {
        Err(OpenError::Closed(reason)) => {
            assert_eq!(reason, CloseReason::Timeout(Timer::Handshake));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_of_another_kind_is_no_server() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let listener = place.listen();
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"", b"\0\0\0\x03\x82\x04\x05", HELLO]
    {
        let address = place.address();
        let client = thread::spawn(move || Client::connect(&address));
        let mut raw = Raw(listener.accept().unwrap().0);
        raw.hear().unwrap();
        raw.say(answer);
        drop(raw);
        assert!(matches!(client.join().unwrap(), Err(OpenError::Closed(_))));
    }
}

#[test]
fn nobody_serves_where_nobody_listens() {
    let place = Place::new();
    let connect = || Client::connect(&place.address());
    assert!(matches!(connect(), Err(OpenError::NotRunning { .. })));
    // A socket that a dead server left.
    drop(place.listen());
    assert!(matches!(connect(), Err(OpenError::NotRunning { .. })));
}

#[test]
fn a_second_server_finds_the_place_in_use() {
    let home = Home::of(Server::builder().handle("works", |_, ()| Ok(true)));
    let second = Server::builder().bind(&home.address);
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    assert!(home.client().request::<bool>("works", &()).unwrap());
}

#[test]
fn what_makes_no_sense_is_told_before_anything_is_opened() {
    let place = Place::new();
    let twice = Server::builder().handle("a", |_, ()| Ok(())).handle_inline("a", |_, ()| Ok(()));
    let nameless = Server::builder().on("", |_, ()| {}).handle("b", |_, ()| Ok(()));
    let mut config = Config::default();
    config.turn_frames = 0;
    for (builder, says) in [
        (twice, "\"a\""),
        (nameless, "\"\""),
        (Server::builder().config(config.clone()), "turn_frames"),
        (Server::builder().threads(0), "threads must be at least 1"),
    ] {
        match builder.bind(&place.address()) {
            Err(OpenError::BadConfig(text)) => assert!(text.contains(says), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(!std::path::Path::new(&place.address()).exists());

    let home = Home::of(Server::builder());
    for builder in [
        Client::builder().config(config),
        Client::builder().hello(&common::Unwritable),
        Client::builder().hello(&Payload::bytes(&[0; 20_000])),
        Client::builder().scope(&"x".repeat(256)),
        Client::builder().threads(0),
    ] {
        let opened = builder.connect(&home.address);
        assert!(matches!(opened, Err(OpenError::BadConfig(_))), "{opened:?}");
    }
}

#[test]
fn a_client_sends_nothing_to_a_server_that_it_does_not_trust() {
    let home = Home::of(Server::builder());
    let (sender, asked) = channel();
    let builder = Client::builder().verify_server(move |credentials| {
        sender.send(credentials.copied()).unwrap();
        false
    });
    let error = builder.connect(&home.address).unwrap_err();
    assert!(matches!(error, OpenError::NotPermitted(_)), "{error}");
    let credentials = asked.recv().unwrap().unwrap();
    assert!(credentials.same_user_or_root());
    let trusting = Client::builder().verify_server(|_| true);
    trusting.connect(&home.address).unwrap().ping().unwrap();
}

#[test]
fn whoever_connects_is_told_how_that_goes() {
    let (place, _watchdog) = (Place::new(), watchdog());
    let address = place.address();
    let (told, tells) = channel();
    let connecting = Client::builder()
        .reconnect(Backoff::new().first(Duration::from_millis(1)))
        .on_status(move |status| told.send(status).unwrap_or_default());
    let theirs = address.clone();
    let connecting = thread::spawn(move || connecting.connect(&theirs).unwrap());
    for expected in
        [SessionStatus::Connecting, SessionStatus::Disconnected, SessionStatus::Reconnecting]
    {
        assert_eq!(tells.recv(), Ok(expected));
    }
    let _server = Server::builder().bind(&address).unwrap();
    connecting.join().unwrap();
}
