//! A connection's second descriptor: it has one while a write waits for room, and at no other time. Alone in
//! this program, because it counts all that the process has.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::thread;

use futures_util::FutureExt;
use switchboard_futures::{Runtime, Stream, Transport};
use switchboard_tokio::Tokio;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Writes until there is no room.
fn fill(end: &dyn Transport) -> usize {
    let mut all = 0;
    loop {
        match end.try_write_vectored(&[IoSlice::new(&[7; 1 << 16])]) {
            Ok(written) => all += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return all,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn read(end: &dyn Transport, buffer: &mut [u8]) -> usize {
    poll_fn(|cx| end.poll_read(cx, buffer)).await.unwrap()
}

#[tokio::test]
async fn a_socket_has_another_descriptor_while_it_waits_for_room_and_no_longer() {
    let (one, other) = Stream::pair().unwrap();
    let (one, other) = (Tokio::transport(one).unwrap(), Tokio::transport(other).unwrap());
    let before = descriptors();
    for _ in 0..2 {
        let mut lacking = fill(&*one);
        assert_eq!(descriptors(), before, "nobody waits yet");
        // Whoever waits first may be on any thread.
        let waits = || poll_fn(|cx| one.poll_writable(cx)).now_or_never().is_none();
        assert!(thread::scope(|scope| scope.spawn(waits).join()).unwrap());
        assert_eq!(descriptors(), before + 1);
        let mut buffer = vec![0; 1 << 20];
        while lacking > 0 {
            lacking -= read(&*other, &mut buffer).await;
        }
        poll_fn(|cx| one.poll_writable(cx)).await.unwrap();
        assert_eq!(one.try_write_vectored(&[IoSlice::new(b"room")]).unwrap(), 4);
        assert_eq!(descriptors(), before, "all is written");
        assert_eq!(read(&*other, &mut [0; 5]).await, 4);
    }
}
