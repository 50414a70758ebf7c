//! What connections leave behind: nothing. A test binary of its own, because threads and descriptors
//! are the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::fs;
use std::sync::mpsc::channel;
use std::thread;

use common::{Home, Tell};
use switchboard::Welcome;
use switchboard_blocking::{Client, Server};

fn count(what: &str) -> usize {
    fs::read_dir(format!("/proc/self/{what}")).unwrap().count()
}

/// Waits until threads and descriptors are as many as they were; the watchdog barks if they never are.
fn wait_until_all_is_as(before: (usize, usize)) {
    while (count("task"), count("fd")) != before {
        thread::yield_now();
    }
}

// Threat 69.
#[test]
fn connections_leave_no_thread_and_no_descriptor_behind() {
    let (sender, ended) = channel();
    let outside = {
        // The watchdog's thread is counted in.
        let _watchdog = common::watchdog();
        (count("task"), count("fd"))
    };
    let home = Home::of(
        Server::builder()
            .threads(1)
            .authorize(move |_, _| Ok(Welcome::new().state(Tell(sender.clone()))))
            .handle("pool", |_, n: u32| Ok(n))
            .handle_inline("inline", |_, n: u32| Ok(n))
            .on("message", |_, _: u32| {}),
    );
    // The server's own threads have started after a first call.
    let client = home.client();
    client.request::<u32>("pool", &1).unwrap();
    client.close("");
    drop(client);
    ended.recv().unwrap();
    // Acceptor, timer and one thread of the pool beside those that were there.
    while count("task") != outside.0 + 3 {
        thread::yield_now();
    }
    let before = (count("task"), count("fd"));
    for round in 0..200 {
        match round % 5 {
            0 => drop(home.client()),
            1 => {
                home.client().close("");
            }
            2 => {
                let client = home.client();
                client.send("message", &1).unwrap();
                assert_eq!(client.request::<u32>("inline", &round).unwrap(), round);
                client.abort("");
            }
            3 => drop(home.welcomed()),
            _ => {
                let client = home.client();
                assert_eq!(client.request::<u32>("pool", &round).unwrap(), round);
                client.ping().unwrap();
            }
        }
        ended.recv().unwrap();
    }
    // Some that never say hello.
    (0..50).for_each(|_| drop(home.raw()));
    wait_until_all_is_as(before);

    let client = home.client();
    client.close("");
    drop(client);
    home.server.close(switchboard::Restart::never());
    drop(home);
    // The watchdog has gone with it.
    wait_until_all_is_as((outside.0 - 1, outside.1));

    // Clients that find nobody.
    for _ in 0..50 {
        Client::connect("/nowhere/at/all").unwrap_err();
    }
    wait_until_all_is_as((outside.0 - 1, outside.1));
}
