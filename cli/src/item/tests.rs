//! `Item` against the CBOR library, which writes what is read here, and by hand where that cannot.

use ciborium::Value;
use proptest::prelude::*;
use switchboard::Payload;

use super::*;

/// The payload that is spelled so.
pub(crate) fn hex(text: &str) -> Payload {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    Payload::from_cbor((0..text.len()).step_by(2).map(byte).collect::<Vec<u8>>()).unwrap()
}

/// The payload that says `item`, spelled by the library.
pub(crate) fn written(item: &Item) -> Payload {
    let mut cbor = Vec::new();
    ciborium::into_writer(&value(item), &mut cbor).unwrap();
    Payload::from_cbor(cbor).unwrap()
}

fn value(item: &Item) -> Value {
    match item {
        Item::Unsigned(n) => (*n).into(),
        Item::Negative(n) => Value::from(-1 - i128::from(*n)),
        Item::Bytes(bytes) => bytes.clone().into(),
        Item::Text(text) => text.clone().into(),
        Item::Array(elements) => Value::Array(elements.iter().map(value).collect()),
        Item::Map(entries) => {
            Value::Map(entries.iter().map(|(key, of)| (value(key), value(of))).collect())
        }
        Item::Tag(tag, content) => Value::Tag(*tag, Box::new(value(content))),
        Item::Bool(of) => (*of).into(),
        Item::Null => Value::Null,
        Item::Float(number) => (*number).into(),
        Item::Undefined | Item::Simple(_) => panic!("the library cannot write it"),
    }
}

/// What JSON can say one way or the other: no tags but those of integers, nothing infinite.
pub(crate) fn plain_items() -> impl Strategy<Value = Item> {
    let big = (2_u64..=3, 1_u8.., prop::collection::vec(any::<u8>(), 8..15));
    let leaf = prop_oneof![
        any::<u64>().prop_map(Item::Unsigned),
        any::<u64>().prop_map(Item::Negative),
        big.prop_map(|(tag, first, mut rest)| {
            rest.insert(0, first);
            Item::Tag(tag, Box::new(Item::Bytes(rest)))
        }),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Item::Bytes),
        any::<String>().prop_map(Item::Text),
        any::<bool>().prop_map(Item::Bool),
        Just(Item::Null),
        any::<f64>().prop_filter("finite", |of| of.is_finite()).prop_map(Item::Float),
        any::<f32>()
            .prop_filter("finite", |of| of.is_finite())
            .prop_map(|of| { Item::Float(of.into()) }),
    ];
    let key = prop_oneof![
        4 => "[a-c]{0,2}".prop_map(Item::Text),
        2 => r"\${0,3}(bytes|map|x)".prop_map(Item::Text),
        1 => any::<u64>().prop_map(Item::Unsigned),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Item::Array),
            prop::collection::vec((key.clone(), inner), 0..4).prop_map(Item::Map),
        ]
    })
}

proptest! {
    #[test]
    fn what_the_library_writes_is_read_back(item in plain_items()) {
        prop_assert_eq!(Item::read(&written(&item)).unwrap(), item);
    }

    /// Of whatever passes the scan, reading gives a value.
    #[test]
    fn what_passes_the_scan_is_read(cbor in prop::collection::vec(any::<u8>(), 1..24)) {
        if let Ok(payload) = Payload::from_cbor(cbor) {
            prop_assert!(Item::read(&payload).is_ok());
        }
    }

    #[test]
    fn halves_are_those_of_the_library(bits: u16) {
        let [high, low] = bits.to_be_bytes();
        let theirs: f64 = ciborium::from_reader(&[0xf9, high, low][..]).unwrap();
        prop_assert!(half(bits).to_bits() == theirs.to_bits() || theirs.is_nan());
        prop_assert_eq!(half(bits).is_nan(), theirs.is_nan());
    }
}

#[test]
fn every_simple_value_is_told_apart() {
    assert_eq!(Item::read(&hex("f6")), Ok(Item::Null));
    assert_eq!(Item::read(&hex("f7")), Ok(Item::Undefined));
    assert_eq!(Item::read(&hex("e0")), Ok(Item::Simple(0)));
    assert_eq!(Item::read(&hex("f820")), Ok(Item::Simple(32)));
}

#[test]
fn integers_are_told_whichever_way_they_are_spelled() {
    let text = |cbor: &str| Item::read(&hex(cbor)).unwrap().integer().and_then(Integer::text);
    assert_eq!(text("05").as_deref(), Some("5"));
    assert_eq!(text("c2420005").as_deref(), Some("5"));
    assert_eq!(text("c240").as_deref(), Some("0"));
    assert_eq!(text("c340").as_deref(), Some("-1"));
    let widest = "ff".repeat(16);
    assert_eq!(text(&format!("c250{widest}")), Some(u128::MAX.to_string()));
    assert_eq!(text(&format!("c350{widest}")), None);
    assert_eq!(text(&format!("c25101{}", "00".repeat(16))), None);
    assert_eq!(text("f90000"), None);
}
