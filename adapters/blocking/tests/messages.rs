//! One-way messages: their order, their listeners, and what happens to too many of them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::{GOODBYE, Gate, Home, Place, Raw, WELCOME, framed, silent_panic, watchdog};
use switchboard::{CloseReason, Config, Options, Payload, ProtocolError};
use switchboard_blocking::{Client, Server};

#[test]
fn messages_arrive_in_order() {
    let (sender, came) = channel();
    let home = Home::of(Server::builder().on("n", move |_, n: u32| sender.send(n).unwrap()));
    let client = home.client();
    for n in 0..10_000 {
        client.send("n", &n).unwrap();
    }
    assert!(came.iter().take(10_000).eq(0..10_000));
}

#[test]
fn listeners_hear_a_message_in_the_order_in_which_they_were_registered() {
    let (sender, came) = channel();
    let mut builder = Server::builder();
    for listener in 0..5 {
        let sender = sender.clone();
        builder = builder.on("n", move |_, n: u32| sender.send((n, listener)).unwrap());
    }
    let home = Home::of(builder);
    let client = home.client();
    (0..100).for_each(|n| client.send("n", &n).unwrap());
    let expected = (0..100).flat_map(|n| (0..5).map(move |listener| (n, listener)));
    assert!(came.iter().take(500).eq(expected));
}

// Threat 73.
#[test]
fn a_panic_of_a_listener_concerns_neither_the_others_nor_the_sender() {
    let (sender, came) = channel();
    let home = Home::of(
        Server::builder()
            .on("n", |_, _: u32| silent_panic())
            .on("n", move |_, n: u32| sender.send(n).unwrap())
            .handle("works", |_, ()| Ok(true)),
    );
    let client = home.client();
    // More than the strikes that a sender has, and the threads of the pool.
    (0..40).for_each(|n| client.send("n", &n).unwrap());
    assert!(came.iter().take(40).eq(0..40));
    assert!(client.request::<bool>("works", &()).unwrap());
}

#[test]
fn a_slow_listener_stops_the_sender_and_loses_nothing() {
    // Messages that come many at a time, one by one, and in pieces.
    for size in [100, 10_000, 300_000] {
        let gate = Arc::new(Gate::default());
        let held = Arc::clone(&gate);
        let (sender, came) = channel();
        let mut config = Config::default();
        config.max_untaken = 64 << 10;
        let home = Home::of(Server::builder().config(config.clone()).on(
            "n",
            move |_, (n, _): (usize, Vec<u8>)| {
                held.pass();
                sender.send(n).unwrap();
            },
        ));
        config.max_unsent = 64 << 10;
        let client = Client::builder().config(config).connect(&home.address).unwrap();
        // Text of one byte each, as a vector of numbers.
        let message = |n: usize| (n, vec![1_u8; size]);
        let hasty = client.with(Options::new().deadline(Duration::from_millis(100)));
        let mut sent = 0;
        // Buffers of the system and of both sides hold far less.
        let most = (8 << 20) / size;
        while sent < most && hasty.send("n", &message(sent)).is_ok() {
            sent += 1;
        }
        let patient = client.with(Options::new().no_deadline());
        gate.open();
        assert!(sent < most, "reading does not stop");
        let all = sent + (2 << 20) / size;
        (sent..all).for_each(|n| patient.send("n", &message(n)).unwrap());
        assert!(came.iter().take(all).eq(0..all), "{size}");
    }
}

#[test]
fn a_flood_of_messages_stops_while_an_inline_handler_asks_whether_it_is_cancelled() {
    let gate = Arc::new(Gate::default());
    let ends = Arc::clone(&gate);
    let (sender, heard) = channel();
    let mut config = Config::default();
    config.max_untaken = 64 << 10;
    let home = Home::of(
        Server::builder()
            .config(config.clone())
            .handle_inline("busy", move |cx, ()| {
                thread::scope(|scope| {
                    let end = scope.spawn(|| ends.pass());
                    while !end.is_finished() {
                        let _ = cx.is_cancelled();
                    }
                });
                Ok(())
            })
            .on("n", move |_, payload: Payload| sender.send(payload.len()).unwrap()),
    );
    config.max_unsent = 64 << 10;
    let client = Client::builder().config(config).connect(&home.address).unwrap();
    let (busy, message) = (client.clone(), Payload::bytes(&[1; 10_000]));
    thread::scope(|scope| {
        let call = scope.spawn(move || busy.request::<()>("busy", &()));
        gate.wait_for(1);
        let hasty = client.with(Options::new().deadline(Duration::from_millis(100)));
        let mut sent = 0;
        while sent < 150 && hasty.send("n", &message).is_ok() {
            sent += 1;
        }
        gate.open();
        assert!(sent < 150, "reading does not stop");
        call.join().unwrap().unwrap();
        assert_eq!(heard.iter().take(sent).count(), sent);
    });
}

#[test]
fn a_message_that_nobody_listens_to_is_dropped() {
    let home = Home::of(Server::builder().handle("works", |_, ()| Ok(true)));
    let client = home.client();
    let block = Payload::bytes(&[1; 100_000]);
    for _ in 0..50 {
        client.send("nobody", &block).unwrap();
        client.send("works", &()).unwrap();
    }
    assert!(client.request::<bool>("works", &()).unwrap());
    // Not even what is no payload is an offence then.
    let mut raw = home.welcomed();
    (0..50).for_each(|_| raw.frame(b"\x84\x06\x61a\xa0\xff"));
    raw.frame(b"\x82\x04\x07");
    assert_eq!(raw.hear().unwrap(), b"\x82\x05\x07");
}

#[test]
fn sixteen_bad_messages_are_borne_and_the_next_ends_the_connection() {
    let (sender, came) = channel();
    let home = Home::of(Server::builder().on("n", move |_, n: u32| sender.send(n).unwrap()));
    let mut raw = home.welcomed();
    // Each is a break without anything that it could end.
    (0..16).for_each(|_| raw.frame(b"\x84\x06\x61n\xa0\xff"));
    raw.frame(b"\x84\x06\x61n\xa0\x01");
    assert_eq!(came.recv().unwrap(), 1);
    raw.frame(b"\x84\x06\x61n\xa0\xff");
    let name = ProtocolError::TooManyStrikes.name();
    let words = [b"\x84\x03\x08\x70", name.as_bytes(), b"\xf6"].concat();
    assert_eq!(raw.hear().unwrap(), words);
}

#[test]
fn a_message_of_another_type_is_dropped_and_no_offence() {
    let (numbers, came) = channel();
    let (texts, read) = channel();
    let home = Home::of(
        Server::builder()
            .on("both", move |_, n: u32| numbers.send(n).unwrap())
            .on("both", move |_, text: String| texts.send(text).unwrap()),
    );
    let client = home.client();
    for number in 0..50 {
        client.send("both", &number).unwrap();
        client.send("both", "text").unwrap();
    }
    assert_eq!(came.iter().take(50).collect::<Vec<u32>>(), (0..50).collect::<Vec<u32>>());
    assert_eq!(read.iter().take(50).count(), 50);
    client.ping().unwrap();
}

/// A client whose server is raw.
fn to_raw() -> (Place, Raw, Client) {
    let place = Place::new();
    let listener = place.listen();
    let address = place.address();
    let client = thread::spawn(move || Client::connect(&address).unwrap());
    let raw = Raw::welcomes(&listener, WELCOME);
    (place, raw, client.join().unwrap())
}

/// A burst that no socket takes at once, and its bytes.
fn burst(client: &Client) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..90 {
        let payload = Payload::bytes(&[number; 10_000]);
        client.send("n", &payload).unwrap();
        let head = [&b"\x84\x06\x61n\xa0"[..], payload.as_cbor()].concat();
        bytes.extend(framed(&head));
    }
    bytes
}

#[test]
fn a_burst_is_written_in_the_background() {
    let _watchdog = watchdog();
    let (_place, mut raw, client) = to_raw();
    for _ in 0..3 {
        let expected = burst(&client);
        let mut came = vec![0; expected.len()];
        std::io::Read::read_exact(&mut raw.0, &mut came).unwrap();
        assert!(came == expected);
    }
}

#[test]
fn a_burst_arrives_whole_though_the_client_is_dropped_at_once() {
    let _watchdog = watchdog();
    let (_place, mut raw, client) = to_raw();
    let mut expected = burst(&client);
    expected.extend(GOODBYE);
    drop(client);
    assert!(raw.rest() == expected);
}

#[test]
fn a_burst_arrives_whole_though_the_server_says_goodbye_meanwhile() {
    let _watchdog = watchdog();
    let (_place, mut raw, client) = to_raw();
    let mut expected = burst(&client);
    raw.say(GOODBYE);
    let closing = thread::spawn(move || client.close("bye"));
    let mut came = vec![0; expected.len()];
    std::io::Read::read_exact(&mut raw.0, &mut came).unwrap();
    assert!(came == expected);
    let goodbye = raw.hear().unwrap();
    assert_eq!(goodbye[..3], [0x84, 3, 0]);
    expected.clear();
    assert_eq!(raw.hear(), None);
    drop(raw);
    let reason = closing.join().unwrap();
    let graceful = matches!(reason, CloseReason::Closed { .. } | CloseReason::PeerClosed { .. });
    assert!(graceful, "{reason:?}");
}
