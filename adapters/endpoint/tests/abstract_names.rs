//! Abstract names: no file, and so no mode; what protects is who the client is.
#![cfg(any(target_os = "linux", target_os = "android"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::os::unix::process::CommandExt;
use std::sync::Barrier;
use std::{env, process, thread};

use common::{accept, talk};
use rustix::process::geteuid;
use switchboard_endpoint::{Address, BindOptions, Listener, OpenError, Stream};

/// A name of this process and test.
fn name(what: &str) -> Address {
    format!("@switchboard-test-{}-{what}", process::id()).parse().unwrap()
}

#[test]
fn bytes_go_both_ways_between_those_who_know_each_other() {
    let address = name("talk");
    let listener = Listener::bind(&address).unwrap();
    assert_eq!(listener.address(), &address);
    assert_eq!(listener.path(), None);
    assert!(!address.needs_authorize());
    let client = Stream::connect(&address).unwrap();
    let (server, credentials) = accept(&listener);
    let credentials = credentials.unwrap();
    assert!(credentials.same_user_or_root());
    assert_eq!(credentials.pid, Some(process::id()));
    assert_eq!(client.credentials().unwrap(), Some(credentials));
    assert!(client.write_fd().is_none());
    talk(&client, &server);
}

#[test]
fn the_longest_name_is_a_name() {
    let text = format!("@{:x<107}", process::id());
    assert_eq!(text.len(), 108);
    let address: Address = text.parse().unwrap();
    let listener = Listener::bind(&address).unwrap();
    let shorter: Address = text[..107].parse().unwrap();
    assert!(matches!(Stream::connect(&shorter), Err(OpenError::NotRunning { .. })));
    Stream::connect(&address).unwrap();
    accept(&listener);
}

#[test]
fn a_name_is_taken_as_long_as_its_server_lives() {
    let address = name("taken");
    for _ in 0..3 {
        // A child of another test that is just being started holds all descriptors for a moment.
        let error = loop {
            match Stream::connect(&address) {
                Ok(_) => thread::yield_now(),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, OpenError::NotRunning { .. }), "{error}");
        let listener = Listener::bind(&address).unwrap();
        let error = Listener::bind(&address).unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        Stream::connect(&address).unwrap();
        drop(listener);
    }
}

#[test]
fn of_two_servers_that_start_at_once_one_serves() {
    let address = name("race");
    for round in 0..1000 {
        let start = Barrier::new(2);
        let bind = || {
            start.wait();
            Listener::bind(&address)
        };
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(bind);
            let other = bind();
            (one.join().unwrap(), other)
        });
        let (winner, loser) = match (one, other) {
            (Ok(winner), Err(loser)) | (Err(loser), Ok(winner)) => (winner, loser),
            both => panic!("round {round}: {both:?}"),
        };
        assert!(matches!(loser, OpenError::InUse { .. }), "round {round}: {loser}");
        let _client = Stream::connect(&address).unwrap();
        accept(&winner);
    }
}

#[test]
fn there_is_no_file_for_a_mode_or_group() {
    for options in [BindOptions::new().mode(0o600), BindOptions::new().group("0")] {
        let error = options.bind(&name("options")).unwrap_err();
        assert!(matches!(error, OpenError::BadConfig(_)), "{error}");
    }
}

/// Another user can connect, and the server sees who it is.
// Threat 54.
#[test]
fn another_user_is_seen_to_be_another() {
    if !geteuid().is_root() {
        return; // Only root can be somebody else.
    }
    let address = name("stranger");
    let listener = Listener::bind(&address).unwrap();
    let mut command = common::myself("connect");
    let spawned = command.env("ADDRESS", address.to_string()).uid(4242).gid(4243).spawn();
    let Ok(mut child) = spawned else { return }; // This program is out of that user's reach.
    let (server, credentials) = accept(&listener);
    let credentials = credentials.unwrap();
    assert_eq!((credentials.uid, credentials.gid), (4242, 4243));
    assert_eq!(credentials.pid, Some(child.id()));
    assert!(!credentials.same_user_or_root());
    // And it sees who serves before it has said a word.
    assert_eq!(common::read(&server, 100), b"0");
    drop(server);
    assert!(child.wait().unwrap().success());
}

#[test]
fn child() {
    if common::role().is_none() {
        return;
    }
    let stream = Stream::connect(&env::var("ADDRESS").unwrap().parse().unwrap()).unwrap();
    let server = stream.credentials().unwrap().unwrap();
    common::write(&stream, server.uid.to_string().as_bytes());
    assert!(common::read(&stream, 1).is_empty());
}
