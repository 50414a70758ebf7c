//! What every adapter of switchboard must do, as scenarios over real sockets, so that a program may change
//! its adapter and see no other behaviour, and talk with one that has another.
//!
//! An adapter that wants to be tested implements [`Adapter`] in `tests/matrix/`, in terms of calls that
//! block: an async one blocks on its futures, and runs the handlers that it is given on threads of their
//! own. A line there lets [`conformance_tests`] test it with itself and with every other one. `adapter` says
//! what an adapter can do, `setup` whose client meets whose server, `scenarios` what must come of it.

#![forbid(unsafe_code)]

mod adapter;
mod gate;
mod list;
pub mod scenarios;
mod setup;

pub use adapter::{
    Adapter, Answer, Authorize, Bound, Call, Check, Client, End, Halves, Handler, Listener,
    NextDelivery, NextItem, OnStatus, Opened, Pending, Sending, Server, Serves, Subscribed, Taking,
};
pub use gate::Watchdog;
pub use setup::{Setup, Transport};
