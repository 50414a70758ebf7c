//! The example bytes of `docs/protocol.md`, read from the page itself: what stands there in CBOR's
//! diagnostic notation and what stands there in hex are the same, and this crate reads and writes
//! just that.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeSet;

use bytes::BytesMut;
use ciborium::Value;
use switchboard::wire::{Decoder, Frame, Kind};
use switchboard::{PayloadLimits, ProtocolError, scan};

const PAGE: &str = include_str!("../docs/protocol.md");

/// The section that has this heading, up to the next heading.
fn section(heading: &str) -> impl Iterator<Item = &'static str> {
    let mut lines = PAGE.lines();
    assert!(lines.any(|line| line == heading), "the page has no heading {heading:?}");
    lines.take_while(|line| !line.starts_with('#'))
}

/// The cells of each row of the section's only table, without its head.
fn table(heading: &str, head: &[&str]) -> Vec<Vec<&'static str>> {
    let rows: Vec<Vec<_>> = section(heading)
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").map(str::trim).collect())
        .collect();
    assert_eq!(rows.first().map(Vec::as_slice), Some(head), "the table of {heading:?}");
    assert!(rows[1].iter().all(|cell| *cell == "---"), "the line under the head");
    rows[2..].to_vec()
}

fn code(cell: &'static str) -> &'static str {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).expect("a cell in code")
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| *c != ' ')
        .map(|c| c.to_digit(16).unwrap_or_else(|| panic!("{c:?} is no digit of {text:?}")))
        .collect();
    assert_eq!(digits.len() % 2, 0, "whole bytes: {text:?}");
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

/// A reader of as much of the diagnostic notation as the page uses.
struct Diagnostic<'a> {
    text: &'a str,
}

impl<'a> Diagnostic<'a> {
    /// The value of a whole text.
    fn read(text: &'a str) -> Value {
        let mut reader = Self { text };
        let value = reader.value();
        assert_eq!(reader.text, "", "something behind the value of {text:?}");
        value
    }

    fn takes(&mut self, token: &str) -> bool {
        let rest = self.text.trim_start().strip_prefix(token).map(str::trim_start);
        rest.map(|rest| self.text = rest).is_some()
    }

    fn until(&mut self, end: &[char]) -> &'a str {
        let (before, rest) = self.text.split_at(self.text.find(end).unwrap_or(self.text.len()));
        self.text = rest;
        before
    }

    fn quoted(&mut self, quote: char) -> &'a str {
        let text = self.until(&[quote]);
        self.text = self.text.strip_prefix(quote).expect("the quote's end").trim_start();
        text
    }

    fn list<T>(&mut self, end: &str, mut element: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut elements = Vec::new();
        while !self.takes(end) {
            elements.push(element(self));
            assert!(self.takes(",") || self.text.starts_with(end), "at {:?}", self.text);
        }
        elements
    }

    fn value(&mut self) -> Value {
        if self.takes("[") {
            return Value::Array(self.list("]", Self::value));
        }
        if self.takes("{") {
            return Value::Map(self.list("}", |pair| {
                let key = pair.value();
                assert!(pair.takes(":"), "at {:?}", pair.text);
                (key, pair.value())
            }));
        }
        if self.takes("\"") {
            return self.quoted('"').into();
        }
        if self.takes("h'") {
            return Value::Bytes(hex(self.quoted('\'')));
        }
        match self.until(&[',', ':', ']', '}']).trim() {
            "null" => Value::Null,
            "true" => true.into(),
            "false" => false.into(),
            number if number.contains('.') => number.parse::<f64>().expect(number).into(),
            number => number.parse::<i64>().expect(number).into(),
        }
    }
}

/// The frame that a decoder finds in these bytes and nothing else, its length taken off.
fn one_frame(bytes: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let mut decoder = Decoder::new(16 << 20);
    decoder.space()[..bytes.len()].copy_from_slice(bytes);
    decoder.filled(bytes.len());
    let frame = decoder.peek()?.expect("the length is right").to_vec();
    decoder.skip();
    assert_eq!(decoder.buffered(), 0, "the length is right");
    Ok(frame)
}

/// Both columns of an example say the same, and so does this crate; the frame's kind.
fn check(notation: &str, in_hex: &str) -> Kind {
    let bytes = hex(in_hex);
    let value = Diagnostic::read(notation);
    let mut expected = vec![0; 4];
    ciborium::into_writer(&value, &mut expected).unwrap();
    let length = u32::try_from(expected.len() - 4).unwrap();
    expected[..4].copy_from_slice(&length.to_be_bytes());
    assert_eq!(bytes, expected, "{notation}");

    let body = one_frame(&bytes).unwrap_or_else(|error| panic!("{notation}: {error}"));
    let frame = Frame::decode(&body).unwrap_or_else(|error| panic!("{notation}: {error}"));
    let number = value.as_array().unwrap()[0].as_integer().unwrap();
    assert_eq!(i128::from(number), i128::from(frame.kind().number()), "{notation}");

    let mut again = BytesMut::new();
    frame.encode(&mut again);
    assert_eq!(again, bytes, "{notation}");
    frame.kind()
}

#[test]
fn the_example_bytes_are_what_their_notation_says() {
    let rows = table("### 2.3 Example bytes", &["frame", "bytes"]);
    assert!(rows.len() >= 26, "{} rows", rows.len());
    let kinds: Vec<Kind> = rows.iter().map(|row| check(code(row[0]), code(row[1]))).collect();
    for kind in Kind::ALL {
        assert!(kinds.contains(kind), "an example of every kind: {kind:?}");
    }
    assert!(kinds.contains(&Kind::Extension(24)));
}

#[test]
fn the_conversation_is_what_its_notation_says() {
    let lines: Vec<&str> = section("### 10.1 A conversation")
        .filter(|line| line.starts_with("c> ") || line.starts_with("s> "))
        .collect();
    assert!(lines.len() >= 12, "{} lines", lines.len());
    for line in lines {
        let (notation, bytes) = line[3..].split_once("]  ").expect("two columns");
        check(&format!("{notation}]"), bytes);
    }
}

#[test]
fn the_bytes_that_are_refused_are_refused_as_the_page_says() {
    let head = ["bytes", "what is wrong", "result (section 6.1)"];
    let rows = table("### 2.4 Bytes that are refused", &head);
    assert!(rows.len() >= 15, "{} rows", rows.len());
    let mut results = BTreeSet::new();
    for row in rows {
        let bytes = hex(code(row[0]));
        let body = one_frame(&bytes);
        let decoded = body.as_deref().map_err(|error| *error).and_then(Frame::decode);
        let result = match decoded {
            Err(error) => error.name(),
            Ok(Frame::Response { payload, .. }) => {
                assert!(scan(payload, &PayloadLimits::default()).is_err(), "{row:?}");
                "a bad payload"
            }
            Ok(other) => panic!("{row:?} was taken: {other:?}"),
        };
        assert_eq!(result, row[2], "{row:?}");
        results.insert(result);
    }
    let all = ["a bad payload", "frame-empty", "malformed-frame", "unknown-kind"];
    assert_eq!(results, BTreeSet::from(all));
}

#[test]
fn kinds_have_the_numbers_and_names_of_the_cddl() {
    let lines: Vec<(&str, &str)> = section("### 2.1 CDDL")
        .filter_map(|line| line.split_once("= ["))
        .map(|(name, rest)| (name.trim(), rest.split([',', ']']).next().unwrap().trim()))
        .filter(|(name, _)| *name != "extension")
        .collect();
    let kinds: Vec<(&str, String)> =
        Kind::ALL.iter().map(|kind| (kind.name(), kind.number().to_string())).collect();
    let kinds: Vec<(&str, &str)> =
        kinds.iter().map(|(name, number)| (*name, number.as_str())).collect();
    assert_eq!(lines, kinds);
}

#[test]
fn protocol_errors_of_the_wire_have_the_names_and_statuses_of_the_page() {
    let rows = table("### 6.1 Protocol errors", &["reason", "status", "the broken rule"]);
    for error in [
        ProtocolError::FrameEmpty,
        ProtocolError::FrameTooLarge,
        ProtocolError::NotSwitchboard,
        ProtocolError::MalformedFrame,
        ProtocolError::UnknownKind,
    ] {
        let row = rows.iter().find(|row| code(row[0]) == error.name());
        let row = row.unwrap_or_else(|| panic!("{} is not on the page", error.name()));
        assert_eq!(row[1], error.status().number().to_string(), "{row:?}");
    }
}
