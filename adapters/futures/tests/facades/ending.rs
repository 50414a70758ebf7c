//! How connections begin and end, and bytes that come as they like.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;

use futures_util::future::{join, join_all};
use switchboard::{CallError, CloseReason};
use switchboard_futures::OpenError;

use super::common::{Place, Raw, framed, watchdog};
use super::{Harness, at_home, builder, connect, poll_once, served_by, until};

pub(crate) fn closing_waits_for_what_is_under_way<H: Harness>() {
    at_home::<H, _>(|home, gate| async move {
        let client = connect::<H>(&home).await;
        let call = client.request::<()>("gate", &());
        until(|| gate.count() == 1).await;
        let mut closing = Box::pin(client.close("done"));
        assert!(poll_once(&mut closing).await.is_pending());
        gate.open();
        let (reason, answer) = join(closing, call).await;
        answer.unwrap();
        assert_eq!(reason, CloseReason::Closed { message: "done".into() });
        assert_eq!(client.closed(), Some(reason));
        let called = client.request::<u64>("add", &(1, 2)).await;
        assert!(matches!(called, Err(CallError::Disconnected(..))), "{called:?}");
    });
}

pub(crate) fn whoever_waits_learns_that_the_server_has_gone<H: Harness>() {
    at_home::<H, _>(|home, gate| async move {
        let client = connect::<H>(&home).await;
        for alone in [false, true] {
            let came = gate.count();
            let client = if alone { connect::<H>(&home).await } else { client.clone() };
            let calls = (0..if alone { 1 } else { 5 }).map(|_| client.request::<()>("gate", &()));
            let mut calls = join_all(calls);
            assert!(poll_once(&mut calls).await.is_pending());
            until(|| gate.count() > came).await;
            home.server.peers().iter().for_each(|peer| peer.abort("enough"));
            for called in calls.await {
                assert!(matches!(called, Err(CallError::Disconnected(..))), "{called:?}");
            }
            assert!(client.closed().is_some());
        }
        gate.open();
    });
}

pub(crate) fn the_end_comes_with_the_last_bytes<H: Harness>() {
    const ROUNDS: u32 = 200;
    // The answer to call 1, and the end of the stream behind it.
    let (address, end) = served_by(ROUNDS, |raw| {
        assert_eq!(raw.hear().unwrap()[..3], [0x85, 7, 1], "request");
        raw.frame(&[0x83, 8, 1, 3]);
    });
    H::run(async move {
        for _ in 0..ROUNDS {
            let client = builder::<H>().connect(&address).await.unwrap();
            assert_eq!(client.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
            let ping = client.ping().await;
            assert!(matches!(ping, Err(CallError::Disconnected(..))), "{ping:?}");
        }
    });
    end();
}

/// Copies in pieces of ever other sizes, to the end.
fn copy(mut from: UnixStream, mut to: UnixStream) {
    let (mut bytes, mut size) = ([0; 700], 1);
    while let Ok(count @ 1..) = from.read(&mut bytes[..size]) {
        // Whoever does not read any more has gone.
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
        size = size * 3 % 701;
    }
    let _ = to.shutdown(Shutdown::Write);
}

pub(crate) fn bytes_come_as_they_like<H: Harness>() {
    let place = Place::new();
    let (address, listener) = (place.address(), place.listen());
    at_home::<H, _>(|home, _| async move {
        let theirs = home.address.clone();
        let between = thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = UnixStream::connect(theirs).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let there = thread::spawn(move || copy(from, to));
            copy(server, client);
            there.join().unwrap();
        });
        let client = builder::<H>().connect(&address).await.unwrap();
        for length in (0..20_000).step_by(397) {
            let text = "x".repeat(length);
            let answer = client.request::<String>("echo", &text).await.unwrap();
            assert!(answer == text);
        }
        let texts: Vec<_> = (0..50).map(|number| "y".repeat(number * 100)).collect();
        let calls: Vec<_> =
            texts.iter().map(|text| client.request::<String>("echo", text)).collect();
        for (text, answer) in texts.iter().zip(join_all(calls).await) {
            assert_eq!(*text, answer.unwrap());
        }
        assert_eq!(client.close("").await, CloseReason::Closed { message: String::new() });
        until(|| between.is_finished()).await;
    });
}

pub(crate) fn nobody_serves_there<H: Harness>() {
    let (place, _watchdog) = (Place::new(), watchdog());
    let address = place.address();
    H::run(async move {
        let error = builder::<H>().connect(&address).await.unwrap_err();
        assert!(matches!(error, OpenError::NotRunning { .. }), "{error}");
        // Somebody who speaks something else.
        let listener = place.listen();
        let other = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            Raw(stream).say(&framed(b"HTTP/1.1 400 what?"));
        });
        let error = builder::<H>().connect(&address).await.unwrap_err();
        assert!(matches!(error, OpenError::Closed(_)), "{error}");
        until(|| other.is_finished()).await;
        // Somebody who hangs up at once.
        let gone = { std::fs::remove_file(&address).map(|()| place.listen()).unwrap() };
        let other = thread::spawn(move || drop(gone.accept().unwrap()));
        let error = builder::<H>().connect(&address).await.unwrap_err();
        assert!(matches!(error, OpenError::Closed(CloseReason::Lost)), "{error}");
        until(|| other.is_finished()).await;
    });
}
