//! Many callers on one client: who reads for whom, and who waits for room.
#![cfg(unix)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use common::{Gate, Home, Place, Raw, framed, watchdog};
use serde::{Serialize, Serializer};
use switchboard::{Config, Options, Payload};
use switchboard_blocking::{Client, Server};

fn patient(client: &Client) -> Client {
    client.with(Options::new().no_deadline())
}

#[test]
fn ten_mebibytes_go_both_ways_at_once_from_several_threads() {
    let home = Home::of(
        Server::builder()
            .handle("pool", |_, payload: Payload| Ok(payload))
            .handle_inline("inline", |_, payload: Payload| Ok(payload)),
    );
    let client = patient(&home.client());
    thread::scope(|scope| {
        for number in 0..4 {
            let client = &client;
            scope.spawn(move || {
                let payload = Payload::bytes(&vec![number; 10 << 20]);
                for channel in ["pool", "inline"] {
                    let answer = client.request::<Payload>(channel, &payload).unwrap();
                    assert!(answer == payload, "{number} came back as another");
                }
            });
        }
    });
}

#[test]
fn every_one_of_64_threads_gets_its_own_answers() {
    let home = Home::of(
        Server::builder()
            .handle("pool", |_, n: u64| Ok(n * 3))
            .handle_inline("inline", |_, n: u64| Ok(n * 5)),
    );
    let client = patient(&home.client());
    thread::scope(|scope| {
        for thread in 0..64 {
            // Half of them by a clone.
            let own = (thread % 2 == 0).then(|| client.clone());
            let client = &client;
            scope.spawn(move || {
                let client = own.as_ref().unwrap_or(client);
                for call in 0..100 {
                    let n = thread * 1000 + call;
                    assert_eq!(client.request::<u64>("pool", &n).unwrap(), n * 3);
                    assert_eq!(client.request::<u64>("inline", &n).unwrap(), n * 5);
                }
            });
        }
    });
}

#[test]
fn a_slow_call_holds_up_no_other_ones_and_hands_its_seat_on() {
    let (gate, slower) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let home = Home::of({
        let (gate, slower) = (Arc::clone(&gate), Arc::clone(&slower));
        let builder = Server::builder().handle("quick", |_, n: u32| Ok(n));
        let builder = builder.handle("slow", move |_, n: u32| {
            gate.pass();
            Ok(n)
        });
        builder.handle("slower", move |_, n: u32| {
            slower.pass();
            Ok(n)
        })
    });
    let client = patient(&home.client());
    thread::scope(|scope| {
        // The first one leads; the others follow it.
        let first = scope.spawn(|| client.request::<u32>("slow", &1).unwrap());
        gate.wait_for(1);
        let last = scope.spawn(|| client.request::<u32>("slower", &2).unwrap());
        slower.wait_for(1);
        for n in 0..100 {
            assert_eq!(client.request::<u32>("quick", &n).unwrap(), n);
        }
        gate.open();
        assert_eq!(first.join().unwrap(), 1);
        // Nobody but `last` is left to read its answer.
        slower.open();
        assert_eq!(last.join().unwrap(), 2);
    });
    assert_eq!(client.request::<u32>("quick", &3).unwrap(), 3);
}

// Threat 23.
#[test]
fn calls_above_max_calls_wait_for_their_turn() {
    let mut config = Config::default();
    config.max_calls = 3;
    let open = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let counted = Arc::clone(&open);
    let home = Home::of(Server::builder().config(config).handle("count", move |_, n: u32| {
        let now = counted.0.fetch_add(1, Ordering::SeqCst) + 1;
        counted.1.fetch_max(now, Ordering::SeqCst);
        thread::yield_now();
        counted.0.fetch_sub(1, Ordering::SeqCst);
        Ok(n)
    }));
    let client = patient(&home.client());
    thread::scope(|scope| {
        for n in 0..40 {
            let client = &client;
            scope.spawn(move || {
                for _ in 0..20 {
                    assert_eq!(client.request::<u32>("count", &n).unwrap(), n);
                }
            });
        }
    });
    assert!(open.1.load(Ordering::SeqCst) <= 3);
}

#[test]
fn requests_wait_while_the_outbox_is_full() {
    let mut config = Config::default();
    config.max_unsent = 1;
    let home = Home::of(Server::builder().handle("len", |_, payload: Payload| Ok(payload.len())));
    let client = Client::builder().config(config).connect(&home.address).unwrap();
    let client = patient(&client);
    let together = Barrier::new(16);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let payload = Payload::bytes(&vec![0; 600_000]);
                together.wait();
                for _ in 0..5 {
                    let length: usize = client.request("len", &payload).unwrap();
                    assert_eq!(length, payload.len());
                }
            });
        }
    });
}

/// Null, and tells when it is written: its call is about to look for room.
struct Passing<'a>(&'a Gate);

impl Serialize for Passing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.pass();
        serializer.serialize_unit()
    }
}

#[test]
fn the_late_answer_to_a_call_that_was_given_up_makes_room_for_one_that_waits() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let listener = place.listen();
    for _ in 0..20 {
        let address = place.address();
        let client = thread::spawn(move || Client::connect(&address).unwrap());
        // max-calls is 2.
        let mut server = Raw::welcomes(&listener, &framed(b"\x85\x01\x01\x07\xa1\x01\x02\xf6"));
        let client = patient(&client.join().unwrap());
        let gate = Gate::default();
        gate.open();
        thread::scope(|scope| {
            let leader = scope.spawn(|| client.request::<u32>("1", &()));
            assert_eq!(server.hear().unwrap()[..3], [0x85, 7, 1]);
            let given_up = client.start::<u32>("3", &()).unwrap();
            assert_eq!(server.hear().unwrap()[..3], [0x85, 7, 3]);
            drop(given_up);
            assert_eq!(server.hear().unwrap(), [0x82, 13, 3], "cancel");
            let waiting = scope.spawn(|| client.request::<u32>("5", &Passing(&gate)));
            gate.wait_for(1);
            // Time to park; without it the test says nothing, but does not fail.
            (0..200).for_each(|_| thread::yield_now());
            server.frame(b"\x83\x08\x03\xf6");
            assert_eq!(server.hear().unwrap()[..3], [0x85, 7, 5]);
            server.frame(b"\x83\x08\x05\x05");
            assert_eq!(waiting.join().unwrap(), Ok(5));
            server.frame(b"\x83\x08\x01\x01");
            assert_eq!(leader.join().unwrap(), Ok(1));
        });
    }
}
