//! A runtime that ends before those who wait for what it drives: each of them is told.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "../../blocking/tests/common/mod.rs"]
mod common;

use std::future::Future;
use std::sync::Arc;
use std::thread;

use common::{Gate, Home, Place, no_hurry, watchdog};
use switchboard::CallError;
use switchboard_blocking::Server as Threads;
use switchboard_tokio::{Client, Context, Server};
use tokio::runtime::{Builder, Runtime};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// On a thread with a runtime of its own.
fn elsewhere<T: Send + 'static>(
    waits: impl Future<Output = T> + Send + 'static,
) -> thread::JoinHandle<T> {
    thread::spawn(|| Builder::new_current_thread().build().unwrap().block_on(waits))
}

// Threat 77.
#[test]
fn calls_learn_that_the_runtime_of_their_client_has_ended() {
    // A call that is alone needs nobody to drive it, until its driver is dropped.
    for (runtime, calls) in [(current_thread(), 1), (multi_thread(), 1), (multi_thread(), 3)] {
        let gate = Arc::new(Gate::default());
        let home = Home::of(Threads::builder().config(no_hurry()).handle("gate", gate.handler()));
        let client = runtime.block_on(Client::connect(&home.address)).unwrap();
        let call = |_| {
            let client = client.clone();
            elsewhere(async move { client.request::<()>("gate", &()).await })
        };
        let under_way: Vec<_> = (0..calls).map(call).collect();
        gate.wait_for(calls);
        drop(runtime);
        for call in under_way {
            let called = call.join().unwrap();
            assert!(matches!(called, Err(CallError::Disconnected(..))), "{called:?}");
        }
        elsewhere(async move { client.close("").await }).join().unwrap();
        gate.open();
    }
}

#[test]
fn whoever_waits_for_a_server_learns_that_its_runtime_has_ended() {
    for runtime in [current_thread(), multi_thread()] {
        let (place, _watchdog) = (Place::new(), watchdog());
        let server = Server::builder().handle("works", |_: Context, ()| async { Ok(true) });
        let (server, client) = runtime.block_on(async {
            let server = server.bind(&place.address()).await.unwrap();
            let client = Client::connect(&place.address()).await.unwrap();
            assert!(client.request::<bool>("works", &()).await.unwrap());
            (server, client)
        });
        let theirs = server.clone();
        let waiting = elsewhere(async move {
            theirs.close(switchboard::Restart::never()).await;
            theirs.closed().await;
        });
        drop(runtime);
        waiting.join().unwrap();
        let called = elsewhere(async move { client.request::<bool>("works", &()).await });
        assert!(called.join().unwrap().is_err());
        drop(server);
    }
}
