//! Tasks that wait for something else than the socket: whatever ends that, the connection goes on.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "../../blocking/tests/common/mod.rs"]
mod common;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use switchboard::{Backoff, CallError, Failure, Rejected, Restart, SessionStatus, Welcome};
use switchboard_smol::{Client, Context, Server, ServerBuilder};

use common::{GOODBYE, Place, Raw, WELCOME, no_hurry, silent_panic, watchdog, within};

/// Long enough that nothing is ready at once, and short enough not to matter.
const SHORTLY: Duration = Duration::from_millis(5);

async fn shortly() {
    smol::Timer::after(SHORTLY).await;
}

fn server() -> ServerBuilder {
    Server::builder()
        .config(no_hurry())
        .handle("add", |_: Context, (a, b): (u64, u64)| async move { Ok(a + b) })
}

fn on<F: Future<Output = ()>>(server: ServerBuilder, test: impl FnOnce(String) -> F) {
    let (place, _watchdog) = (Place::new(), watchdog());
    smol::block_on(async {
        let server = server.bind(&place.address()).await.unwrap();
        test(place.address()).await;
        server.close(Restart::never()).await;
    });
}

#[test]
fn whoever_was_let_in_after_a_while_is_told() {
    let server = server().authorize(|_, _| async {
        shortly().await;
        Ok(Welcome::new())
    });
    on(server, |address| async move {
        let client = Client::connect(&address).await.unwrap();
        assert_eq!(client.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
    });
    let server = self::server().authorize(|_, _| async {
        shortly().await;
        Err(Failure::new(switchboard::Status::PERMISSION_DENIED, "no"))
    });
    on(server, |address| async move {
        let error = Client::connect(&address).await.unwrap_err();
        assert!(matches!(error, switchboard_smol::OpenError::Refused { .. }), "{error}");
    });
}

#[test]
fn messages_that_were_taken_late_make_room_for_what_is_behind_them() {
    const COUNT: u64 = 200;
    let (told, tells) = mpsc::channel();
    let mut config = no_hurry();
    config.max_untaken = 100_000;
    let server = server().config(config).on("m", move |_, (number, _): (u64, String)| {
        let told = told.clone();
        async move {
            // Many times, so that no chance timer helps each of them.
            if number % 3 == 0 {
                shortly().await;
            }
            told.send(number).unwrap();
        }
    });
    on(server, |address| async move {
        let client = Client::connect(&address).await.unwrap();
        for number in 0..COUNT {
            client.send("m", &(number, "x".repeat(50_000))).await.unwrap();
        }
        assert_eq!(client.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
        smol::unblock(move || (0..COUNT).for_each(|number| assert_eq!(tells.recv(), Ok(number))))
            .await;
    });
}

#[test]
fn a_ping_ends_at_its_deadline() {
    let (place, _watchdog) = (Place::new(), watchdog());
    let listener = place.listen();
    let silent = thread::spawn(move || {
        let mut raw = Raw::welcomes(&listener, WELCOME);
        // A ping, and the goodbye.
        while raw.hear().is_some_and(|frame| frame != GOODBYE[4..]) {}
        raw.say(GOODBYE);
    });
    smol::block_on(async {
        let client = Client::builder().config(no_hurry()).connect(&place.address()).await.unwrap();
        let ping = client.with(within(20)).ping().await;
        assert!(matches!(ping, Err(CallError::Deadline(_))), "{ping:?}");
        client.close("").await;
    });
    silent.join().unwrap();
}

/// Has a task of its own wait for this; ready as soon as that has begun.
async fn waits<T: Send + 'static>(
    mut future: Pin<Box<dyn Future<Output = T> + Send>>,
    then: impl FnOnce(T) + Send + 'static,
) {
    let began = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&began);
    smol::spawn(async move {
        let waited = poll_fn(|cx| {
            let polled = future.as_mut().poll(cx);
            theirs.store(true, Ordering::Release);
            polled
        });
        then(waited.await);
    })
    .detach();
    while !began.load(Ordering::Acquire) {
        smol::future::yield_now().await;
    }
}

#[test]
fn an_item_that_waits_for_room_ends_with_its_call() {
    let (told, tells) = mpsc::channel();
    let server = server().handle("items", move |cx: Context, ()| {
        let told = told.clone();
        async move {
            let sender = cx.sender()?;
            loop {
                let sender = sender.clone();
                let mut sent = Box::pin(async move { sender.send(&"x".repeat(1000)).await });
                if poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx))).await.is_pending() {
                    waits(sent, move |sent| told.send(sent).unwrap()).await;
                    return Ok(());
                }
            }
        }
    });
    on(server, |address| async move {
        let mut config = no_hurry();
        config.stream_window = 10_000;
        let client = Client::builder().config(config).connect(&address).await.unwrap();
        let exchange = client.open("items", &()).await.unwrap();
        let sent = smol::unblock(move || tells.recv().unwrap()).await;
        let unknown = CallError::Rejected(Rejected::UnknownCall);
        assert_eq!(sent, Err(unknown));
        exchange.answer::<()>().await.unwrap();
    });
}

/// Panics wherever it is dropped.
struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        silent_panic();
    }
}

// Threat 73.
#[test]
fn a_handler_that_panics_when_it_is_stopped_harms_nobody_else() {
    let (told, tells) = mpsc::channel();
    let server = server().handle("panics", move |_: Context, ()| {
        let told = told.clone();
        async move {
            let _panics = Panics;
            told.send(()).unwrap();
            std::future::pending::<Result<(), Failure>>().await
        }
    });
    on(server, |address| async move {
        let client = Client::connect(&address).await.unwrap();
        let call = client.request::<()>("panics", &());
        smol::unblock(move || tells.recv().unwrap()).await;
        drop(call);
        assert_eq!(client.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
        assert!(client.closed().is_none());
    });
}

#[test]
fn calls_that_wait_for_each_other_are_all_made() {
    const ROUNDS: usize = 3000;
    let mut config = no_hurry();
    config.max_calls = 1;
    on(server().config(config), |address| async move {
        let client = Client::connect(&address).await.unwrap();
        let barrier = Arc::new(Barrier::new(2));
        let threads = [(); 2].map(|()| {
            let (client, barrier) = (client.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    barrier.wait();
                    let called = smol::block_on(client.request::<u64>("add", &(1, 2)));
                    assert_eq!(called.unwrap(), 3);
                }
            })
        });
        smol::unblock(|| threads.map(|thread| thread.join().unwrap())).await;
    });
}

#[test]
fn whoever_connects_is_told_how_that_goes() {
    let (place, _watchdog) = (Place::new(), watchdog());
    let address = place.address();
    let (told, tells) = mpsc::channel();
    let backoff = Backoff::new().first(Duration::from_millis(1));
    let connecting = Client::builder()
        .config(no_hurry())
        .reconnect(backoff)
        .on_status(move |status| told.send(status).unwrap());
    smol::block_on(async {
        let theirs = address.clone();
        let connecting = smol::spawn(async move { connecting.connect(&theirs).await });
        let heard = smol::unblock(move || tells.iter().take(3).collect::<Vec<_>>()).await;
        let expected =
            [SessionStatus::Connecting, SessionStatus::Disconnected, SessionStatus::Reconnecting];
        assert_eq!(heard, expected);
        let _server = server().bind(&address).await.unwrap();
        connecting.await.unwrap();
    });
}

// Threat 72.
#[test]
fn a_subscription_that_nobody_waited_for_is_ended() {
    on(server(), |address| async move {
        let client = Client::connect(&address).await.unwrap();
        for _ in 0..20 {
            {
                let mut subscribing = Box::pin(client.subscribe::<u64>("n"));
                let _ = poll_fn(|cx| Poll::Ready(subscribing.as_mut().poll(cx).map(drop))).await;
            }
            // Behind it on the wire. Its end may be, too.
            while client.publish_counted("n", &1).await.unwrap() > 0 {}
        }
    });
}
