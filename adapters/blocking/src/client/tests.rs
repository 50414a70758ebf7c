//! What a client does by itself: it reads while nobody waits.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::IoSlice;

use switchboard::Config;
use switchboard_endpoint::Stream;

use super::*;

/// A client, and what is its server: a stream that has said welcome.
fn connected() -> (Client, Stream) {
    let (one, other) = Stream::pair().unwrap();
    let welcome = b"\0\0\0\x06\x85\x01\x01\x07\xa0\xf6";
    assert_eq!(one.try_write_vectored(&[IoSlice::new(welcome)]).unwrap(), welcome.len());
    (Client::builder().attach(other).unwrap(), one)
}

/// Says messages that nobody asked for until the client has to read first; how many bytes that is.
fn fill(server: &Stream, said: &mut usize) -> usize {
    // [6, "n", {}, bytes]
    let message = [b"\0\0\x03\xf0\x84\x06\x61n\xa0\x59\x03\xe8", &[0; 1000][..]].concat();
    let before = *said;
    while let Ok(count) =
        server.try_write_vectored(&[IoSlice::new(&message[*said % message.len()..])])
    {
        *said += count;
    }
    *said - before
}

#[test]
fn an_idle_client_reads_now_and_then_what_nobody_asked_for() {
    let (client, server) = connected();
    let link = &client.shared.link;
    let mut said = 0;
    // More than a client keeps of messages that wait for their listeners.
    while said < 4 * Config::default().max_untaken {
        assert!(fill(&server, &mut said) > 0, "it reads no more after {said} bytes");
        let due = link.lock().armed.expect("it looks by itself");
        link.time_up(due);
        while link.lock().writes_in_background {
            std::thread::yield_now();
        }
    }
    assert_eq!(client.closed(), None);
}

#[test]
fn an_idle_client_reads_in_half_the_time_in_which_a_server_gives_it_up() {
    let (client, _server) = connected();
    let due = client.shared.link.lock().armed.expect("it looks by itself").at();
    assert!(due < std::time::Instant::now() + Config::default().write_stall / 2);
    // And again, though nothing has come.
    let due = client.shared.link.lock().armed.unwrap();
    client.shared.link.time_up(due);
    assert!(client.shared.link.lock().armed.is_some());
}
