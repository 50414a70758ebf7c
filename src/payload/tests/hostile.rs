//! What a peer sends who means harm: depth, breadth, long texts in errors.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::thread;

use ciborium::Value;
use serde::{Deserialize, Serialize};

use super::{hex, mismatch};
use crate::payload::{
    DecodeError, MAX_DEPTH, Payload, PayloadLimits, ScanError, from_payload, scan, to_payload,
};

/// The stack that is enough for the scan of anything, and in a release build for serde's recursion.
const SMALL_STACK: usize = 64 * 1024;

/// What a debug build needs for serde's recursion, of which the CBOR library alone takes 256 KiB.
const DEBUG_STACK: usize = 512 * 1024;

fn on_stack(size: usize, work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(size).spawn(work).unwrap().join().unwrap();
}

// Threat 44.
#[test]
fn any_nesting_is_refused_on_a_small_stack() {
    on_stack(SMALL_STACK, || {
        for (level, count) in
            [(&[0x81][..], 100_000), (&[0x9f], 128 << 10), (&[0xc1], 100_000), (&[0xa1], 100_000)]
        {
            let bytes = level.repeat(count);
            let payload = Payload::from_peer(bytes.into());
            let fault = ScanError::TooDeep { at: 64, limit: 64 };
            let read = from_payload::<Value>(&payload, &PayloadLimits::default());
            assert_eq!(read, Err(DecodeError::Scan(fault)), "{level:x?}");
        }
    });
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Node(alloc::boxed::Box<Self>),
}

fn read_deepest<T: serde::de::DeserializeOwned + Send + 'static>(levels: Vec<u8>) {
    let stack = if cfg!(debug_assertions) { DEBUG_STACK } else { SMALL_STACK };
    on_stack(stack, move || {
        let payload = Payload::from_peer(levels.into());
        let read = from_payload::<T>(&payload, &PayloadLimits::default());
        assert!(read.is_ok(), "{:?}", read.err());
    });
}

// Threat 44.
#[test]
fn the_deepest_payload_is_read_on_a_small_stack() {
    let nested = |level: &[u8]| [&level.repeat(64)[..], &[0xf6]].concat();
    read_deepest::<Value>(nested(&[0x81]));
    read_deepest::<Value>(nested(&[0xa1, 0x00]));
    read_deepest::<Value>(nested(&[0xc6]));
    read_deepest::<serde::de::IgnoredAny>(nested(&[0xa1, 0x00]));
    let node = hex("a1 64 4e6f6465");
    read_deepest::<Tree>([&node.repeat(64)[..], &hex("64 4c656166")].concat());
}

#[test]
fn the_deepest_payload_is_refused_on_a_small_stack() {
    let stack = if cfg!(debug_assertions) { DEBUG_STACK } else { SMALL_STACK };
    on_stack(stack, || {
        let node = hex("a1 64 4e6f6465");
        // The path is looked for by a second, deeper recursion, so it is not told for every depth.
        for (depth, told) in [(31, true), (32, true), (33, false), (64, false)] {
            let payload = Payload::from_peer([&node.repeat(depth)[..], &[0]].concat().into());
            match from_payload::<Tree>(&payload, &PayloadLimits::default()) {
                Err(DecodeError::Mismatch { path, .. }) => assert_eq!(!path.is_empty(), told),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn nothing_within_the_greatest_depth_reaches_the_recursion_limit_of_the_library() {
    on_stack(8 << 20, || {
        let limits = PayloadLimits { max_depth: MAX_DEPTH, ..PayloadLimits::default() };
        for level in [&[0x81][..], &[0xa1, 0x00], &[0xc6]] {
            let bytes = [&level.repeat(MAX_DEPTH)[..], &[0xf6]].concat();
            let read = from_payload::<Value>(&Payload::from_peer(bytes.into()), &limits);
            assert!(read.is_ok(), "{level:x?}");
        }
    });
}

// Threat 46.
#[test]
fn a_mebibyte_of_next_to_nothing_is_over_the_limit() {
    for tiny in [&[0xf6][..], &[0x80], &[0xc6, 0xf6]] {
        let count = (1 << 20) / tiny.len();
        let mut bytes = vec![0x9f];
        bytes.extend(tiny.repeat(count));
        bytes.push(0xff);
        let fault = ScanError::TooManyItems { at: 1 << 20, limit: 1 << 20 };
        assert_eq!(scan(&bytes, &PayloadLimits::default()), Err(fault), "{tiny:x?}");
    }
    let mut bytes = vec![0x5f];
    bytes.extend(vec![0x40; 1 << 20]);
    bytes.push(0xff);
    let fault = ScanError::TooManyItems { at: 1 << 20, limit: 1 << 20 };
    assert_eq!(scan(&bytes, &PayloadLimits::default()), Err(fault));
}

// Threat 44.
#[test]
fn maps_as_keys_of_maps_are_scanned_and_read() {
    let payload = Payload::from_cbor(hex("a1 a1 a0 80 bf 80 a0 ff")).unwrap();
    let read = from_payload::<Value>(&payload, &PayloadLimits::default());
    assert!(read.is_ok(), "{:?}", read.err());
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    #[serde(rename = "only")]
    _only: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "never made: reading it is what fails")]
enum Choice {
    One,
    Two,
}

/// A payload that is `text` and a mismatch for a `T`, and what is said about it.
fn echoed<T: serde::de::DeserializeOwned>(value: &impl Serialize) -> (String, String) {
    let payload = to_payload(value).unwrap();
    match from_payload::<T>(&payload, &PayloadLimits::default()) {
        Err(DecodeError::Mismatch { path, message }) => (path, message),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("was read"),
    }
}

fn harmless(text: &str) {
    assert!(text.len() <= 1024, "{} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

// Threat 51.
#[test]
fn an_error_neither_repeats_the_payload_nor_rewrites_a_terminal() {
    for c in ['\u{1b}', '\u{7f}', '\n', '\u{202e}', '\u{10ffff}', '\u{e4}', 'x', '"'] {
        let long: String = core::iter::repeat_n(c, 3 << 10).collect();
        let (_, message) = echoed::<Choice>(&long);
        harmless(&message);
        assert!(message.contains("expected `One` or `Two`"), "{message}");

        let (_, message) = echoed::<f64>(&long);
        harmless(&message);
        assert!(message.contains("exact as an f64"), "{message}");

        let name: String = core::iter::repeat_n(c, 1000).collect();

        let (_, message) = echoed::<Strict>(&BTreeMap::from([(name, 1)]));
        harmless(&message);
        assert!(message.contains("expected `only`"), "{message}");

        let (path, message) =
            echoed::<BTreeMap<String, BTreeMap<String, u8>>>(&BTreeMap::from([(
                long.clone(),
                BTreeMap::from([(long, "no number")]),
            )]));
        harmless(&message);
        harmless(&path);
    }
}

// Threat 51.
#[test]
fn no_length_gets_past_the_cut() {
    for c in ['\u{1b}', '\u{80}', '\u{202e}', '\u{feff}', '\u{10ffff}', 'x'] {
        for length in 0..600 {
            let text: String = core::iter::repeat_n(c, length).collect();
            harmless(&crate::payload::text::tidy(&text));
            harmless(&crate::payload::text::tidy(&(text + "\u{1b}x".repeat(60).as_str())));
        }
    }
}

#[test]
fn a_short_error_is_told_whole() {
    assert_eq!(mismatch::<Choice>("61 0a").1, "unknown variant `\\n`, expected `One` or `Two`");
}

#[test]
fn errors_of_the_scan_repeat_nothing() {
    let payload = Payload::from_peer(hex("82 66 736563726574 61 80").into());
    let error = from_payload::<Value>(&payload, &PayloadLimits::default()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

// Threat 51.
#[test]
fn a_mebibyte_of_control_characters_is_read_and_refused_like_any_text() {
    let long: String = core::iter::repeat_n('\u{1b}', 1 << 20).collect();
    let payload = to_payload(&long).unwrap();
    assert_eq!(from_payload::<String>(&payload, &PayloadLimits::default()).unwrap(), long);
    let (_, message) = echoed::<Choice>(&long);
    harmless(&message);
}
