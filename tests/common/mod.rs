//! What the tests of the state machine need beside the testkit: bytes as hex, limits, and every stage of a
//! connection's life.

#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

pub(crate) mod host;
pub(crate) mod stages;
pub(crate) mod streams;
pub(crate) mod topics;

use core::time::Duration;
use std::sync::Arc;

use switchboard::{Config, Payload};
pub(crate) use switchboard_testkit::{Chunking, Dice, Pair, Side, words};

/// `hello` of a client without wishes, as section 2.3 of the protocol gives it.
pub(crate) const HELLO: &str = "00000012 85 00 6b737769746368626f617264 8101 a0 f6";
/// `welcome` to connection 7, every setting its default.
pub(crate) const WELCOME: &str = "00000006 85 01 01 07 a0 f6";
/// `goodbye` OK without words.
pub(crate) const GOODBYE: &str = "00000005 84 03 00 60 f6";

/// The bytes of hex digits, blanks aside.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// The bytes of a frame, its length in front.
pub(crate) fn framed(body: &str) -> Vec<u8> {
    let body = hex(body);
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

/// The default limits, changed.
pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Arc<Config> {
    let mut config = Config::default();
    change(&mut config);
    config.check().expect("a test's config makes sense");
    Arc::new(config)
}

/// A byte string of so many bytes of content.
pub(crate) fn blob(length: usize) -> Payload {
    Payload::bytes(&vec![0xab; length])
}

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
