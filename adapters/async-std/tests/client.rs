//! async-std's client against a blocking server, in a thread of its own and among the tasks of async-std's
//! executor. The tests are those of all facades.
#![cfg(unix)]

#[path = "../../futures/tests/facades/mod.rs"]
mod facades;

use std::future::Future;

use async_std::task;
use facades::{Harness, every_test};
use switchboard_async_std::AsyncStd;

/// The test is beside the executor, on a thread of its own.
struct Beside;

impl Harness for Beside {
    type Runtime = AsyncStd;

    fn run(test: impl Future<Output = ()> + Send + 'static) {
        task::block_on(test);
    }
}

/// The test is one of the executor's tasks, as the drivers are.
struct Among;

impl Harness for Among {
    type Runtime = AsyncStd;

    fn run(test: impl Future<Output = ()> + Send + 'static) {
        task::block_on(task::spawn(test));
    }
}

mod beside {
    super::every_test!(super::Beside);
}

mod among {
    super::every_test!(super::Among);
}
