//! async-std as the scenarios see it. Called by the matrix; knows that adapter.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use switchboard_async_std::AsyncStd as Runtime;

use crate::futures::{Async, Blocks};

struct AsyncStd;

impl Blocks for AsyncStd {
    fn run(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        async_std::task::block_on(future);
    }
}

pub(crate) static ASYNC_STD: Async<Runtime> = Async(&AsyncStd, PhantomData);
