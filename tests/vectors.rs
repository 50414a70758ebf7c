//! The golden bytes of `tests/vectors/`: this crate reads and writes just those, and a `Connection` of
//! either role says its part of each conversation byte for byte. The README there tells the format.

#[path = "vectors/replay.rs"]
mod replay;
#[path = "vectors/script.rs"]
mod script;
#[path = "vectors/tells.rs"]
mod tells;
#[path = "vectors/wishes.rs"]
mod wishes;

use std::collections::BTreeSet;

use bytes::BytesMut;
use switchboard::wire::{Decoder, Frame, Kind};
use switchboard::{PayloadLimits, scan};

use script::{Conversation, Note, Role, Step};

/// What each file holds: frames at least, and in how many conversations a client and a server of this
/// crate take part.
const FILES: &[(&str, usize, usize, usize)] = &[
    ("calls.txt", 103, 11, 16),
    ("closing.txt", 61, 10, 10),
    ("errors.txt", 113, 2, 15),
    ("frames.txt", 97, 0, 0),
    ("handshake.txt", 40, 10, 16),
    ("streams.txt", 105, 8, 13),
    ("topics.txt", 109, 12, 10),
];

fn conversations() -> impl Iterator<Item = Conversation> {
    FILES.iter().flat_map(|(file, ..)| script::read(file))
}

#[test]
fn no_file_and_no_line_is_missing() {
    let listed: BTreeSet<_> = FILES.iter().map(|(file, ..)| (*file).to_string()).collect();
    assert_eq!(script::files(), listed);
    for (file, least, clients, servers) in FILES {
        let conversations = script::read(file);
        let lines: usize = conversations.iter().map(|one| one.lines().count()).sum();
        assert!(lines >= *least, "{file} has {lines} frames, at least {least} are expected");
        let ours = |role| conversations.iter().filter(|one| one.ours.contains(&role)).count();
        assert!(ours(Role::Client) >= *clients, "{file}: {} clients", ours(Role::Client));
        assert!(ours(Role::Server) >= *servers, "{file}: {} servers", ours(Role::Server));
    }
}

// Threat 68.
#[test]
fn every_line_is_read_as_its_kind_and_written_again() {
    let mut kinds = Vec::new();
    for conversation in conversations() {
        for line in conversation.lines() {
            let mut decoder = Decoder::new(16 << 20);
            decoder.space()[..line.bytes.len()].copy_from_slice(&line.bytes);
            decoder.filled(line.bytes.len());
            let Some(kind) = line.kind() else {
                let taken = decoder.peek().map(|frame| frame.map(Frame::decode));
                assert!(!matches!(taken, Ok(Some(Ok(_)))), "{line}: this is a frame");
                continue;
            };
            let body = decoder.peek().unwrap().unwrap_or_else(|| panic!("{line}: not whole"));
            assert_eq!(body.len() + 4, line.bytes.len(), "{line}: the length");
            let frame = Frame::decode(body).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(frame.kind().number(), kind, "{line}");
            if let Some(payload) = replay::payload_of(&frame) {
                let scanned = scan(payload, &PayloadLimits::default());
                scanned.unwrap_or_else(|error| panic!("{line}: {error}"));
            }
            let mut written = BytesMut::new();
            frame.encode(&mut written);
            if line.note == Note::ReadOnly {
                assert_ne!(written, line.bytes, "{line}: it is written so");
            } else {
                assert_eq!(written, line.bytes, "{line}");
            }
            kinds.push(frame.kind());
        }
    }
    for kind in Kind::ALL.iter().chain(&[Kind::Extension(24), Kind::Extension(65535)]) {
        assert!(kinds.contains(kind), "there is a line of {kind:?}");
    }
}

#[test]
fn a_connection_of_either_role_says_its_part_of_each_conversation() {
    for conversation in conversations() {
        for role in &conversation.ours {
            for piece in [usize::MAX, 1] {
                replay::run(&conversation, *role, piece);
            }
        }
    }
}

#[test]
fn what_is_compared_is_told_apart() {
    let broken = |change: fn(&mut Vec<Step>)| {
        let mut all = script::read("calls.txt");
        let conversation = all.iter_mut().find(|one| one.title == "cancelled").unwrap();
        change(&mut conversation.steps);
        conversation.ours.iter().any(|role| {
            let run = || replay::run(conversation, *role, usize::MAX);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err()
        })
    };
    assert!(!broken(|_| {}));
    assert!(broken(|steps| drop(steps.remove(2))), "without the call");
    assert!(broken(|steps| steps.swap(3, 4)), "the answer first");
    assert!(broken(|steps| drop(steps.drain(3..))), "without an end of the call");
    assert!(broken(|steps| {
        let Step::Line(line) = &mut steps[4] else { panic!("a line") };
        *line.bytes.last_mut().unwrap() = 0xf7;
    }));
}
