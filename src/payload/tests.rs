//! Payloads: one file for each question.

mod exact;
mod hostile;
mod limits;
mod mapping;
mod oracle;
mod values;

use alloc::vec::Vec;

use super::{DecodeError, Payload, PayloadLimits, from_payload};
use serde::de::DeserializeOwned;

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

/// Reads what stands in hexadecimal digits, as a peer would send it.
fn read<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    from_payload(&Payload::from_peer(hex(text).into()), &PayloadLimits::default())
}

/// The path and the message of a mismatch.
fn mismatch<T: DeserializeOwned>(text: &str) -> (alloc::string::String, alloc::string::String) {
    match read::<T>(text) {
        Ok(_) => panic!("{text} was read"),
        Err(DecodeError::Mismatch { path, message }) => (path, message),
        Err(error) => panic!("{text}: {error}"),
    }
}
