//! Futures that are dropped: at any time, and nobody else notices.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use futures_util::future::{Either, join, select};
use switchboard::CallError;

use super::common::{Gate, Home, until_cancelled};
use super::{Harness, after, at_home, builder, connect, pause, poll_once, server, spawn, until};

pub(crate) fn a_dropped_call_is_cancelled<H: Harness>() {
    let (learns, learned) = channel();
    let (began, cancelled) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let home = Home::of(server().0.handle("long", until_cancelled(&began, learns)));
    let (home, theirs) = (Arc::new(home), Arc::clone(&cancelled));
    cancelled.open();
    let telling = thread::spawn(move || learned.iter().for_each(|_| theirs.pass()));
    let ours = Arc::clone(&home);
    H::run(async move {
        let client = connect::<H>(&ours).await;
        for round in 1..=3 {
            let mut call = client.request::<()>("long", &());
            assert!(poll_once(&mut call).await.is_pending());
            until(|| began.count() == round).await;
            drop(call);
            until(|| cancelled.count() == round).await;
        }
        // Never polled, and not alone.
        let calls = [(); 2].map(|()| client.request::<()>("long", &()));
        until(|| began.count() == 5).await;
        drop(calls);
        until(|| cancelled.count() == 5).await;
        assert_eq!(client.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
    });
    drop(home);
    telling.join().unwrap();
}

/// Some microseconds, ever others: from none to more than a call takes.
fn some_time(round: u64) -> Duration {
    Duration::from_micros(round * 7919 % 300)
}

pub(crate) fn calls_dropped_in_every_phase_cost_nobody_else_anything<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        let theirs = client.clone();
        let others = spawn::<H, _>(async move {
            for round in 0..300_u64 {
                assert_eq!(theirs.request::<u64>("add", &(round, 1)).await.unwrap(), round + 1);
                // At times nobody but the other task asks for anything.
                after::<H>(some_time(round)).await;
            }
        });
        let mut answered = 0;
        for round in 0..1000_u64 {
            let call = client.request::<u64>("add", &(round, 2));
            match select(call, after::<H>(some_time(round))).await {
                Either::Left((answer, _)) => {
                    assert_eq!(answer.unwrap(), round + 2);
                    answered += 1;
                }
                Either::Right(((), call)) => drop(call),
            }
        }
        others.await;
        assert_eq!(client.request::<u64>("add", &(answered, 0)).await.unwrap(), answered);
        assert_eq!(client.counters().open_made, 0);
    });
}

pub(crate) fn calls_dropped_after_any_number_of_polls_cost_nobody_anything<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        for round in 0..1000_u64 {
            let mut call = client.request::<u64>("add", &(round, 1));
            for _ in 0..round % 5 {
                if poll_once(&mut call).await.is_ready() {
                    break;
                }
                pause().await;
            }
            // The next one begins before this one is dropped, or behind it, and reads alone.
            let next = if round % 2 == 0 {
                let next = client.request::<u64>("add", &(round, 3));
                drop(call);
                next
            } else {
                drop(call);
                client.request::<u64>("add", &(round, 3))
            };
            if round % 3 == 0 {
                assert_eq!(next.await.unwrap(), round + 3);
            } else {
                let (next, pong) = join(next, client.ping()).await;
                assert_eq!(next.unwrap(), round + 3);
                pong.unwrap();
            }
        }
    });
}

pub(crate) fn a_dropped_client_ends_its_connection<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        let (peer, other) = (home.peer(), client.clone());
        drop(client);
        assert_eq!(other.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
        drop(other);
        until(|| peer.closed().is_some()).await;
        until(|| home.server.peers().is_empty()).await;
    });
}

pub(crate) fn a_dropped_driver_ends_its_connection<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let (client, driver) = builder::<H>().connect_with_driver(&home.address).await.unwrap();
        // A call that is alone needs none.
        assert_eq!(client.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
        drop(driver);
        let called = client.request::<u64>("add", &(1, 2)).await;
        assert!(matches!(called, Err(CallError::Disconnected { .. })), "{called:?}");
        until(|| home.server.peers().is_empty()).await;
    });
}
