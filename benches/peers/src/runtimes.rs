//! The executors that async peers run on.

use std::future::Future;

use switchboard_futures::Runtime;
use tokio::runtime::{self, Builder};

/// An executor, and our adapter for it.
pub(crate) trait Executor {
    const NAME: &'static str;
    type Adapter: Runtime;

    fn new() -> Self;
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;
}

pub(crate) struct Smol;
/// tokio with one thread.
pub(crate) struct OneThread(runtime::Runtime);
/// tokio with a thread for each processor.
pub(crate) struct Threads(runtime::Runtime);

impl Executor for Smol {
    const NAME: &'static str = "smol";
    type Adapter = switchboard_smol::Smol;

    fn new() -> Self {
        Self
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }
}

impl Executor for OneThread {
    const NAME: &'static str = "tokio, one thread";
    type Adapter = switchboard_tokio::Tokio;

    fn new() -> Self {
        Self(Builder::new_current_thread().enable_all().build().expect("a runtime"))
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

impl Executor for Threads {
    const NAME: &'static str = "tokio, threads";
    type Adapter = switchboard_tokio::Tokio;

    fn new() -> Self {
        Self(Builder::new_multi_thread().enable_all().build().expect("a runtime"))
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}
