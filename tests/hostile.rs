//! Peers that break the protocol (`docs/protocol.md` sections 1, 2.4, 3.1 and 6.1): each rule has its
//! name and status, the other side can read them, and nothing is kept of what comes behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::stages::Stage;
use common::{GOODBYE, HELLO, Pair, Side, WELCOME, blob, config, framed, hex, seconds};
use switchboard::wire::Decoder;
use switchboard::{
    CloseReason, Config, Connection, ConnectionId, Event, Hello, Instant, Payload, ProtocolError,
    Welcome,
};

/// The frames, one behind the other.
fn stream(bodies: &[&str]) -> Vec<u8> {
    bodies.iter().flat_map(|body| framed(body)).collect()
}

/// What a client with two calls (the second unwritten) says when these bytes come from the server,
/// and what a server then reads in it.
fn last_words(bytes: &[u8]) -> (Vec<String>, CloseReason) {
    let mut client = Side::open(true, config(|config| config.max_frame = 20_000));
    client.request("written").unwrap();
    client.connection().ping(Instant::ZERO, 9).unwrap();
    client.written();
    client.request("unwritten").unwrap();
    client.connection().ping(Instant::ZERO, 10).unwrap();
    client.feed(bytes);
    let words = client.written();
    let mut server = Side::open(false, Arc::default());
    // The server has to know the call that its client's words may follow.
    server.feed(&words);
    let Some(Event::Closed(reason)) = server.events.pop() else { panic!("{:?}", server.events) };
    let closed = client.happened().pop().unwrap();
    (vec![common::words::frames(&words).pop().unwrap(), closed], reason)
}

/// Rows of section 6.1 that the core can reach today, with bytes that reach them.
fn rows() -> Vec<(&'static str, u32, Vec<u8>)> {
    let pings: Vec<u8> = framed("82 04 05").repeat(17);
    vec![
        ("frame-empty", 8, hex("00000000")),
        ("frame-too-large", 8, 20_001u32.to_be_bytes().to_vec()),
        ("frame-too-large", 8, hex("ffffffff")),
        ("malformed-frame", 3, framed("f6")),
        ("malformed-frame", 3, framed("80")),
        ("malformed-frame", 3, framed("9f 04 05 ff")),
        ("malformed-frame", 3, framed("98 02 04 05")),
        ("malformed-frame", 3, framed("82 04 18 05")),
        ("malformed-frame", 3, framed("82 04 05 00")),
        ("malformed-frame", 3, framed("83 04 05")),
        ("malformed-frame", 3, framed("82 0d 00")),
        ("malformed-frame", 3, framed("84 06 61 61 a2 03 f5 00 01 f6")),
        ("malformed-frame", 3, framed("84 06 61 61 a2 00 01 00 02 f6")),
        ("malformed-frame", 3, framed("84 06 61 ff a0 f6")),
        ("unknown-kind", 3, framed("82 13 00")),
        ("unknown-kind", 3, framed("82 17 00")),
        ("unknown-kind", 3, framed("82 1a00010000 00")),
        ("unexpected-frame", 9, hex(HELLO)),
        ("unexpected-frame", 9, hex(WELCOME)),
        ("unexpected-frame", 9, framed("86 02 09 60 8101 f6 f6")),
        ("unexpected-frame", 9, stream(&["84 03 00 60 f6", "84 03 00 60 f6"])),
        ("unexpected-frame", 9, stream(&["84 03 00 60 f6", "84 06 6161 a0 f6"])),
        ("unexpected-frame", 9, stream(&["85 07 02 6161 a0 f6", "82 0d 02", "82 0d 02"])),
        ("bad-call-id", 9, framed("85 07 01 6161 a0 f6")),
        ("bad-call-id", 9, framed("85 07 05 6161 a0 f6")),
        ("bad-call-id", 9, framed("84 0e 05 6161 a0")),
        ("bad-call-id", 9, stream(&["85 07 04 6161 a0 f6", "85 07 02 6161 a0 f6"])),
        ("bad-call-id", 9, stream(&["85 07 02 6161 a0 f6", "85 07 02 6161 a0 f6"])),
        ("bad-call-id", 9, stream(&["85 07 02 6161 a0 f6", "84 0e 02 6161 a0"])),
        ("bad-call-id", 9, framed("83 0f 01 02")),
        ("bad-call-id", 9, framed("85 10 01 6161 a0 f6")),
        ("unknown-call", 9, framed("83 08 05 f6")),
        ("unknown-call", 9, framed("85 09 05 05 60 f6")),
        ("unknown-call", 9, framed("83 08 02 f6")),
        ("unknown-call", 9, framed("83 08 03 f6")),
        ("unknown-call", 9, stream(&["83 08 01 f6", "83 08 01 f6"])),
        ("unknown-call", 9, stream(&["83 08 01 f6", "85 09 01 05 60 f6"])),
        ("unknown-call", 9, stream(&["83 08 01 f6", "83 0a 01 f6"])),
        ("unknown-call", 9, stream(&["83 08 01 f6", "83 0c 01 01"])),
        ("unknown-call", 9, framed("82 0d 02")),
        ("unknown-call", 9, framed("82 0d 01")),
        ("unknown-call", 9, framed("82 0b 01")),
        ("unknown-call", 9, framed("82 0b 02")),
        ("unknown-call", 9, framed("83 0a 02 f6")),
        ("unknown-call", 9, framed("83 0c 02 01")),
        ("unknown-call", 9, framed("83 0a 05 f6")),
        ("unexpected-stream", 9, framed("83 0a 01 f6")),
        ("unexpected-stream", 9, framed("83 0c 01 01")),
        ("unexpected-stream", 9, stream(&["85 07 02 6161 a0 f6", "83 0a 02 f6"])),
        ("unexpected-stream", 9, stream(&["85 07 02 6161 a0 f6", "82 0b 02"])),
        ("unexpected-stream", 9, stream(&["85 07 02 6161 a0 f6", "83 0c 02 01"])),
        ("too-many-pings", 8, pings),
        ("unexpected-pong", 9, framed("82 05 08")),
        ("unexpected-pong", 9, stream(&["82 05 09", "82 05 09"])),
        ("unexpected-pong", 9, stream(&["82 05 09", "82 05 0a"])),
        ("too-many-strikes", 8, framed("84 06 60 a0 f6").repeat(17)),
    ]
}

// Threats 5, 19, 20.
#[test]
fn every_broken_rule_is_named_to_the_peer_with_its_status() {
    for (name, status, bytes) in rows() {
        let (here, there) = last_words(&bytes);
        let closed = format!("closed: the peer broke the protocol: {name}");
        assert_eq!(here, [format!("goodbye {status} {name}"), closed], "{bytes:x?}");
        let CloseReason::PeerError { status: read, message } = there else { panic!("{there:?}") };
        assert_eq!((read.number(), &message[..]), (status, name), "{bytes:x?}");
    }
}

#[test]
fn every_protocol_error_of_the_core_is_reached() {
    use ProtocolError::*;
    let all = [
        FrameEmpty,
        FrameTooLarge,
        NotSwitchboard,
        MalformedFrame,
        UnknownKind,
        UnexpectedFrame,
        BadCallId,
        UnknownCall,
        UnexpectedStream,
        TooManyPings,
        UnexpectedPong,
        TooManyStrikes,
    ];
    let rows = rows();
    for error in all.into_iter().filter(|error| *error != NotSwitchboard) {
        let row = rows.iter().find(|(name, ..)| *name == error.name());
        let (_, status, _) = row.unwrap_or_else(|| panic!("{}", error.name()));
        assert_eq!(error.status().number(), *status);
    }
}

#[test]
fn what_crosses_a_correct_peer_is_no_offence() {
    for bodies in [
        &["82 04 05"; 16][..],
        &["82 05 09"],
        &["85 07 0a 6161 a0 f6", "85 07 18c8 6161 a0 f6"],
        &["84 06 60 a0 f6"; 16],
        &["85 07 02 6161 a10101 f6", "83 0a 02 f6", "82 0b 02"],
    ] {
        let mut client = Side::open(true, Arc::default());
        client.connection().ping(Instant::ZERO, 9).unwrap();
        client.written();
        client.feed(&stream(bodies));
        assert!(client.connection().is_open(), "{bodies:?}");
    }
}

#[test]
fn sixteen_pings_may_wait_for_their_pongs_and_more_may_come_when_those_are_written() {
    let mut client = Side::open(true, Arc::default());
    for _ in 0..5 {
        client.feed(&framed("82 04 05").repeat(16));
        assert_eq!(client.said().len(), 16);
    }
    client.feed(&framed("82 04 05").repeat(16));
    client.write(6);
    client.feed(&framed("82 04 05"));
    assert_eq!(client.happened(), ["closed: the peer broke the protocol: too-many-pings"]);
}

// Threat 11.
#[test]
fn strangers_get_no_answer_and_are_not_waited_for() {
    let strangers: [(&str, &[u8]); 6] = [
        ("HTTP", b"GET "),
        ("TLS", b"\x16\x03\x01\x02"),
        ("SSH", b"SSH-"),
        ("nothing", &[0; 4]),
        ("everything", &[0xff; 4]),
        ("16 KiB and one", &[0, 0, 0x40, 1]),
    ];
    for (what, bytes) in strangers {
        let mut server = Side::server(Arc::default());
        server.feed(&bytes[..3]);
        assert_eq!(server.done, None, "{what}");
        server.feed(&bytes[3..]);
        assert!(matches!(server.done, Some(CloseReason::Protocol(_))), "{what}");
        server.feed(b" / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(server.said(), Vec::<String>::new(), "{what}");
        assert_eq!(server.happened().len(), 1, "{what}");
    }
}

// Threat 11.
#[test]
fn a_first_frame_that_is_no_hello_is_rejected_at_its_first_wrong_byte() {
    let hello = hex(HELLO);
    for at in 4..18 {
        let mut server = Side::server(Arc::default());
        server.feed(&[&hex("00003fff"), &hello[4..at]].concat());
        assert_eq!(server.said(), Vec::<String>::new(), "{at}");
        server.feed(&[hello[at] ^ 1]);
        assert_eq!(server.said(), ["reject 3 not-switchboard"], "{at}");
    }
}

#[test]
fn a_client_says_nothing_to_a_server_that_is_none() {
    let strange: [Vec<u8>; 7] = [
        hex(HELLO),
        framed("82 04 05"),
        framed("f6"),
        b"HTTP/1.1 400".to_vec(),
        hex("00000000"),
        hex("00004001"),
        hex(GOODBYE),
    ];
    for bytes in strange {
        let mut client = Side::client(Arc::default());
        client.written();
        client.feed(&bytes);
        assert_eq!(client.said(), Vec::<String>::new(), "{bytes:x?}");
        assert!(matches!(client.done, Some(CloseReason::Protocol(_))), "{bytes:x?}");
    }
}

// Threat 16.
#[test]
fn two_clients_and_a_looped_socket_end() {
    let mut pair = Pair::join(Side::client(Arc::default()), Side::client(Arc::default()));
    pair.drive();
    assert!(pair.client.done.is_some() && pair.server.done.is_some());
    let mut pair = Pair::join(Side::server(Arc::default()), Side::server(Arc::default()));
    pair.drive_for(seconds(12));
    assert!(pair.client.done.is_some() && pair.server.done.is_some());
    let mut looped = Side::client(Arc::default());
    let hello = looped.written();
    looped.feed(&hello);
    assert!(looped.done.is_some());
}

// Threat 2.
#[test]
fn a_frame_is_as_long_as_this_side_takes_and_not_a_byte_longer() {
    let body =
        |length: usize| [hex("84 06 616d a0"), blob(length - 8).into_cbor().to_vec()].concat();
    for length in [19_999, 20_000, 20_001] {
        let mut client = Side::open(true, config(|config| config.max_frame = 20_000));
        client.feed(&[&(length as u32).to_be_bytes()[..], &body(length)].concat());
        let fits = length <= 20_000;
        assert_eq!(client.connection().is_open(), fits, "{length}");
        let first = if fits { "message m" } else { "closed: the peer broke the protocol: frame-t" };
        assert!(client.happened()[0].starts_with(first), "{length}");
    }
}

// Threat 6.
#[test]
fn after_an_end_nothing_is_kept_of_what_comes() {
    for (client, bad) in [(true, framed("f6")), (false, framed("f6")), (false, hex("ffffffff"))] {
        let now = Instant::ZERO;
        let config = Arc::<Config>::default();
        let mut connection = if client {
            Connection::client(config, &Hello::new(), now).unwrap()
        } else {
            Connection::server(config, ConnectionId::new(7).unwrap(), now)
        };
        let mut input = Decoder::new(16_384);
        let mut put = |connection: &mut Connection, mut bytes: &[u8]| {
            while !bytes.is_empty() {
                let space = input.space();
                let count = space.len().min(bytes.len());
                space[..count].copy_from_slice(&bytes[..count]);
                input.filled(count);
                bytes = &bytes[count..];
                while connection.handle_input(now, &mut input) {}
                assert!(input.space().len() <= 16_384);
            }
            input.buffered()
        };
        if client {
            put(&mut connection, &hex(WELCOME));
        } else if bad.len() > 4 {
            put(&mut connection, &hex(HELLO));
            connection.poll_event();
            connection.accept(now, &Welcome::new()).unwrap();
        }
        while connection.poll_event().is_some() {}
        put(&mut connection, &bad);
        let unsent = connection.unsent();
        for _ in 0..16 {
            assert_eq!(put(&mut connection, &vec![0x84; 65_536]), 0);
        }
        assert_eq!(connection.unsent(), unsent);
    }
}

// Threats 47, 51.
#[test]
fn bad_payloads_cost_nothing_but_themselves() {
    let mut client = Side::open(true, Arc::default());
    client.request("c").unwrap();
    client.written();
    client.feed(&stream(&["84 06 616d a0", "84 06 616d a0 f6f6", "83 08 01"]));
    let happened = client.happened();
    assert_eq!(happened, ["message m of 0 B", "message m of 2 B", "call 1 ended well"]);
    for _ in 0..16 {
        client.connection().strike(Instant::ZERO);
    }
    assert!(client.connection().is_open());
    client.connection().strike(Instant::ZERO);
    assert_eq!(client.said(), ["goodbye 8 too-many-strikes"]);
}

#[test]
fn a_strike_that_comes_late_changes_nothing() {
    for stage in [Stage::Ending, Stage::Closed] {
        let mut side = stage.reach(true).unwrap();
        for _ in 0..20 {
            side.connection().strike(Instant::ZERO);
        }
        assert_eq!((side.happened(), side.said()), (vec![], vec![]));
    }
    let mut closing = Stage::ClosingByUs.reach(true).unwrap();
    for _ in 0..17 {
        closing.connection().strike(Instant::ZERO);
    }
    assert_eq!(closing.said(), ["goodbye 8 too-many-strikes"]);
    assert!(closing.send("m", &Payload::null()).is_err());
}
