//! `Stream` over a pair of real sockets.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::sys::signal::{SigSet, Signal};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use switchboard_endpoint::Stream;

#[test]
fn bytes_arrive_in_order_and_then_the_end() {
    let (one, other) = Stream::pair().unwrap();
    let mut buffer = [0; 16];
    assert_eq!(other.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    let slices = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
    assert_eq!(one.try_write_vectored(&slices).unwrap(), 5);
    one.shutdown_write().unwrap();
    assert_eq!(other.try_read(&mut buffer[..3]).unwrap(), 3);
    assert_eq!(other.try_read(&mut buffer[3..]).unwrap(), 2);
    assert_eq!(&buffer[..5], b"abcde");
    assert_eq!(other.try_read(&mut buffer).unwrap(), 0);
    // The other direction goes on.
    assert_eq!(other.try_write_vectored(&[IoSlice::new(b"z")]).unwrap(), 1);
    assert_eq!(one.try_read(&mut buffer).unwrap(), 1);
    drop(other);
    one.shutdown_write().unwrap();
}

#[test]
fn a_pair_is_of_one_process() {
    let (one, other) = Stream::pair().unwrap();
    let credentials = one.credentials().unwrap().unwrap();
    assert!(credentials.same_user_or_root());
    assert_eq!(credentials.pid, Some(std::process::id()));
    assert_eq!(other.credentials().unwrap(), Some(credentials));
    assert!(one.write_fd().is_none());
}

/// Also where another thread waits for it.
#[test]
fn hanging_up_ends_both_directions_at_both_ends() {
    let (one, other) = Stream::pair().unwrap();
    one.try_write_vectored(&[IoSlice::new(b"last")]).unwrap();
    one.hang_up();
    let mut buffer = [0; 8];
    assert_eq!(other.try_read(&mut buffer).unwrap(), 4);
    for end in [&one, &other] {
        assert_eq!(end.try_read(&mut buffer).unwrap(), 0);
        let error = end.try_write_vectored(&[IoSlice::new(b"x")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
    one.hang_up();
}

#[test]
fn a_full_socket_does_not_block() {
    let (one, _other) = Stream::pair().unwrap();
    let block = [0; 65536];
    let error = loop {
        if let Err(error) = one.try_write_vectored(&[IoSlice::new(&block)]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn more_slices_than_the_system_takes_are_written_in_part() {
    let (one, _other) = Stream::pair().unwrap();
    let slices = [IoSlice::new(b"x"); 1500];
    assert_eq!(one.try_write_vectored(&slices).unwrap(), 1024);
}

/// A blocked signal is kept pending even where it is ignored, as the test's runtime does.
#[test]
fn a_gone_peer_is_an_error_and_no_signal() {
    let sigpipe = SigSet::from(Signal::SIGPIPE);
    sigpipe.thread_block().unwrap();
    let pending = || {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigPnd:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap() >> (Signal::SIGPIPE as u64 - 1) & 1 == 1
    };
    let (one, other) = Stream::pair().unwrap();
    drop(other);
    let error = one.try_write_vectored(&[IoSlice::new(b"x")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(!pending());

    // What would be seen if there were a signal: std's vectored write raises one.
    let (mut one, other) = UnixStream::pair().unwrap();
    drop(other);
    one.write_vectored(&[IoSlice::new(b"x"), IoSlice::new(b"y")]).unwrap_err();
    assert!(pending());
}

/// As many as one message can carry, with each byte.
// Threat 58.
#[test]
fn descriptors_that_a_peer_sends_along_are_dropped() {
    const MOST: usize = 253;
    let (socket, other) = Stream::pair().unwrap();
    let (one, write) = UnixStream::pair().unwrap();
    let (_read, spare) = UnixStream::pair().unwrap();
    let halves = Stream::from_pipes(one.into(), spare.into()).unwrap();
    for (from, to) in [(socket.as_fd(), &other), (write.as_fd(), &halves)] {
        for _ in 0..20 {
            let (mut reader, writer) = UnixStream::pair().unwrap();
            reader.set_nonblocking(true).unwrap();
            let descriptors = [writer.as_fd(); MOST];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
            let bytes = [IoSlice::new(b"x")];
            rustix::net::sendmsg(from, &bytes, &mut control, SendFlags::empty()).unwrap();
            drop(writer);

            let mut buffer = [0; 8];
            let error = reader.read(&mut buffer).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "in flight");
            assert_eq!(to.try_read(&mut buffer).unwrap(), 1);
            // Its end shows that no writer is left in any process.
            assert_eq!(reader.read(&mut buffer).unwrap(), 0);
        }
    }
}
