//! How `serve` starts and ends.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use common::{GOODBYE, HELLO, Serve, finish, read_frame, write_frame};
use rustix::process::Signal;

/// A client whose call of `sleep` the server has read: it answers what came behind the call.
fn sleeper(serve: &Serve, ms: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(serve.path()).unwrap();
    write_frame(&mut stream, HELLO);
    assert_eq!(read_frame(&mut stream)[..2], [0x85, 0x01]);
    // [7, 1, "sleep", {}, {"ms": ...}]
    write_frame(&mut stream, &[b"\x85\x07\x01\x65sleep\xa0\xa1\x62ms", ms].concat());
    // [4, 7] and [5, 7]
    write_frame(&mut stream, b"\x82\x04\x07");
    assert_eq!(read_frame(&mut stream), b"\x82\x05\x07");
    stream
}

#[test]
fn a_signal_ends_it_well_and_its_file_goes() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut serve = Serve::demo();
        assert!(serve.before.is_empty());
        assert!(serve.path().exists());
        serve.signal(signal);
        assert!(serve.line().starts_with("switchboard: closing"));
        assert_eq!(serve.end(), Some(0));
        assert!(!serve.path().exists());
    }
}

#[test]
fn an_open_call_gets_its_answer_first() {
    let mut serve = Serve::demo();
    // [..., {"ms": 500}]
    let mut stream = sleeper(&serve, &[0x19, 0x01, 0xf4]);
    serve.signal(Signal::TERM);
    let goodbye = read_frame(&mut stream);
    assert_eq!(goodbye[..3], [0x84, 0x03, 0x00]);
    assert!(goodbye.ends_with(b"the server was stopped\xf6"));
    write_frame(&mut stream, GOODBYE);
    // [8, 1, null]
    assert_eq!(read_frame(&mut stream), b"\x83\x08\x01\xf6");
    drop(stream);
    assert_eq!(serve.end(), Some(0));
}

/// The client would wait for its answer for a minute, the server for 5 s: the second counts.
#[test]
fn an_open_call_of_the_program_gets_its_answer_first() {
    let mut serve = Serve::demo();
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("between.sock");
    let between = UnixListener::bind(&address).unwrap();
    let arguments = ["call", address.to_str().unwrap(), "sleep", r#"{"ms":1500}"#];
    let client = common::binary(&arguments).args(["--timeout", "60s"]).spawn().unwrap();

    let (mut to_client, _) = between.accept().unwrap();
    let mut to_server = UnixStream::connect(serve.path()).unwrap();
    // The handshake and the call; then a ping of ours, whose pong says that the call was read.
    write_frame(&mut to_server, &read_frame(&mut to_client));
    write_frame(&mut to_client, &read_frame(&mut to_server));
    write_frame(&mut to_server, &read_frame(&mut to_client));
    write_frame(&mut to_server, b"\x82\x04\x07");
    assert_eq!(read_frame(&mut to_server), b"\x82\x05\x07");
    serve.signal(Signal::INT);
    let carry = |from: &UnixStream, to: &UnixStream| {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        })
    };
    let both = [carry(&to_client, &to_server), carry(&to_server, &to_client)];

    let done = finish(client);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "null\n", ""));
    assert_eq!(serve.end(), Some(0));
    for thread in both {
        thread.join().unwrap();
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut serve = Serve::demo();
    // [..., {"ms": 3600000}]
    let _stream = sleeper(&serve, &[0x1a, 0x00, 0x36, 0xee, 0x80]);
    serve.signal(Signal::TERM);
    assert!(serve.line().contains("signal again to end at once"));
    serve.signal(Signal::TERM);
    assert_eq!(serve.end(), Some(130));
}

#[test]
fn without_channels_it_says_so() {
    let mut serve = Serve::start(&[]);
    assert!(serve.before[0].contains("no channels are served"));
    assert_eq!(serve.call("echo", &[]).code, Some(1));
    serve.signal(Signal::TERM);
    assert_eq!(serve.end(), Some(0));
}

#[test]
fn a_file_that_was_left_behind_is_no_hindrance() {
    let mut serve = Serve::demo();
    serve.signal(Signal::KILL);
    assert_eq!(serve.end(), None);
    assert!(serve.path().exists());
    assert_eq!(serve.call("echo", &[]).code, Some(3));
    let again = common::binary(&["serve", &serve.address()]).spawn().unwrap();
    serve.adopt(again);
    assert_eq!(serve.call("echo", &[]).code, Some(1));
}
