//! Bytes without sense, in every stage and role: nothing panics, nothing is endless, and what is said
//! back is whole frames.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::stages::Stage;
use common::{Chunking, Dice, Side, framed, seconds, words};
use proptest::prelude::*;
use switchboard::wire::Frame;

/// Feeds, ends, and lets time pass; then all must be over, and the application told so once.
fn survive(
    stage: Stage,
    mut side: Side,
    bytes: &[u8],
    chunking: Chunking,
) -> Result<(), TestCaseError> {
    side.chunking = chunking;
    side.feed(bytes);
    let told = side.events.len();
    prop_assert!(told <= bytes.len() + 3, "{} events of {} bytes", told, bytes.len());
    let written = side.written();
    prop_assert!(written.len() <= 64 * bytes.len() + 200, "{} B said", written.len());
    let said = words::frames(&written);
    prop_assert!(!said.iter().any(|frame| frame.contains("B more") || frame.contains("broke")));
    side.end();
    side.written();
    side.wait(seconds(60));
    prop_assert!(side.done.is_some());
    let closed = side.happened().into_iter().filter(|event| event.starts_with("closed")).count();
    // In these stages it was told before.
    let before = matches!(stage, Stage::Ending | Stage::Closed);
    prop_assert_eq!(closed, usize::from(!before), "{:?}", stage);
    Ok(())
}

/// Bytes that look like frames: a right length in front of something near CBOR.
fn near_frames() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => 0u8..0x18,
        2 => 0x60u8..0x64,
        2 => 0x80u8..0x88,
        2 => 0xa0u8..0xa3,
        1 => Just(0xf6u8),
        1 => any::<u8>(),
    ];
    let body = (0x81u8..0x87, 0u8..25, proptest::collection::vec(byte, 0..12))
        .prop_map(|(head, kind, rest)| [vec![head, kind], rest].concat());
    proptest::collection::vec(body, 1..8).prop_map(|bodies| {
        let frames = bodies.into_iter();
        frames.flat_map(|body| [&(body.len() as u32).to_be_bytes()[..], &body].concat()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    // Threat 11.
    #[test]
    fn no_bytes_do_harm_in_any_stage(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        seed in any::<u64>(),
    ) {
        for stage in Stage::ALL {
            for client in [true, false] {
                if let Some(side) = stage.reach(client) {
                    survive(stage, side, &bytes, Chunking::seeded(seed))?;
                }
            }
        }
    }

    #[test]
    fn nothing_that_looks_like_frames_does_harm_in_any_stage(bytes in near_frames()) {
        for stage in Stage::ALL {
            for client in [true, false] {
                if let Some(side) = stage.reach(client) {
                    survive(stage, side, &bytes, Chunking::Whole)?;
                }
            }
        }
    }
}

#[test]
fn every_first_byte_of_a_frame_is_borne_in_every_stage() {
    for stage in Stage::ALL {
        for client in [true, false] {
            for first in 0..=255u8 {
                for second in [0, 7, 24, 0xff] {
                    let Some(side) = stage.reach(client) else { continue };
                    let bytes = [0, 0, 0, 2, first, second];
                    survive(stage, side, &bytes, Chunking::Whole).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_flood_of_good_frames_is_answered_in_bounds() {
    let mut dice = Dice(1);
    for client in [true, false] {
        let mut side = Side::open(client, Default::default());
        for _ in 0..10_000 {
            let body = ["82 04 05", "81 1818", "85 10 f6 6174 a0 f6"][dice.roll(3)];
            side.feed(&framed(body));
            side.written();
        }
        assert!(side.connection().is_open());
        assert_eq!(side.connection().unsent(), 0);
    }
}

#[test]
fn what_is_said_back_is_spelled_as_the_protocol_wants_it() {
    let mut side = Stage::Open.reach(false).unwrap();
    side.feed(&framed("f6"));
    let bytes = side.written();
    let frame = Frame::decode(&bytes[4..]);
    assert!(matches!(frame, Ok(Frame::Goodbye { error: Some(_), reconnect_after_ms: None, .. })));
}
