//! Real processes: servers that start at once, that are killed, that run out of descriptors; clients
//! that become somebody else.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::env;
use std::process::{Command, Stdio};

use common::{Talker, hear};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};
use switchboard_endpoint::{AcceptPause, Address, Listener, OpenError, Stream};
use tempfile::{TempDir, tempdir};

fn place() -> (TempDir, Address) {
    let folder = tempdir().unwrap();
    let address = Address::from(folder.path().join("app.sock"));
    (folder, address)
}

#[test]
fn of_two_processes_that_start_at_once_one_serves() {
    let (_folder, address) = place();
    let path = address.path().unwrap();
    for round in 0..30 {
        let mut both = [0, 1].map(|_| {
            let mut one = Talker::start(&mut common::myself("serve"), &address).unwrap();
            assert_eq!(one.says(), "ready");
            one
        });
        both.iter_mut().for_each(|one| one.tell("go"));
        let verdicts = both.each_mut().map(Talker::says);
        let [one, other] = both;
        let (winner, loser) = match verdicts.each_ref().map(String::as_str) {
            ["serving", "in use"] => (one, other),
            ["in use", "serving"] => (other, one),
            both => panic!("round {round}: {both:?}"),
        };
        Stream::connect(&address).unwrap();
        loser.end();
        Stream::connect(&address).unwrap();
        if round % 3 == 0 {
            // What it leaves is found by those of the next round.
            winner.kill();
            assert!(path.exists());
            let error = Stream::connect(&address).unwrap_err();
            assert!(matches!(error, OpenError::NotRunning { .. }), "{error}");
        } else {
            winner.end();
            assert!(!path.exists());
        }
    }
}

/// Out of descriptors, the listener stays; the client waits in the queue.
// Threat 65.
#[test]
fn a_server_without_descriptors_goes_on_when_it_has_some() {
    let (_folder, address) = place();
    let mut server = Talker::start(&mut common::myself("starve"), &address).unwrap();
    assert_eq!(server.says(), "ready");
    let client = Stream::connect(&address).unwrap();
    server.tell("go");
    assert_eq!(server.says(), "starved");
    common::write(&client, b"x");
    assert_eq!(server.says(), "accepted");
    server.end();
}

/// The kernel says who connected, not who writes: that stands, whatever becomes of the process.
// Threat 57.
#[test]
fn credentials_are_those_of_whoever_connected() {
    if !geteuid().is_root() {
        return; // Only root can become somebody else.
    }
    let (_folder, address) = place();
    let listener = Listener::bind(&address).unwrap();
    let mut client = Talker::start(&mut common::myself("turn"), &address).unwrap();
    assert_eq!(client.says(), "connected");
    let (server, credentials) = common::accept(&listener);
    let credentials = credentials.unwrap();
    if cfg!(target_os = "linux") {
        assert_eq!((credentials.uid, credentials.pid), (0, Some(client.child.id())));
    }
    client.tell("go");
    assert_eq!(client.says(), "another now");
    assert_eq!(server.credentials().unwrap(), Some(credentials));
    client.end();
    // Its child has the stream now, and the process that the pid names is no more.
    common::write(&server, b"x");
    assert_eq!(common::read(&server, 1), b"x");
    assert_eq!(server.credentials().unwrap(), Some(credentials));
    assert!(common::read(&server, 1).is_empty());
}

#[test]
fn child() {
    let Some(role) = common::role() else { return };
    let address: Address = env::var("ADDRESS").unwrap().parse().unwrap();
    match role.as_str() {
        "serve" => serve(&address),
        "starve" => starve(&address),
        "turn" => turn(&address),
        other => panic!("{other}"),
    }
}

fn serve(address: &Address) {
    eprintln!("ready");
    hear();
    let bound = Listener::bind(address);
    match &bound {
        Ok(_) => eprintln!("serving"),
        Err(OpenError::InUse { .. }) => eprintln!("in use"),
        Err(error) => eprintln!("{error}"),
    }
    assert_eq!(hear(), None);
}

fn starve(address: &Address) {
    let listener = Listener::bind(address).unwrap();
    eprintln!("ready");
    hear();
    assert!(common::readable(&listener, 20_000));
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(2), ..before }).unwrap();
    let mut pause = AcceptPause::new();
    for _ in 0..3 {
        let error = listener.accept().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::EMFILE as i32), "{error}");
        std::thread::sleep(pause.failed());
        assert!(common::readable(&listener, 0), "the client is still in the queue");
    }
    setrlimit(Resource::Nofile, before).unwrap();
    eprintln!("starved");
    let (stream, _) = listener.accept().unwrap();
    assert_eq!(common::read(&stream, 1), b"x");
    eprintln!("accepted");
    assert_eq!(hear(), None);
}

/// Connects, becomes another user, and leaves the stream to a child of its own.
#[expect(clippy::zombie_processes, reason = "that child outlives this process")]
fn turn(address: &Address) {
    let stream = Stream::connect(address).unwrap();
    eprintln!("connected");
    hear();
    nix::unistd::setuid(nix::unistd::Uid::from_raw(4242)).unwrap();
    assert_eq!(geteuid().as_raw(), 4242);
    // `head` waits for what it reads.
    rustix::io::ioctl_fionbio(&stream, false).unwrap();
    let ends = [0, 1].map(|_| std::os::fd::AsFd::as_fd(&stream).try_clone_to_owned().unwrap());
    let [input, output] = ends;
    let mut command = Command::new("head");
    command.args(["-c", "1"]).stdin(input).stdout(output).stderr(Stdio::null());
    command.spawn().unwrap();
    eprintln!("another now");
    assert_eq!(hear(), None);
}
