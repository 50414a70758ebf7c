//! Every frame in every stage of a connection, for both roles (`docs/protocol.md` sections 2.2, 3.1,
//! 4.1, 4.3, 5.2 and 7). The table is written by hand from there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "cells/streams.rs"]
mod streams;

use bytes::BytesMut;
use common::stages::{Stage, ours, theirs};
use common::{GOODBYE, HELLO, Side, WELCOME, hex};
use switchboard::wire::{Amount, Dropped, Frame, HeaderMap, Kind};
use switchboard::{CallId, Event, Status};

/// What each frame of the peer does. In a cell:
///
/// - the name of a protocol error: the connection ends, and the peer reads that name;
/// - `silent`: it ends without a byte;
/// - `>` and a frame: what is answered;
/// - `taken`: nothing is to be seen, and the connection goes on;
/// - `dropped`: it is over already, and nothing more happens;
/// - otherwise what the application is told.
///
/// The peer has one call open, which takes items, and this side has one, without streams. The core
/// has no topics yet: a `delivery` comes in no subscription's life.
const TABLE: &str = "
               | greeting, client | greeting, server | deciding         | open                 | closing by us        | closing by both      | closing by peer      | ending  | closed
hello          | silent           | hello            | unexpected-frame | unexpected-frame     | unexpected-frame     | unexpected-frame     | unexpected-frame     | dropped | dropped
welcome        | welcome          | not-switchboard  | unexpected-frame | unexpected-frame     | unexpected-frame     | unexpected-frame     | unexpected-frame     | dropped | dropped
reject         | refused          | not-switchboard  | unexpected-frame | unexpected-frame     | unexpected-frame     | unexpected-frame     | unexpected-frame     | dropped | dropped
goodbye        | silent           | not-switchboard  | unexpected-frame | closing >goodbye     | taken                | unexpected-frame     | unexpected-frame     | dropped | dropped
goodbye, error | silent           | not-switchboard  | unexpected-frame | ended by peer        | ended by peer        | ended by peer        | ended by peer        | dropped | dropped
ping           | silent           | not-switchboard  | unexpected-frame | >pong                | >pong                | >pong                | >pong                | dropped | dropped
pong           | silent           | not-switchboard  | unexpected-frame | pong                 | pong                 | pong                 | pong                 | dropped | dropped
message        | silent           | not-switchboard  | unexpected-frame | message              | message              | unexpected-frame     | unexpected-frame     | dropped | dropped
request        | silent           | not-switchboard  | unexpected-frame | request              | >UNAVAILABLE         | unexpected-frame     | unexpected-frame     | dropped | dropped
response       | silent           | not-switchboard  | unexpected-frame | answer               | answer               | answer               | answer               | dropped | dropped
failure        | silent           | not-switchboard  | unexpected-frame | answer               | answer               | answer               | answer               | dropped | dropped
item           | silent           | not-switchboard  | unexpected-frame | unexpected-stream    | unexpected-stream    | unexpected-stream    | unexpected-stream    | dropped | dropped
end            | silent           | not-switchboard  | unexpected-frame | unexpected-stream    | unexpected-stream    | unexpected-stream    | unexpected-stream    | dropped | dropped
credit         | silent           | not-switchboard  | unexpected-frame | taken                | taken                | taken                | taken                | dropped | dropped
cancel         | silent           | not-switchboard  | unexpected-frame | cancelled            | cancelled            | cancelled            | cancelled            | dropped | dropped
subscribe      | silent           | not-switchboard  | unexpected-frame | >UNIMPLEMENTED       | >UNAVAILABLE         | unexpected-frame     | unexpected-frame     | dropped | dropped
unsubscribe    | silent           | not-switchboard  | unexpected-frame | >UNIMPLEMENTED       | >UNAVAILABLE         | unexpected-frame     | unexpected-frame     | dropped | dropped
publish        | silent           | not-switchboard  | unexpected-frame | >UNIMPLEMENTED       | >UNAVAILABLE         | unexpected-frame     | unexpected-frame     | dropped | dropped
publish, no id | silent           | not-switchboard  | unexpected-frame | taken                | taken                | unexpected-frame     | unexpected-frame     | dropped | dropped
delivery       | silent           | not-switchboard  | unexpected-frame | unknown-subscription | unknown-subscription | unknown-subscription | unknown-subscription | dropped | dropped
lagged         | silent           | not-switchboard  | unexpected-frame | unknown-subscription | unknown-subscription | unknown-subscription | unknown-subscription | dropped | dropped
extension      | silent           | not-switchboard  | unexpected-frame | taken                | taken                | taken                | taken                | dropped | dropped
kind 19        | silent           | not-switchboard  | unexpected-frame | unknown-kind         | unknown-kind         | unknown-kind         | unknown-kind         | dropped | dropped
malformed      | silent           | not-switchboard  | unexpected-frame | malformed-frame      | malformed-frame      | malformed-frame      | malformed-frame      | dropped | dropped
empty          | silent           | silent           | unexpected-frame | frame-empty          | frame-empty          | frame-empty          | frame-empty          | dropped | dropped
too large      | silent           | silent           | unexpected-frame | frame-too-large      | frame-too-large      | frame-too-large      | frame-too-large      | dropped | dropped";

const COLUMNS: [(Stage, &[bool]); 9] = [
    (Stage::Greeting, &[true]),
    (Stage::Greeting, &[false]),
    (Stage::Deciding, &[false]),
    (Stage::Open, &[true, false]),
    (Stage::ClosingByUs, &[true, false]),
    (Stage::ClosingByBoth, &[true, false]),
    (Stage::ClosingByPeer, &[true, false]),
    (Stage::Ending, &[true, false]),
    (Stage::Closed, &[true, false]),
];

/// The bytes of a row's frame, as the peer of a client or server sends it.
fn row_bytes(row: &str, client: bool) -> Vec<u8> {
    match row {
        "hello" => return hex(HELLO),
        "welcome" => return hex(WELCOME),
        "reject" => return hex("0000000b 86 02 0e 626e6f 8101 18fa f6"),
        "goodbye" => return hex(GOODBYE),
        "goodbye, error" => return hex("00000008 84 03 0d 636f6f70 f6"),
        "kind 19" => return hex("00000003 82 13 00"),
        "malformed" => return hex("00000004 82 04 05 00"),
        "empty" => return hex("00000000"),
        "too large" => return hex("ffffffff"),
        _ => {}
    }
    let id = |number| CallId::new(number).expect("a test's ids are in range");
    let (open, fresh, answered) = (id(theirs(client)), id(theirs(client) + 2), id(ours(client)));
    let (headers, payload) = (HeaderMap::default(), &[0xf6][..]);
    let frame = match row {
        "ping" => Frame::Ping { token: 5 },
        "pong" => Frame::Pong { token: 9 },
        "message" => Frame::Message { channel: "m", headers, payload },
        "request" => Frame::Request { id: fresh, channel: "r", headers, payload },
        "response" => Frame::Response { id: answered, payload },
        "failure" => {
            Frame::Failure { id: answered, error: Status::NOT_FOUND, reason: "no", payload }
        }
        "item" => Frame::Item { id: open, payload },
        "end" => Frame::End { id: open },
        "credit" => Frame::Credit { id: open, amount: Amount::new(64).expect("64 is in range") },
        "cancel" => Frame::Cancel { id: open },
        "subscribe" => Frame::Subscribe { id: fresh, pattern: "t.>", headers },
        "unsubscribe" => Frame::Unsubscribe { id: fresh, subscription: open },
        "publish" => Frame::Publish { id: Some(fresh), topic: "t", headers, payload },
        "publish, no id" => Frame::Publish { id: None, topic: "t", headers, payload },
        "delivery" => Frame::Delivery { subscription: answered, topic: "t", headers, payload },
        "lagged" => {
            let dropped = Dropped::new(1).expect("1 is in range");
            Frame::Lagged { subscription: answered, dropped }
        }
        "extension" => Frame::Extension { kind: 24, elements: 2, rest: payload },
        other => panic!("no bytes for row {other:?}"),
    };
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    bytes.to_vec()
}

/// What the bytes did, as the table says it.
fn outcome(mut side: Side, stage: Stage, bytes: &[u8]) -> String {
    let before = side.done.clone();
    side.feed(bytes);
    let said = side.said();
    if matches!(stage, Stage::Ending | Stage::Closed) {
        assert_eq!((side.happened(), said, side.done), (vec![], vec![], before));
        return "dropped".into();
    }
    let events = std::mem::take(&mut side.events);
    if let Some(Event::Closed(reason)) = events.last() {
        let text = reason.to_string();
        if text.starts_with("the server refused") {
            return "refused".into();
        }
        if text.starts_with("the peer ended the connection") {
            return "ended by peer".into();
        }
        let name = text.strip_prefix("the peer broke the protocol: ").expect("a protocol error");
        return match &said[..] {
            [] => "silent".into(),
            [words] => {
                let mut parts = words.split(' ');
                let kind = if matches!(stage, Stage::Greeting | Stage::Deciding) {
                    "reject"
                } else {
                    "goodbye"
                };
                assert_eq!((parts.next(), parts.nth(1)), (Some(kind), Some(name)), "{words}");
                name.into()
            }
            more => panic!("last words and more: {more:?}"),
        };
    }
    let told = events.iter().map(|event| match event {
        Event::Hello(_) => "hello",
        Event::Welcome(_) => "welcome",
        Event::Message(_) => "message",
        Event::Request { .. } => "request",
        Event::Cancelled { .. } => "cancelled",
        Event::Answer { .. } => "answer",
        Event::Item { .. } => "item",
        Event::End { .. } => "end",
        Event::Room { .. } => "room",
        Event::Subscribe(_) => "subscribe",
        Event::Unsubscribe { .. } => "unsubscribe",
        Event::Publish { .. } => "publish",
        Event::Delivery { .. } => "delivery",
        Event::Lagged { .. } => "lagged",
        Event::SubscriptionEnded { .. } => "subscription ended",
        Event::Pong { .. } => "pong",
        Event::Closing { .. } => "closing",
        Event::Closed(_) => "closed",
    });
    let said = said.iter().map(|words| match words.split(' ').collect::<Vec<_>>()[..] {
        ["failure", _, status] => format!(">{status}"),
        [kind, ..] => format!(">{kind}"),
        [] => "nothing".into(),
    });
    let all: Vec<String> = told.map(String::from).chain(said).collect();
    if all.is_empty() { "taken".into() } else { all.join(" ") }
}

// Threats 5, 15, 16.
#[test]
fn every_frame_does_in_every_stage_what_the_protocol_says() {
    let mut wrong = Vec::new();
    let mut cells = 0;
    for line in TABLE.lines().skip(2) {
        let mut parts = line.split('|').map(str::trim);
        let row = parts.next().unwrap();
        let expected: Vec<&str> = parts.collect();
        assert_eq!(expected.len(), COLUMNS.len(), "{row}");
        for ((stage, roles), expected) in COLUMNS.into_iter().zip(expected) {
            for &client in roles {
                let side = stage.reach(client).unwrap();
                let found = outcome(side, stage, &row_bytes(row, client));
                cells += 1;
                if found != expected {
                    wrong.push(format!("{row}, {stage:?}, client {client}: {expected} / {found}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "cell: expected / found\n{}", wrong.join("\n"));
    assert_eq!(cells, 26 * 15);
}

#[test]
fn the_table_has_every_kind_of_frame() {
    let rows: Vec<&str> =
        TABLE.lines().skip(2).filter_map(|line| line.split('|').next()).map(str::trim).collect();
    for kind in Kind::ALL {
        assert!(rows.contains(&kind.name()), "{}", kind.name());
    }
}

#[test]
fn a_connection_in_each_stage_ends_with_the_stream() {
    for stage in Stage::ALL {
        for client in [true, false] {
            let Some(mut side) = stage.reach(client) else { continue };
            side.end();
            assert!(side.done.is_some(), "{stage:?}, client {client}");
            let closed = side.happened().into_iter().filter(|event| event.starts_with("closed"));
            let told = matches!(stage, Stage::Ending | Stage::Closed);
            assert_eq!(closed.count(), usize::from(!told), "{stage:?}, client {client}");
            assert_eq!(side.connection().poll_timeout(), None);
        }
    }
}
