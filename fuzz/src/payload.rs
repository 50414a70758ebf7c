//! Target `payload`: the scan, against another reader of CBOR, and the way into serde and back.

use std::collections::BTreeMap;
use std::fmt::Debug;

use ciborium::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;
use switchboard::{Payload, PayloadLimits, ScanError, from_payload, scan, to_payload};

/// The bytes are a payload. The scan and ciborium agree on what is one, but for what either is known to
/// see otherwise; nothing that serde makes of it panics; what is read as a value is written and read
/// again as the same.
///
/// # Panics
///
/// If that does not hold.
pub fn payload(data: &[u8]) {
    let limits = PayloadLimits::default();
    let library = library(data);
    if let Err(fault) = scan(data, &limits) {
        assert!(Payload::from_cbor(data.to_vec()).is_err());
        assert!(library.is_none() || is_stricter(&fault, data), "only ciborium takes it: {fault}");
        return;
    }
    assert!(library.is_some() || library_refuses(data), "only the scan takes it");
    let payload = Payload::from_cbor(data.to_vec()).expect("the scan took it");
    if let Some(content) = payload.as_bytes() {
        assert_eq!(Payload::bytes(content).as_bytes(), Some(content));
    }
    returns::<u64>(&payload);
    returns::<i128>(&payload);
    returns::<f32>(&payload);
    returns::<Option<char>>(&payload);
    returns::<String>(&payload);
    returns::<Vec<Option<i16>>>(&payload);
    returns::<(u8, (), BTreeMap<String, f64>)>(&payload);
    returns::<BTreeMap<u64, Result<Vec<u8>, bool>>>(&payload);
    value(&payload, library);
}

/// If it is one of this type, it is written and read back as the same.
fn returns<T: Serialize + DeserializeOwned + Debug>(payload: &Payload) {
    let limits = PayloadLimits::default();
    let Ok(value) = from_payload::<T>(payload, &limits) else { return };
    let written = to_payload(&value).expect("what was read can be written");
    let again = from_payload::<T>(&written, &limits).expect("what was written can be read");
    // In words, since NaN is no equal of itself.
    assert_eq!(format!("{value:?}"), format!("{again:?}"));
    assert_eq!(written, to_payload(&again).expect("it can be written again"));
}

/// Read as any value it is what ciborium alone reads, and soon has one spelling.
fn value(payload: &Payload, library: Option<Value>) {
    let limits = PayloadLimits::default();
    let Ok(value) = from_payload::<Value>(payload, &limits) else { return };
    if let Some(library) = library {
        assert_eq!(format!("{value:?}"), format!("{library:?}"), "ciborium reads another value");
    }
    let spell = |payload: &Payload| {
        let value = from_payload::<Value>(payload, &limits).expect("what was written can be read");
        to_payload(&value).expect("what was read can be written")
    };
    let written = to_payload(&value).expect("what was read can be written");
    let again = spell(&written);
    // A bignum in pieces is a tag with bytes behind it when it is first read, then a number.
    let bignum = written.as_cbor().iter().any(|byte| matches!(byte, 0xc2 | 0xc3));
    assert!(bignum || written == again, "{written:?} became {again:?}");
    assert_eq!(spell(&again), again, "it has no one spelling");
}

/// What ciborium alone makes of all the bytes as one item.
fn library(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    ciborium::from_reader::<Value, _>(&mut rest).ok().filter(|_| rest.is_empty())
}

/// What is well-formed, and refused by ciborium all the same: simple values without a meaning, and
/// bignums beyond 128 bits.
fn library_refuses(bytes: &[u8]) -> bool {
    let unassigned = |pair: &[u8]| {
        matches!(pair[0], 0xe0..=0xf3) || (pair[0] == 0xf8 && pair.get(1) >= Some(&0x20))
    };
    (0..bytes.len()).any(|at| unassigned(&bytes[at..]) || bytes[at..].starts_with(&[0xc3, 0x50]))
}

/// What ciborium takes and the scan does not: simple values below 32 in two bytes, strings in pieces
/// whose pieces are in pieces, and what is beyond limits.
fn is_stricter(fault: &ScanError, bytes: &[u8]) -> bool {
    match fault {
        ScanError::BadSimple { .. } => {
            bytes.windows(2).any(|pair| pair[0] == 0xf8 && pair[1] < 0x20)
        }
        ScanError::BadChunk { at } => matches!(bytes.get(*at), Some(0x5f | 0x7f)),
        ScanError::TooDeep { .. } | ScanError::TooManyItems { .. } => true,
        _ => false,
    }
}
