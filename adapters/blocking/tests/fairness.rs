//! The pool: handlers run at once as far as there are threads, and connections take turns.
#![cfg(unix)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};

use common::{Gate, Home, framed};
use switchboard::{Config, Payload};
use switchboard_blocking::Server;

/// A `request` with null for arguments.
fn request(id: u16, channel: &str) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let head = [0x85, 7, 0x19, high, low, 0x60 + channel.len() as u8];
    framed(&[&head, channel.as_bytes(), &[0xa0, 0xf6]].concat())
}

#[test]
fn calls_that_come_together_run_together() {
    for _ in 0..30 {
        let meet = Arc::new(Barrier::new(2));
        let home = Home::of(Server::builder().handle("alone", |_, ()| Ok(())).handle(
            "meet",
            move |_, ()| {
                meet.wait();
                Ok(())
            },
        ));
        // One thread of the pool is idle when two calls come at once, which wait for each other.
        let mut raw = home.welcomed();
        raw.say(&request(301, "alone"));
        assert_eq!(raw.hear().unwrap()[..2], [0x83, 8]);
        raw.say(&[request(303, "meet"), request(305, "meet")].concat());
        for _ in 0..2 {
            assert_eq!(raw.hear().unwrap()[..2], [0x83, 8]);
        }
    }
}

#[test]
fn a_flood_of_calls_delays_another_connection_by_one_call_a_turn() {
    let gate = Arc::new(Gate::default());
    let (sender, ran) = channel();
    let mut config = Config::default();
    config.max_calls = 2000;
    let home = Home::of({
        let gate = Arc::clone(&gate);
        Server::builder().config(config).threads(1).handle("call", move |cx, ()| {
            gate.pass();
            Ok(sender.send(cx.peer().id())?)
        })
    });
    let mut flood = home.welcomed();
    flood.say(&(0..1000).flat_map(|n| request(1001 + 2 * n, "call")).collect::<Vec<u8>>());
    flood.say(&request(5001, "nobody"));
    assert_eq!(flood.hear().unwrap()[..2], [0x85, 9]);
    let mut other = home.welcomed();
    other.say(&(0..3).flat_map(|n| request(1001 + 2 * n, "call")).collect::<Vec<u8>>());
    other.say(&request(5001, "nobody"));
    assert_eq!(other.hear().unwrap()[..2], [0x85, 9]);
    // All have come, one runs, and 1,002 wait.
    gate.open();
    let order: Vec<_> = ran.iter().take(1003).collect();
    let last = order.iter().rposition(|id| *id != order[0]).unwrap();
    assert!(last <= 7, "the other connection's third call ran as number {last}");
}

#[test]
fn a_flood_of_messages_delays_another_connection_by_one_message_a_turn() {
    let gate = Arc::new(Gate::default());
    let (sender, ran) = channel();
    let called = sender.clone();
    let home = Home::of({
        let gate = Arc::clone(&gate);
        let builder = Server::builder().threads(1).on("n", move |_, n: u8| {
            gate.pass();
            sender.send(n).unwrap();
        });
        builder.handle("call", move |_, ()| Ok(called.send(255)?))
    });
    let mut flood = home.welcomed();
    flood.say(&framed(b"\x84\x06\x61n\xa0\x07").repeat(1000));
    flood.say(&request(5001, "nobody"));
    assert_eq!(flood.hear().unwrap()[..2], [0x85, 9]);
    let mut other = home.welcomed();
    other.say(&(0..3).flat_map(|n| request(1001 + 2 * n, "call")).collect::<Vec<u8>>());
    other.say(&request(5001, "nobody"));
    assert_eq!(other.hear().unwrap()[..2], [0x85, 9]);
    gate.open();
    let order: Vec<_> = ran.iter().take(1003).collect();
    let last = order.iter().rposition(|what| *what == 255).unwrap();
    assert!(last <= 7, "the other connection's third call ran as number {last}");
}

#[test]
fn pings_are_answered_beside_the_pool_and_keep_nobody_out_of_it() {
    let home = Home::of(Server::builder().threads(1).handle("n", |_, n: u16| Ok(n)));
    let mut flood = home.welcomed();
    let (client, over) = (home.client(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // As many at once as the protocol bears.
            while !over.load(Ordering::Relaxed) {
                flood.say(&framed(b"\x82\x04\x07").repeat(16));
                (0..16).for_each(|_| assert_eq!(flood.hear().unwrap(), b"\x82\x05\x07"));
            }
        });
        for n in 0..300 {
            assert_eq!(client.request::<u16>("n", &n).unwrap(), n);
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn one_connection_gets_half_of_the_threads_at_most() {
    let gate = Arc::new(Gate::default());
    let home = Home::of({
        let gate = Arc::clone(&gate);
        let slow = move |_, ()| {
            gate.pass();
            Ok(())
        };
        Server::builder().threads(4).handle("slow", slow).handle("quick", |_, ()| Ok(7))
    });
    let mut greedy = home.welcomed();
    greedy.say(&(0..20).flat_map(|n| request(301 + 2 * n, "slow")).collect::<Vec<u8>>());
    gate.wait_for(2);
    // Two run and 18 wait; another client's call is answered all the same.
    assert_eq!(home.client().request::<u8>("quick", &()).unwrap(), 7);
    gate.open();
    for _ in 0..20 {
        assert_eq!(greedy.hear().unwrap()[..2], [0x83, 8]);
    }
}

#[test]
fn a_peer_that_does_not_read_its_answers_keeps_nobody_elses_waiting() {
    let large = |_, ()| Ok(Payload::bytes(&[0; 900_000]));
    let home = Home::of(
        Server::builder()
            .threads(2)
            .handle("large", large)
            .handle_inline("inline", large)
            .handle("small", |_, ()| Ok(7)),
    );
    for channel in ["large", "inline"] {
        let mut deaf = home.welcomed();
        deaf.say(&(0..40).flat_map(|n| request(301 + 2 * n, channel)).collect::<Vec<u8>>());
        let client = home.client();
        for _ in 0..20 {
            assert_eq!(client.request::<u8>("small", &()).unwrap(), 7);
        }
        // Nothing is lost: once it reads, it gets them all.
        for _ in 0..40 {
            assert_eq!(deaf.hear().unwrap().len(), 900_000 + 5 + 5);
        }
    }
}

#[test]
fn a_call_that_was_given_up_before_its_inline_handler_began_does_not_run() {
    let (sender, ran) = channel();
    let home = Home::of(Server::builder().handle_inline("count", move |_, n: u8| {
        sender.send(n)?;
        Ok(())
    }));
    let mut raw = home.welcomed();
    let call =
        |id: u8, n: u8| framed(&[0x85, 7, 0x18, id, 0x65, b'c', b'o', b'u', b'n', b't', 0xa0, n]);
    let cancel = framed(&[0x82, 13, 0x18, 31]);
    raw.say(&[call(31, 1), cancel, call(33, 2)].concat());
    assert_eq!(raw.hear().unwrap()[..3], [0x85, 9, 0x18]);
    assert_eq!(raw.hear().unwrap()[..3], [0x83, 8, 0x18]);
    assert_eq!(ran.recv().unwrap(), 2);
}
