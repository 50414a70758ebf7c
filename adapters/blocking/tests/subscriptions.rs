//! Subscriptions begin and end, very many of them, of every kind, and leave no memory behind at either side. A
//! test binary of its own, because memory is the process's. `SWITCHBOARD_TEST_ROUNDS` says how many, in place
//! of those that take a debug build a few seconds.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;
mod counting;

use std::env;

use common::{Place, patient, wait_until, watchdog};
use counting::live;
use switchboard::Counters;
use switchboard_blocking::{Client, Server};

const ROUNDS: &str = "SWITCHBOARD_TEST_ROUNDS";
/// So many, and memory must be what it was.
const TURN: u64 = 2000;

/// Begins and ends a subscription: of ever new patterns, with and without a group or retained values, read or
/// not. Each group has members over one connection only, in whose order they come and go.
fn subscribe(client: &Client, round: u64) {
    let options = match round % 4 {
        0 => patient(),
        1 => patient().retained(),
        2 => patient().group(format!("g{}", round % 1000)),
        _ => patient().group("g"),
    };
    let (own, pattern) = match round % 5 {
        0 => (format!("a.{round}"), ">".into()),
        1 => (format!("a.{round}"), format!("*.{round}")),
        2 => (format!("a.{round}.b.c"), format!("a.{round}.>")),
        _ => (format!("a.{round}"), format!("a.{round}")),
    };
    let mut all = client.with(options).subscribe::<u64>(&pattern).unwrap();
    if round % 7 == 0 {
        client.publish(&own, &round).unwrap();
    }
    if round % 14 == 0 {
        let first = all.find(|delivery| delivery.as_ref().unwrap().topic == own);
        assert_eq!(first.unwrap().unwrap().value, round);
    }
}

/// What is under way, and which subscriptions live.
fn open(server: &Server, clients: &[Client]) -> (u64, usize) {
    let ends = server.peers().into_iter().map(|peer| peer.counters().unwrap());
    let ends: Vec<_> = ends.chain(clients.iter().map(Client::counters)).collect();
    let under_way = |end: &Counters| end.unsent + (end.open_made + end.open_served) as u64;
    (ends.iter().map(under_way).sum(), ends.iter().map(|end| end.subscriptions).sum())
}

// Threat 36.
#[test]
fn subscriptions_come_and_go_and_leave_no_memory_behind() {
    let rounds: u64 = env::var(ROUNDS).map_or(20_000, |rounds| rounds.parse().unwrap());
    let place = Place::new();
    let server = Server::builder().bind(&place.address()).unwrap();
    let clients = [(); 2].map(|()| Client::connect(&place.address()).unwrap());
    clients[0].with(patient().retain()).publish_counted("retained", &0).unwrap();
    let _stays = clients[1].subscribe::<u64>("nothing.of.all.this").unwrap();
    // What is made once is made in the first turn.
    let mut before = None;
    for turn in 0..=rounds.div_ceil(TURN) {
        let _watchdog = watchdog();
        for round in turn * TURN..(turn + 1) * TURN {
            subscribe(&clients[round as usize % 2], round);
        }
        wait_until(|| open(&server, &clients) == (0, 1));
        let before = *before.get_or_insert_with(live);
        wait_until(|| live() - before < 4096);
    }
}
