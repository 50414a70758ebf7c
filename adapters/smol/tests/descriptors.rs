//! What has ended holds no descriptor, whoever keeps it. A test binary of its own, because it counts those of
//! the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "../../blocking/tests/common/mod.rs"]
mod common;

use common::Home;
use switchboard::CallError;
use switchboard_blocking::Server;
use switchboard_smol::Client;

fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn clients_whose_connections_have_ended_hold_no_descriptor() {
    let home = Home::of(Server::builder().handle("works", |_, ()| Ok(true)));
    smol::block_on(async {
        // What the runtime itself opens is there behind this.
        let first = Client::connect(&home.address).await.unwrap();
        first.close("").await;
        let before = open();
        let mut kept = Vec::new();
        for _ in 0..20 {
            let client = Client::connect(&home.address).await.unwrap();
            assert!(client.request::<bool>("works", &()).await.unwrap());
            client.close("").await;
            let called = client.request::<bool>("works", &()).await;
            assert!(matches!(called, Err(CallError::Disconnected(..))), "{called:?}");
            kept.push(client);
        }
        common::wait_until(|| open() <= before);
    });
    let before = open();
    let mut kept = Vec::new();
    for _ in 0..20 {
        let client = home.client();
        assert!(client.request::<bool>("works", &()).unwrap());
        client.close("");
        kept.push(client);
    }
    // Each has one to be woken by.
    common::wait_until(|| open() <= before + kept.len());
}
