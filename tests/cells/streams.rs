//! The same for a side that takes items and offers topics: every frame about them in every stage of the
//! connection, and every frame of a call in every phase of the call.

use common::framed;
use switchboard::{CallId, Command, Options, Payload};

use super::*;

/// Each side has one call open, with streams both ways, one that has ended, and one subscription.
const TABLE: &str = "
                       | open                 | closing by us        | closing by both      | closing by peer      | ending  | closed
item, theirs           | item                 | item                 | item                 | item                 | dropped | dropped
item, ours             | item                 | item                 | item                 | item                 | dropped | dropped
item, theirs ended     | taken                | taken                | taken                | taken                | dropped | dropped
item, ours ended       | unknown-call         | unknown-call         | unknown-call         | unknown-call         | dropped | dropped
item, never            | unknown-call         | unknown-call         | unknown-call         | unknown-call         | dropped | dropped
end, theirs            | end                  | end                  | end                  | end                  | dropped | dropped
end, ours              | unknown-call         | unknown-call         | unknown-call         | unknown-call         | dropped | dropped
end, theirs ended      | taken                | taken                | taken                | taken                | dropped | dropped
end, never             | unknown-call         | unknown-call         | unknown-call         | unknown-call         | dropped | dropped
credit, theirs         | taken                | taken                | taken                | taken                | dropped | dropped
credit, ours           | taken                | taken                | taken                | taken                | dropped | dropped
credit, theirs ended   | taken                | taken                | taken                | taken                | dropped | dropped
credit, ours ended     | unknown-call         | unknown-call         | unknown-call         | unknown-call         | dropped | dropped
credit, never          | unknown-call         | unknown-call         | unknown-call         | unknown-call         | dropped | dropped
cancel, theirs         | cancelled            | cancelled            | cancelled            | cancelled            | dropped | dropped
cancel, theirs ended   | taken                | taken                | taken                | taken                | dropped | dropped
subscribe              | subscribe            | >UNAVAILABLE         | unexpected-frame     | unexpected-frame     | dropped | dropped
unsubscribe            | unsubscribe >response | >UNAVAILABLE         | unexpected-frame     | unexpected-frame     | dropped | dropped
unsubscribe, none      | >NOT_FOUND           | >UNAVAILABLE         | unexpected-frame     | unexpected-frame     | dropped | dropped
publish                | publish              | >UNAVAILABLE         | unexpected-frame     | unexpected-frame     | dropped | dropped
publish, no id         | publish              | publish              | unexpected-frame     | unexpected-frame     | dropped | dropped
delivery               | delivery             | delivery             | unknown-subscription | unknown-subscription | dropped | dropped
lagged                 | lagged               | lagged               | unknown-subscription | unknown-subscription | dropped | dropped
delivery, none         | unknown-subscription | unknown-subscription | unknown-subscription | unknown-subscription | dropped | dropped
lagged, none           | unknown-subscription | unknown-subscription | unknown-subscription | unknown-subscription | dropped | dropped
failure, subscription  | subscription ended   | subscription ended   | unknown-call         | unknown-call         | dropped | dropped
response, subscription | unknown-call         | unknown-call         | unknown-call         | unknown-call         | dropped | dropped";

const STAGES: [Stage; 6] = [
    Stage::Open,
    Stage::ClosingByUs,
    Stage::ClosingByBoth,
    Stage::ClosingByPeer,
    Stage::Ending,
    Stage::Closed,
];

/// Phases of a call of the peer, and of one of this side.
const CALLS: &str = "
                   | item              | end               | credit            | cancel           | response     | failure
theirs, open       | item              | end               | taken             | cancelled        | unknown-call | unknown-call
theirs, complete   | unexpected-stream | unexpected-stream | taken             | cancelled        | unknown-call | unknown-call
theirs, cancelled  | unexpected-frame  | unexpected-frame  | unexpected-frame  | unexpected-frame | unknown-call | unknown-call
theirs, late       | taken             | taken             | taken             | taken            | unknown-call | unknown-call
theirs, answered   | >item >item >response | >item >item >response | >item >item >response | >item >CANCELLED | unknown-call | unknown-call
theirs, ended      | taken             | taken             | taken             | taken            | unknown-call | unknown-call
theirs, never      | unknown-call      | unknown-call      | unknown-call      | unknown-call     | unknown-call | unknown-call
theirs, no streams | unexpected-stream | unexpected-stream | unexpected-stream | cancelled        | unknown-call | unknown-call
ours, open         | item              | unknown-call      | taken             | unknown-call     | answer       | answer
ours, complete     | item              | unknown-call      | taken             | unknown-call     | answer       | answer
ours, given up     | taken             | unknown-call      | taken             | unknown-call     | taken        | taken
ours, unwritten    | unknown-call      | unknown-call      | unknown-call      | unknown-call     | unknown-call | unknown-call
ours, ended        | unknown-call      | unknown-call      | unknown-call      | unknown-call     | unknown-call | unknown-call
ours, never        | unknown-call      | unknown-call      | unknown-call      | unknown-call     | unknown-call | unknown-call
ours, no streams   | unexpected-stream | unknown-call      | unexpected-stream | unknown-call     | answer       | answer";

fn id(number: u64) -> CallId {
    CallId::new(number).unwrap()
}

fn open(client: bool) -> Side {
    let config = common::config(|config| {
        (config.takes_items, config.offers_topics) = (true, true);
    });
    Side::open(client, config)
}

fn streamed() -> Options {
    Options::new().no_deadline().send_items().take_items()
}

/// A connection in a stage, and the peer's next id.
fn reach(stage: Stage, client: bool) -> Side {
    let (mut side, ours, theirs) = (open(client), ours(client), theirs(client));
    let now = side.now;
    side.feed(&framed(&format!("85 07 {theirs:02x} 6161 a10103 f6")));
    side.call("b", &Payload::null(), &streamed(), 0).unwrap();
    // The ones that end.
    side.feed(&framed(&format!("85 07 {:02x} 6161 a10103 f6", theirs + 2)));
    side.call("b", &Payload::null(), &streamed(), 0).unwrap();
    side.respond(theirs + 2).unwrap();
    side.written();
    side.feed(&framed(&format!("83 08 {:02x} f6", ours + 2)));
    // The subscriptions.
    side.connection().subscribe(now, "t.>", &Options::new(), 0).unwrap();
    side.written();
    side.feed(&framed(&format!("83 08 {:02x} 00", ours + 4)));
    side.feed(&framed(&format!("84 0e {:02x} 6174 a0", theirs + 4)));
    let accept = Command::Subscribe { subscription: id(theirs + 4), retained: vec![] };
    side.connection().apply(now, accept).unwrap();
    side.written();
    if matches!(stage, Stage::ClosingByUs | Stage::ClosingByBoth) {
        side.close("");
        side.written();
    }
    match stage {
        Stage::ClosingByBoth | Stage::ClosingByPeer => side.feed(&hex(GOODBYE)),
        Stage::Ending => side.feed(&hex("00000001 f6")),
        Stage::Closed => side.connection().abort("enough"),
        _ => {}
    }
    side.written();
    side.events.clear();
    side
}

/// A frame of a call, or the answer to it.
fn frame_of(kind: &str, number: u64) -> Vec<u8> {
    framed(&match kind {
        "item" => format!("83 0a {number:02x} f6"),
        "end" => format!("82 0b {number:02x}"),
        "credit" => format!("83 0c {number:02x} 01"),
        "cancel" => format!("82 0d {number:02x}"),
        "response" => format!("83 08 {number:02x} f6"),
        "failure" => format!("85 09 {number:02x} 05 60 f6"),
        other => panic!("no bytes for {other:?}"),
    })
}

fn row_bytes(row: &str, client: bool) -> Vec<u8> {
    let (ours, theirs) = (ours(client), theirs(client));
    let (kind, whose) = row.split_once(", ").unwrap_or((row, ""));
    let number = match whose {
        "theirs" => theirs,
        "ours" => ours,
        "theirs ended" => theirs + 2,
        "ours ended" => ours + 2,
        "subscription" => ours + 4,
        "never" => theirs + 20,
        _ => theirs + 6,
    };
    let none = whose == "none";
    let (wanted, own) = if none { (theirs + 2, ours + 2) } else { (theirs + 4, ours + 4) };
    framed(&match kind {
        "subscribe" => format!("84 0e {number:02x} 6174 a0"),
        "unsubscribe" => format!("83 0f {number:02x} {wanted:02x}"),
        "publish" if whose == "no id" => "85 10 f6 6174 a0 f6".into(),
        "publish" => format!("85 10 {number:02x} 6174 a0 f6"),
        "delivery" => format!("85 11 {own:02x} 6174 a0 f6"),
        "lagged" => format!("83 12 {own:02x} 01"),
        kind => return frame_of(kind, number),
    })
}

/// The rows of a table: name and cells.
fn rows(table: &str) -> Vec<(&str, Vec<&str>)> {
    let parts = table.lines().skip(2).map(|line| line.split('|').map(str::trim));
    parts.map(|mut parts| (parts.next().unwrap(), parts.collect())).collect()
}

#[test]
fn frames_of_streams_and_topics_do_in_every_stage_what_the_protocol_says() {
    let mut wrong = Vec::new();
    for (row, cells) in rows(TABLE) {
        assert_eq!(cells.len(), STAGES.len(), "{row}");
        for (stage, expected) in STAGES.into_iter().zip(cells) {
            for client in [true, false] {
                let found = outcome(reach(stage, client), stage, &row_bytes(row, client));
                if found != expected {
                    wrong.push(format!("{row}, {stage:?}, client {client}: {expected} / {found}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "cell: expected / found\n{}", wrong.join("\n"));
}

/// A connection with a call in this phase, and the call's id.
fn reach_call(phase: &str, client: bool) -> (Side, u64) {
    let (mut side, ours, theirs) = (open(client), ours(client), theirs(client));
    let now = side.now;
    let flags = if phase.contains("no streams") { "a0" } else { "a10103" };
    let (whose, phase) = phase.split_once(", ").unwrap();
    if whose == "ours" {
        let options = if flags == "a0" { Options::new().no_deadline() } else { streamed() };
        if phase != "never" {
            side.call("c", &Payload::null(), &options, 0).unwrap();
        }
        match phase {
            "unwritten" => return (side, ours),
            "complete" => side.connection().end(now, id(ours)).unwrap(),
            "given up" => {
                side.written();
                side.cancel(ours).unwrap();
            }
            _ => {}
        }
        side.written();
        if phase == "ended" {
            side.feed(&framed(&format!("83 08 {ours:02x} f6")));
        }
        side.events.clear();
        return (side, ours);
    }
    let headers = if phase == "late" { "a2000a0103" } else { flags };
    if phase != "never" {
        side.feed(&framed(&format!("85 07 {theirs:02x} 6161 {headers} f6")));
    }
    match phase {
        "complete" => side.feed(&framed(&format!("82 0b {theirs:02x}"))),
        "cancelled" => side.feed(&framed(&format!("82 0d {theirs:02x}"))),
        "late" => side.wait(common::millis(10)),
        "answered" => {
            let item = common::blob(20_000);
            for _ in 0..2 {
                side.connection().item(now, id(theirs), &item).unwrap();
            }
            side.respond(theirs).unwrap();
        }
        "ended" => side.respond(theirs).unwrap(),
        _ => {}
    }
    if phase != "answered" {
        side.written();
    }
    side.events.clear();
    (side, theirs)
}

#[test]
fn frames_of_a_call_do_in_each_of_its_phases_what_the_protocol_says() {
    let mut wrong = Vec::new();
    let kinds: Vec<&str> =
        CALLS.lines().nth(1).unwrap().split('|').skip(1).map(str::trim).collect();
    for (phase, cells) in rows(CALLS) {
        assert_eq!(cells.len(), kinds.len(), "{phase}");
        for (kind, expected) in kinds.iter().zip(cells) {
            for client in [true, false] {
                let (side, number) = reach_call(phase, client);
                let found = outcome(side, Stage::Open, &frame_of(kind, number));
                if found != expected {
                    wrong.push(format!("{phase}, {kind}, client {client}: {expected} / {found}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "cell: expected / found\n{}", wrong.join("\n"));
}
