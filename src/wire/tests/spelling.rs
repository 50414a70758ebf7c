//! One spelling only (section 1.2): whatever CBOR allows beside it is refused in every place of every
//! head.

use alloc::format;
use alloc::vec::Vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::items::{Item, items, replaced, spelled};
use super::{body_and_head, check_each_kind, hex};
use crate::error::ProtocolError;
use crate::wire::Frame;

/// Heads with what the generators leave out: headers and settings that are ignored.
const IGNORED: [&str; 4] = [
    "84 06 6163 a5 06 01 07 f5 17 6174 18 18 4162 18 ff 1903e8 f6",
    "84 0e 01 6174 a4 06 1b0000000100000000 07 7818626262626262626262626262626262626262626262626262 6161 40 6162 f4",
    "85 00 6b737769746368626f617264 8101 a5 06 01 07 f5 08 6174 18 18 a1 6161 6162 1903e8 4162 f6",
    "85 01 01 00 a2 1b0000000100000000 01 1bffffffffffffffff a0 f6",
];

fn must_be_malformed(bytes: &[u8], how: &str) -> Result<(), TestCaseError> {
    let decoded = Frame::decode(bytes);
    prop_assert_eq!(decoded, Err(ProtocolError::MalformedFrame), "{}: {:02x?}", how, bytes);
    Ok(())
}

/// Does something to every item of every kind of head; what comes of it must be refused.
fn refused_everywhere(how: &str, change: impl Fn(&[u8], Item) -> Vec<Vec<u8>>) {
    let each = |body: &[u8], head| {
        for item in items(body, head) {
            for changed in change(body, item) {
                must_be_malformed(&changed, how)?;
            }
        }
        Ok(())
    };
    check_each_kind(|frame| {
        let (body, head) = body_and_head(&frame);
        each(&body, head)
    });
    for text in IGNORED {
        let body = hex(text);
        let frame = Frame::decode(&body).expect(text);
        let tail = usize::from(!matches!(frame, Frame::Subscribe { .. }));
        if let Err(error) = each(&body, body.len() - tail) {
            panic!("{text}: {error}");
        }
    }
}

#[test]
fn a_number_or_length_in_more_bytes_than_it_needs_is_refused() {
    refused_everywhere("longer", |body, item| {
        let used = item.inside - item.at - 1;
        let wider = [1, 2, 4, 8].into_iter().filter(|&width| width > used);
        wider
            .map(|width| {
                replaced(body, item.at..item.inside, &spelled(item.major, item.argument, width))
            })
            .collect()
    });
}

#[test]
fn the_reserved_lengths_of_lengths_are_refused() {
    refused_everywhere("reserved", |body, item| {
        let reserved = [28, 29, 30].map(|info| [item.major << 5 | info]);
        reserved.iter().map(|first| replaced(body, item.at..item.inside, first)).collect()
    });
}

#[test]
fn indefinite_lengths_are_refused() {
    refused_everywhere("indefinite", |body, item| {
        let first = item.major << 5 | 31;
        let whole = &body[item.at..item.end];
        let inside = &body[item.inside..item.end];
        let changed = match item.major {
            2 | 3 => [&[first], whole, &[0xff]].concat(),
            4 | 5 => [&[first], inside, &[0xff]].concat(),
            _ => return Vec::from([replaced(body, item.at..item.end, &[first])]),
        };
        let empty = [first, 0xff];
        Vec::from([
            replaced(body, item.at..item.end, &changed),
            replaced(body, item.at..item.end, &empty),
        ])
    });
}

#[test]
fn tags_are_refused() {
    refused_everywhere("tag", |body, item| {
        let tags = [&[0xc0][..], &[0xc2], &[0xd8, 0x2a], &[0xd9, 0xd9, 0xf7]];
        tags.iter().map(|tag| replaced(body, item.at..item.at, tag)).collect()
    });
}

// Threat 49.
#[test]
fn negative_numbers_floats_and_other_simple_values_are_refused() {
    refused_everywhere("of another type", |body, item| {
        let others = [
            "20",
            "37",
            "38ff",
            "3bffffffffffffffff",
            "f90000",
            "f93c00",
            "fa3f800000",
            "fb3ff0000000000000",
            "f7",
            "e0",
            "f3",
            "f8ff",
            "f820",
            "f814",
            "ff",
        ];
        others.iter().map(|other| replaced(body, item.at..item.end, &hex(other))).collect()
    });
}

// Threat 49.
#[test]
fn text_that_is_not_utf_8_is_refused_everywhere() {
    refused_everywhere("not UTF-8", |body, item| {
        if item.major != 3 || item.argument == 0 {
            return Vec::new();
        }
        let last = item.end - 1..item.end;
        [0xff, 0xc0, 0x80, 0xe2]
            .into_iter()
            // A byte that continues a character may rightly stand behind the start of one.
            .filter(|&byte| byte != 0x80 || item.argument == 1)
            .map(|byte| replaced(body, last.clone(), &[byte]))
            .collect()
    });
}

#[test]
fn text_is_utf_8_in_every_detail_of_it() {
    let bad = ["c080", "c1bf", "e08080", "eda080", "edbfbf", "f08080af", "f4908080", "e282", "80"];
    for text in bad {
        let length = text.len() / 2;
        let bytes = hex(&format!("84 06 {:02x}{text} a0 f6", 0x60 + length));
        assert_eq!(Frame::decode(&bytes), Err(ProtocolError::MalformedFrame), "{text}");
    }
    for text in ["c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "f0908080", "f48fbfbf", "00", "7f"] {
        let length = text.len() / 2;
        let bytes = hex(&format!("84 06 {:02x}{text} a0 f6", 0x60 + length));
        assert!(Frame::decode(&bytes).is_ok(), "{text}");
    }
}

#[test]
fn a_length_that_the_frame_cannot_hold_is_refused() {
    refused_everywhere("too long", |body, item| {
        if !matches!(item.major, 2 | 3) {
            return Vec::new();
        }
        let left = (body.len() - item.inside) as u64;
        let lengths = [left + 1, u64::from(u32::MAX), i64::MAX as u64, u64::MAX];
        lengths
            .into_iter()
            .map(|length| replaced(body, item.at..item.inside, &spelled(item.major, length, 8)))
            .chain([replaced(body, item.at..item.inside, &shortest(item.major, left + 1))])
            .collect()
    });
}

#[test]
fn more_map_entries_than_there_are_bytes_are_refused() {
    for count in ["b7", "b818", "b8ff", "b9ffff", "baffffffff", "bbffffffffffffffff"] {
        let message = hex(&format!("84 06 6163 {count} 6161 01 f6"));
        assert_eq!(Frame::decode(&message), Err(ProtocolError::MalformedFrame), "{count}");
        let hello = hex(&format!("85 00 6b737769746368626f617264 8101 {count} 01 01 f6"));
        assert_eq!(Frame::decode(&hello), Err(ProtocolError::MalformedFrame), "{count}");
        let inside = hex(&format!("85 00 6b737769746368626f617264 8101 a1 05 {count} 60 60 f6"));
        assert_eq!(Frame::decode(&inside), Err(ProtocolError::MalformedFrame), "{count}");
    }
    for count in ["97", "9818", "9affffffff", "9bffffffffffffffff"] {
        let hello = hex(&format!("85 00 6b737769746368626f617264 {count} 01 a0 f6"));
        assert_eq!(Frame::decode(&hello), Err(ProtocolError::MalformedFrame), "{count}");
    }
}

/// The first bytes of an item in the one spelling that is allowed.
fn shortest(major: u8, argument: u64) -> Vec<u8> {
    match argument {
        0..=23 => Vec::from([major << 5 | argument as u8]),
        24..=0xff => spelled(major, argument, 1),
        0x100..=0xffff => spelled(major, argument, 2),
        0x1_0000..=0xffff_ffff => spelled(major, argument, 4),
        _ => spelled(major, argument, 8),
    }
}
