//! `Payload` itself: what goes in comes out, and what it shows of itself.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::hex;
use crate::Status;
use crate::payload::{
    DecodeError, EncodeError, FromPayload, Payload, PayloadLimits, ScanError, ToPayload,
};

#[test]
fn null_is_the_default() {
    assert_eq!(Payload::null().as_cbor(), [0xf6]);
    assert_eq!(Payload::default(), Payload::null());
    assert_eq!(Payload::null().len(), 1);
    assert!(!Payload::null().is_empty());
    assert!(Payload::from_peer(Vec::new().into()).is_empty());
}

// Threat 47.
#[test]
fn from_cbor_takes_one_item_and_nothing_else() {
    let payload = Payload::from_cbor(hex("83 01 02 03")).unwrap();
    assert_eq!(payload.as_cbor(), hex("83 01 02 03"));
    assert_eq!(payload.clone().into_cbor(), payload.as_cbor());
    assert_eq!(Payload::from_cbor(hex("01 02")), Err(ScanError::Trailing { at: 1 }));
    assert_eq!(Payload::from_cbor(Vec::new()), Err(ScanError::Empty));
}

#[test]
fn bytes_have_the_shortest_head_and_come_back() {
    let heads: [(usize, &str); 9] = [
        (0, "40"),
        (1, "41"),
        (23, "57"),
        (24, "58 18"),
        (255, "58 ff"),
        (256, "59 0100"),
        (65_535, "59 ffff"),
        (65_536, "5a 00010000"),
        (1 << 20, "5a 00100000"),
    ];
    for (length, head) in heads {
        let content = vec![0xa5; length];
        let payload = Payload::bytes(&content);
        let head = hex(head);
        assert_eq!(payload.as_cbor()[..head.len()], head, "{length}");
        assert_eq!(payload.len(), head.len() + length);
        assert_eq!(payload.as_bytes(), Some(&content[..]));
        assert_eq!(payload.check(&PayloadLimits::default()), Ok(()));
    }
}

#[test]
fn as_bytes_wants_one_whole_byte_string() {
    let as_bytes = |text| Payload::from_peer(hex(text).into()).as_bytes().map(<[u8]>::to_vec);
    assert_eq!(as_bytes("42 0102"), Some(vec![1, 2]));
    assert_eq!(as_bytes("58 02 0102"), Some(vec![1, 2]));
    assert_eq!(as_bytes("5b 0000000000000002 0102"), Some(vec![1, 2]));
    for other in ["", "42 01", "42 010203", "62 6161", "5f 41 01 ff", "5c", "58", "c2 41 01", "f6"]
    {
        assert_eq!(as_bytes(other), None, "{other}");
    }
}

#[test]
fn debug_shows_the_beginning_and_the_length() {
    assert_eq!(format!("{:?}", Payload::null()), "Payload(1 B: f6)");
    let long = format!("{:?}", Payload::bytes(&[7; 1000]));
    assert!(long.starts_with("Payload(1003 B: 5903e80707"), "{long}");
    assert!(long.ends_with("07..)"), "{long}");
    assert_eq!(long.len(), "Payload(1003 B: ".len() + 128 + "..)".len());
}

#[test]
fn a_payload_goes_through_the_traits_as_it_is() {
    let limits = PayloadLimits::default();
    let payload = Payload::from_cbor(hex("9f 01 ff")).unwrap();
    assert_eq!(ToPayload::to_payload(&payload).unwrap(), payload);
    assert_eq!(Payload::from_payload(payload.clone(), &limits).unwrap(), payload);
    assert_eq!(Vec::<u8>::from_payload(payload, &limits).unwrap(), [1]);
    assert_eq!(ToPayload::to_payload("a").unwrap().as_cbor(), hex("61 61"));
    assert_eq!(
        Payload::from_payload(Payload::from_peer(hex("01 01").into()), &limits),
        Err(DecodeError::Scan(ScanError::Trailing { at: 1 }))
    );
}

#[test]
fn errors_say_what_where_and_with_which_status() {
    let deep = ScanError::TooDeep { at: 64, limit: 64 };
    assert_eq!(deep.status(), Status::RESOURCE_EXHAUSTED);
    assert_eq!(DecodeError::from(deep).status(), Status::RESOURCE_EXHAUSTED);
    assert_eq!(ScanError::Empty.status(), Status::INVALID_ARGUMENT);
    assert_eq!(
        format!("{}", DecodeError::from(deep)),
        "the payload is not usable CBOR: nested deeper than 64 at byte 64; send a flatter value"
    );
    let whole = DecodeError::Mismatch { path: String::new(), message: "no".into() };
    assert_eq!(format!("{whole}"), "the payload is not of the expected type: no");
    assert_eq!(whole.status(), Status::INVALID_ARGUMENT);
    let part = EncodeError { path: "a.b[2]".into(), message: "no".into() };
    assert_eq!(format!("{part}"), "cannot write the value as CBOR at `a.b[2]`: no");
    assert_eq!(part.status(), Status::INVALID_ARGUMENT);
}
