//! The scan against the CBOR library's own reader, on every short input and on made-up values.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use ciborium::Value;
use proptest::prelude::*;

use crate::payload::{Payload, PayloadLimits, ScanError, from_payload, scan, to_payload};

/// Whether the library reads `bytes` to their end as one item.
fn library_takes(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    ciborium::from_reader::<Value, _>(&mut rest).is_ok() && rest.is_empty()
}

/// What is well-formed, and refused by the library all the same: simple values without a meaning,
/// and a negative bignum of 16 bytes that is beyond 128 bits.
fn library_refuses(bytes: &[u8]) -> bool {
    let unassigned = |pair: &[u8]| {
        matches!(pair[0], 0xe0..=0xf3) || (pair[0] == 0xf8 && pair.get(1) >= Some(&0x20))
    };
    (0..bytes.len()).any(|at| unassigned(&bytes[at..]) || bytes[at..].starts_with(&[0xc3, 0x50]))
}

/// What the library takes although RFC 8949 forbids it: simple values below 32 in two bytes.
fn library_forgives(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair[0] == 0xf8 && pair[1] < 0x20)
}

fn compare(bytes: &[u8]) {
    let scanned = scan(bytes, &PayloadLimits::default());
    match (scanned, library_takes(bytes)) {
        (Ok(()), true) => {}
        (Ok(()), false) => assert!(library_refuses(bytes), "only the scan takes {bytes:x?}"),
        (Err(fault), true) => {
            assert!(matches!(fault, ScanError::BadSimple { .. }), "{bytes:x?}: {fault}");
            assert!(library_forgives(bytes), "only the library takes {bytes:x?}");
        }
        (Err(_), false) => {}
    }
}

#[test]
fn all_inputs_of_up_to_two_bytes() {
    compare(&[]);
    for first in 0..=255 {
        compare(&[first]);
        for second in 0..=255 {
            compare(&[first, second]);
        }
    }
}

/// All third bytes take some ten seconds without optimisation: these do what the others do.
fn third_bytes() -> impl Iterator<Item = u8> + Clone {
    let all = !cfg!(debug_assertions);
    (0..=255).filter(move |byte| all || matches!(byte & 0x1f, 0 | 1 | 24 | 28 | 31))
}

#[test]
fn all_inputs_of_three_bytes() {
    for first in 0..=255 {
        for second in 0..=255 {
            for third in third_bytes() {
                compare(&[first, second, third]);
            }
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Integer(number.into())),
        any::<u64>().prop_map(|number| Value::Integer(number.into())),
        any::<f64>().prop_map(Value::Float),
        any::<f32>().prop_map(|number| Value::Float(number.into())),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((inner.clone(), inner.clone()), 0..8).prop_map(Value::Map),
            // Above the tags that make a bignum of the bytes behind them.
            (4_u64.., inner).prop_map(|(tag, inner)| Value::Tag(tag, Box::new(inner))),
        ]
    })
}

/// One byte less, one byte more or other bytes within: what damage does.
fn damage() -> impl Strategy<Value = (prop::sample::Index, u8)> {
    (any::<prop::sample::Index>(), any::<u8>())
}

proptest! {
    #[test]
    fn what_is_written_is_scanned_and_read_back(value in values()) {
        let payload = to_payload(&value).unwrap();
        let limits = PayloadLimits::default();
        prop_assert_eq!(payload.check(&limits), Ok(()));
        prop_assert_eq!(from_payload::<Value>(&payload, &limits).unwrap(), value);
    }

    #[test]
    fn no_beginning_of_a_payload_is_one(value in values()) {
        let payload = to_payload(&value).unwrap();
        for length in 0..payload.len() {
            prop_assert!(Payload::from_cbor(payload.as_cbor()[..length].to_vec()).is_err());
        }
        let mut longer = payload.as_cbor().to_vec();
        longer.push(0);
        let fault = ScanError::Trailing { at: payload.len() };
        prop_assert_eq!(Payload::from_cbor(longer), Err(fault));
    }

    #[test]
    fn damage_is_seen_alike(value in values(), damage in prop::collection::vec(damage(), 1..4)) {
        let mut bytes = to_payload(&value).unwrap().as_cbor().to_vec();
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        // The scan is the stricter one, but for what the library gives no meaning.
        if scan(&bytes, &PayloadLimits::default()).is_ok() {
            prop_assert!(library_takes(&bytes) || library_refuses(&bytes));
        }
    }
}
