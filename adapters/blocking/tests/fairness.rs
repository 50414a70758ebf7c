//! The pool: handlers run at once as far as there are threads, and connections take turns.
#![cfg(unix)]

mod common;

use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};

use common::{Gate, Home, framed};
use switchboard::Config;
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
