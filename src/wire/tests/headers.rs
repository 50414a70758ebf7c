//! `Headers`, the application's own: order, limits, and that a refusal changes nothing.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

use super::{check, samples};
use crate::error::Rejected;
use crate::wire::{Frame, HeaderMap, HeaderValue, Headers};

fn names(headers: &Headers) -> Vec<&str> {
    headers.iter().map(|(name, _)| name).collect()
}

/// Headers whose map on the wire takes so many bytes, in one entry of name `"a"`.
fn of_bytes(bytes: usize) -> Result<Headers, Rejected> {
    let mut headers = Headers::new();
    headers.insert("a", "v".repeat(bytes - 6).as_str()).map(|()| headers)
}

#[test]
fn no_headers_are_empty() {
    let headers = Headers::new();
    assert!(headers.is_empty());
    assert_eq!((headers.len(), headers.get("a"), headers.iter().count()), (0, None, 0));
    assert_eq!(headers, Headers::default());
    assert_eq!(alloc::format!("{headers:?}"), "{}");
}

#[test]
fn every_type_of_value_comes_back() {
    let mut headers = Headers::new();
    headers.insert("number", u64::MAX).unwrap();
    headers.insert("yes", true).unwrap();
    headers.insert("no", false).unwrap();
    headers.insert("text", "\u{e9}").unwrap();
    headers.insert("bytes", &b"\xff\x00"[..]).unwrap();
    assert_eq!(headers.get("number"), Some(HeaderValue::Uint(u64::MAX)));
    assert_eq!(headers.get("yes"), Some(HeaderValue::Bool(true)));
    assert_eq!(headers.get("no"), Some(HeaderValue::Bool(false)));
    assert_eq!(headers.get("text"), Some(HeaderValue::Text("\u{e9}")));
    assert_eq!(headers.get("bytes"), Some(HeaderValue::Bytes(b"\xff\x00")));
    assert_eq!(headers.get("Text"), None);
    assert_eq!(headers.len(), 5);
    assert!(!headers.is_empty());
}

#[test]
fn a_name_given_again_takes_the_new_value() {
    let mut headers = Headers::new();
    headers.insert("a", 1_u64).unwrap();
    headers.insert("b", 2_u64).unwrap();
    headers.insert("a", "now text").unwrap();
    assert_eq!(headers.len(), 2);
    assert_eq!(headers.get("a"), Some(HeaderValue::Text("now text")));
    assert_eq!(headers.get("b"), Some(HeaderValue::Uint(2)));
    assert_eq!(names(&headers), ["a", "b"]);
}

#[test]
fn shorter_names_come_first_then_byte_order() {
    let mut headers = Headers::new();
    let long = "a".repeat(24);
    for name in ["bb", &long, "\u{e9}", "b", "aaa", "a", "Z", "ab"] {
        headers.insert(name, true).unwrap();
    }
    assert_eq!(names(&headers), ["Z", "a", "b", "ab", "bb", "\u{e9}", "aaa", long.as_str()]);
}

#[test]
fn any_insertions_give_what_a_map_gives_and_a_peer_reads_it() {
    check(512, &samples::entries(), |entries| {
        let mut headers = Headers::new();
        let mut model: BTreeMap<(usize, &str), HeaderValue<'_>> = BTreeMap::new();
        for (name, value) in entries {
            headers.insert(name, value).unwrap();
            model.insert((name.len(), name), value);
        }
        let expected: Vec<_> = model.iter().map(|((_, name), value)| (*name, *value)).collect();
        prop_assert_eq!(headers.iter().collect::<Vec<_>>(), expected);
        prop_assert_eq!(headers.len(), model.len());
        for ((_, name), value) in model {
            prop_assert_eq!(headers.get(name), Some(value));
        }

        let frame = Frame::Message { channel: "c", headers: headers.as_map(), payload: &[0xf6] };
        let bytes = super::encoded(&frame);
        let Ok(Frame::Message { headers: read, .. }) = Frame::decode(&bytes[4..]) else {
            return Err(TestCaseError::fail("not a message"));
        };
        let entries = bytes::Bytes::copy_from_slice(read.entries);
        prop_assert_eq!(Headers::from_checked(entries, read.count), headers);
        Ok(())
    });
}

#[test]
fn names_are_1_to_255_bytes() {
    for (length, good) in [(0, false), (1, true), (255, true), (256, false)] {
        let name = "n".repeat(length);
        let mut headers = Headers::new();
        let result = headers.insert(&name, true);
        assert_eq!(result, if good { Ok(()) } else { Err(Rejected::BadHeaders) }, "{length}");
        assert_eq!(headers.len(), usize::from(good));
    }
}

#[test]
fn at_most_16_fit() {
    let mut headers = Headers::new();
    for n in 0_u64..16 {
        assert_eq!(headers.insert(&alloc::format!("{n:02}"), n), Ok(()));
    }
    let before = headers.clone();
    assert_eq!(headers.insert("16", 16_u64), Err(Rejected::BadHeaders));
    assert_eq!(headers, before);
    assert_eq!(headers.insert("15", 99_u64), Ok(()), "in place of another");
    assert_eq!(headers.len(), 16);
}

#[test]
fn at_most_8192_bytes_fit_the_maps_head_included() {
    assert!(of_bytes(8191).is_ok());
    let full = of_bytes(8192).unwrap();
    assert_eq!(full.as_map().encoded_len(), 8192);
    assert_eq!(of_bytes(8193), Err(Rejected::BadHeaders));
    let bytes =
        super::encoded(&Frame::Message { channel: "", headers: full.as_map(), payload: &[] });
    assert!(Frame::decode(&bytes[4..]).is_ok(), "a peer takes as much");
}

#[test]
fn a_refusal_leaves_all_as_it_was() {
    let mut headers = of_bytes(8192 - 4).unwrap();
    headers.insert("b", true).unwrap();
    let before = headers.clone();
    let long: String = "v".repeat(9000);
    for (name, value) in [
        ("c", HeaderValue::Bool(true)),
        ("", HeaderValue::Bool(true)),
        ("b", HeaderValue::Text(&long)),
        ("a", HeaderValue::Text(&long)),
        ("b", HeaderValue::Uint(1 << 40)),
        (&long, HeaderValue::Uint(1)),
    ] {
        assert_eq!(headers.insert(name, value), Err(Rejected::BadHeaders));
        assert_eq!(headers, before);
        assert_eq!(names(&headers), ["a", "b"]);
        assert_eq!(headers.get("b"), Some(HeaderValue::Bool(true)));
    }
    assert_eq!(headers.insert("a", 0_u64), Ok(()), "what makes room is taken");
    assert_eq!(headers.insert("c", true), Ok(()));
}

#[test]
fn an_empty_map_is_one_byte() {
    assert_eq!(HeaderMap::default().encoded_len(), 1);
    assert_eq!(Headers::new().as_map(), HeaderMap::default());
}
