//! Hundreds of connections come and go, in every way, and leave no thread, no descriptor and no memory behind.
//! A test binary of its own, because all three are the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;
mod counting;

use std::fs;

use common::{Home, patient, wait_until};
use counting::live;
use switchboard::Payload;
use switchboard_blocking::{Client, Context, Server};

fn count(what: &str) -> usize {
    fs::read_dir(format!("/proc/self/{what}")).unwrap().count()
}

/// A connection that is used and ends, in one of many ways.
fn guest(home: &Home, round: usize) {
    let serves = || {
        let back = |cx: Context, n: u32| Ok(cx.peer().request::<u32>("inline", &n)?);
        Client::builder().threads(1).handle("back", back).on("n", |_, _: Payload| {})
    };
    let client = home.connect(if round % 2 == 0 { serves() } else { Client::builder() });
    let client = client.with(patient());
    let peer =
        home.server.peers().into_iter().find(|peer| peer.id() == client.welcome().connection);
    let peer = peer.unwrap().with(patient());
    let n = round as u32;
    assert_eq!(client.request::<u32>("pool", &n).unwrap(), n);
    client.send("n", &Payload::bytes(&[1; 20_000])).unwrap();
    let calls = [1, 2, 3].map(|n| client.start::<u32>("inline", &n).unwrap());
    let guard = client.on("late", |_, ()| {}).unwrap();
    if round % 2 == 0 {
        assert_eq!(peer.request::<u32>("back", &n).unwrap(), n);
    }
    match round % 7 {
        0 => drop(client.close("")),
        1 => client.abort(""),
        2 => peer.abort(""),
        3 => peer.close(""),
        4 => calls.map(|call| call.wait().unwrap()).iter().for_each(|n| assert!(*n < 4)),
        5 => drop(home.server.survey::<u32>("back", &n, &patient()).unwrap()),
        _ => client.pause(),
    }
    drop((client, guard));
}

// Threat 69.
#[test]
fn five_hundred_connections_come_and_go_and_leave_nothing_behind() {
    let home = Home::of(
        Server::builder()
            .threads(1)
            .handle("pool", |_, n: u32| Ok(n))
            .handle_inline("inline", |_, n: u32| Ok(n))
            .on("n", |_, _: Payload| {}),
    );
    // Until all that is made once is made.
    (0..100).for_each(|round| guest(&home, round));
    // Acceptor, timer and one thread of the pool, beside the test's own two and the watchdog's.
    let gone = || home.server.peers().is_empty() && count("task") == 6;
    wait_until(gone);
    let (descriptors, memory) = (count("fd"), live());
    for round in 0..500 {
        guest(&home, round);
    }
    // Some that never say hello, or not to the end, and some of bytes.
    for round in 0..100 {
        let mut raw = if round % 2 == 0 { home.raw() } else { home.welcomed() };
        raw.say(&[0, 0, 0][..round % 4 % 3]);
    }
    wait_until(|| gone() && count("fd") == descriptors);
    wait_until(|| live() - memory < 4096);
}
