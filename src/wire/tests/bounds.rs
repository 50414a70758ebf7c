//! Every number of section 2.1 at its ends and one beyond; the kinds that are none.

use alloc::vec::Vec;
use ciborium::Value;

use super::{cbor, encoded, hex};
use crate::error::ProtocolError;
use crate::id::{CallId, ConnectionId};
use crate::wire::{Amount, Dropped, Frame, Kind};

const MAX: u64 = (1 << 53) - 1;

fn array(elements: &[Value]) -> Vec<u8> {
    cbor(&Value::Array(elements.to_vec()))
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn map() -> Value {
    Value::Map(Vec::new())
}

fn list(numbers: &[u64]) -> Value {
    Value::Array(numbers.iter().map(|&number| number.into()).collect())
}

/// A good frame of each kind that has numbers, its payload null.
fn samples() -> Vec<Vec<Value>> {
    let (a, null) = (|| text("a"), || Value::Null);
    let kind = |kind: u64| Value::from(kind);
    let one = || Value::from(1_u64);
    Vec::from([
        Vec::from([kind(0), text("switchboard"), list(&[1]), map(), null()]),
        Vec::from([kind(1), one(), one(), map(), null()]),
        Vec::from([kind(2), one(), a(), list(&[1]), null(), null()]),
        Vec::from([kind(3), one(), a(), null()]),
        Vec::from([kind(4), one()]),
        Vec::from([kind(5), one()]),
        Vec::from([kind(6), a(), map(), null()]),
        Vec::from([kind(7), one(), a(), map(), null()]),
        Vec::from([kind(8), one(), null()]),
        Vec::from([kind(9), one(), one(), a(), null()]),
        Vec::from([kind(10), one(), null()]),
        Vec::from([kind(11), one()]),
        Vec::from([kind(12), one(), one()]),
        Vec::from([kind(13), one()]),
        Vec::from([kind(14), one(), a(), map()]),
        Vec::from([kind(15), one(), one()]),
        Vec::from([kind(16), one(), a(), map(), null()]),
        Vec::from([kind(17), one(), a(), map(), null()]),
        Vec::from([kind(18), one(), one()]),
    ])
}

/// The sample of a kind with another value in one place.
fn with(kind: usize, place: usize, value: impl Into<Value>) -> Vec<u8> {
    let mut elements = samples().swap_remove(kind);
    elements[place] = value.into();
    array(&elements)
}

/// What stands in this place must be from `least` to `most`.
fn bounded(kind: usize, place: usize, least: u64, most: u64) {
    for good in [least, least + 1, most - 1, most] {
        let bytes = with(kind, place, good);
        let frame = Frame::decode(&bytes);
        let frame = frame.unwrap_or_else(|error| panic!("{good} in {kind}, {place}: {error:?}"));
        assert_eq!(encoded(&frame)[4..], bytes, "{good} in {kind}, {place}");
    }
    for bad in [least.wrapping_sub(1), most.wrapping_add(1), u64::MAX] {
        if !(least..=most).contains(&bad) {
            let decoded = Frame::decode(&with(kind, place, bad)).map(|frame| frame.kind());
            assert_eq!(decoded, Err(ProtocolError::MalformedFrame), "{bad} in {kind}, {place}");
        }
    }
}

#[test]
fn the_samples_are_good_and_of_every_kind() {
    for (kind, sample) in Kind::ALL.iter().zip(samples()) {
        assert_eq!(Frame::decode(&array(&sample)).map(|frame| frame.kind()), Ok(*kind));
    }
    assert_eq!(samples().len(), Kind::ALL.len());
}

#[test]
fn ids_of_calls_and_subscriptions_are_1_to_2_53_minus_1() {
    for kind in 7..=18 {
        bounded(kind, 1, 1, MAX);
    }
    bounded(15, 2, 1, MAX);
    assert_eq!(CallId::new(0), None);
    assert_eq!(CallId::new(MAX).map(CallId::number), Some(MAX));
    assert_eq!(CallId::new(MAX + 1), None);
}

#[test]
fn only_the_id_of_a_publish_may_be_null() {
    for kind in 7..=18 {
        let decoded = Frame::decode(&with(kind, 1, Value::Null)).map(|frame| frame.kind());
        let expected =
            if kind == 16 { Ok(Kind::Publish) } else { Err(ProtocolError::MalformedFrame) };
        assert_eq!(decoded, expected, "kind {kind}");
    }
}

#[test]
fn the_number_of_a_connection_is_0_to_2_53_minus_1() {
    bounded(1, 2, 0, MAX);
    assert_eq!(ConnectionId::new(MAX).map(ConnectionId::number), Some(MAX));
    assert_eq!(ConnectionId::new(MAX + 1), None);
}

#[test]
fn versions_are_1_to_65535() {
    bounded(1, 1, 1, 65_535);
    for (kind, place) in [(0, 2), (2, 3)] {
        for (version, good) in [(0, false), (1, true), (65_535, true), (65_536, false)] {
            for list in [list(&[version]), list(&[1, version]), list(&[version, 1])] {
                let decoded = Frame::decode(&with(kind, place, list)).is_ok();
                assert_eq!(decoded, good, "{version} in kind {kind}");
            }
        }
    }
}

#[test]
fn a_list_of_versions_has_any_length_but_0() {
    for (kind, place) in [(0, 2), (2, 3)] {
        let empty = with(kind, place, list(&[]));
        assert_eq!(Frame::decode(&empty), Err(ProtocolError::MalformedFrame));
        for length in [1, 2, 23, 24, 255, 256, 1000] {
            let versions: Vec<u64> = (1..=length).rev().collect();
            let bytes = with(kind, place, list(&versions));
            let frame = Frame::decode(&bytes).expect("versions may stand in any order");
            assert_eq!(encoded(&frame)[4..], bytes);
        }
    }
}

#[test]
fn tokens_are_0_to_2_32_minus_1() {
    bounded(4, 1, 0, u64::from(u32::MAX));
    bounded(5, 1, 0, u64::from(u32::MAX));
}

#[test]
fn an_error_is_1_to_2_32_minus_1_and_a_goodbye_may_say_0() {
    bounded(2, 1, 1, u64::from(u32::MAX));
    bounded(9, 2, 1, u64::from(u32::MAX));
    bounded(3, 1, 0, u64::from(u32::MAX));
    assert_eq!(
        Frame::decode(&with(3, 1, 0_u64)),
        Ok(Frame::Goodbye { error: None, reason: "a", reconnect_after_ms: None })
    );
}

#[test]
fn reconnect_after_ms_is_any_number_or_null() {
    for (kind, place) in [(2, 4), (3, 3)] {
        bounded(kind, place, 0, u64::MAX);
        assert!(Frame::decode(&with(kind, place, Value::Null)).is_ok());
        for bad in [Value::Bool(false), Value::Bool(true), text("1")] {
            let decoded = Frame::decode(&with(kind, place, bad)).map(|frame| frame.kind());
            assert_eq!(decoded, Err(ProtocolError::MalformedFrame));
        }
    }
}

#[test]
fn the_amount_of_a_credit_is_1_to_2_31_minus_1() {
    bounded(12, 2, 1, (1 << 31) - 1);
    assert_eq!(Amount::new(0), None);
    assert_eq!(Amount::new((1 << 31) - 1).map(Amount::bytes), Some((1 << 31) - 1));
    assert_eq!(Amount::new(1 << 31), None);
}

#[test]
fn what_a_lagged_counts_is_1_to_2_53_minus_1() {
    bounded(18, 2, 1, MAX);
    assert_eq!(Dropped::new(0), None);
    assert_eq!(Dropped::new(MAX).map(Dropped::deliveries), Some(MAX));
    assert_eq!(Dropped::new(MAX + 1), None);
}

/// Section 5.1 forbids such names, but the frame is well-spelled: the wire lets them through.
#[test]
fn channels_topics_and_patterns_of_any_length_are_read() {
    for (kind, place) in [(6, 1), (7, 2), (14, 2), (16, 2), (17, 2)] {
        for length in [0, 1, 23, 24, 255, 256, 65_535, 65_536] {
            let bytes = with(kind, place, "x".repeat(length));
            let frame = Frame::decode(&bytes).expect("any length");
            assert_eq!(encoded(&frame)[4..], bytes);
        }
    }
}

#[test]
fn every_element_of_another_type_is_refused() {
    for (kind, sample) in samples().into_iter().enumerate() {
        let payload = sample.last() == Some(&Value::Null) && kind != 3;
        let head = &sample[..sample.len() - usize::from(payload)];
        for (place, right) in head.iter().enumerate() {
            for other in [
                Value::from(1_u64),
                Value::Bool(true),
                Value::Null,
                text("x"),
                Value::Bytes(Vec::from([1])),
                list(&[1]),
                map(),
            ] {
                let same = core::mem::discriminant(&other) == core::mem::discriminant(right);
                let or_null = [(2, 4), (3, 3), (16, 1)].contains(&(kind, place));
                if same || (or_null && (other.is_integer() || other.is_null())) {
                    continue;
                }
                let decoded = Frame::decode(&with(kind, place, other)).map(|frame| frame.kind());
                let expected = Err(ProtocolError::MalformedFrame);
                assert_eq!(decoded, expected, "kind {kind}, element {place}");
            }
        }
    }
}

// Threat 5.
#[test]
fn kinds_19_to_23_and_above_65535_are_no_frames() {
    for kind in [19, 20, 21, 22, 23, 65_536, 65_537, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        for elements in [0, 1, 22] {
            let mut array_of = Vec::from([Value::from(kind)]);
            array_of.extend((0..elements).map(|_| Value::Null));
            let bytes = array(&array_of);
            let decoded = Frame::decode(&bytes);
            assert_eq!(decoded, Err(ProtocolError::UnknownKind), "kind {kind}");
        }
    }
}

/// Only the kind of an extension is read: what is behind it need not even be CBOR.
#[test]
fn extensions_are_taken_whole_and_unread() {
    for kind in 24..=u16::MAX {
        let mut bytes = array(&[kind.into()]);
        bytes[0] = 0x83;
        bytes.extend(hex("ff 1c f8"));
        let expected = Frame::Extension { kind, elements: 3, rest: &[0xff, 0x1c, 0xf8] };
        let frame = Frame::decode(&bytes).unwrap();
        assert_eq!(frame, expected);
        assert_eq!((frame.kind(), frame.kind().number()), (Kind::Extension(kind), kind));
        assert_eq!(frame.kind().name(), "extension");
        assert_eq!(encoded(&frame)[4..], bytes);
    }
}
