//! smol as the scenarios see it. Called by the matrix; knows that adapter.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use switchboard_smol::Smol as Runtime;

use crate::futures::{Async, Blocks};

struct Smol;

impl Blocks for Smol {
    fn run(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        smol::block_on(future);
    }
}

pub(crate) static SMOL: Async<Runtime> = Async(&Smol, PhantomData);
