//! How many connections a server takes, who makes room, and what those are told that find none.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::io::{self, Read, Write};
use std::sync::Arc;

use common::{GOODBYE, Gate, HELLO, Home, Raw, wait_until};
use switchboard::{Restart, Welcome};
use switchboard_blocking::{AdmissionLimits, Client, OpenError, Server, ServerBuilder};

fn limited(limit: impl FnOnce(&mut AdmissionLimits)) -> ServerBuilder {
    let mut limits = AdmissionLimits::default();
    limit(&mut limits);
    Server::builder().limits(limits).handle("echo", |_, n: u32| Ok(n))
}

fn refused(home: &Home) -> String {
    match Client::connect(&home.address).unwrap_err() {
        OpenError::Busy { what, reconnect_after } => {
            assert!(reconnect_after.is_some(), "there may be room soon");
            what
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn as_many_connect_as_the_limits_allow_and_the_next_when_one_has_gone() {
    for per_user in [false, true] {
        let home = Home::of(limited(|limits| {
            *if per_user { &mut limits.connections_per_user } else { &mut limits.connections } = 3;
        }));
        let mut clients: Vec<_> = (0..3).map(|_| home.client()).collect();
        let name = if per_user { "connections_per_user allows 3" } else { "connections allows 3" };
        let told = refused(&home);
        assert!(told.contains(name), "{told}");
        for (n, client) in clients.iter().enumerate() {
            assert_eq!(client.request::<usize>("echo", &n).unwrap(), n, "none was cut off for it");
        }
        clients.pop().unwrap().close("");
        wait_until(|| home.server.peers().len() == 2);
        wait_until(|| Client::connect(&home.address).is_ok());
    }
}

// Threat 31.
#[test]
fn clients_that_say_nothing_keep_nobody_out_and_the_oldest_goes_first() {
    let home = Home::of(limited(|limits| limits.unaccepted_per_user = 4));
    let mut silent: Vec<Raw> = (0..10).map(|_| home.raw()).collect();
    // Six of them have made room by now; each is told why.
    for raw in &mut silent[..6] {
        let told = raw.rest();
        assert!(told.windows(21).any(|part| part == b"this one, the oldest,"));
    }
    let client = home.client();
    assert_eq!(client.request::<u32>("echo", &5).unwrap(), 5);
    // One of the four that were left made room for that client, and three may still say hello.
    for raw in &mut silent[7..] {
        raw.say(HELLO);
        assert_eq!(raw.hear().unwrap()[1], 1, "a welcome");
        raw.say(GOODBYE);
    }
}

#[test]
fn who_has_made_room_is_not_let_in_though_authorize_says_yes() {
    let gate = Arc::new(Gate::default());
    let asked = Arc::clone(&gate);
    let home = Home::of(limited(|limits| limits.unaccepted_per_user = 1).authorize(move |_, _| {
        asked.pass();
        Ok(Welcome::new())
    }));
    let mut first = home.raw();
    first.say(HELLO);
    gate.wait_for(1);
    let mut second = home.raw();
    second.say(HELLO);
    gate.wait_for(2);
    gate.open();
    assert_eq!(first.hear().unwrap()[1], 2, "a reject");
    assert_eq!(second.hear().unwrap()[1], 1, "a welcome");
    assert_eq!(home.server.peers().len(), 1);
}

// Threat 31.
#[test]
fn authorisations_that_go_on_for_clients_that_made_room_are_bounded_too() {
    let gate = Arc::new(Gate::default());
    let asked = Arc::clone(&gate);
    let limited = limited(|limits| {
        (limits.connections_per_user, limits.unaccepted_per_user) = (4, 2);
    });
    let home = Home::of(limited.authorize(move |_, _| {
        asked.pass();
        Ok(Welcome::new())
    }));
    let clients: Vec<Raw> = (0..50)
        .map(|_| {
            let (mut raw, before) = (home.raw(), gate.count());
            // It may have been turned away already.
            let _ = raw.0.write_all(HELLO);
            raw.0.set_nonblocking(true).unwrap();
            let blocks = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
            wait_until(|| {
                let ended = !(&raw.0).read(&mut [0; 1]).as_ref().is_err_and(blocks);
                ended || gate.count() > before
            });
            raw
        })
        .collect();
    assert_eq!(gate.count(), 6, "as many as may be let in, and as many as may wait for it");
    gate.open();
    drop(clients);
    wait_until(|| Client::connect(&home.address).is_ok());
}

#[test]
fn a_close_tells_those_who_are_not_let_in_yet_to_come_back() {
    let home = Home::of(limited(|_| {}));
    let mut raw = home.raw();
    // Its connection is served when the next one is.
    drop(home.client());
    home.server.close(Restart::never());
    let told = raw.rest();
    assert_eq!(told[5..7], [2, 14], "reject, UNAVAILABLE: {told:?}");
}

#[test]
fn a_limit_of_none_is_refused_with_its_name() {
    for (name, builder) in [
        ("connections", limited(|limits| limits.connections = 0)),
        ("connections_per_user", limited(|limits| limits.connections_per_user = 0)),
        ("unaccepted", limited(|limits| limits.unaccepted = 0)),
        ("unaccepted_per_user", limited(|limits| limits.unaccepted_per_user = 0)),
    ] {
        let told = builder.start().unwrap_err();
        assert!(told.to_string().contains(&format!("{name} must be at least 1")), "{told}");
    }
}
