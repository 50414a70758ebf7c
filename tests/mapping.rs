//! The table of `docs/protocol.md` section 11.1, row by row: what is written, what else is read, and
//! what is refused and where. `tests/mapping_rules.rs` has the rest of section 11, and
//! `tests/interop/mapping` the same against other languages.

mod mapping_common;

use std::collections::{BTreeMap, BTreeSet};

use mapping_common::{Octets, reads, refuses, writes};
use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("../docs/protocol.md");

/// What the tests below stand for: the first words of each row of the table.
const ROWS: [&str; 21] = [
    "`()`, unit struct",
    "`bool`",
    "`u8` to `u64`, `i8` to `i64`, `usize`, `isize`",
    "`u128`, `i128`",
    "`f64`",
    "`f32`",
    "NaN, infinities, -0.0",
    "`char`",
    "`String`, `str`",
    "bytes (`serde_bytes`)",
    "`Vec<u8>`, `[u8; N]`",
    "`Option`",
    "newtype struct",
    "tuple, tuple struct, `[T; N]`",
    "`Vec`, sets",
    "map (`BTreeMap`, `HashMap`)",
    "struct",
    "enum, variant without content",
    "enum, variant with content",
    "any type behind a tag",
    "any other simple value",
];

#[test]
fn every_row_of_the_page_has_a_test() {
    let rows: Vec<&str> = PAGE
        .lines()
        .skip_while(|line| *line != "### 11.1 The mapping")
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .collect();
    assert_eq!(rows[..2], ["Rust", "---"]);
    assert_eq!(rows[2..], ROWS);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(u8);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, String);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Struct {
    z: u8,
    a: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Enum {
    Unit,
    New(u8),
    Two(u8, u8),
    Named { a: u8 },
    Maybe(Option<u8>),
}

#[test]
fn unit() {
    writes((), "f6");
    writes(Unit, "f6");
    reads((), &["f7"]);
    reads(Unit, &["f7"]);
    for other in ["f4", "a0", "80", "00", "60"] {
        refuses::<()>(other, "", "expected unit");
        refuses::<Unit>(other, "", "expected unit");
    }
}

#[test]
fn bool() {
    writes(false, "f4");
    writes(true, "f5");
    for other in ["00", "01", "f6", "f7"] {
        refuses::<bool>(other, "", "expected bool");
    }
}

#[test]
fn integers_of_64_bits() {
    writes(0_u8, "00");
    writes(23_u8, "17");
    writes(24_u8, "1818");
    writes(255_u8, "18ff");
    writes(256_u16, "190100");
    writes(65_536_u32, "1a00010000");
    writes(1_u64 << 32, "1b 0000000100000000");
    writes(u64::MAX, "1b ffffffffffffffff");
    writes(7_usize, "07");
    writes(-1_i8, "20");
    writes(i8::MIN, "387f");
    writes(i16::MIN, "397fff");
    writes(i32::MIN, "3a7fffffff");
    writes(i64::MIN, "3b 7fffffffffffffff");
    writes(-7_isize, "26");
    reads(5_u8, &["1805", "190005", "1a00000005", "1b0000000000000005"]);
    reads(5_u8, &["c24105", "c2420005"]);
    reads(i8::MIN, &["c3417f"]);
    reads(u64::MAX, &["c248ffffffffffffffff"]);
    reads(i64::MIN, &["c3487fffffffffffffff"]);
    refuses::<u8>("190100", "", "256");
    refuses::<u8>("20", "", "negative");
    refuses::<i8>("1880", "", "128");
    refuses::<i8>("3880", "", "-129");
    refuses::<u64>("c249010000000000000000", "", "too large");
    refuses::<i64>("1b8000000000000000", "", "too large");
    refuses::<i64>("3b8000000000000000", "", "too large");
    for float in ["f93c00", "fa3f800000", "fb3ff0000000000000", "f97e00", "f98000"] {
        refuses::<u8>(float, "", "expected integer");
        refuses::<i64>(float, "", "expected integer");
    }
    refuses::<Vec<u8>>("82 01 6131", "[1]", "expected integer");
    refuses::<u8>("f6", "", "expected integer");
}

#[test]
fn integers_of_128_bits() {
    writes(5_u128, "05");
    writes(u128::from(u64::MAX), "1b ffffffffffffffff");
    writes(u128::from(u64::MAX) + 1, "c2 49 010000000000000000");
    writes(u128::MAX, "c2 50 ffffffffffffffffffffffffffffffff");
    writes(-(1_i128 << 64), "3b ffffffffffffffff");
    writes(-(1_i128 << 64) - 1, "c3 49 010000000000000000");
    writes(i128::MAX, "c2 50 7fffffffffffffffffffffffffffffff");
    writes(i128::MIN, "c3 50 7fffffffffffffffffffffffffffffff");
    reads(5_u128, &["1805", "c24105"]);
    reads(u128::MAX, &["c2 51 00ffffffffffffffffffffffffffffffff"]);
    refuses::<u128>("c2 51 0100000000000000000000000000000000", "", "too large");
    refuses::<u128>("20", "", "negative");
    refuses::<i128>("c2 50 80000000000000000000000000000000", "", "too large");
    refuses::<i128>("c3 50 80000000000000000000000000000000", "", "too large");
    refuses::<i128>("f93c00", "", "expected integer");
}

#[test]
fn f64() {
    writes(1.5_f64, "f93e00");
    writes(21.0_f64, "f94d40");
    writes(65_504.0_f64, "f97bff");
    writes(f64::exp2(-24.0), "f90001");
    writes(65_536.0_f64, "fa47800000");
    writes(0.1_f64, "fb3fb999999999999a");
    writes(1e300_f64, "fb7e37e43c8800759c");
    reads(1.5_f64, &["fa3fc00000", "fb3ff8000000000000"]);
    reads(21.0_f64, &["15", "1815", "c24115"]);
    reads(-21.0_f64, &["34", "c34114"]);
    reads(f64::exp2(53.0), &["1b0020000000000000"]);
    reads(f64::exp2(64.0), &["c249010000000000000000"]);
    for inexact in ["1b0020000000000001", "1bffffffffffffffff", "c249010000000000000001"] {
        refuses::<f64>(inexact, "", "not exact as an f64");
    }
    for other in ["f6", "f7", "f5", "6131", "4131", "8101", "c482211903e8"] {
        refuses::<f64>(other, "", "a number that is exact as an f64");
    }
}

#[test]
fn f32() {
    writes(1.5_f32, "f93e00");
    writes(0.1_f32, "fa3dcccccd");
    writes(f32::MAX, "fa7f7fffff");
    reads(0.1_f32, &["fb3fb99999a0000000"]);
    reads(21.0_f32, &["15", "fa41a80000", "fb4035000000000000"]);
    reads(f32::exp2(24.0), &["1a01000000"]);
    refuses::<f32>("1a01000001", "", "not exact as an f32");
    refuses::<f32>("fb3fb999999999999a", "", "not exact as an f32");
    refuses::<BTreeMap<u8, Vec<f32>>>("a1 07 81 fb7e37e43c8800759c", "7[0]", "not exact");
}

#[test]
fn special_floats() {
    writes(f64::INFINITY, "f97c00");
    writes(f32::NEG_INFINITY, "f9fc00");
    writes(-0.0_f64, "f98000");
    writes(-0.0_f32, "f98000");
    writes(f64::NAN, "f97e00");
    writes(f32::NAN, "f97e00");
    reads(f64::INFINITY, &["fa7f800000", "fb7ff0000000000000"]);
    reads(f32::NEG_INFINITY, &["faff800000", "fbfff0000000000000"]);
    reads(-0.0_f32, &["fa80000000", "fb8000000000000000"]);
    for nan in ["f97e00", "fa7fc00000", "fb7ff8000000000000", "fbfff8000000000001"] {
        assert!(mapping_common::read::<f64>(nan).unwrap().is_nan(), "{nan}");
        assert!(mapping_common::read::<f32>(nan).unwrap().is_nan(), "{nan}");
    }
}

#[test]
fn char() {
    writes('a', "6161");
    writes('\u{1f600}', "64f09f9880");
    for other in ["60", "626161", "65f09f988061", "7f6161ff", "1861", "4161"] {
        refuses::<char>(other, "", "expected char");
    }
}

#[test]
fn text() {
    writes(String::new(), "60");
    writes("h\u{e9}\u{1f600}".to_string(), "67 68c3a9f09f9880");
    reads("ab".to_string(), &["7f 6161 60 6162 ff", "7802 6162"]);
    reads(String::new(), &["7fff"]);
    for other in ["4161", "00", "f6", "81 6161"] {
        refuses::<String>(other, "", "expected string");
    }
}

#[test]
fn bytes() {
    writes(Octets(vec![]), "40");
    writes(Octets(vec![1, 2]), "42 0102");
    reads(Octets(vec![1, 2]), &["5f 4101 40 4102 ff", "82 01 02", "9f 01 02 ff", "5802 0102"]);
    refuses::<Octets>("82 01 190100", "[1]", "256");
    refuses::<Octets>("61 61", "", "expected byte");
    refuses::<Octets>("f6", "", "expected byte");
}

#[test]
fn arrays_of_bytes() {
    writes(vec![1_u8, 200], "82 01 18c8");
    writes([1_u8, 200], "82 01 18c8");
    reads(vec![1_u8, 2], &["42 0102", "5f 4101 4102 ff", "9f 01 02 ff"]);
    reads([1_u8, 2], &["42 0102"]);
    refuses::<Vec<u8>>("62 6162", "", "expected array");
    refuses::<[u8; 2]>("43 010203", "", "more elements");
}

#[test]
fn option() {
    writes(None::<u8>, "f6");
    writes(Some(1_u8), "01");
    writes(Some("a".to_string()), "61 61");
    reads(None::<u8>, &["f7"]);
    reads(Some(1_u8), &["c101"]);
    refuses::<Option<u8>>("80", "", "expected integer");
    refuses::<Vec<Option<u8>>>("82 01 c1f6", "[1]", "null");
    assert_eq!(mapping_common::read::<Option<()>>("c1f6").unwrap(), Some(()));
}

#[test]
fn newtype() {
    writes(Newtype(7), "07");
    refuses::<Newtype>("81 07", "", "expected integer");
}

#[test]
fn tuple() {
    writes((1_u8, -1_i8, true), "83 01 20 f5");
    writes(Pair(1, "a".into()), "82 01 6161");
    writes([1_u16, 300], "82 01 19012c");
    reads((1_u8, 2_u8), &["9f 01 02 ff", "9802 01 02"]);
    refuses::<(u8, u8)>("81 01", "", "invalid length 1");
    refuses::<(u8, u8)>("83 01 02 03", "", "more elements");
    refuses::<Vec<Pair>>("81 83 01 6161 f6", "[0]", "more elements");
    refuses::<[u16; 2]>("9f 01 02 03 ff", "", "more elements");
    refuses::<Pair>("a0", "", "expected array");
}

#[test]
fn sequences() {
    writes(Vec::<u16>::new(), "80");
    writes(vec!["a".to_string()], "81 6161");
    writes(BTreeSet::from([2_u8, 1]), "82 01 02");
    reads(vec![1_u16], &["9f 01 ff", "9801 01", "9b0000000000000001 01"]);
    reads(BTreeSet::from([1_u8]), &["82 01 01"]);
    for other in ["f6", "01", "a0", "6161"] {
        refuses::<Vec<u16>>(other, "", "expected array");
    }
    refuses::<Vec<u16>>("42 0102", "[0]", "a byte of a byte string");
    refuses::<Vec<f64>>("d856 48 000000000000f03f", "[0]", "a byte of a byte string");
    refuses::<Vec<Vec<u16>>>("82 80 81 60", "[1][0]", "expected integer");
}

#[test]
fn maps() {
    writes(BTreeMap::from([(2_u8, 'b'), (1, 'a')]), "a2 01 6161 02 6162");
    writes(BTreeMap::from([("b".to_string(), 1_u8), ("aa".into(), 2)]), "a2 626161 02 6162 01");
    writes(BTreeMap::from([((1_u8, 2_u8), 3_u8)]), "a1 82 01 02 03");
    writes(BTreeMap::from([(Some(true), 3_u8)]), "a1 f5 03");
    reads(BTreeMap::from([(1_u8, 2_u8)]), &["bf 01 02 ff", "b90001 01 02"]);
    reads(BTreeMap::from([(1_u8, 3_u8)]), &["a2 01 02 01 03"]);
    refuses::<BTreeMap<u8, u8>>("a1 6131 02", "?", "expected integer");
    refuses::<BTreeMap<u8, u8>>("a1 01 60", "1", "expected integer");
    refuses::<BTreeMap<String, u8>>("a1 01 02", "?", "expected string");
    refuses::<BTreeMap<String, u8>>("f6", "", "expected map");
    refuses::<BTreeMap<String, u8>>("80", "", "expected map");
}

#[test]
fn structs() {
    writes(Struct { z: 1, a: Some("x".into()) }, "a2 617a 01 6161 6178");
    writes(Struct { z: 1, a: None }, "a2 617a 01 6161 f6");
    reads(Struct { z: 1, a: Some("x".into()) }, &["a2 6161 6178 617a 01"]);
    reads(Struct { z: 1, a: None }, &["a1 617a 01", "bf 617a 01 ff", "a2 617a 01 6178 82 f7 a0"]);
    refuses::<Struct>("a1 6161 f6", "", "missing field `z`");
    refuses::<Struct>("a2 617a 01 617a 01", "", "duplicate field `z`");
    refuses::<Struct>("82 01 f6", "", "expected map");
    refuses::<Struct>("a2 617a 01 00 01", "?", "integer `0`");
    refuses::<Struct>("a1 617a f6", "z", "null");
    refuses::<Vec<Struct>>("81 a2 617a 01 6161 00", "[0].a", "expected string");
}

#[test]
fn variants_without_content() {
    writes(Enum::Unit, "64 556e6974");
    reads(Enum::Unit, &["7f 62556e 626974 ff", "a1 64556e6974 f6", "bf 64556e6974 f6 ff"]);
    refuses::<Enum>("a1 64556e6974 00", "Unit", "expected unit");
    refuses::<Enum>("61 58", "", "unknown variant `X`");
    for other in ["00", "44 556e6974", "f6", "80"] {
        refuses::<Enum>(other, "", "a text or a map of one entry");
    }
}

#[test]
fn variants_with_content() {
    writes(Enum::New(7), "a1 634e6577 07");
    writes(Enum::Two(1, 2), "a1 6354776f 82 01 02");
    writes(Enum::Named { a: 1 }, "a1 654e616d6564 a1 6161 01");
    writes(Enum::Maybe(None), "a1 654d61796265 f6");
    writes(Ok::<u8, String>(1), "a1 624f6b 01");
    reads(Enum::New(7), &["bf 634e6577 07 ff"]);
    refuses::<Enum>("634e6577", "New", "unit variant");
    refuses::<Enum>("654d61796265", "Maybe", "unit variant");
    refuses::<Enum>("a0", "", "expected enum");
    refuses::<Enum>("a2 634e6577 07 634e6577 07", "", "more entries");
    refuses::<Enum>("a1 634e6577 f6", "New", "null");
    refuses::<Enum>("a1 6354776f a0", "Two", "expected array");
    refuses::<Enum>("a1 654e616d6564 81 01", "Named", "expected map");
    refuses::<Vec<Enum>>("81 a1 654e616d6564 a1 6161 60", "[0].Named.a", "expected integer");
}

#[test]
fn tags() {
    reads((), &["c1f6"]);
    reads(true, &["c1f5"]);
    reads(7_u8, &["c107", "c1c107", "d9d9f707", "c1c24107"]);
    reads(1.5_f64, &["c1f93e00"]);
    reads(21.0_f64, &["c115"]);
    reads("a".to_string(), &["c1 6161"]);
    reads('a', &["c1 6161"]);
    reads(Octets(vec![1]), &["d840 4101", "c24101"]);
    reads((1_u8, 2_u8), &["c1 82 01 c102"]);
    reads(BTreeSet::from([1_u8]), &["d90102 81 01"]);
    reads(BTreeMap::from([(1_u8, 2_u8)]), &["d90103 a1 c101 c102"]);
    reads(Struct { z: 1, a: None }, &["d9d9f7 a1 c1617a 01", "a2 617a 01 6178 c1c1f6"]);
    reads(Enum::Unit, &["c1 64556e6974"]);
    reads(Enum::New(7), &["c1 a1 634e6577 c107"]);
    refuses::<u8>("c2c14107", "", "expected byte");
    refuses::<u8>("c207", "", "expected byte");
}

#[test]
fn other_simple_values() {
    for simple in ["e0", "f0", "f3", "f820", "f8ff"] {
        refuses::<bool>(simple, "", "bool");
        refuses::<u8>(simple, "", "simple");
        refuses::<Option<u8>>(simple, "", "simple");
        refuses::<Struct>(&format!("a2 617a 01 6178 {simple}"), "x", "simple");
    }
}
