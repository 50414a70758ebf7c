//! A connection that is not read for a while: what is sent waits at the sender, nobody else notices, and
//! nothing is lost.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

use common::{Home, no_hurry, patient, wait_until, within};
use switchboard::{CallError, CloseReason, Config, Fate, Payload, Restart, Timer};
use switchboard_blocking::{Client, ClientBuilder, Context, Server, ServerBuilder};

/// Little room on the way, and patience.
fn narrow() -> Config {
    let mut config = no_hurry();
    config.max_unsent = 64 << 10;
    config
}

/// A server that tells of what is sent on "n" and called on "call".
fn tells() -> (ServerBuilder, Receiver<usize>) {
    let (sender, came) = channel();
    let also = sender.clone();
    let builder = Server::builder()
        .config(narrow())
        .handle_inline("call", move |_, n: usize| Ok(also.send(n)?))
        .handle("works", |_, ()| Ok(true))
        .on("n", move |_, (n, _): (usize, String)| sender.send(n).unwrap());
    (builder, came)
}

fn client(home: &Home) -> Client {
    home.connect(Client::builder().config(narrow()))
}

/// Numbered, and large enough that few of them fill all there is to fill.
fn message(n: usize) -> (usize, String) {
    (n, "x".repeat(10_000))
}

/// More messages than any socket holds.
const MANY: usize = 1000;

#[test]
fn a_paused_peer_is_not_read_until_it_is_resumed_and_others_are() {
    let (builder, came) = tells();
    let home = Home::of(builder);
    let client = client(&home);
    let (peer, other) = (home.peer(), home.client());
    peer.pause();
    let hasty = client.with(within(100));
    let sent = (0..MANY).take_while(|n| hasty.send("n", &message(*n)).is_ok()).count();
    assert!(sent < MANY, "its sends do not block");
    for _ in 0..100 {
        assert!(other.request::<bool>("works", &()).unwrap());
        assert_eq!(came.try_recv(), Err(TryRecvError::Empty));
    }
    peer.resume();
    let patient = client.with(patient());
    (sent..MANY).for_each(|n| patient.send("n", &message(n)).unwrap());
    assert!(came.iter().take(MANY).eq(0..MANY));
    // Pausing is none of the two's business, and may be done again.
    peer.pause();
    peer.pause();
    peer.resume();
    patient.request::<()>("call", &7).unwrap();
    assert_eq!(came.recv().unwrap(), 7);
}

#[test]
fn calls_of_a_paused_peer_run_in_order_once_it_is_resumed() {
    let (builder, came) = tells();
    let home = Home::of(builder);
    let client = client(&home).with(patient());
    let (peer, other) = (home.peer(), home.client());
    peer.pause();
    let calls: Vec<_> = (0..100).map(|n| client.start::<()>("call", &n).unwrap()).collect();
    for _ in 0..100 {
        assert!(other.request::<bool>("works", &()).unwrap());
    }
    assert_eq!(came.try_recv(), Err(TryRecvError::Empty));
    peer.resume();
    calls.into_iter().for_each(|call| call.wait().unwrap());
    assert!(came.iter().take(100).eq(0..100));
}

#[test]
fn a_handler_may_pause_its_caller() {
    let (builder, came) = tells();
    let pause = |cx: Context, ()| {
        cx.peer().pause();
        Ok(())
    };
    let home = Home::of(builder.handle("pool", pause).handle_inline("inline", pause));
    let client = client(&home).with(patient());
    let (peer, other) = (home.peer(), home.client());
    for channel in ["pool", "inline"] {
        // The answer goes out; nothing comes in.
        client.request::<()>(channel, &()).unwrap();
        let call = client.start::<()>("call", &1).unwrap();
        assert!(other.request::<bool>("works", &()).unwrap());
        assert_eq!(came.try_recv(), Err(TryRecvError::Empty));
        peer.resume();
        call.wait().unwrap();
        assert_eq!(came.recv().unwrap(), 1);
    }
}

/// A client that tells of what is sent to it.
fn hears() -> (ClientBuilder, Receiver<usize>) {
    let (sender, came) = channel();
    let on = move |_: Context, (n, _): (usize, String)| sender.send(n).unwrap();
    (Client::builder().config(narrow()).on("n", on), came)
}

#[test]
fn a_client_that_pauses_reads_neither_messages_nor_answers() {
    let home = Home::of(tells().0);
    let (builder, came) = hears();
    let client = home.connect(builder);
    let (hasty, patient) = (home.peer().with(within(100)), home.peer().with(patient()));
    hasty.ping().unwrap();
    client.pause();
    let sent = (0..MANY).take_while(|n| hasty.send("n", &message(*n)).is_ok()).count();
    assert!(sent < MANY, "the server's sends do not block");
    let call = client.with(within(50)).request::<bool>("works", &());
    assert_eq!(call, Err(CallError::Deadline(Fate::MayHaveRun)));
    assert_eq!(came.try_recv(), Err(TryRecvError::Empty));
    client.resume();
    (sent..MANY).for_each(|n| patient.send("n", &message(n)).unwrap());
    assert!(came.iter().take(MANY).eq(0..MANY));
    assert!(client.request::<bool>("works", &()).unwrap());
}

#[test]
fn a_call_of_a_paused_client_waits_for_the_resume_of_another_thread() {
    let home = Home::of(tells().0);
    for builder in [Client::builder(), hears().0] {
        let client = home.connect(builder).with(patient());
        client.pause();
        thread::scope(|scope| {
            let call = scope.spawn(|| client.request::<bool>("works", &()));
            let other = home.client();
            for _ in 0..50 {
                assert!(other.request::<bool>("works", &()).unwrap());
            }
            assert!(!call.is_finished());
            client.resume();
            assert!(call.join().unwrap().unwrap());
        });
    }
}

#[test]
fn a_close_of_either_side_completes_though_that_side_has_paused() {
    for who in ["server", "peer", "client", "drop"] {
        let (builder, _came) = tells();
        let home = Home::of(builder);
        let client = home.connect(hears().0);
        let peer = home.peer();
        // What lies there unread is read then, and counts.
        if matches!(who, "server" | "peer") {
            peer.pause();
            (0..3).for_each(|n| client.send("n", &message(n)).unwrap());
        } else {
            client.pause();
            (0..3).for_each(|n| peer.send("n", &message(n)).unwrap());
        }
        match who {
            "server" => home.server.close(Restart::never()),
            "peer" => peer.close("bye"),
            "client" => {
                let reason = client.close("bye");
                assert_eq!(reason, CloseReason::Closed { message: "bye".into() });
            }
            _ => drop(client),
        }
        wait_until(|| peer.closed().is_some());
        assert_eq!(peer.closed().unwrap().status(), None, "graceful");
    }
}

#[test]
fn a_close_waits_for_a_side_that_has_paused_until_drain_and_an_abort_does_not() {
    let mut config = narrow();
    config.drain = std::time::Duration::from_millis(50);
    config.linger = config.drain;
    let home = Home::of(tells().0);
    let client = home.connect(Client::builder().config(config));
    let peer = home.peer();
    peer.pause();
    assert_eq!(client.close("bye"), CloseReason::Timeout(Timer::Drain));
    // Its end is there to be read, like everything else.
    peer.resume();
    wait_until(|| peer.closed().is_some() && home.server.peers().is_empty());

    let client = home.connect(Client::builder().config(no_hurry()));
    let peer = home.peer();
    peer.pause();
    client.pause();
    peer.abort("out");
    wait_until(|| home.server.peers().is_empty());
    assert_eq!(peer.closed(), Some(CloseReason::Aborted { message: "out".into() }));
    client.resume();
    let lost = CallError::Disconnected(CloseReason::Lost, Fate::MayHaveRun);
    let told = client.with(patient()).request::<bool>("works", &());
    let never = CallError::Disconnected(CloseReason::Lost, Fate::NeverSent);
    assert!(told == Err(lost) || told == Err(never), "{told:?}");
}

#[test]
fn one_thread_pauses_and_resumes_while_others_call() {
    let home = Home::of(tells().0);
    let (builder, came) = hears();
    let client = home.connect(builder).with(patient());
    let (peer, over) = (home.peer().with(patient()), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                // Some begin when nobody pauses any more: they are not left lying.
                let mut left = 20;
                while left > 0 {
                    left -= usize::from(over.load(Ordering::Relaxed));
                    assert!(client.request::<bool>("works", &()).unwrap());
                }
            });
        }
        let sends = scope.spawn(|| {
            let mut sent = 0;
            while !over.load(Ordering::Relaxed) {
                peer.send("n", &(sent, "")).unwrap();
                sent += 1;
            }
            sent
        });
        for _ in 0..300 {
            client.pause();
            peer.pause();
            thread::yield_now();
            peer.resume();
            client.resume();
            thread::yield_now();
        }
        over.store(true, Ordering::Relaxed);
        let sent = sends.join().unwrap();
        assert!(came.iter().take(sent).eq(0..sent));
    });
}

#[test]
fn a_paused_client_does_not_read_when_its_timer_wakes_it() {
    let mut config = no_hurry();
    config.max_unsent = 64 << 10;
    let home = Home::of(Server::builder().config(config).handle("n", |_, ()| Ok(())));
    let client = home.client();
    client.ping().unwrap();
    let (peer, over) = (home.peer().with(within(300)), AtomicBool::new(false));
    client.pause();
    let block = Payload::bytes(&[0; 50_000]);
    thread::scope(|scope| {
        // Each has a deadline that nobody waits for, so that the timer wakes the link.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let call = client.with(within(1)).start::<()>("n", &());
                while call.as_ref().is_ok_and(|call| !call.has_ended()) {
                    thread::yield_now();
                }
            }
        });
        let sent = (0..400).take_while(|_| peer.send("m", &block).is_ok()).count();
        over.store(true, Ordering::Relaxed);
        let written = peer.counters().unwrap().bytes_out;
        assert!(sent < 400 && written < 2_000_000, "{written} bytes went to one that has paused");
    });
}
