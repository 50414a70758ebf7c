//! The four bytes of a length: every one of them is taken or refused from these alone (section 1.1).

use crate::error::ProtocolError;
use crate::wire::decoder::length_of;
use crate::wire::{Decoder, LEAST_MAX_FRAME};

/// What the decoder says of a length, with nothing behind it.
fn verdict(decoder: &mut Decoder, prefix: u32) -> Result<Option<&[u8]>, ProtocolError> {
    decoder.clear();
    decoder.space()[..4].copy_from_slice(&prefix.to_be_bytes());
    decoder.filled(4);
    decoder.peek()
}

fn expected(prefix: u32, max: u32) -> Result<Option<&'static [u8]>, ProtocolError> {
    if prefix == 0 {
        Err(ProtocolError::FrameEmpty)
    } else if prefix > max {
        Err(ProtocolError::FrameTooLarge)
    } else {
        Ok(None)
    }
}

#[test]
fn lengths_around_every_edge_are_judged_alone() {
    for max in [1, 2, LEAST_MAX_FRAME, 65_536, 16 << 20, u32::MAX - 1, u32::MAX] {
        let mut decoder = Decoder::new(max);
        let powers = (0..32).map(|bit| 1_u32 << bit);
        for edge in powers.chain([0, max, 0x7fff_ffff, 0xff00_0000, u32::MAX]) {
            for prefix in [edge.wrapping_sub(1), edge, edge.wrapping_add(1)] {
                let said = verdict(&mut decoder, prefix);
                assert_eq!(said, expected(prefix, max), "{prefix} of {max}");
            }
        }
    }
}

/// xorshift32, from a fixed seed: it meets every number but 0 once before it meets one again.
#[test]
fn a_million_lengths_are_judged_alone() {
    let mut decoder = Decoder::new(16 << 20);
    let (mut prefix, mut taken) = (0x9e37_79b9_u32, 0);
    for _ in 0..1_000_000 {
        prefix ^= prefix << 13;
        prefix ^= prefix >> 17;
        prefix ^= prefix << 5;
        let said = verdict(&mut decoder, prefix);
        taken += u32::from(said.is_ok());
        assert_eq!(said, expected(prefix, 16 << 20), "{prefix}");
    }
    assert!(taken > 1000, "both answers were met: {taken}");
}

/// All 2^32 of them where the optimiser is at work, one in 251 (a prime: every byte varies) elsewhere.
#[test]
fn every_length_there_is_is_judged() {
    let step = if cfg!(debug_assertions) { 251 } else { 1 };
    let max = 16 << 20;
    let (mut taken, mut prefix) = (0_u32, 0_u32);
    loop {
        let good = length_of(prefix.to_be_bytes(), max) == Ok(prefix as usize);
        assert_eq!(good, (1..=max).contains(&prefix), "{prefix}");
        taken += u32::from(good);
        let Some(next) = prefix.checked_add(step) else { break };
        prefix = next;
    }
    assert_eq!(taken, max / step);
}
