//! What a connection makes of its stream as a whole: much in one read, a cut anywhere, every kind in
//! every stage, slow peers, calls within calls (`docs/protocol.md` sections 1, 2 and 4).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::thread;

use common::stages::Stage;
use common::{GOODBYE, HELLO, Pair, Side, WELCOME, config, framed, hex, millis, seconds};
use switchboard::wire::Decoder;
use switchboard::{
    CloseReason, DecodeError, Event, Instant, PayloadLimits, Rejected, from_payload,
};

/// A request of a server with this id, which takes one byte, two or three.
fn request(id: u16) -> Vec<u8> {
    let id = match id {
        0..24 => format!("{id:02x}"),
        24..256 => format!("18{id:02x}"),
        256.. => format!("19{id:04x}"),
    };
    framed(&format!("85 07 {id} 6161 a0 f6"))
}

// Threat 4.
#[test]
fn a_hundred_requests_that_come_at_once_with_the_welcome_are_all_told_in_order() {
    let requests = (1..=100).flat_map(|number| request(2 * number));
    let bytes: Vec<u8> = hex(WELCOME).into_iter().chain(requests).collect();
    let mut client = Side::client(Arc::default());
    let mut bytes = &bytes[..];
    while !bytes.is_empty() {
        let space = client.pump.space();
        let count = space.len().min(bytes.len());
        space[..count].copy_from_slice(&bytes[..count]);
        client.pump.filled(Instant::ZERO, count);
        bytes = &bytes[count..];
    }
    client.run();
    let told = (1..=100).map(|number| format!("call {} asks a", 2 * number));
    let told: Vec<String> = [String::from("welcome #7")].into_iter().chain(told).collect();
    assert_eq!(client.happened(), told);
}

// Threat 4.
#[test]
fn two_messages_that_are_joined_or_cut_in_two_are_two_messages() {
    let both = [framed("84 06 616d a0 f6"), framed("84 06 616d a0 6178")].concat();
    for at in 0..=both.len() {
        let mut side = Side::open(true, Arc::default());
        side.feed(&both[..at]);
        side.feed(&both[at..]);
        assert_eq!(side.happened(), ["message m of 1 B", "message m of 2 B"], "{at}");
    }
}

/// A frame of this kind without any other element.
fn bare(kind: u32) -> Vec<u8> {
    match kind {
        0..24 => framed(&format!("81 {kind:02x}")),
        24..256 => framed(&format!("81 18{kind:02x}")),
        256..0x1_0000 => framed(&format!("81 19{kind:04x}")),
        0x1_0000.. => framed(&format!("81 1a{kind:08x}")),
    }
}

// Threat 5.
#[test]
fn every_kind_is_a_frame_or_skipped_or_an_error_in_every_stage() {
    for kind in (0..=256).chain([65_535, 65_536, u32::MAX]) {
        let in_order = match kind {
            0..=18 => Some("malformed-frame"),
            19..=23 | 65_536.. => Some("unknown-kind"),
            24..=65_535 => None,
        };
        for stage in Stage::ALL {
            for client in [true, false] {
                let Some(mut side) = stage.reach(client) else { continue };
                let expected: Vec<String> = match (stage, in_order) {
                    (Stage::Greeting, _) if client => vec![],
                    (Stage::Greeting, _) => vec!["reject 3 not-switchboard".into()],
                    (Stage::Deciding, _) => vec!["reject 9 unexpected-frame".into()],
                    (Stage::Ending | Stage::Closed, _) | (_, None) => vec![],
                    (_, Some(name)) => vec![format!("goodbye 3 {name}")],
                };
                let ended = stage == Stage::Greeting || !expected.is_empty();
                side.feed(&bare(kind));
                assert_eq!(side.said(), expected, "kind {kind}, {stage:?}, client {client}");
                let told = side.events.iter().any(|event| matches!(event, Event::Closed(_)));
                assert_eq!(told, ended, "kind {kind}, {stage:?}, client {client}");
            }
        }
    }
}

// Threat 5.
#[test]
fn bits_of_a_request_that_mean_nothing_yet_are_ignored() {
    for (bits, takes) in [("04", true), ("18fc", true), ("1bfffffffffffffffc", true), ("05", false)]
    {
        let mut side = Side::open(false, Arc::default());
        side.feed(&framed(&format!("85 07 01 6161 a101{bits} f6")));
        let refused = ["failure 1 INVALID_ARGUMENT"];
        let (said, told): (&[&str], usize) = if takes { (&[], 1) } else { (&refused, 0) };
        assert_eq!(
            (side.said(), side.happened().len()),
            (said.iter().map(|s| String::from(*s)).collect(), told),
            "{bits}"
        );
    }
}

// Threat 6.
#[test]
fn a_stream_that_is_cut_anywhere_delivers_whole_frames_and_ends_once() {
    let frames = [
        (framed("84 06 636c6f67 a0 626869"), Some("message log of 3 B")),
        (framed("83 08 01 f6"), Some("call 1 ended well")),
        (framed("82 1818 f6"), None),
        (framed("84 06 616d a0 f6"), Some("message m of 1 B")),
        (hex(GOODBYE), Some("closing ")),
    ];
    let stream: Vec<u8> = frames.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    for cut in 0..=stream.len() {
        let mut side = Side::open(true, Arc::default());
        side.request("c").unwrap();
        side.written();
        side.feed(&stream[..cut]);
        side.end();
        let (mut expected, mut end) = (Vec::new(), 0);
        for (bytes, told) in &frames {
            end += bytes.len();
            if end <= cut {
                expected.extend(told.map(String::from));
            }
        }
        if !expected.contains(&"call 1 ended well".into()) {
            let lost = "call 1 ended disconnected MayHaveRun: the connection was lost";
            expected.push(lost.into());
        }
        let graceful = cut == stream.len();
        let words = if graceful { "closed by the peer" } else { "the connection was lost" };
        expected.push(format!("closed: {words}"));
        assert_eq!(side.happened(), expected, "cut at {cut}");
        // It is dead: the rest comes to nothing, and the reason stays.
        let done = side.done.clone();
        side.feed(&stream[cut..]);
        side.end();
        assert_eq!((side.happened(), &side.done), (vec![], &done), "cut at {cut}");
        assert_eq!(matches!(done, Some(CloseReason::Lost)), !graceful, "cut at {cut}");
    }
}

// Threat 6.
#[test]
fn a_handshake_that_is_cut_anywhere_is_never_told() {
    for (bytes, client) in [(hex(HELLO), false), (hex(WELCOME), true)] {
        for cut in 0..bytes.len() {
            let mut side =
                if client { Side::client(Arc::default()) } else { Side::server(Arc::default()) };
            side.written();
            side.feed(&bytes[..cut]);
            side.end();
            assert_eq!(side.happened(), ["closed: the connection was lost"], "cut at {cut}");
            side.is_over();
        }
    }
}

// Threat 12.
#[test]
fn a_handshake_that_takes_eight_seconds_on_both_sides_is_completed() {
    let mut pair = Pair::new(Arc::default(), Arc::default());
    let hello = pair.client.written();
    for byte in hello {
        pair.server.wait(millis(200));
        pair.client.wait(millis(200));
        pair.server.feed(&[byte]);
    }
    pair.server.wait(millis(3500));
    pair.client.wait(millis(3500));
    assert_eq!(pair.server.happened(), ["hello"]);
    pair.server.accept();
    pair.drive();
    assert_eq!(pair.client.happened(), ["welcome #7"]);
    assert!(pair.client.now >= Instant::from(seconds(7)));
    pair.drive_for(seconds(60));
    assert!(pair.client.connection().is_open() && pair.server.connection().is_open());
}

/// Calls within calls, three deep, where `most` may be open each way and one frame waits at a time;
/// what the innermost call came to.
fn three_deep(most: u32) -> Result<(), Rejected> {
    let limits = config(|config| {
        config.max_calls = most;
        config.max_unsent = 1;
    });
    let mut pair = Pair::opened(limits.clone(), limits);
    pair.client.request("outer").unwrap();
    pair.drive();
    assert_eq!(pair.server.happened(), ["call 1 asks outer"]);
    pair.server.request("middle").unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 2 asks middle"]);
    let inner = pair.client.request("inner").map(drop);
    pair.drive();
    if inner.is_ok() {
        assert_eq!(pair.server.happened(), ["call 3 asks inner"]);
        pair.server.respond(3).unwrap();
        pair.drive();
        assert_eq!(pair.client.happened(), ["call 3 ended well"]);
    }
    pair.client.respond(2).unwrap();
    pair.drive();
    assert_eq!(pair.server.happened(), ["call 2 ended well"]);
    pair.server.respond(1).unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["call 1 ended well"]);
    inner
}

// Threat 27.
#[test]
fn calls_within_calls_end_or_are_refused_at_once_and_never_wait_for_each_other() {
    assert_eq!(three_deep(2), Ok(()));
    assert_eq!(three_deep(1), Err(Rejected::Busy));
}

// Threat 3.
#[test]
fn no_byte_is_moved_more_than_a_few_times_however_it_comes() {
    let large: Vec<u8> = [&(1_u32 << 20).to_be_bytes()[..], &vec![0x84; 1 << 20]].concat();
    let small = framed("82 04 05").repeat(150_000);
    for (what, stream) in [("one frame of 1 MiB", &large), ("150,000 pings", &small)] {
        for step in [1, 7, 4096, usize::MAX] {
            let mut decoder = Decoder::new(16 << 20);
            let (mut rest, mut moved, mut begin) = (&stream[..], 0, None);
            while !rest.is_empty() {
                let before = decoder.buffered();
                let space = decoder.space();
                // Where the first of the bytes that wait stands: elsewhere if they were moved.
                let found = space.as_ptr() as usize - before;
                if begin != Some(found) {
                    moved += before;
                }
                let count = space.len().min(rest.len()).min(step);
                space[..count].copy_from_slice(&rest[..count]);
                decoder.filled(count);
                rest = &rest[count..];
                let mut taken = 0;
                while let Ok(Some(frame)) = decoder.peek() {
                    taken += 4 + frame.len();
                    decoder.skip();
                }
                begin = Some(found + taken);
            }
            assert_eq!(decoder.buffered(), 0);
            assert!(moved <= 3 * stream.len(), "{what} by {step}: {moved} bytes were moved");
        }
    }
}

// Threat 44.
#[test]
fn a_connection_needs_no_more_than_a_small_stack_whatever_is_nested() {
    let work = || {
        let magic = "85 00 6b737769746368626f617264 8101";
        for level in ["81", "9f", "c1", "a1"] {
            let deep = level.repeat(16_000);
            let mut server = Side::server(Arc::default());
            server.feed(&framed(&format!("{magic} a0 {deep}")));
            assert!(server.said()[0].starts_with("reject 8 "), "a payload, {level}");
            let mut server = Side::server(Arc::default());
            server.feed(&framed(&format!("{magic} {deep}")));
            assert_eq!(server.said(), ["reject 3 malformed-frame"], "settings, {level}");
        }
        for level in ["81", "9f", "c1", "a1"] {
            let deep = level.repeat(100_000);
            let mut server = Side::open(false, Arc::default());
            server.feed(&framed(&format!("82 1818 {deep}")));
            server.feed(&framed(&format!("85 07 01 6161 a0 {deep}")));
            let Some(Event::Request { request, .. }) = server.events.pop() else {
                panic!("no request, {level}")
            };
            let read: Result<Vec<()>, _> =
                from_payload(&request.into_payload(), &PayloadLimits::default());
            assert!(matches!(read, Err(DecodeError::Scan(_))), "{level}");
            server.feed(&framed(&format!("85 07 03 6161 {deep}")));
            assert_eq!(server.said(), ["goodbye 3 malformed-frame"], "headers, {level}");
        }
    };
    thread::Builder::new().stack_size(64 * 1024).spawn(work).unwrap().join().unwrap();
}
