//! Section 11 of `docs/protocol.md` but for its table (`tests/mapping.rs`): spelling, null and
//! nothing, what JavaScript and Python write, and what is not promised.

mod mapping_common;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use mapping_common::{Octets, read, reads, refuses, writes};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use switchboard::{Payload, PayloadLimits, ScanError, Status, from_payload, to_payload};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Enum {
    Unit,
    Named { a: u8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    nothing: (),
    #[serde(default)]
    label: String,
}

#[test]
fn lengths_are_definite_where_they_are_known() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(transparent)]
    struct Odd(Vec<u8>);
    impl Serialize for Odd {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0.iter().filter(|number| **number % 2 == 1))
        }
    }
    writes(Odd(vec![1, 3]), "9f 01 03 ff");
    writes(vec![0_u8; 24], &["9818", &"00".repeat(24)].concat());
    writes("x".repeat(256), &["790100", &"78".repeat(256)].concat());
    writes(Octets(vec![7; 255]), &["58ff", &"07".repeat(255)].concat());
    assert_eq!(to_payload(&format_args!("a{}", 1)).unwrap().as_cbor(), *b"\x62a1", "one piece");
}

#[test]
fn a_bignum_is_any_byte_string() {
    reads(0_u8, &["c240", "c2420000"]);
    reads(-1_i8, &["c340"]);
    reads(258_u16, &["c25f 4101 4102 ff", "c25802 0102"]);
    reads(1_u64, &["c2 54 0000000000000000000000000000000000000001"]);
}

#[test]
fn names_are_text_in_one_piece() {
    refuses::<Point>("a1 7f6178ff 01", "?", "expected str");
    refuses::<Point>("a3 6178 01 67 6e6f7468696e67 f6 7f6161ff 00", "?", "expected str");
    refuses::<Enum>("a1 7f 64556e6974 ff f6", "", "expected str");
    for (length, taken) in [(4096_u16, true), (4097, false)] {
        let name = [&b"\x79"[..], &length.to_be_bytes(), &vec![b'n'; length.into()]].concat();
        let cbor = [&b"\xa3\x61x\x01\x67nothing\xf6"[..], &name, b"\x00"].concat();
        let payload = Payload::from_cbor(cbor).unwrap();
        let read = from_payload::<Point>(&payload, &PayloadLimits::default());
        assert_eq!(read.is_ok(), taken, "a name of {length} bytes");
    }
}

#[test]
fn a_field_left_out_is_an_error_but_for_option_and_default() {
    let point = Point { x: 1.0, nothing: (), label: String::new() };
    reads(point, &["a2 6178 01 67 6e6f7468696e67 f6", "a2 6178 01 67 6e6f7468696e67 f7"]);
    refuses::<Point>("a1 6178 01", "", "missing field `nothing`");
}

#[test]
fn types_with_two_forms_take_the_compact_one() {
    writes(Ipv4Addr::LOCALHOST, "84 187f 00 00 01");
    writes(IpAddr::from(Ipv4Addr::LOCALHOST), "a1 625634 84 187f 00 00 01");
}

#[test]
fn a_refusal_says_where_down_to_32_levels() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Nest(Vec<Self>);
    reads(Nest(vec![Nest(vec![])]), &["81 80"]);
    let nested = |depth| "81".repeat(depth) + "00";
    refuses::<Nest>(&nested(32), &"[0]".repeat(32), "expected array");
    refuses::<Nest>(&nested(33), "", "expected array");
    refuses::<BTreeMap<u8, Vec<Enum>>>("a1 05 81 a1 654e616d6564 a1 6161 f6", "5[0].Named.a", "");
}

#[test]
fn null_and_nothing() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Sparse {
        #[serde(skip_serializing_if = "Option::is_none")]
        n: Option<u8>,
    }
    writes(Sparse { n: None }, "a0");
    reads(Sparse { n: None }, &["a1 616e f6", "a1 616e f7"]);
    writes(Sparse { n: Some(1) }, "a1 616e 01");
    writes(Some(Some(1_u8)), "01");
    writes(Some(None::<u8>), "f6");
    assert_eq!(read::<Option<Option<u8>>>("f6").unwrap(), None);
    writes(Some(()), "f6");
    assert_eq!(read::<Option<()>>("f6").unwrap(), None);
}

#[test]
fn null_told_from_nothing() {
    fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u8>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Patch {
        #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
        n: Option<Option<u8>>,
    }
    writes(Patch { n: None }, "a0");
    writes(Patch { n: Some(None) }, "a1 616e f6");
    writes(Patch { n: Some(Some(1)) }, "a1 616e 01");
    assert_eq!(read::<Patch>("a0").unwrap().n, None);
    assert_eq!(read::<Patch>("a1 616e f6").unwrap().n, Some(None));
}

#[test]
fn text_that_is_not_unicode_is_a_bad_payload() {
    let halves = Payload::from_cbor(&b"\x63\xed\xa0\x80"[..]).unwrap_err();
    assert_eq!(halves, ScanError::BadText { at: 0 });
    assert_eq!(halves.status(), Status::INVALID_ARGUMENT);
}

/// What section 11.6 leaves open. A change here breaks no promise, but somebody's program.
#[test]
fn what_is_not_promised() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Integer(u64),
        Float(f64),
        Text(String),
    }
    writes(Untagged::Float(1.0), "f93c00");
    reads(Untagged::Integer(1), &["01"]);
    assert_eq!(read::<Untagged>("41 61").unwrap(), Untagged::Text("a".into()), "bytes");
    assert_eq!(
        read::<Untagged>("3b 0020000000000000").unwrap(),
        Untagged::Float(-(2_f64.powi(53)))
    );
    refuses::<Untagged>("c1 01", "", "");
    refuses::<Untagged>("c2 49 010000000000000000", "", "");

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "t")]
    enum Internal {
        A { x: f32 },
    }
    writes(Internal::A { x: 1.5 }, "a2 6174 6141 6178 f93e00");
    assert_eq!(
        read::<Internal>("a2 6174 6141 6178 fb3fb999999999999a").unwrap(),
        Internal::A { x: 0.1 },
        "rounded"
    );

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u64>,
    }
    writes(Flat { a: 1, rest: BTreeMap::from([("b".into(), 2)]) }, "bf 6161 01 6162 02 ff");
    refuses::<Flat>("a2 6161 01 6162 c24102", "b", "u128");

    reads(Enum::Named { a: 1 }, &["a1 654e616d6564 a1 4161 01"]);
}

/// A `tag` with a `content` is exact when the tag comes first, as it is written; else it is buffered.
#[test]
fn adjacently_tagged_enums_want_the_tag_first() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        A(f32),
        B,
    }
    writes(Adjacent::A(1.5), "a2 6174 6141 6163 f93e00");
    writes(Adjacent::B, "a1 6174 6142");
    reads(Adjacent::A(21.0), &["a2 6174 6141 6163 15", "a2 6174 6141 6163 c115"]);
    refuses::<Adjacent>("a2 6174 6141 6163 fb3fb999999999999a", "c", "not exact");
    assert_eq!(
        read::<Adjacent>("a2 6163 fb3fb999999999999a 6174 6141").unwrap(),
        Adjacent::A(0.1),
        "rounded"
    );
}
