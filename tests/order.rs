//! The order of what is sent, budgets and back-pressure (`docs/protocol.md` sections 4.4 and 8).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{Side, WELCOME, blob, config, framed, hex, words};
use switchboard::wire::{Decoder, LEAST_MAX_FRAME};
use switchboard::{Config, Connection, Event, Hello, Instant, Next, Options, Payload};

#[test]
fn frames_leave_in_the_order_in_which_they_were_made() {
    let mut server = Side::open(false, Arc::default());
    server.feed(&[framed("85 07 01 6161 a0 f6"), framed("85 07 03 6161 a0 f6")].concat());
    server.send("first", &Payload::null()).unwrap();
    server.respond(3).unwrap();
    server.request("third").unwrap();
    server.send("fourth", &blob(50_000)).unwrap();
    server.respond(1).unwrap();
    server.send("sixth", &Payload::null()).unwrap();
    server.close("seventh");
    let expected = [
        "message first",
        "response 3",
        "request 2 third",
        "message fourth",
        "response 1",
        "message sixth",
        "goodbye 0 seventh",
    ];
    assert_eq!(server.said(), expected);
}

#[test]
fn a_pong_comes_in_the_order_of_the_pings_and_a_cancel_behind_its_request() {
    let mut client = Side::open(true, Arc::default());
    client.call("c", &blob(10_000), &Options::new().no_deadline(), 0).unwrap();
    let mut bytes = client.write(1);
    client.feed(&[framed("82 04 01"), framed("82 04 02"), framed("82 04 01")].concat());
    client.cancel(1).unwrap();
    bytes.extend(client.written());
    let said = words::frames(&bytes);
    let place = |frame| said.iter().position(|other| other == frame).unwrap();
    assert!(place("request 1 c") < place("cancel 1"));
    let pongs: Vec<_> = said.iter().filter(|frame| frame.starts_with("pong")).collect();
    assert_eq!(pongs, ["pong 1", "pong 2", "pong 1"]);
}

#[test]
fn any_split_of_the_writes_gives_the_same_bytes() {
    let talk = |piece: usize| {
        let mut server = Side::open(false, Arc::default());
        let mut bytes = Vec::new();
        for size in [0, 1, 4095, 4096, 4097, 70_000] {
            server.send("m", &blob(size)).unwrap();
            server.call("c", &blob(size), &Options::new(), 0).unwrap();
        }
        loop {
            let piece = server.write(piece);
            if piece.is_empty() {
                break bytes;
            }
            bytes.extend(piece);
        }
    };
    let whole = talk(usize::MAX);
    assert_eq!(words::frames(&whole).len(), 12);
    for piece in [1, 7, 4096, 4100] {
        assert!(talk(piece) == whole, "pieces of {piece}");
    }
}

#[test]
fn chunks_lends_as_many_slices_as_there_is_room_for_and_more_than_was_lent_cannot_be_written() {
    let mut client = Side::open(true, Arc::default());
    for _ in 0..3 {
        client.send("m", &blob(5000)).unwrap();
    }
    let mut slices = [&[][..]; 8];
    assert_eq!(client.pump.chunks(&mut slices), 6, "three heads, three payloads");
    let lent: usize = slices.iter().map(|slice| slice.len()).sum();
    assert_eq!(lent as u64, client.connection().unsent());
    assert_eq!(client.pump.chunks(&mut []), 0);
    assert_eq!(client.pump.chunks(&mut [&[][..]; 1]), 1);
    client.pump.wrote(Instant::ZERO, usize::MAX);
    assert_eq!((client.connection().unsent(), client.written()), (0, vec![]));
}

// Threat 7.
#[test]
fn a_turn_ends_after_its_frames_or_bytes_and_goes_on_with_the_next() {
    type Limit = fn(&mut Config);
    let limits: [(Limit, usize); 2] =
        [(|config| config.turn_frames = 3, 3), (|config| config.turn_bytes = 20, 2)];
    for (limit, expected) in limits {
        let mut server = Side::open(false, config(limit));
        // Each 11 bytes with its length.
        let bytes = framed("84 06 626d6d a0 f6").repeat(7);
        server.pump.space()[..bytes.len()].copy_from_slice(&bytes);
        server.pump.filled(Instant::ZERO, bytes.len());
        let mut turns = vec![0];
        loop {
            match server.pump.next(Instant::ZERO) {
                Next::Event(Event::Message(_)) => *turns.last_mut().unwrap() += 1,
                Next::Yield => turns.push(0),
                Next::Io { .. } => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(turns.iter().sum::<usize>(), 7);
        assert!(turns.iter().all(|frames| *frames <= expected), "{turns:?}");
        assert!(turns.len() > 2, "{turns:?}");
    }
}

#[test]
fn a_side_with_full_buffers_still_reads_and_answers_pings() {
    let mut client = Side::open(true, config(|config| config.max_unsent = 10));
    client.send("m", &blob(1000)).unwrap();
    client.feed(&framed("84 06 636c6f67 a0 f6"));
    client.feed(&framed("82 04 05"));
    assert_eq!(client.happened(), ["message log of 1 B"]);
    let next = client.pump.next(Instant::ZERO);
    assert!(matches!(next, Next::Io { read: true, write: true, .. }), "{next:?}");
    assert_eq!(client.said(), ["message m", "pong 5"]);
}

// Threat 7.
#[test]
fn nothing_is_read_while_too_many_messages_wait_for_their_listeners() {
    let mut client = Side::open(true, config(|config| config.max_untaken = 100));
    let message = framed("84 06 636c6f67 a0 f6");
    client.pump.set_untaken(100);
    client.feed(&message);
    assert_eq!(client.happened().len(), 1, "100 of 100");
    client.pump.set_untaken(101);
    client.feed(&message);
    assert_eq!(client.happened().len(), 0);
    let next = client.pump.next(Instant::ZERO);
    assert!(matches!(next, Next::Io { read: false, .. }), "{next:?}");
    client.pump.set_untaken(0);
    assert_eq!(client.happened(), ["message log of 1 B"]);
    assert!(matches!(client.pump.next(Instant::ZERO), Next::Io { read: true, .. }));
}

#[test]
fn a_paused_connection_reads_nothing_until_it_goes_on_or_closes() {
    let mut client = Side::open(true, Arc::default());
    let message = framed("84 06 636c6f67 a0 f6");
    client.pump.pause(true);
    client.feed(&message);
    assert_eq!(client.happened().len(), 0);
    let next = client.pump.next(Instant::ZERO);
    assert!(matches!(next, Next::Io { read: false, .. }), "{next:?}");
    client.pump.pause(false);
    assert_eq!(client.happened(), ["message log of 1 B"]);

    client.pump.pause(true);
    client.feed(&message);
    client.pump.connection().close(Instant::ZERO, "", None);
    assert_eq!(client.happened(), ["message log of 1 B"], "it must hear the goodbye");
    assert!(matches!(client.pump.next(Instant::ZERO), Next::Io { read: true, .. }));
}

#[test]
fn extensions_are_skipped_and_their_content_is_never_read() {
    let mut client = Side::open(true, Arc::default());
    for body in ["81 1818", "82 1818 ff", "97 19ffff 00ff", "83 181900"] {
        client.feed(&framed(body));
    }
    client.feed(&hex("00000004 81 19ffff"));
    assert_eq!((client.happened(), client.said()), (vec![], vec![]));
    assert!(client.connection().is_open());
}

#[test]
fn a_message_or_publication_that_nobody_takes_is_no_strike() {
    let mut client = Side::open(true, Arc::default());
    for _ in 0..100 {
        client.feed(&framed("85 10 f6 6174 a0 f6"));
        client.feed(&framed("84 06 636c6f67 a0 f6"));
    }
    assert_eq!(client.happened().len(), 100);
    assert!(client.connection().is_open());
}

#[test]
fn a_frame_is_taken_only_once_what_the_last_one_told_is_polled() {
    let now = Instant::ZERO;
    let mut client = Connection::client(Arc::default(), &Hello::new(), now).unwrap();
    let bytes = [hex(WELCOME), framed("84 06 616d a0 f6"), framed("82 04 05")].concat();
    let mut input = Decoder::new(LEAST_MAX_FRAME);
    input.space()[..bytes.len()].copy_from_slice(&bytes);
    input.filled(bytes.len());
    for (left, told) in [(17, "welcome #7"), (7, "message m of 1 B")] {
        assert!(client.handle_input(now, &mut input));
        assert_eq!(input.buffered(), left);
        assert!(!client.handle_input(now, &mut input), "an event waits");
        assert_eq!(words::event(&client.poll_event().unwrap()), told);
    }
    assert!(client.handle_input(now, &mut input));
    assert!(client.poll_event().is_none(), "a ping tells nothing");
    assert!(!client.handle_input(now, &mut input), "no whole frame is left");
}
