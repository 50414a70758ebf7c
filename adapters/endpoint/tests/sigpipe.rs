//! A gone peer is an error and never a signal, over every transport. A test program of its own,
//! because what a signal does is the process's: here a handler counts it, so that it is not ignored,
//! as Rust's runtime has it, and one that is raised is seen. By default it would end the process.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};
use rustix::pipe::pipe;
use signal_hook::consts::SIGPIPE;
use switchboard_endpoint::{Listener, Stream};

/// Two ends that are connected.
type Ends = (Stream, Stream);

fn listening(address: &str) -> Ends {
    let listener = Listener::bind(&address.parse().unwrap()).unwrap();
    let client = Stream::connect(listener.address()).unwrap();
    let (server, _) = common::accept(&listener);
    (client, server)
}

fn two(read: (OwnedFd, OwnedFd), write: (OwnedFd, OwnedFd)) -> Ends {
    let one = Stream::from_pipes(read.0, write.1).unwrap();
    let other = Stream::from_pipes(write.0, read.1).unwrap();
    (one, other)
}

fn pipes() -> Ends {
    two(pipe().unwrap(), pipe().unwrap())
}

fn two_sockets() -> Ends {
    let sockets = || {
        let (one, other) = UnixStream::pair().unwrap();
        (one.into(), other.into())
    };
    two(sockets(), sockets())
}

/// Writes until it fails. Over TCP the peer's system must first have said that it has gone.
fn write_until_it_fails(stream: &Stream) -> io::Error {
    let mut error = None;
    common::eventually("an error", || {
        error = stream.try_write_vectored(&[IoSlice::new(b"x"), IoSlice::new(b"y")]).err();
        error.is_some()
    });
    error.unwrap()
}

/// Signals that wait for this thread.
fn pending() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("SigPnd:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap() >> (Signal::SIGPIPE as u64 - 1) & 1 == 1
}

/// One test, so that nobody else in this process raises one.
#[test]
fn a_gone_peer_is_an_error_and_never_a_signal() {
    let seen = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGPIPE, Arc::clone(&seen)).unwrap();
    let was_seen = || seen.swap(false, Ordering::SeqCst);

    // What would be seen if there were one: std's own write to a pipe raises it.
    let (read, write) = pipe().unwrap();
    drop(read);
    let error = fs::File::from(write).write(b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(was_seen());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock").to_str().unwrap().to_owned();
    let abstract_name = format!("@switchboard-sigpipe-{}", std::process::id());
    let mut ways: Vec<(&str, Ends)> = vec![
        ("a path", listening(&path)),
        ("tcp", listening("tcp:127.0.0.1:0")),
        ("a pair", Stream::pair().unwrap()),
        ("pipes", pipes()),
        ("two sockets", two_sockets()),
    ];
    if cfg!(target_os = "linux") {
        ways.push(("an abstract name", listening(&abstract_name)));
    }
    for (way, (one, other)) in ways {
        drop(other);
        let error = write_until_it_fails(&one);
        let gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind());
        assert!(gone, "{way}: {error}");
        for _ in 0..2 {
            assert_eq!(write_until_it_fails(&one).kind(), ErrorKind::BrokenPipe, "{way}");
        }
        assert!(!was_seen(), "{way}");
        let mask = SigSet::thread_get_mask().unwrap();
        if cfg!(target_os = "linux") {
            assert!(!mask.contains(Signal::SIGPIPE), "{way}: it is blocked no longer than needed");
        }
    }

    // A child that has ended.
    let (stream, mut child) = Stream::spawn(&mut Command::new("true")).unwrap();
    child.wait().unwrap();
    assert_eq!(write_until_it_fails(&stream).kind(), ErrorKind::BrokenPipe);
    assert!(!was_seen());

    // One's own shut half.
    let (one, _other) = pipes();
    one.shutdown_write().unwrap();
    assert_eq!(write_until_it_fails(&one).kind(), ErrorKind::BrokenPipe);
    assert!(!was_seen());

    // In a thread that blocks the signal nothing is left to wait for the day when it does not.
    if cfg!(target_os = "linux") {
        SigSet::from(Signal::SIGPIPE).thread_block().unwrap();
        for (one, other) in [pipes(), Stream::pair().unwrap()] {
            drop(other);
            assert_eq!(write_until_it_fails(&one).kind(), ErrorKind::BrokenPipe);
            assert!(!pending());
        }
        let mask = SigSet::thread_get_mask().unwrap();
        assert!(mask.contains(Signal::SIGPIPE), "it is blocked as before");
    }
}
