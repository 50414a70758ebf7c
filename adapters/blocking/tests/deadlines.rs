//! Deadlines: at the caller, on their way, and at the handler.
#![cfg(unix)]

mod common;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::{Gate, Home, Place, Raw, WELCOME, framed, watchdog};
use switchboard::{CallError, Config, Fate, Options, Payload};
use switchboard_blocking::{Client, Server};

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(1000);

fn within(client: &Client, time: Duration) -> Client {
    client.with(Options::new().deadline(time))
}

#[test]
fn a_call_ends_at_its_deadline_though_the_handler_goes_on() {
    let gate = Arc::new(Gate::default());
    let home = Home::of(
        Server::builder().handle("slow", gate.handler()).handle("quick", |_, n: u32| Ok(n)),
    );
    let client = home.client();
    let error = within(&client, SHORT).request::<()>("slow", &()).unwrap_err();
    assert_eq!(error, CallError::Deadline(Fate::MayHaveRun));
    assert!(error.may_have_run());
    // The connection goes on, and the late answer disturbs nobody.
    assert_eq!(client.request::<u32>("quick", &1).unwrap(), 1);
    gate.open();
    assert_eq!(client.request::<u32>("quick", &2).unwrap(), 2);
}

#[test]
fn the_deadline_travels_to_the_handler() {
    let home = Home::of(
        Server::builder()
            .handle("pool", |cx, ()| Ok(cx.time_left()))
            .handle_inline("inline", |cx, ()| Ok(cx.time_left())),
    );
    let client = home.client();
    for channel in ["pool", "inline"] {
        let left: Duration = within(&client, LONG).request(channel, &()).unwrap();
        assert!(Duration::ZERO < left && left <= LONG, "{left:?}");
        let default: Duration = client.request(channel, &()).unwrap();
        assert!(default <= Config::default().call_deadline.unwrap(), "{default:?}");
        let never = client.with(Options::new().no_deadline());
        assert_eq!(never.request::<Option<Duration>>(channel, &()).unwrap(), None);
    }
}

#[test]
fn a_handler_learns_that_its_caller_no_longer_waits() {
    let (sender, learned) = channel();
    let wait = move |cx: switchboard_blocking::Context, ()| {
        assert!(!cx.is_cancelled());
        while !cx.is_cancelled() {
            thread::yield_now();
        }
        sender.send(cx.channel().to_owned())?;
        Ok(())
    };
    let home =
        Home::of(Server::builder().handle("pool", wait.clone()).handle_inline("inline", wait));
    let client = home.client();
    for channel in ["pool", "inline"] {
        let error = within(&client, SHORT).request::<()>(channel, &()).unwrap_err();
        assert_eq!(error, CallError::Deadline(Fate::MayHaveRun));
        assert_eq!(learned.recv().unwrap(), channel);
    }
}

#[test]
fn a_handler_learns_that_the_connection_has_ended() {
    let (sender, learned) = channel();
    let gate = Arc::new(Gate::default());
    let began = Arc::clone(&gate);
    let wait = move |cx: switchboard_blocking::Context, ()| {
        began.pass();
        while !cx.is_cancelled() {
            thread::yield_now();
        }
        sender.send(cx.channel().to_owned())?;
        Ok(())
    };
    let home =
        Home::of(Server::builder().handle("pool", wait.clone()).handle_inline("inline", wait));
    gate.open();
    for (count, channel) in ["pool", "inline"].into_iter().enumerate() {
        let client = home.client();
        thread::scope(|scope| {
            let call = scope.spawn(|| client.request::<()>(channel, &()).unwrap_err());
            gate.wait_for(count + 1);
            client.abort("enough");
            assert!(matches!(call.join().unwrap(), CallError::Disconnected(_, Fate::MayHaveRun)));
        });
        assert_eq!(learned.recv().unwrap(), channel);
    }
}

/// What an inline handler reads for its question does not get lost for the thread that reads else.
#[test]
fn a_context_that_left_its_inline_handler_steals_nothing() {
    let (sender, contexts) = channel();
    let home = Home::of(
        Server::builder()
            .handle_inline("leave", move |cx, ()| Ok(sender.send(cx)?))
            .handle("quick", |_, n: u32| Ok(n)),
    );
    let client = home.client().with(Options::new().no_deadline());
    client.request::<()>("leave", &()).unwrap();
    let cx = contexts.recv().unwrap();
    thread::scope(|scope| {
        let (held, let_go) = channel::<()>();
        scope.spawn(move || {
            while let_go.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                let _ = cx.is_cancelled();
            }
        });
        for n in 0..2000 {
            assert_eq!(client.request::<u32>("quick", &n).unwrap(), n);
        }
        drop(held);
    });
}

#[test]
fn a_ping_that_nobody_answers_ends_at_its_deadline() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let listener = place.listen();
    let address = place.address();
    let client = thread::spawn(move || Client::connect(&address).unwrap());
    let mut silent = Raw::welcomes(&listener, WELCOME);
    let client = within(&client.join().unwrap(), SHORT);
    let late = Err(CallError::Deadline(Fate::MayHaveRun));
    for _ in 0..16 {
        assert_eq!(client.ping(), late);
    }
    // No 17th is sent.
    assert_eq!(client.ping(), Err(CallError::Deadline(Fate::NeverSent)));
    for _ in 0..16 {
        let token = silent.hear().unwrap().split_off(2);
        silent.frame(&[&[0x82, 5][..], &token].concat());
    }
    // The late pongs make room.
    assert_eq!(client.ping(), late);
}

#[test]
fn a_call_that_finds_no_room_in_time_was_never_sent() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let listener = place.listen();
    let address = place.address();
    let client = thread::spawn(move || Client::connect(&address).unwrap());
    // max-calls is 0.
    let _server = Raw::welcomes(&listener, &framed(b"\x85\x01\x01\x07\xa1\x01\x00\xf6"));
    let client = within(&client.join().unwrap(), SHORT);
    let error = client.request::<()>("a", &()).unwrap_err();
    assert_eq!(error, CallError::Deadline(Fate::NeverSent));
    assert!(!error.may_have_run());
}

// Threat 31.
#[test]
fn a_send_to_a_peer_that_does_not_read_ends_at_its_deadline() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let listener = place.listen();
    let address = place.address();
    let client = thread::spawn(move || Client::connect(&address).unwrap());
    let mut server = Raw::welcomes(&listener, WELCOME);
    let client = client.join().unwrap();
    let block = Payload::bytes(&[7; 60_000]);
    let mut sent = 0;
    let error = loop {
        match within(&client, SHORT).send("a", &block) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, CallError::Deadline(Fate::NeverSent));
    let calls = within(&client, SHORT);
    assert_eq!(calls.request::<()>("b", &()).unwrap_err(), CallError::Deadline(Fate::NeverSent));
    // What was taken arrives, all of it, and nothing else.
    drop((client, calls));
    for _ in 0..sent {
        assert_eq!(server.hear().unwrap().len(), 60_000 + 8);
    }
    assert_eq!(server.hear().unwrap(), common::GOODBYE[4..]);
    assert_eq!(server.hear(), None);
}

#[test]
fn a_client_that_promised_to_keep_alive_does_so_before_its_first_call() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let listener = place.listen();
    let address = place.address();
    let mut config = Config::default();
    config.keepalive = Some(Duration::from_secs(1));
    let builder = Client::builder().config(config);
    let client = thread::spawn(move || builder.connect(&address).unwrap());
    let mut raw = Raw::welcomes(&listener, WELCOME);
    let _client = client.join().unwrap();
    raw.0.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    assert_eq!(raw.hear().expect("a ping within three intervals")[..2], [0x82, 4]);
}
