//! The same over every transport.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use futures_util::future::join;
use switchboard::{CloseReason, Welcome};
use switchboard_blocking::Server;
use switchboard_futures::{Client, Runtime, Stream, Transport};

use super::common::watchdog;
use super::{Harness, builder, server, until};

/// All that is asked of a transport. The client is closed at the end.
async fn talk<R>(server: &Server, client: Client<R>) {
    let text = "x".repeat(3 << 20);
    let (one, other) =
        join(client.request::<String>("echo", &text), client.request("add", &(1, 2))).await;
    assert!(one.unwrap() == text);
    assert_eq!(other, Ok(3));
    for number in 0..50_u64 {
        assert_eq!(client.request::<u64>("add", &(number, 1)).await.unwrap(), number + 1);
    }
    let peer = server.peers().remove(0);
    assert_eq!(client.close("done").await, CloseReason::Closed { message: "done".into() });
    until(|| peer.closed().is_some()).await;
    let told = CloseReason::PeerClosed { message: "done".into(), reconnect_after: None };
    assert_eq!(peer.closed(), Some(told));
}

fn at<H: Harness>(address: &str) {
    let _watchdog = watchdog();
    let authorized = server().0.authorize(|_, _| Ok(Welcome::new()));
    let server = Arc::new(authorized.bind(address).unwrap());
    let ours = Arc::clone(&server);
    H::run(async move {
        let address = ours.address().unwrap().to_string();
        let builder = builder::<H>().verify_server(|_| true);
        talk(&ours, builder.connect(&address).await.unwrap()).await;
    });
}

fn over<H: Harness>(one: Stream, other: Stream) {
    let _watchdog = watchdog();
    let server = Arc::new(server().0.start().unwrap());
    server.attach(other).unwrap();
    let ours = Arc::clone(&server);
    H::run(async move {
        talk(&ours, builder::<H>().attach(one).await.unwrap()).await;
    });
}

pub(crate) fn tcp<H: Harness>() {
    at::<H>("tcp:127.0.0.1:0");
}

pub(crate) fn an_abstract_name<H: Harness>() {
    if cfg!(target_os = "linux") {
        // A name of its own: those of all programs are in one place.
        let name = std::any::type_name::<H>().replace("::", "-");
        at::<H>(&format!("@switchboard-{}-{name}", std::process::id()));
    }
}

pub(crate) fn a_pair<H: Harness>() {
    let (one, other) = Stream::pair().unwrap();
    over::<H>(one, other);
}

/// Two ends of two pipes.
fn pipes() -> (Stream, Stream) {
    let pipe = || -> (OwnedFd, OwnedFd) { rustix::pipe::pipe().unwrap() };
    let (there, back) = (pipe(), pipe());
    let one = Stream::from_pipes(back.0, there.1).unwrap();
    (one, Stream::from_pipes(there.0, back.1).unwrap())
}

pub(crate) fn two_pipes<H: Harness>() {
    let (one, other) = pipes();
    over::<H>(one, other);
}

/// Fills what the system holds, then shuts this side, then hangs up, with `other` at the other end.
async fn shut(transport: &dyn Transport, other: &Stream) {
    let (slices, mut bytes) = ([IoSlice::new(&[7; 5000])], vec![0; 1 << 16]);
    let mut written = 0;
    for _ in 0..3 {
        poll_fn(|cx| transport.poll_writable(cx)).await.unwrap();
        let full = loop {
            match transport.try_write_vectored(&slices) {
                Ok(count) => written += count,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        while let Ok(count @ 1..) = other.try_read(&mut bytes) {
            written -= count;
        }
    }
    assert_eq!(written, 0);
    transport.shutdown_write().unwrap();
    assert_eq!(other.try_read(&mut bytes).unwrap(), 0, "the end is seen");
    poll_fn(|cx| transport.poll_writable(cx)).await.unwrap();
    let error = transport.try_write_vectored(&slices).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    // Reading goes on.
    assert_eq!(other.try_write_vectored(&slices).unwrap(), 5000);
    assert_eq!(poll_fn(|cx| transport.poll_read(cx, &mut bytes)).await.unwrap(), 5000);
    transport.hang_up();
    assert!(transport.try_write_vectored(&slices).is_err());
}

pub(crate) fn one_side_may_be_shut<H: Harness>() {
    let _watchdog = watchdog();
    H::run(async {
        for (one, other) in [Stream::pair().unwrap(), pipes()] {
            shut(&*H::Runtime::transport(one).unwrap(), &other).await;
        }
    });
}

pub(crate) fn slices_go_as_one_write<H: Harness>() {
    let _watchdog = watchdog();
    H::run(async {
        for (one, other) in [Stream::pair().unwrap(), pipes()] {
            let transport = H::Runtime::transport(one).unwrap();
            let slices = [IoSlice::new(b"one "), IoSlice::new(b"and "), IoSlice::new(b"another")];
            poll_fn(|cx| transport.poll_writable(cx)).await.unwrap();
            assert_eq!(transport.try_write_vectored(&slices).unwrap(), 15);
            let mut bytes = [0; 20];
            assert_eq!(other.try_read(&mut bytes).unwrap(), 15);
            assert_eq!(&bytes[..15], b"one and another");
        }
    });
}
