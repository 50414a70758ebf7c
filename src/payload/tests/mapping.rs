//! The mapping of serde's types, as it stands on the wire (`docs/protocol.md`).

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Debug};

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{hex, mismatch, read};
use crate::payload::{EncodeError, Payload, PayloadLimits, from_payload, to_payload};

/// `value` stands on the wire as `text`, and comes back from it.
fn stands_as<T>(value: T, text: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let payload = to_payload(&value).unwrap();
    assert_eq!(payload.as_cbor(), hex(text), "{value:?}");
    assert_eq!(payload.check(&PayloadLimits::default()), Ok(()), "{value:?}");
    assert_eq!(from_payload::<T>(&payload, &PayloadLimits::default()), Ok(value));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(u8);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, String);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Struct {
    a: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Enum {
    Unit,
    New(u8),
    Two(u8, u8),
    Named { a: u8 },
}

#[derive(Debug, PartialEq)]
struct Opaque(Vec<u8>);

impl Serialize for Opaque {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Opaque {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Opaque;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Opaque, E> {
                Ok(Opaque(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[test]
fn nothing_is_null() {
    stands_as((), "f6");
    stands_as(Unit, "f6");
    stands_as(None::<u8>, "f6");
    stands_as(Some(1_u8), "01");
    assert_eq!(read::<Option<u8>>("f7"), Ok(None), "undefined, too");
    assert_eq!(read::<()>("f7"), Ok(()));
}

// Threat 49.
#[test]
fn integers_are_exact_up_to_128_bits() {
    stands_as(0_u8, "00");
    stands_as(u64::MAX, "1b ffffffffffffffff");
    stands_as(i64::MIN, "3b 7fffffffffffffff");
    stands_as(-1_i8, "20");
    stands_as(u128::from(u64::MAX) + 1, "c2 49 010000000000000000");
    stands_as(u128::MAX, "c2 50 ffffffffffffffffffffffffffffffff");
    stands_as(-(1_i128 << 64), "3b ffffffffffffffff");
    stands_as(-(1_i128 << 64) - 1, "c3 49 010000000000000000");
    stands_as(i128::MAX, "c2 50 7fffffffffffffffffffffffffffffff");
    stands_as(i128::MIN, "c3 50 7fffffffffffffffffffffffffffffff");
    assert_eq!(read::<u8>("c2 42 0001"), Ok(1), "a small bignum is a number");
    assert!(read::<u8>("19 0100").is_err());
    assert!(read::<u64>("20").is_err());
    assert!(read::<i64>("3b 8000000000000000").is_err());
    assert!(read::<i64>("3b ffffffffffffffff").is_err(), "-2^64");
    assert!(read::<u128>("c2 51 0100000000000000000000000000000000").is_err(), "2^128");
    assert!(read::<u8>("f9 3c00").is_err(), "a float is no integer");
}

#[test]
fn texts_and_bytes() {
    stands_as(true, "f5");
    stands_as('\u{e4}', "62 c3a4");
    stands_as("a".to_string(), "61 61");
    stands_as(Cow::<'static, str>::from("a"), "61 61");
    stands_as(Box::<str>::from("a"), "61 61");
    stands_as(Opaque(vec![1, 2]), "42 01 02");
    stands_as(vec![1_u8, 2], "82 01 02");
    assert_eq!(read::<Vec<u8>>("42 01 02"), Ok(vec![1, 2]), "bytes do for an array");
    assert_eq!(read::<String>("7f 61 61 60 61 62 ff"), Ok("ab".into()));
    assert_eq!(read::<Opaque>("5f 41 01 41 02 ff"), Ok(Opaque(vec![1, 2])));
    assert!(read::<char>("62 6161").is_err());
    assert!(read::<char>("60").is_err());
    assert!(read::<String>("41 61").is_err(), "bytes are no text");
}

#[test]
fn a_text_of_any_length_is_lent() {
    struct Length(usize);
    impl<'de> Deserialize<'de> for Length {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Text;
            impl Visitor<'_> for Text {
                type Value = Length;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("text")
                }
                fn visit_str<E>(self, text: &str) -> Result<Length, E> {
                    Ok(Length(text.len()))
                }
            }
            deserializer.deserialize_str(Text)
        }
    }
    assert!(read::<Length>("7f 61 61 61 62 ff").is_ok_and(|length| length.0 == 2));
    let long: String = core::iter::repeat_n('x', 5000).collect();
    let read = from_payload::<Length>(&to_payload(&long).unwrap(), &PayloadLimits::default());
    assert!(read.is_ok_and(|length| length.0 == 5000));
}

#[test]
fn arrays_and_maps() {
    stands_as(vec!["a".to_string()], "81 61 61");
    stands_as((1_u8, -1_i8, true), "83 01 20 f5");
    stands_as([1_u8, 2], "82 01 02");
    stands_as(BTreeSet::from([1_u8]), "81 01");
    stands_as(BTreeMap::from([(1_u8, "a".to_string())]), "a1 01 61 61");
    stands_as(BTreeMap::from([((1_u8, 2_u8), Some(Unit))]).len(), "01");
    stands_as(BTreeMap::from([((1_u8, 2_u8), 3_u8)]), "a1 82 01 02 03");
    assert_eq!(read::<BTreeMap<u8, u8>>("bf 01 02 ff"), Ok(BTreeMap::from([(1, 2)])));
}

#[test]
fn structs_are_maps_of_names() {
    stands_as(Newtype(7), "07");
    stands_as(Pair(1, "a".into()), "82 01 61 61");
    stands_as(Struct { a: 1, b: None }, "a1 61 61 01");
    stands_as(Struct { a: 1, b: Some("x".into()) }, "a2 61 61 01 61 62 61 78");
    let one = Struct { a: 1, b: None };
    assert_eq!(read::<Struct>("bf 61 61 01 ff").as_ref(), Ok(&one), "of any length");
    assert!(read::<Struct>("41 61").is_err());
    assert!(read::<Struct>("81 01").is_err(), "an array is no struct");
    assert!(read::<Struct>("a1 00 01").is_err(), "a number is no name");
}

#[test]
fn unknown_fields_are_skipped_whatever_they_are() {
    for unknown in [
        "00",
        "3b ffffffffffffffff",
        "c2 51 0100000000000000000000000000000000",
        "5f 41 00 ff",
        "7f 61 61 ff",
        "9f 01 ff",
        "bf 01 02 ff",
        "c1 c1 80",
        "d9 d9f7 a1 00 00",
        "f6",
        "f7",
        "f97e00",
    ] {
        let text = ["a2 61 78", unknown, "61 61 01"].join(" ");
        assert_eq!(read::<Struct>(&text), Ok(Struct { a: 1, b: None }), "{unknown}");
    }
}

#[test]
fn a_name_has_at_most_4096_bytes() {
    for (length, taken) in [(4095_u16, true), (4096, true), (4097, false)] {
        let mut named = hex("a2 79");
        named.extend(length.to_be_bytes());
        named.extend(core::iter::repeat_n(b'x', length.into()));
        named.extend(hex("00 61 61 01"));
        let named = Payload::from_cbor(named).unwrap();
        let read = from_payload::<Struct>(&named, &PayloadLimits::default());
        assert_eq!(read.is_ok(), taken, "{length}");
    }
}

#[test]
fn enums_are_externally_tagged() {
    stands_as(Enum::Unit, "64 556e6974");
    stands_as(Enum::New(7), "a1 63 4e6577 07");
    stands_as(Enum::Two(1, 2), "a1 63 54776f 82 01 02");
    stands_as(Enum::Named { a: 1 }, "a1 65 4e616d6564 a1 61 61 01");
    stands_as(vec![Enum::Unit, Enum::New(7), Enum::Unit], "83 64556e6974 a1634e657707 64556e6974");
    stands_as(Some(Enum::Unit), "64 556e6974");
    stands_as(Ok::<u8, String>(1), "a1 62 4f6b 01");
    assert_eq!(read::<Enum>("bf 63 4e6577 07 ff"), Ok(Enum::New(7)), "of any length");
    assert_eq!(read::<Enum>("a1 64 556e6974 f6"), Ok(Enum::Unit), "null is no content");
    assert_eq!(read::<Enum>("7f 62 556e 62 6974 ff"), Ok(Enum::Unit));
}

#[test]
fn tags_are_skipped() {
    assert_eq!(read::<u8>("c1 c1 07"), Ok(7));
    assert_eq!(read::<f64>("c1 d8 20 f9 3c00"), Ok(1.0));
    assert_eq!(read::<f64>("c1 07"), Ok(7.0));
    assert_eq!(read::<String>("d8 20 61 61"), Ok("a".into()));
    assert_eq!(read::<Enum>("c6 64 556e6974"), Ok(Enum::Unit));
    assert_eq!(read::<Enum>("c6 c6 a1 63 4e6577 07"), Ok(Enum::New(7)));
    assert_eq!(read::<Struct>("d9 d9f7 a1 61 61 01"), Ok(Struct { a: 1, b: None }));
    type Tagged = ciborium::tag::Required<f64, 1>;
    stands_as(ciborium::tag::Required::<f64, 1>(1.5), "c1 f9 3e00");
    assert_eq!(read::<Tagged>("c1 07"), Ok(ciborium::tag::Required(7.0)), "floats within, too");
    assert!(read::<Tagged>("c2 07").is_err());
}

/// These go through a buffer of serde's own, behind which the layer does not reach.
#[test]
fn untagged_and_flattened_types_are_less_exact() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Float(f64),
        Text(String),
    }
    assert_eq!(read::<Untagged>("61 61"), Ok(Untagged::Text("a".into())));
    assert_eq!(read::<Untagged>("15"), Ok(Untagged::Float(21.0)));
    let rounded = Ok(Untagged::Float(9_007_199_254_740_992.0));
    assert_eq!(read::<Untagged>("1b 0020000000000001"), rounded, "2^53 + 1");
    assert!(read::<Untagged>("c2 49 010000000000000000").is_err(), "2^64");
    assert!(read::<Untagged>("c1 15").is_err(), "no tag");
}

// Threat 49.
#[test]
fn a_field_given_twice_is_refused() {
    let (path, message) = mismatch::<Struct>("a2 61 61 01 61 61 02");
    assert_eq!((path.as_str(), message.as_str()), ("", "duplicate field `a`"));
}

#[test]
fn a_mismatch_names_the_path() {
    let (path, message) =
        mismatch::<BTreeMap<String, Vec<Struct>>>("a1 61 78 82 a16161 01 a16161 60");
    assert_eq!(path, "x[1].a");
    assert_eq!(message, "invalid type: string, expected integer");
    assert_eq!(mismatch::<Enum>("a1 65 4e616d6564 a1 61 61 f6").0, "Named.a");
    assert_eq!(mismatch::<u8>("60").0, "");
}

#[test]
fn a_refusal_to_write_names_the_path() {
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not\ntoday"))
        }
    }
    let value = BTreeMap::from([("a", vec![None, Some(Refuses)])]);
    assert_eq!(
        to_payload(&value),
        Err(EncodeError { path: "a[1]".into(), message: "not\\ntoday".into() })
    );
    assert_eq!(to_payload(&Refuses).unwrap_err().path, "");
}

#[test]
fn a_large_value_is_written_and_read_whole() {
    for length in [127, 128, 129, 1023, 1024, 1025, 5000, 1 << 20] {
        let text: String = core::iter::repeat_n('\u{e4}', length / 2).collect();
        let payload = to_payload(&text).unwrap();
        assert_eq!(from_payload::<String>(&payload, &PayloadLimits::default()), Ok(text));
    }
}
