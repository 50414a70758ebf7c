//! tokio as the scenarios see it, with one thread and with several. Called by the matrix; knows that adapter.

use std::future::{Future, pending};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::mpsc::channel;
use std::thread;

use switchboard_tokio::Tokio as Runtime;
use tokio::runtime::{Builder, Handle};

use crate::futures::{Async, Blocks};

struct Tokio(LazyLock<Handle>);

impl Blocks for Tokio {
    fn run(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.0.block_on(future);
    }
}

/// A runtime that runs for as long as the process.
fn run(mut builder: Builder) -> Handle {
    let (sender, handle) = channel();
    thread::spawn(move || {
        let runtime = builder.enable_all().build().unwrap();
        sender.send(runtime.handle().clone()).unwrap();
        runtime.block_on(pending::<()>());
    });
    handle.recv().unwrap()
}

static ONE: Tokio = Tokio(LazyLock::new(|| run(Builder::new_current_thread())));
static MANY: Tokio = Tokio(LazyLock::new(|| run(Builder::new_multi_thread())));

/// All tasks on one thread.
pub(crate) static ONE_THREAD: Async<Runtime> = Async(&ONE, PhantomData);
/// Tasks on as many threads as there are processors.
pub(crate) static THREADS: Async<Runtime> = Async(&MANY, PhantomData);
