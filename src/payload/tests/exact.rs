//! What the layer around the CBOR library adds: floats that are exact, and nothing left behind.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};

use super::{mismatch, read};
use crate::payload::{PayloadLimits, from_payload, to_payload};

#[test]
fn floats_of_any_width_are_a_float() {
    for text in ["f9 3e00", "fa 3fc00000", "fb 3ff8000000000000"] {
        assert_eq!(read::<f64>(text), Ok(1.5), "{text}");
        assert_eq!(read::<f32>(text), Ok(1.5), "{text}");
    }
    assert_eq!(to_payload(&1.5_f64).unwrap().as_cbor(), [0xf9, 0x3e, 0x00]);
    assert_eq!(to_payload(&0.1_f32).unwrap().len(), 5);
    assert_eq!(to_payload(&0.1_f64).unwrap().len(), 9);
}

// Threat 49.
#[test]
fn special_floats_come_through() {
    for text in ["f9 7e00", "fa 7fc00000", "fb 7ff8000000000000"] {
        assert!(read::<f64>(text).is_ok_and(f64::is_nan), "{text}");
        assert!(read::<f32>(text).is_ok_and(f32::is_nan), "{text}");
    }
    assert_eq!(read::<f32>("fb 7ff0000000000000"), Ok(f32::INFINITY));
    assert_eq!(read::<f64>("f9 fc00"), Ok(f64::NEG_INFINITY));
    assert!(read::<f64>("f9 8000").is_ok_and(|zero| zero == 0.0 && zero.is_sign_negative()));
    assert!(read::<f32>("f9 8000").is_ok_and(|zero| zero == 0.0 && zero.is_sign_negative()));
}

// Threat 49.
#[test]
fn a_double_is_a_single_only_when_exact() {
    for text in ["fb 3fb999999999999a", "fb 7e37e43c8800759c", "fb 0000000000000001"] {
        assert!(read::<f64>(text).is_ok(), "{text}");
        let (_, message) = mismatch::<f32>(text);
        assert!(message.contains("not exact as an f32"), "{message}");
    }
}

#[test]
fn integers_are_floats_when_exact() {
    assert_eq!(read::<f64>("15"), Ok(21.0));
    assert_eq!(read::<f32>("34"), Ok(-21.0));
    assert_eq!(read::<f64>("00"), Ok(0.0));
    assert_eq!(read::<f64>("1b 0020000000000000"), Ok(9_007_199_254_740_992.0), "2^53");
    assert_eq!(read::<f64>("3b ffffffffffffffff"), Ok(-18_446_744_073_709_551_616.0), "-2^64");
    assert_eq!(read::<f64>("1b ffe0000000000000").map(|_| ()), Ok(()), "11 zeros at the end");
    assert_eq!(read::<f64>("c2 49 010000000000000000"), Ok(18_446_744_073_709_551_616.0), "2^64");
    assert_eq!(read::<f32>("1a 01000000"), Ok(16_777_216.0), "2^24");
    for text in [
        "1b 0020000000000001",
        "1b ffffffffffffffff",
        "3b 0020000000000000",
        "3b fffffffffffffffe",
        "c2 50 ffffffffffffffffffffffffffffffff",
        "c3 50 7ffffffffffffffffffffffffffffffe",
    ] {
        let (_, message) = mismatch::<f64>(text);
        assert!(message.contains("not exact as an f64"), "{text}: {message}");
    }
    let (_, message) = mismatch::<f32>("1a 01000001");
    assert!(message.contains("not exact as an f32"), "{message}");
}

#[test]
fn a_byte_string_is_an_array_of_u8_and_of_no_other_number() {
    const BYTES: &str = "d856 48 000000000000f03f";
    assert_eq!(read::<Vec<u8>>(BYTES), Ok(vec![0, 0, 0, 0, 0, 0, 0xf0, 0x3f]));
    assert_eq!(mismatch::<Vec<f64>>(BYTES).0, "[0]", "JavaScript's `Float64Array.of(1)`");
    assert_eq!(mismatch::<Vec<f32>>(BYTES).0, "[0]");
    assert_eq!(mismatch::<Vec<u16>>(BYTES).0, "[0]");
    assert_eq!(mismatch::<Vec<i8>>(BYTES).0, "[0]");
    assert_eq!(mismatch::<(u8, u128)>("42 01 02").0, "[1]");
    assert_eq!(
        mismatch::<Vec<u64>>("41 01").1,
        "invalid type: a byte of a byte string, expected u64"
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(f64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Dot,
    Round(f32),
    Flat(f64, f64),
    Long { length: f64 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Deep {
    list: Vec<Option<Wrapped>>,
    map: BTreeMap<String, (f32, Shape)>,
}

#[test]
fn integers_are_floats_at_any_depth() {
    let deep = "a2 64 6c697374 82 f6 02 63 6d6170 a4 \
        61 61 82 01 63 446f74 \
        61 62 82 01 a1 65 526f756e64 02 \
        61 63 82 01 a1 64 466c6174 82 03 04 \
        61 64 82 01 a1 64 4c6f6e67 a1 66 6c656e677468 05";
    let shapes =
        [Shape::Dot, Shape::Round(2.0), Shape::Flat(3.0, 4.0), Shape::Long { length: 5.0 }];
    let map = ["a", "b", "c", "d"].map(String::from).into_iter();
    let map = map.zip(shapes).map(|(name, shape)| (name, (1.0, shape))).collect();
    assert_eq!(read::<Deep>(deep), Ok(Deep { list: vec![None, Some(Wrapped(2.0))], map }));
}

#[test]
fn what_is_no_number_is_no_float() {
    for text in ["f5", "f6", "61 31", "41 31", "81 01", "a0", "c1 60"] {
        let (_, message) = mismatch::<f64>(text);
        assert!(message.contains("expected a number that is exact as an f64"), "{message}");
    }
}

#[test]
fn a_tuple_leaves_nothing_for_the_next_field() {
    assert_eq!(read::<((u8, u8), u8)>("82 82 01 02 03"), Ok(((1, 2), 3)));
    assert_eq!(read::<((u8, u8), u8)>("82 9f 01 02 ff 03"), Ok(((1, 2), 3)), "nor a break");
    // Without the layer 3 would be taken for the field behind.
    let (path, message) = mismatch::<((u8, u8), u8)>("82 83 01 02 03 04");
    assert_eq!(
        (path.as_str(), message.as_str()),
        ("[0]", "the array has more elements than expected")
    );
    assert!(read::<(u8, u8)>("83 01 02 03").is_err());
    assert!(read::<(u8, u8)>("81 01").is_err());
    assert!(read::<[u8; 2]>("43 01 02 03").is_err());
}

#[test]
fn a_variant_takes_its_own_content_only() {
    assert_eq!(read::<Vec<Shape>>("81 a1 63 446f74 f6"), Ok(vec![Shape::Dot]));
    // Each of these made the library read what belongs to somebody else.
    for (text, what) in [
        ("82 a1 63 446f74 07 08", "content for a variant without"),
        ("82 65 526f756e64 07", "a variant told by its name alone"),
        ("82 a2 63 446f74 f6 63 446f74 f6 08", "two variants"),
        ("82 bf 63 446f74 f6 63 446f74 f6 ff 08", "two variants and a break"),
        ("82 a0 08", "no variant"),
        ("82 a1 64 466c6174 83 01 02 03 04", "one element too many"),
        ("82 a1 64 466c6174 81 01 08", "one too few"),
        ("82 00 08", "a variant told by number"),
    ] {
        assert!(read::<(Shape, u8)>(text).is_err(), "{what}");
    }
}

#[test]
fn a_type_that_reads_nothing_is_refused() {
    #[derive(Debug)]
    struct Nothing;
    impl<'de> Deserialize<'de> for Nothing {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    assert_eq!(mismatch::<Nothing>("00").1, "the type leaves a part unread");
}

#[test]
fn a_type_that_reads_a_map_in_part_is_refused() {
    #[derive(Debug)]
    struct First;
    impl<'de> Deserialize<'de> for First {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Entry;
            impl<'de> serde::de::Visitor<'de> for Entry {
                type Value = First;
                fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    f.write_str("a map")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<First, A::Error> {
                    map.next_entry::<u8, u8>()?;
                    Ok(First)
                }
            }
            deserializer.deserialize_map(Entry)
        }
    }
    assert!(read::<First>("a1 00 00").is_ok());
    assert_eq!(mismatch::<First>("a2 00 00 01 00").1, "the map has more entries than expected");
}

proptest! {
    #[test]
    fn any_float_comes_back_as_it_was(double in any::<f64>(), single in any::<f32>()) {
        let limits = PayloadLimits::default();
        prop_assert_eq!(from_payload::<f64>(&to_payload(&double).unwrap(), &limits), Ok(double));
        prop_assert_eq!(from_payload::<f32>(&to_payload(&single).unwrap(), &limits), Ok(single));
        prop_assert_eq!(
            from_payload::<f64>(&to_payload(&single).unwrap(), &limits),
            Ok(f64::from(single))
        );
        prop_assert_eq!(
            from_payload::<f32>(&to_payload(&double).unwrap(), &limits).is_ok(),
            f64::from(double as f32) == double
        );
    }

    #[test]
    fn an_integer_is_a_float_if_it_comes_back_from_one(number in any::<i64>(), zeros in 0..64_u32) {
        let number = (number >> zeros) << (zeros / 2);
        let limits = PayloadLimits::default();
        let read = from_payload::<f64>(&to_payload(&number).unwrap(), &limits);
        if (number as f64) as i128 == i128::from(number) {
            prop_assert_eq!(read, Ok(number as f64));
        } else {
            prop_assert!(read.is_err());
        }
    }
}
