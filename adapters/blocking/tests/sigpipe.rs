//! A peer that has gone is an error and no signal, also in a program that lets SIGPIPE end it. A test binary
//! of its own, because what happens with a signal is the process's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::thread;

use common::{Home, Place, Raw, WELCOME, framed};
use nix::sys::signal::{SigHandler, Signal, signal};
use switchboard::{CallError, CloseReason, Payload, Rejected};
use switchboard_blocking::{Client, Server};

/// As a program has it that is not Rust's: Rust ignores the signal before `main`.
#[allow(unsafe_code, reason = "no safe function says what a signal does")]
fn let_sigpipe_end_this_program() {
    // SAFETY: the default action runs no code of this program.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.unwrap();
}

#[test]
fn a_peer_that_hangs_up_raises_no_sigpipe() {
    let_sigpipe_end_this_program();
    let large = |_, ()| Ok(Payload::bytes(&vec![0; 3_000_000]));
    let home = Home::of(Server::builder().handle("pool", large).handle_inline("inline", large));
    // A server writes to clients that have gone.
    for channel in [&b"\x64pool"[..], b"\x66inline"] {
        for _ in 0..20 {
            let mut raw = home.welcomed();
            raw.say(&framed(&[&[0x85, 7, 1], channel, &[0xa0, 0xf6]].concat()));
            let mut one = [0];
            std::io::Read::read_exact(&mut raw.0, &mut one).unwrap();
        }
    }
    let client = home.client();
    assert!(client.request::<Payload>("pool", &()).is_ok());

    // A client writes to servers that have gone: as a caller, and in the background.
    let place = Place::new();
    let listener = place.listen();
    for round in 0..20 {
        let address = place.address();
        let client = thread::spawn(move || Client::connect(&address).unwrap());
        let raw = Raw::welcomes(&listener, WELCOME);
        let client = client.join().unwrap();
        let block = Payload::bytes(&[0; 100_000]);
        if round % 2 == 0 {
            (0..8).for_each(|_| client.send("n", &block).unwrap());
        }
        drop(raw);
        let error = client.request::<()>("n", &block).unwrap_err();
        // It may have noticed before, and not read yet why.
        let closed = error == CallError::Rejected(Rejected::Closed);
        let lost = matches!(error, CallError::Disconnected(CloseReason::Lost, _));
        assert!(closed || lost, "{error:?}");
        drop(client);
    }
}
