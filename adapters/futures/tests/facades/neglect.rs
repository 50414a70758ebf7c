//! Calls that were polled, and are polled no more, nor dropped: they drove the connection when they were last
//! looked at, and nobody else may wait for them. Each test has so many rounds that it would take minutes if
//! somebody had to wait for the driver's look.

use std::sync::Arc;

use switchboard::CallError;

use super::common::{GOODBYE, Gate, within};
use super::{
    Harness, at_home, builder, connect, neglect, pause, poll_once, served_by, spawn, until,
};

const ROUNDS: u64 = 50;

pub(crate) fn calls_beside_a_neglected_one<H: Harness>() {
    at_home::<H, _>(|home, gate| async move {
        let client = connect::<H>(&home).await;
        for round in 0..ROUNDS {
            let mut neglected = client.request::<u64>("add", &(round, 1));
            let polled = neglect(&mut neglected);
            for number in 0..3 {
                let sum = client.request::<u64>("add", &(round, number)).await;
                assert_eq!(sum.unwrap(), round + number);
            }
            let other = client.clone();
            let task = spawn::<H, _>(async move { other.request::<u64>("add", &(1, 1)).await });
            assert_eq!(task.await.unwrap(), 2);
            if polled.is_pending() {
                assert_eq!(neglected.await.unwrap(), round + 1);
            }
        }
        // One whose answer does not come.
        let mut neglected = client.request::<()>("gate", &());
        assert!(neglect(&mut neglected).is_pending());
        for round in 0..ROUNDS {
            assert_eq!(client.request::<u64>("add", &(round, 2)).await.unwrap(), round + 2);
            assert!(neglect(&mut neglected).is_pending());
        }
        gate.open();
        neglected.await.unwrap();
    });
}

pub(crate) fn pings_beside_a_neglected_call<H: Harness>() {
    at_home::<H, _>(|home, gate| async move {
        let client = connect::<H>(&home).await;
        let mut neglected = client.request::<()>("gate", &());
        for _ in 0..ROUNDS {
            assert!(neglect(&mut neglected).is_pending());
            client.ping().await.unwrap();
        }
        // It is looked at while a ping is under way.
        let mut ping = Box::pin(client.ping());
        let pinged = poll_once(&mut ping).await.is_ready();
        assert!(neglect(&mut neglected).is_pending());
        if !pinged {
            ping.await.unwrap();
        }
        gate.open();
        neglected.await.unwrap();
    });
}

pub(crate) fn messages_and_closing_beside_a_neglected_call<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        for _ in 0..ROUNDS {
            let client = connect::<H>(&home).await;
            let mut neglected = client.request::<u64>("add", &(1, 2));
            let polled = neglect(&mut neglected);
            // Far more than a socket holds: somebody has to write on.
            for _ in 0..20 {
                client.send("nobody", &"x".repeat(60_000)).await.unwrap();
            }
            client.close("").await;
            if polled.is_pending() {
                neglected.await.unwrap();
            }
        }
    });
}

pub(crate) fn a_neglected_call_is_taken_up_again<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        for round in 0..ROUNDS {
            let mut call = client.request::<u64>("add", &(round, 1));
            let polled = neglect(&mut call);
            for _ in 0..round {
                pause().await;
            }
            // By another task, which has another waker.
            if polled.is_pending() {
                assert_eq!(spawn::<H, _>(call).await.unwrap(), round + 1);
            }
        }
    });
}

pub(crate) fn a_call_after_a_neglected_one<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        for round in 0..ROUNDS {
            let mut neglected = client.request::<u64>("add", &(round, 1));
            let _ = neglect(&mut neglected);
            // Its answer is read by somebody who sends, and the next one is alone again.
            while client.counters().open_made > 0 {
                client.send("nobody", &()).await.unwrap();
                pause().await;
            }
            assert_eq!(client.request::<u64>("add", &(round, 2)).await.unwrap(), round + 2);
        }
    });
}

pub(crate) fn a_neglected_call_does_not_keep_its_deadline_from_passing<H: Harness>() {
    let cancelled = Arc::new(Gate::default());
    let theirs = Arc::clone(&cancelled);
    cancelled.open();
    let (address, end) = served_by(1, move |raw| {
        assert_eq!(raw.hear().unwrap()[..3], [0x85, 7, 1], "request");
        assert_eq!(raw.hear().unwrap(), [0x82, 13, 1], "cancel");
        theirs.pass();
        raw.frame(&[0x83, 8, 1, 0xf6]);
        assert_eq!(raw.hear().unwrap(), GOODBYE[4..]);
        raw.say(GOODBYE);
    });
    H::run(async move {
        let client = builder::<H>().connect(&address).await.unwrap();
        let mut neglected = client.with(within(100)).request::<()>("slow", &());
        assert!(neglect(&mut neglected).is_pending());
        until(|| cancelled.count() == 1).await;
        assert!(matches!(neglected.await, Err(CallError::Deadline(_))));
        client.close("").await;
    });
    end();
}
