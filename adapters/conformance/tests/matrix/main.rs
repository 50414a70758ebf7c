//! Every adapter with itself and with every other one. A new one is a module and a line.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod async_std;
mod blocking;
mod futures;
mod smol;
mod tokio;

switchboard_conformance::conformance_tests! {
    async_std: crate::async_std::ASYNC_STD,
    blocking: crate::blocking::Blocking,
    smol: crate::smol::SMOL,
    tokio: crate::tokio::ONE_THREAD,
    tokio_threads: crate::tokio::THREADS,
}
