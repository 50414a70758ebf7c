//! The wire: one file for each question.

mod bounds;
mod decoder;
mod frames;
mod header_map;
mod headers;
mod items;
mod prefixes;
mod samples;
mod settings;
mod spelling;

use alloc::vec::Vec;
use bytes::BytesMut;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::{Frame, Kind};

/// The bytes behind a text of hexadecimal digits; spaces are for the eye.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| u8::try_from(c.to_digit(16).expect("a digit")).unwrap())
        .collect();
    assert_eq!(digits.len() % 2, 0, "whole bytes");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// What another CBOR library writes for this value.
fn cbor(value: &ciborium::Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("a vector takes all");
    bytes
}

/// The frame with its length in front.
fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    out.to_vec()
}

/// The frame without its length, and how many of its bytes are its head.
fn body_and_head(frame: &Frame<'_>) -> (Vec<u8>, usize) {
    let mut head = BytesMut::new();
    frame.encode_head(&mut head, 0);
    (encoded(frame).split_off(4), head.len() - 4)
}

/// Whether a frame of this kind ends in something that is not looked at.
const fn has_tail(kind: Kind) -> bool {
    match kind {
        Kind::Hello
        | Kind::Welcome
        | Kind::Reject
        | Kind::Message
        | Kind::Request
        | Kind::Response
        | Kind::Failure
        | Kind::Item
        | Kind::Publish
        | Kind::Delivery
        | Kind::Extension(_) => true,
        Kind::Goodbye
        | Kind::Ping
        | Kind::Pong
        | Kind::End
        | Kind::Credit
        | Kind::Cancel
        | Kind::Subscribe
        | Kind::Unsubscribe
        | Kind::Lagged => false,
    }
}

/// Runs a property for many values; what fails is shown in its smallest form.
fn check<S: Strategy>(
    cases: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    if let Err(error) = TestRunner::new(config).run(strategy, property) {
        panic!("{error}");
    }
}

/// Runs a property for many frames of each kind, extensions included.
fn check_each_kind(property: impl Fn(Frame<'static>) -> Result<(), TestCaseError>) {
    for &kind in Kind::ALL {
        check(48, &samples::frame_of(kind), &property);
    }
    check(48, &samples::extension(), &property);
}
