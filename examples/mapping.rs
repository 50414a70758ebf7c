//! The Rust side of the check that other languages read and write the same values
//! (`docs/protocol.md` section 11); `tests/interop/mapping.sh` runs it against one of them.
//!
//! - `mapping` prints a line `name hex` for each value below, as `to_payload` writes it.
//! - `mapping read` reads such lines, each name at least once: they must be read as the value of
//!   that name. A line `!name hex` must be refused where that value is expected. Says which were
//!   not, and then ends with 1.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Debug};
use std::io::{self, Read as _};
use std::process::ExitCode;

use bytes::Bytes;
use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use switchboard::{Payload, PayloadLimits, from_payload, to_payload};

#[derive(Debug, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Serialize, Deserialize)]
struct Newtype(u8);

#[derive(Debug, Serialize, Deserialize)]
struct Pair(u8, String);

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: u64,
    note: Option<String>,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    what: String,
    price: f64,
}

#[derive(Debug, Serialize, Deserialize)]
enum Shape {
    Dot,
    Round(f64),
    Flat(u8, u8),
    Named { name: String },
}

/// An opaque string of bytes, as `serde_bytes` has one.
#[derive(Debug)]
struct Octets(Vec<u8>);

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OctetsVisitor;
        impl<'de> Visitor<'de> for OctetsVisitor {
            type Value = Octets;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Octets, E> {
                Ok(Octets(bytes.to_vec()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Octets, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = elements.next_element()? {
                    bytes.push(byte);
                }
                Ok(Octets(bytes))
            }
        }
        deserializer.deserialize_bytes(OctetsVisitor)
    }
}

/// Written without a length in front, as nobody knows it before the end.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Endless<T>(T);

impl Serialize for Endless<Vec<u8>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().filter(|_| true))
    }
}

impl Serialize for Endless<BTreeMap<String, u8>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter(|_| true))
    }
}

/// A name, how the value is written, and how a payload is read as its type and written again.
struct Value {
    name: &'static str,
    written: Payload,
    rewrite: fn(&Payload) -> Result<(String, Payload), String>,
}

#[derive(Default)]
struct Values(Vec<Value>);

impl Values {
    fn add<T: Serialize + DeserializeOwned + Debug>(&mut self, name: &'static str, value: T) {
        let written = to_payload(&value).expect("each of these can be written");
        self.0.push(Value { name, written, rewrite: rewrite::<T> });
    }
}

/// Values are compared as they are written: NaN is NaN then, and -0 is not 0.
fn rewrite<T>(payload: &Payload) -> Result<(String, Payload), String>
where
    T: Serialize + DeserializeOwned + Debug,
{
    let read = from_payload::<T>(payload, &PayloadLimits::default());
    let value = read.map_err(|error| error.to_string())?;
    let written = to_payload(&value).map_err(|error| error.to_string())?;
    Ok((format!("{value:?}"), written))
}

fn values() -> Vec<Value> {
    let mut v = Values::default();
    simple(&mut v);
    integers(&mut v);
    floats(&mut v);
    containers(&mut v);
    v.0
}

fn simple(v: &mut Values) {
    v.add("unit", ());
    v.add("unit-struct", Unit);
    v.add("false", false);
    v.add("true", true);
    v.add("char", 'a');
    v.add("char-emoji", '\u{1f600}');
    v.add("text-empty", String::new());
    v.add("text", "h\u{e9}llo \u{1f600}\0".to_string());
    v.add("text-300", "x".repeat(300));
    v.add("bytes-empty", Octets(vec![]));
    v.add("bytes", Octets(vec![0, 1, 255]));
    v.add("bytes-300", Octets(vec![7; 300]));
    v.add("vec-u8", vec![0_u8, 24, 255]);
    v.add("none", None::<u8>);
    v.add("some", Some(7_u8));
}

fn integers(v: &mut Values) {
    v.add("0", 0_u8);
    v.add("23", 23_u8);
    v.add("24", 24_u8);
    v.add("2^8-1", u8::MAX);
    v.add("2^8", 256_u16);
    v.add("2^16-1", u16::MAX);
    v.add("2^16", 65_536_u32);
    v.add("2^32-1", u32::MAX);
    v.add("2^32", 1_u64 << 32);
    v.add("2^53-1", (1_u64 << 53) - 1);
    v.add("2^53", 1_u64 << 53);
    v.add("2^53+1", (1_u64 << 53) + 1);
    v.add("2^63-1", i64::MAX);
    v.add("2^64-1", u64::MAX);
    v.add("2^64", 1_u128 << 64);
    v.add("2^127-1", i128::MAX);
    v.add("2^128-1", u128::MAX);
    v.add("-1", -1_i8);
    v.add("-24", -24_i8);
    v.add("-25", -25_i8);
    v.add("-2^7", i8::MIN);
    v.add("-2^15", i16::MIN);
    v.add("-2^31", i32::MIN);
    v.add("-2^32", -(1_i64 << 32));
    v.add("-2^32-1", -(1_i64 << 32) - 1);
    v.add("-2^53+1", -(1_i64 << 53) + 1);
    v.add("-2^53", -(1_i64 << 53));
    v.add("-2^53-1", -(1_i64 << 53) - 1);
    v.add("-2^63", i64::MIN);
    v.add("-2^64", -(1_i128 << 64));
    v.add("-2^64-1", -(1_i128 << 64) - 1);
    v.add("-2^127", i128::MIN);
}

fn floats(v: &mut Values) {
    v.add("21.0", 21.0_f64);
    v.add("-21.0", -21.0_f64);
    v.add("0.0", 0.0_f64);
    v.add("-0.0", -0.0_f64);
    v.add("1.5", 1.5_f64);
    v.add("0.1", 0.1_f64);
    v.add("1e300", 1e300_f64);
    v.add("65504.0", 65_504.0_f64);
    v.add("65505.0", 65_505.0_f64);
    v.add("2.0^-24", f64::exp2(-24.0));
    v.add("2.0^-1022", f64::MIN_POSITIVE);
    v.add("2.0^53", f64::exp2(53.0));
    v.add("2.0^64", f64::exp2(64.0));
    v.add("nan", f64::NAN);
    v.add("infinity", f64::INFINITY);
    v.add("-infinity", f64::NEG_INFINITY);
    v.add("f32-1.5", 1.5_f32);
    v.add("f32-0.1", 0.1_f32);
    v.add("f32-21.0", 21.0_f32);
    v.add("f32-nan", f32::NAN);
    v.add("f32-infinity", f32::INFINITY);
}

fn containers(v: &mut Values) {
    v.add("newtype", Newtype(7));
    v.add("tuple", (1_u8, -1_i8, "a".to_string(), 2.5_f64));
    v.add("tuple-struct", Pair(1, "a".into()));
    v.add("array", [1_u16, 300]);
    v.add("list-empty", Vec::<u8>::new());
    v.add("list", vec![None, Some(vec![1.0, 2.5]), Some(vec![])]);
    v.add("list-30", (0..30).collect::<Vec<u16>>());
    v.add("list-endless", Endless(vec![1_u8, 2]));
    v.add("map-empty", BTreeMap::<String, u8>::new());
    v.add("map", BTreeMap::from([("a".to_string(), 1_u8), ("b".into(), 2)]));
    v.add("map-integers", BTreeMap::from([(-1_i16, "a".to_string()), (300, "b".into())]));
    v.add("map-pairs", BTreeMap::from([((1_u8, 2_u8), true)]));
    let inner = BTreeMap::from([("i".to_string(), vec![(1_u8, Some(false)), (2, None)])]);
    v.add("map-nested", BTreeMap::from([("o".to_string(), inner), ("p".into(), BTreeMap::new())]));
    v.add("map-endless", Endless(BTreeMap::from([("a".to_string(), 1_u8)])));
    let lines =
        vec![Line { what: "tea".into(), price: 3.0 }, Line { what: "pie".into(), price: 2.5 }];
    v.add("struct", Order { id: 1 << 40, note: Some("soon".into()), lines });
    v.add("struct-none", Order { id: 1, note: None, lines: vec![] });
    v.add("enum-unit", Shape::Dot);
    v.add("enum-newtype", Shape::Round(2.0));
    v.add("enum-tuple", Shape::Flat(1, 2));
    v.add("enum-struct", Shape::Named { name: "a".into() });
    v.add("enum-list", vec![Shape::Dot, Shape::Round(0.5), Shape::Dot]);
    v.add("result-ok", Ok::<u8, String>(1));
    v.add("result-err", Err::<u8, String>("no".into()));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Bytes> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// What is wrong with a line, if anything.
fn check(line: &str, values: &[Value], seen: &mut [bool]) -> Result<(), String> {
    let (name, cbor) = line.split_once(' ').ok_or("no `name hex`")?;
    let (name, refused) = name.strip_prefix('!').map_or((name, false), |name| (name, true));
    let index = values.iter().position(|value| value.name == name).ok_or("no such name here")?;
    let value = &values[index];
    let cbor = from_hex(cbor).ok_or("no hexadecimal digits")?;
    let read =
        Payload::from_cbor(cbor).map_err(|e| e.to_string()).and_then(|cbor| (value.rewrite)(&cbor));
    match read {
        Ok((shown, _)) if refused => Err(format!("should be refused, but is {shown}")),
        Ok((_, written)) if written == value.written => {
            seen[index] = true;
            Ok(())
        }
        Ok((shown, _)) => Err(format!("is read as another value: {shown}")),
        Err(_) if refused => Ok(()),
        Err(error) => Err(error),
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let values = values();
    match std::env::args().nth(1).as_deref() {
        None => {
            for Value { name, written, .. } in &values {
                println!("{name} {}", hex(written.as_cbor()));
            }
            return Ok(ExitCode::SUCCESS);
        }
        Some("read") => {}
        Some(other) => return Err(format!("`{other}`: neither nothing nor `read`").into()),
    }
    let mut lines = String::new();
    io::stdin().read_to_string(&mut lines)?;
    let mut seen = vec![false; values.len()];
    let mut wrong = 0;
    for line in lines.lines() {
        if let Err(error) = check(line, &values, &mut seen) {
            eprintln!("WRONG, to Rust: {line}: {error}");
            wrong += 1;
        }
    }
    for (value, _) in values.iter().zip(seen).filter(|(_, seen)| !seen) {
        eprintln!("WRONG, to Rust: {} was never sent right", value.name);
        wrong += 1;
    }
    println!("to Rust: {} lines, {wrong} wrong", lines.lines().count());
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
