//! tokio's client against a blocking server, on both flavours of the runtime. The tests are those of all
//! facades.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "../../futures/tests/facades/mod.rs"]
mod facades;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use facades::{Harness, every_test};
use switchboard_tokio::{Client, OpenError, Server, Tokio};
use tokio::runtime::Builder;

struct CurrentThread;

impl Harness for CurrentThread {
    type Runtime = Tokio;

    fn run(test: impl Future<Output = ()> + Send + 'static) {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }
}

struct MultiThread;

impl Harness for MultiThread {
    type Runtime = Tokio;

    fn run(test: impl Future<Output = ()> + Send + 'static) {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(4).enable_all().build().unwrap();
        runtime.block_on(async { tokio::spawn(test).await.unwrap() });
    }
}

mod current_thread {
    super::every_test!(super::CurrentThread);
}

mod multi_thread {
    super::every_test!(super::MultiThread);
}

#[test]
fn without_a_runtime_it_says_so() {
    let connected = polled_once(Client::connect("/nowhere")).map(drop);
    let bound = polled_once(Server::builder().bind("/nowhere")).map(drop);
    for error in [connected.unwrap_err(), bound.unwrap_err()] {
        assert!(matches!(error, OpenError::BadConfig(_)), "{error:?}");
        assert!(error.to_string().contains("tokio"), "{error}");
    }
}

/// What is ready at once.
fn polled_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}
