//! The header map of a frame as a peer may spell it: order, limits and types (section 2.1).

use alloc::string::String;
use alloc::vec::Vec;
use ciborium::Value;
use proptest::prelude::*;

use super::{cbor, check, encoded, hex};
use crate::error::ProtocolError;
use crate::wire::{Frame, HeaderMap, HeaderValue};

type Entries = Vec<(Value, Value)>;

/// A `message` with these headers, spelled by another library in this very order.
fn message(headers: &Entries) -> Vec<u8> {
    let headers = Value::Map(headers.clone());
    cbor(&Value::Array(Vec::from([6.into(), "c".into(), headers, Value::Null])))
}

fn is_good(headers: &Entries) -> bool {
    match Frame::decode(&message(headers)) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error, ProtocolError::MalformedFrame);
            false
        }
    }
}

fn only(key: impl Into<Value>, value: impl Into<Value>) -> Entries {
    Vec::from([(key.into(), value.into())])
}

fn numbered(count: usize) -> Entries {
    (6..6 + count as u64).map(|key| (key.into(), true.into())).collect()
}

/// A map of exactly so many bytes, its own head included, with this key of one or two bytes.
fn of_bytes(key: impl Into<Value>, bytes: usize) -> Entries {
    let key = key.into();
    let around = 1 + cbor(&key).len() + 3;
    let entries = only(key, "v".repeat(bytes - around));
    assert_eq!(cbor(&Value::Map(entries.clone())).len(), bytes);
    entries
}

fn key() -> impl Strategy<Value = Value> {
    prop_oneof![
        (6_u64..=255).prop_map(Value::from),
        proptest::sample::select(&["a", "b", "aa", "ab", "\u{7f}", "\u{80}", "Z"][..])
            .prop_map(Value::from),
        (1_usize..=255).prop_map(|length| Value::from("x".repeat(length))),
    ]
}

#[test]
fn keys_are_taken_in_the_order_of_their_bytes_and_in_no_other() {
    let keys = proptest::collection::vec(key(), 0..6);
    check(1024, &keys, |keys| {
        let headers: Entries = keys.into_iter().map(|key| (key, false.into())).collect();
        let ascends = headers.windows(2).all(|pair| cbor(&pair[0].0) < cbor(&pair[1].0));
        prop_assert_eq!(is_good(&headers), ascends);

        let mut sorted = headers;
        sorted.sort_by_key(|(key, _)| cbor(key));
        sorted.dedup();
        prop_assert!(is_good(&sorted), "sorted, each once");
        Ok(())
    });
}

// Threat 49.
#[test]
fn two_keys_out_of_order_or_the_same_twice_are_refused() {
    let ordered: [Value; 12] = [
        0.into(),
        3.into(),
        23.into(),
        24.into(),
        255.into(),
        "Z".into(),
        "a".into(),
        "b".into(),
        "aa".into(),
        "x".repeat(23).into(),
        "a".repeat(24).into(),
        "x".repeat(255).into(),
    ];
    let value = |key: &Value| if *key == 0.into() { Value::from(1) } else { Value::from(true) };
    for (first, a) in ordered.iter().enumerate() {
        for (second, b) in ordered.iter().enumerate() {
            let headers = Vec::from([(a.clone(), value(a)), (b.clone(), value(b))]);
            assert_eq!(is_good(&headers), first < second, "{a:?}, {b:?}");
        }
    }
}

#[test]
fn at_most_16_entries_are_taken_whosoever_they_are() {
    for count in [0, 1, 15, 16, 17, 23, 24, 100, 250] {
        assert_eq!(is_good(&numbered(count)), count <= 16, "{count} of the protocol");
        let names = (0..count).map(|n| (alloc::format!("{n:03}").into(), true.into()));
        assert_eq!(is_good(&names.collect()), count <= 16, "{count} of the application");
    }
    let mut mixed = numbered(8);
    mixed.extend((0..8).map(|n| (alloc::format!("{n}").into(), true.into())));
    assert!(is_good(&mixed));
    mixed.push(("xx".into(), true.into()));
    assert!(!is_good(&mixed));
}

#[test]
fn at_most_8192_bytes_are_taken_the_maps_head_included() {
    for (bytes, good) in [(8191, true), (8192, true), (8193, false), (9000, false)] {
        assert_eq!(is_good(&of_bytes("a", bytes)), good, "{bytes} of the application");
        assert_eq!(is_good(&of_bytes(6, bytes)), good, "{bytes}, ignored");
        assert_eq!(is_good(&of_bytes(200, bytes)), good, "{bytes}, ignored");
        let mut two = only(0, 1);
        two.extend(of_bytes("a", bytes - 2));
        assert_eq!(is_good(&two), good, "{bytes} of both");
    }
}

#[test]
fn a_name_is_1_to_255_bytes() {
    for (length, good) in [(0, false), (1, true), (255, true), (256, false), (300, false)] {
        assert_eq!(is_good(&only("n".repeat(length), true)), good, "name of {length}");
        assert_eq!(is_good(&only(4, "n".repeat(length))), good, "group of {length}");
    }
    let bytes_not_characters: String = "\u{e9}".repeat(128);
    assert!(!is_good(&only(bytes_not_characters, true)));
}

#[test]
fn the_protocols_own_keys_end_at_255() {
    for key in [6_u64, 23, 24, 100, 254, 255] {
        assert!(is_good(&only(key, true)), "{key}");
    }
    for key in [256_u64, 65_535, 1 << 32, u64::MAX] {
        assert!(!is_good(&only(key, true)), "{key}");
    }
    for key in [Value::Bool(true), Value::Null, Value::Bytes(Vec::from([1])), (-1).into()] {
        assert!(!is_good(&only(key.clone(), true)), "{key:?}");
    }
}

#[test]
fn each_key_has_its_type_wherever_it_stands() {
    let values: [(&str, Value); 8] = [
        ("uint", 7.into()),
        ("uint", u64::MAX.into()),
        ("bool", false.into()),
        ("bool", true.into()),
        ("text", "v".into()),
        ("bytes", Value::Bytes(Vec::from([0xff]))),
        ("null", Value::Null),
        ("array", Value::Array(Vec::new())),
    ];
    let types = [
        (Value::from(0), &["uint"][..]),
        (1.into(), &["uint"]),
        (2.into(), &["uint"]),
        (3.into(), &["bool"]),
        (4.into(), &["text"]),
        (5.into(), &["bool"]),
        (6.into(), &["uint", "bool", "text", "bytes"]),
        (255.into(), &["uint", "bool", "text", "bytes"]),
        ("name".into(), &["uint", "bool", "text", "bytes"]),
    ];
    for (key, allowed) in types {
        for (of_type, value) in &values {
            let good = is_good(&only(key.clone(), value.clone()));
            assert_eq!(good, allowed.contains(of_type), "{key:?}: {value:?}");
        }
        for value in [Value::from(-1), 1.5.into(), Value::Map(Vec::new())] {
            assert!(!is_good(&only(key.clone(), value.clone())), "{key:?}: {value:?}");
        }
    }
}

#[test]
fn what_stands_in_the_map_is_read_and_later_numbers_are_left_out() {
    let bytes = hex(
        "84 06 6163 aa 001905dc 0103 0202 03f5 046167 05f4 0607 18ff6178 61610a 62626243ff0001 f6",
    );
    let Ok(frame @ Frame::Message { headers, .. }) = Frame::decode(&bytes) else {
        panic!("a good message");
    };
    let known = HeaderMap {
        deadline: Some(1500),
        streams: Some(3),
        when_full: Some(2),
        retain: Some(true),
        group: Some("g"),
        echo: Some(false),
        ..headers
    };
    assert_eq!(headers, known);
    assert_eq!(headers.count, 2);
    assert_eq!(headers.entries, hex("61610a 62626243ff0001"));

    let kept = hex("84 06 6163 a8 001905dc 0103 0202 03f5 046167 05f4 61610a 62626243ff0001 f6");
    assert_eq!(encoded(&frame)[4..], kept);
}

#[test]
fn the_local_limits_are_those_of_the_wire() {
    let with_deadline = |bytes: usize, deadline: u64| {
        let mut headers = crate::wire::Headers::new();
        // Around the text: the map's head, the name's two bytes, the length's three.
        let text = "v".repeat(bytes - 6);
        headers.insert("a", HeaderValue::Text(&text)).unwrap();
        HeaderMap { deadline: Some(deadline), ..headers.as_map() }.is_within_limits()
    };
    for (deadline, bytes) in [(0, 2), (23, 2), (24, 3), (1500, 4), (70_000, 6), (1 << 40, 10)] {
        assert!(with_deadline(8192 - bytes, deadline), "{deadline}");
        assert!(!with_deadline(8193 - bytes, deadline), "{deadline}");
    }

    let mut headers = crate::wire::Headers::new();
    for n in 0..15 {
        headers.insert(&alloc::format!("{n}"), true).unwrap();
    }
    assert!(HeaderMap { deadline: Some(1), ..headers.as_map() }.is_within_limits());
    let two = HeaderMap { deadline: Some(1), echo: Some(false), ..headers.as_map() };
    assert!(!two.is_within_limits());
}

#[test]
fn the_local_length_of_a_map_is_what_it_takes_when_written() {
    let long = "g".repeat(255);
    for group in [None, Some("g"), Some(&long[..23]), Some(&long[..24]), Some(&long)] {
        for retain in [None, Some(true)] {
            for streams in [None, Some(3), Some(u64::MAX)] {
                let map =
                    HeaderMap { streams, retain, echo: retain, group, ..HeaderMap::default() };
                let frame = Frame::Subscribe {
                    id: crate::CallId::new(1).unwrap(),
                    pattern: "",
                    headers: map,
                };
                // Around the map: the length, the array, the kind, the id, the empty pattern.
                assert_eq!(map.encoded_len(), encoded(&frame).len() - 8, "{map:?}");
            }
        }
    }
}
