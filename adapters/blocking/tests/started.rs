//! Calls that are started and waited for later: many of one thread, in any order, given up, and ended with
//! the connection.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use common::{
    Gate, Home, Place, Raw, Unwritable, WELCOME, failure, patient, until_cancelled, wait_until,
    watchdog, within,
};
use switchboard::{CallError, CloseReason, Config, Fate, Payload, Rejected, Restart, Status};
use switchboard_blocking::{Call, Client, Server};

/// A client whose server is raw.
fn to_raw() -> (Raw, Client) {
    let place = Place::new();
    let listener = place.listen();
    let address = place.address();
    let client = thread::spawn(move || Client::connect(&address).unwrap());
    let raw = Raw::welcomes(&listener, WELCOME);
    (raw, client.join().unwrap().with(patient()))
}

/// Hears a request of id below 2^16; gives its id as it is spelled.
fn hear_id(raw: &mut Raw) -> Vec<u8> {
    let frame = raw.hear().unwrap();
    assert_eq!(frame[..2], [0x85, 7], "request");
    let length = match frame[2] {
        0..=0x17 => 1,
        0x18 => 2,
        _ => 3,
    };
    frame[2..2 + length].to_vec()
}

#[test]
fn a_thousand_calls_of_one_thread_are_under_way_at_once() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let home = Home::of(Server::builder().handle("triple", move |_, n: u64| {
        held.pass();
        Ok(n * 3)
    }));
    let client = home.client().with(patient());
    let calls: Vec<_> = (0..1000).map(|n| client.start::<u64>("triple", &n).unwrap()).collect();
    assert_eq!(client.counters().open_made, 1000);
    gate.wait_for(1);
    gate.open();
    for (n, call) in calls.into_iter().enumerate().rev() {
        assert_eq!(call.wait().unwrap(), n as u64 * 3);
    }
    assert_eq!(client.counters().open_made, 0);
}

#[test]
fn started_calls_reach_the_server_in_order_though_nobody_waits_and_are_answered_in_any_order() {
    let _watchdog = watchdog();
    let (mut raw, client) = to_raw();
    let calls: Vec<_> = (0..100).map(|n| client.start::<u32>("n", &n).unwrap()).collect();
    let ids: Vec<_> = (0..100).map(|_| hear_id(&mut raw)).collect();
    for n in (0..100_u8).rev().filter(|n| n % 2 == 0).chain((0..100).filter(|n| n % 2 == 1)) {
        raw.frame(&[&[0x83, 8][..], &ids[usize::from(n)], &[0x18, 100 + n]].concat());
    }
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.wait().unwrap(), 100 + n as u32);
    }
}

#[test]
fn one_two_or_many_started_calls_are_not_left_lying() {
    let (sender, came) = channel();
    let home = Home::of(Server::builder().handle("tell", move |_, n: u32| {
        sender.send(n)?;
        Ok(n)
    }));
    let client = home.client().with(patient());
    for count in [1, 2, 50] {
        let calls: Vec<Call<u32>> = (0..count).map(|n| client.start("tell", &n).unwrap()).collect();
        let mut told: Vec<u32> = came.iter().take(count as usize).collect();
        told.sort_unstable();
        assert!(told.into_iter().eq(0..count));
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.wait().unwrap(), n as u32);
        }
    }
}

// Threat 72.
#[test]
fn a_call_that_is_dropped_is_cancelled_at_its_handler() {
    let (began, (sender, learned)) = (Arc::new(Gate::default()), channel());
    let late = until_cancelled(&began, sender);
    let home = Home::of(
        Server::builder()
            .handle("pool", late.clone())
            .handle_inline("inline", late)
            .handle("works", |_, n: u32| Ok(n)),
    );
    let client = home.client().with(patient());
    for round in 0..20 {
        for (count, channel) in ["pool", "inline"].into_iter().enumerate() {
            let call = client.start::<()>(channel, &()).unwrap();
            began.wait_for(2 * round + count + 1);
            drop(call);
            assert_eq!(learned.recv().unwrap(), channel);
        }
        assert_eq!(client.request::<u32>("works", &7).unwrap(), 7);
    }
}

// Threat 72.
#[test]
fn many_calls_that_are_dropped_leave_their_slots_free() {
    let gate = Arc::new(Gate::default());
    let mut config = Config::default();
    config.max_calls = 100;
    let home = Home::of(Server::builder().config(config).handle("slow", gate.handler()));
    let client = home.client().with(patient());
    let start = || (0..100).map(|_| client.start::<()>("slow", &()).unwrap()).collect::<Vec<_>>();
    let calls = start();
    gate.wait_for(1);
    drop(calls);
    gate.open();
    (0..10).for_each(|_| drop(start()));
    // Each keeps its slot until its handler has ended.
    while client.counters().open_made > 0 {
        client.ping().unwrap();
    }
}

// Threat 72.
#[test]
fn a_call_that_is_dropped_before_it_was_written_vanishes_or_is_cancelled() {
    let home = Home::of(Server::builder().handle("n", |_, n: u32| Ok(n)));
    let client = home.client().with(patient());
    for n in 0..2000 {
        let kept = client.start::<u32>("n", &n).unwrap();
        let dropped = client.start::<u32>("n", &0).unwrap();
        let cancelled = client.start::<u32>("n", &1).unwrap();
        drop(dropped);
        cancelled.canceller().cancel();
        assert_eq!(kept.wait().unwrap(), n);
        // Unless its answer was quicker.
        let ended = cancelled.wait();
        assert!(matches!(ended, Err(CallError::Cancelled(_)) | Ok(1)), "{ended:?}");
    }
}

#[test]
fn a_canceller_ends_the_wait_of_another_thread() {
    let (began, (sender, learned)) = (Arc::new(Gate::default()), channel());
    let home = Home::of(Server::builder().handle("late", until_cancelled(&began, sender)));
    // Of one that reads, of one that does not, and while another one reads.
    for builder in [Client::builder(), Client::builder().on("n", |_, ()| {})] {
        let client = home.connect(builder).with(patient());
        let before = began.count();
        thread::scope(|scope| {
            let other = client.start::<()>("late", &()).unwrap();
            let others = other.canceller();
            let other = scope.spawn(|| other.wait());
            let call = client.start::<()>("late", &()).unwrap();
            let canceller = call.canceller();
            let waiting = scope.spawn(|| call.wait());
            began.wait_for(before + 2);
            for (canceller, waiting) in [(canceller, waiting), (others, other)] {
                canceller.cancel();
                let cancelled = Err(CallError::Cancelled(Fate::MayHaveRun));
                assert_eq!(waiting.join().unwrap(), cancelled);
                assert_eq!(learned.recv().unwrap(), "late");
                canceller.cancel();
            }
        });
    }
}

#[test]
fn a_canceller_of_a_call_that_has_ended_does_nothing() {
    let home = Home::of(Server::builder().handle("n", |_, n: u32| Ok(n)));
    let client = home.client();
    let (first, second) = (client.start::<u32>("n", &1), client.start::<u32>("n", &2));
    let (first, second) = (first.unwrap(), second.unwrap());
    let canceller = first.canceller();
    assert_eq!(second.wait().unwrap(), 2);
    wait_until(|| client.ping().is_ok() && first.has_ended());
    canceller.cancel();
    assert_eq!(first.wait().unwrap(), 1);
    canceller.cancel();
    assert_eq!(client.request::<u32>("n", &3).unwrap(), 3);
    drop(client);
    canceller.cancel();
}

#[test]
fn has_ended_tells_once_somebody_has_read_the_answer() {
    let home = Home::of(Server::builder().handle("n", |_, n: u32| Ok(n)));
    // The reader of one that listens.
    let client = home.connect(Client::builder().on("n", |_, ()| {}));
    let calls: Vec<_> = (0..10).map(|n| client.start::<u32>("n", &n).unwrap()).collect();
    wait_until(|| calls.iter().all(Call::has_ended));
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.wait().unwrap(), n as u32);
    }
    // Nobody reads for one that serves nothing, but whoever asks for something else.
    let client = home.client();
    let call = client.start::<u32>("n", &1).unwrap();
    wait_until(|| client.ping().is_ok() && call.has_ended());
    assert_eq!(call.wait().unwrap(), 1);
}

#[test]
fn a_started_call_ends_at_its_deadline_though_nobody_waits() {
    let gate = Arc::new(Gate::default());
    let home = Home::of(Server::builder().handle("slow", gate.handler()));
    let client = home.client();
    // The first is written at once, the second with what follows.
    let calls = [1, 2].map(|_| client.with(within(30)).start::<()>("slow", &()).unwrap());
    wait_until(|| calls.iter().all(Call::has_ended));
    for call in calls {
        match call.wait() {
            Err(CallError::Deadline(_)) => {}
            Err(CallError::Failed(failure)) if failure.status == Status::DEADLINE_EXCEEDED => {}
            other => panic!("{other:?}"),
        }
    }
    gate.open();
}

#[test]
fn to_start_waits_for_room_and_reads_meanwhile() {
    let mut config = Config::default();
    config.max_calls = 2;
    let home = Home::of(Server::builder().config(config).handle("n", |_, n: u32| Ok(n)));
    let client = home.client().with(patient());
    let calls: Vec<_> = (0..300).map(|n| client.start::<u32>("n", &n).unwrap()).collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.wait().unwrap(), n as u32);
    }
}

#[test]
fn what_cannot_be_sent_is_told_at_the_start() {
    let home = Home::of(Server::builder().handle("n", |_, n: u32| Ok(n)));
    let client = home.client();
    let told = client.start::<u32>("n", &Unwritable).unwrap_err();
    assert!(matches!(told, CallError::Encode(_)), "{told:?}");
    let told = client.start::<u32>("", &1).unwrap_err();
    assert_eq!(told, CallError::Rejected(Rejected::BadChannel));
    let call = client.start::<String>("n", &1).unwrap();
    assert!(matches!(call.wait(), Err(CallError::Decode(_))));
    let call = client.start::<u32>("nobody", &1).unwrap();
    assert_eq!(failure(call.wait()).status, Status::UNIMPLEMENTED);
    client.abort("over");
    let over = CloseReason::Aborted { message: "over".into() };
    let told = client.start::<u32>("n", &1).unwrap_err();
    assert_eq!(told, CallError::Disconnected(over, Fate::NeverSent));
}

#[test]
fn started_calls_are_answered_during_a_close() {
    for by_client in [true, false] {
        let gate = Arc::new(Gate::default());
        let home = Home::of(Server::builder().handle("slow", gate.handler()));
        // With a reader, or the server would wait for one that reads nothing.
        let client = home.connect(Client::builder().on("n", |_, ()| {})).with(patient());
        let calls = [1, 2, 3].map(|_| client.start::<()>("slow", &()).unwrap());
        gate.wait_for(3);
        thread::scope(|scope| {
            let close = scope.spawn(|| {
                if by_client {
                    client.close("done");
                } else {
                    home.server.close(Restart::never());
                }
            });
            let refused = || client.start::<()>("slow", &()).is_err();
            wait_until(|| !by_client || refused());
            gate.open();
            for call in calls {
                call.wait().unwrap();
            }
            close.join().unwrap();
        });
    }
}

// Threat 28.
#[test]
fn started_calls_end_with_the_connection_each_once() {
    let gate = Arc::new(Gate::default());
    for end in ["abort", "lost", "reader"] {
        let home = Home::of(Server::builder().handle("slow", gate.handler()));
        let before = gate.count();
        let reads = Client::builder().on("n", |_, ()| {});
        let client = home.connect(if end == "reader" { reads } else { Client::builder() });
        let calls = [1, 2, 3].map(|_| client.with(patient()).start::<()>("slow", &()).unwrap());
        gate.wait_for(before + 3);
        let reason = if end == "abort" {
            client.abort("enough");
            CloseReason::Aborted { message: "enough".into() }
        } else {
            home.peer().abort("away");
            CloseReason::Lost
        };
        if end != "lost" {
            // Without a reader nobody has read the end yet.
            wait_until(|| calls.iter().all(Call::has_ended));
        }
        for call in calls {
            let ended = CallError::Disconnected(reason.clone(), Fate::MayHaveRun);
            assert_eq!(call.wait(), Err(ended));
        }
        assert_eq!(client.closed(), Some(reason));
    }
    gate.open();
}

// Threat 28.
#[test]
fn a_call_that_was_not_written_was_never_sent() {
    let _watchdog = watchdog();
    let (raw, client) = to_raw();
    // The server reads nothing: the first fills the socket, the second stays behind it.
    let large = Payload::bytes(&vec![0; 1_000_000]);
    let written = client.start::<()>("a", &large).unwrap();
    let unwritten = client.start::<()>("b", &()).unwrap();
    drop(raw);
    let fate = |call: Call<()>| match call.wait() {
        Err(CallError::Disconnected(CloseReason::Lost, fate)) => fate,
        other => panic!("{other:?}"),
    };
    assert_eq!(fate(written), Fate::MayHaveRun);
    assert_eq!(fate(unwritten), Fate::NeverSent);
}

#[test]
fn a_started_call_outlives_the_last_handle_of_its_client() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let home = Home::of(Server::builder().handle("slow", move |_, n: u32| {
        held.pass();
        Ok(n)
    }));
    for reads in [false, true] {
        let builder = Client::builder();
        let client = home.connect(if reads { builder.on("n", |_, ()| {}) } else { builder });
        let calls = [1, 2, 3].map(|n| client.start::<u32>("slow", &n).unwrap());
        gate.wait_for(3);
        drop(client);
        gate.open();
        assert_eq!(calls.map(|call| call.wait().unwrap()), [1, 2, 3]);
    }
    wait_until(|| home.server.peers().is_empty());
}

#[test]
fn a_server_has_many_calls_under_way_at_one_client() {
    let home = Home::of(Server::builder());
    let _client = home.connect(Client::builder().handle("n", |_, n: u32| Ok(n)));
    let peer = home.peer().with(patient());
    let calls: Vec<_> = (0..1000).map(|n| peer.start::<u32>("n", &n).unwrap()).collect();
    for (n, call) in calls.into_iter().enumerate().rev() {
        assert_eq!(call.wait().unwrap(), n as u32);
    }
}
