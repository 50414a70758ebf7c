//! What clients that read and peers that are kept leave behind: nothing. A test binary of its own, because
//! threads and descriptors are the process's; one test at a time.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::fs;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{HELLO, Home, framed, wait_until, watchdog};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use switchboard::{CallError, CloseReason, Fate, Restart};
use switchboard_blocking::{Client, ClientBuilder, Peer, Server};

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    wait_until_quiet();
    alone
}

/// How many threads have a name that begins like this; the system keeps 15 bytes of it.
fn threads(name: &str) -> usize {
    let named = |entry: std::io::Result<fs::DirEntry>| {
        // One that has just ended has no name.
        let comm = fs::read_to_string(entry.unwrap().path().join("comm")).unwrap_or_default();
        comm.starts_with(&name[..name.len().min(15)])
    };
    fs::read_dir("/proc/self/task").unwrap().map(named).filter(|named| *named).count()
}

/// Waits until nothing of an earlier test is left.
fn wait_until_quiet() {
    wait_until(|| threads("switchboard-") == 0);
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn readers() -> usize {
    threads("switchboard-reader")
}

fn home() -> Home {
    Home::of(Server::builder().handle("n", |_, n: u32| Ok(n)))
}

fn serves() -> ClientBuilder {
    Client::builder().on("n", |_, ()| {}).handle("n", |_, n: u32| Ok(n))
}

#[test]
fn a_client_has_one_reader_if_it_serves_and_none_if_not() {
    let _alone = alone();
    let home = home();
    let before = descriptors();
    let calls = home.client();
    assert_eq!(calls.request::<u32>("n", &1).unwrap(), 1);
    assert_eq!(readers(), 0);
    let client = home.connect(serves());
    let guards = [1, 2, 3].map(|_| client.on("m", |_, ()| {}).unwrap());
    let more = client.handle("m", |_, ()| Ok(())).unwrap();
    wait_until(|| readers() == 1);
    for n in 0..100 {
        assert_eq!(client.request::<u32>("n", &n).unwrap(), n);
    }
    wait_until(|| readers() == 1);
    drop((guards, more, client, calls));
    home.server.close(Restart::never());
    // Acceptor, its socket and the connections' have gone; the pool and the server's own have not.
    wait_until(|| readers() == 0 && threads("switchboard-serving") == 0);
    wait_until(|| descriptors() < before);
}

#[test]
fn however_a_client_that_reads_ends_its_thread_and_descriptors_go() {
    let _alone = alone();
    for _ in 0..20 {
        wait_until_quiet();
        let home = Home::of(Server::builder());
        let before = descriptors();
        for end in ["close", "abort", "drop", "lost", "goodbye"] {
            let client = home.connect(serves());
            let peer = home.peer();
            assert_eq!(peer.request::<u32>("n", &7).unwrap(), 7);
            // A thread has its parent's name until it has its own.
            wait_until(|| readers() == 1);
            match end {
                "close" => assert!(matches!(client.close(""), CloseReason::Closed { .. })),
                "abort" => client.abort(""),
                "lost" => peer.abort(""),
                "goodbye" => peer.close(""),
                _ => {}
            }
            if matches!(end, "lost" | "goodbye") {
                wait_until(|| client.closed().is_some());
            }
            if end != "drop" {
                // Also while somebody still has the client.
                wait_until(|| readers() == 0);
            }
            drop(client);
            wait_until(|| readers() == 0 && descriptors() == before);
            assert!(home.server.peers().is_empty() || peer.closed().is_some());
        }
    }
}

#[test]
fn a_peer_that_is_kept_holds_no_descriptor_and_says_why_it_ended() {
    let _alone = alone();
    let home = home();
    let before = descriptors();
    let mut kept: Vec<(Peer, CloseReason)> = Vec::new();
    for end in 0..30 {
        let client = home.connect(if end % 2 == 0 { serves() } else { Client::builder() });
        let peer = home.peer();
        let reason = match end % 3 {
            0 => {
                client.close("bye");
                CloseReason::PeerClosed { message: "bye".into(), reconnect_after: None }
            }
            1 => {
                client.abort("");
                CloseReason::Lost
            }
            _ => {
                peer.abort("out");
                CloseReason::Aborted { message: "out".into() }
            }
        };
        drop(client);
        wait_until(|| home.server.peers().is_empty());
        kept.push((peer, reason));
    }
    wait_until(|| descriptors() == before);
    for (peer, reason) in kept {
        assert_eq!(peer.closed(), Some(reason.clone()));
        let ended = CallError::Disconnected(reason, Fate::NeverSent);
        assert_eq!(peer.request::<u32>("n", &1), Err(ended.clone()));
        assert_eq!(peer.start::<u32>("n", &1).map(drop), Err(ended.clone()));
        assert_eq!(peer.send("n", &1), Err(ended.clone()));
        assert_eq!(peer.ping(), Err(ended));
        assert_eq!(peer.counters(), None);
        peer.pause();
        peer.resume();
        peer.close("again");
        peer.abort("again");
    }
}

// Threat 58.
#[test]
fn descriptors_that_nobody_asked_for_are_not_kept() {
    let _alone = alone();
    let home = home();
    let before = descriptors();
    let mut raw = home.raw();
    let sent = [raw.0.as_fd(); 253];
    let calls = (0..20).flat_map(|n| {
        let id = 101 + 2 * n;
        framed(&[0x85, 7, 0x18, id, 0x61, b'n', 0xa0, 7])
    });
    let bytes: Vec<u8> = HELLO.iter().copied().chain(calls).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    for byte in &bytes {
        let mut buffer = SendAncillaryBuffer::new(&mut space);
        assert!(buffer.push(SendAncillaryMessage::ScmRights(&sent)));
        let byte = [IoSlice::new(std::slice::from_ref(byte))];
        assert_eq!(sendmsg(&raw.0, &byte, &mut buffer, SendFlags::empty()).unwrap(), 1);
    }
    assert_eq!(raw.hear().unwrap()[..2], [0x85, 1], "welcome");
    for _ in 0..20 {
        assert_eq!(raw.hear().unwrap()[..2], [0x83, 8], "response");
    }
    // The connection's two ends, and what wakes its thread.
    assert_eq!(descriptors(), before + 3);
}

#[test]
fn a_server_without_an_address_that_is_dropped_leaves_nothing() {
    let (_alone, _watchdog) = (alone(), watchdog());
    let before = descriptors();
    for _ in 0..20 {
        let server = Server::builder().handle("n", |_, n: u32| Ok(n)).start().unwrap();
        let (one, other) = switchboard_blocking::Stream::pair().unwrap();
        server.attach(one).unwrap();
        let client = serves().attach(other).unwrap();
        assert_eq!(client.request::<u32>("n", &7).unwrap(), 7);
        assert_eq!(server.peers()[0].request::<u32>("n", &8).unwrap(), 8);
        drop(server);
        wait_until(|| client.closed().is_some());
        drop(client);
        wait_until_quiet();
        assert_eq!(descriptors(), before);
    }
}

#[test]
fn a_server_has_a_thread_for_its_handlers_before_the_first_call() {
    let (_alone, _watchdog) = (alone(), watchdog());
    let server = Server::builder().start().unwrap();
    wait_until(|| threads("switchboard-handler") == 1);
    drop(server);
    wait_until_quiet();
}
