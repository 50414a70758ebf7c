//! `Decoder`: any split of a stream gives the same frames, each on its last byte and not before.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{check, encoded, samples};
use crate::error::ProtocolError;
use crate::wire::{Decoder, Frame, LEAST_MAX_FRAME};

/// Puts bytes in as a driver does: as many at once as there is space for.
fn push(decoder: &mut Decoder, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let space = decoder.space();
        assert!(!space.is_empty(), "space is never empty");
        let taken = bytes.len().min(space.len());
        space[..taken].copy_from_slice(&bytes[..taken]);
        decoder.filled(taken);
        bytes = &bytes[taken..];
    }
}

/// A frame with its length in front, filled with a pattern that shows a byte in the wrong place.
fn framed(length: usize) -> Vec<u8> {
    let mut bytes = u32::try_from(length).unwrap().to_be_bytes().to_vec();
    bytes.extend((0..length).map(|at| (at * 31 + length) as u8));
    bytes
}

/// Takes the frame that is there by one of the two ways; all of it, and what `peek` had shown.
fn take(decoder: &mut Decoder, by_tail: bool) -> Result<Option<Vec<u8>>, ProtocolError> {
    let Some(frame) = decoder.peek()?.map(<[u8]>::to_vec) else { return Ok(None) };
    if by_tail {
        assert_eq!(decoder.take_tail(frame.len()), frame);
    } else {
        decoder.skip();
    }
    Ok(Some(frame))
}

/// The frames of a stream that comes in pieces of these sizes, over and over.
fn decoded(stream: &[u8], sizes: &[usize], ways: &[bool]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(16 << 20);
    let mut frames = Vec::new();
    let mut rest = stream;
    let mut ways = ways.iter().cycle();
    for &size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        push(&mut decoder, piece);
        while let Some(frame) = take(&mut decoder, *ways.next().unwrap()).unwrap() {
            frames.push(frame);
        }
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(decoder.buffered(), 0, "nothing is left over");
    frames
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![1_usize..8, 1_usize..200, 1_usize..40_000];
    proptest::collection::vec(size, 1..12)
}

fn ways() -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec(any::<bool>(), 1..5)
}

#[test]
fn any_split_gives_the_same_frames() {
    let frames = proptest::collection::vec(samples::frame(), 1..8);
    check(256, &(frames, pieces(), ways()), |(frames, pieces, ways)| {
        let stream: Vec<u8> = frames.iter().flat_map(encoded).collect();
        for sizes in [&pieces[..], &[1], &[stream.len()]] {
            let found = decoded(&stream, sizes, &ways);
            let read: Vec<_> = found.iter().map(|bytes| Frame::decode(bytes).unwrap()).collect();
            prop_assert_eq!(&read, &frames);
        }
        Ok(())
    });
}

#[test]
fn any_split_gives_the_same_frames_of_any_length() {
    const EDGES: [usize; 12] =
        [1, 2, 1023, 1024, 1025, 4095, 4096, 12_288, 16_379, 16_380, 16_381, 16_384];
    const LARGE: [usize; 7] = [32_768, 65_531, 65_532, 65_533, 65_536, 70_000, 300_000];
    let length = prop_oneof![3 => 1_usize..3000, 3 => select(&EDGES[..]), 1 => select(&LARGE[..])];
    let lengths = proptest::collection::vec(length, 1..10);
    check(256, &(lengths, pieces(), ways()), |(lengths, pieces, ways)| {
        let frames: Vec<_> = lengths.into_iter().map(framed).collect();
        let stream = frames.concat();
        for sizes in [&pieces[..], &[stream.len()]] {
            let found = decoded(&stream, sizes, &ways);
            prop_assert_eq!(found.len(), frames.len());
            for (found, frame) in found.iter().zip(&frames) {
                prop_assert!(*found == frame[4..], "a frame of {}", frame.len() - 4);
            }
        }
        Ok(())
    });
}

#[test]
fn a_frame_comes_out_on_its_last_byte_and_not_before() {
    for length in [1, 2, 250, 1024, 1025, 20_000, 70_000] {
        let frame = framed(length);
        let mut decoder = Decoder::new(16 << 20);
        for (came, byte) in frame.iter().enumerate() {
            assert_eq!(decoder.peek(), Ok(None), "{came} of {length}");
            assert_eq!(decoder.buffered(), came);
            assert_eq!(decoder.peek_partial(), &frame[came.min(4)..came]);
            push(&mut decoder, &[*byte]);
        }
        assert_eq!(decoder.peek(), Ok(Some(&frame[4..])));
        assert_eq!(decoder.peek_partial(), &frame[4..]);
        assert_eq!(decoder.peek(), Ok(Some(&frame[4..])), "looking takes nothing");
    }
}

// Threats 1, 2.
#[test]
fn a_length_of_0_or_above_the_limit_is_refused_on_its_fourth_byte() {
    for max in [LEAST_MAX_FRAME, 16 << 20] {
        for (length, expected) in [
            (0, Err(ProtocolError::FrameEmpty)),
            (1, Ok(None)),
            (max - 1, Ok(None)),
            (max, Ok(None)),
            (max + 1, Err(ProtocolError::FrameTooLarge)),
            (u32::MAX, Err(ProtocolError::FrameTooLarge)),
        ] {
            let mut decoder = Decoder::new(max);
            for byte in length.to_be_bytes() {
                assert_eq!(decoder.peek(), Ok(None), "{length} of {max}");
                push(&mut decoder, &[byte]);
            }
            assert_eq!(decoder.peek(), expected, "{length} of {max}");
        }
    }
}

// Threat 2.
#[test]
fn a_frame_of_the_limit_and_one_less_is_taken_whole() {
    for length in [LEAST_MAX_FRAME - 1, LEAST_MAX_FRAME] {
        let frame = framed(length as usize);
        let mut decoder = Decoder::new(LEAST_MAX_FRAME);
        push(&mut decoder, &frame);
        assert_eq!(decoder.peek(), Ok(Some(&frame[4..])));
    }
}

// Threat 11.
#[test]
fn other_protocols_are_refused_by_their_first_four_bytes() {
    let others: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"{\"jsonrpc\": \"2.0\"}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ];
    for other in others {
        for max in [LEAST_MAX_FRAME, 16 << 20] {
            let mut decoder = Decoder::new(max);
            push(&mut decoder, &other[..4]);
            assert_eq!(decoder.peek(), Err(ProtocolError::FrameTooLarge), "{other:02x?}");
        }
    }
}

#[test]
fn an_error_is_repeated_whatever_comes_and_nothing_can_be_taken() {
    for (prefix, error) in
        [(0_u32, ProtocolError::FrameEmpty), (u32::MAX, ProtocolError::FrameTooLarge)]
    {
        let mut decoder = Decoder::new(LEAST_MAX_FRAME);
        push(&mut decoder, &framed(10));
        push(&mut decoder, &prefix.to_be_bytes());
        assert_eq!(decoder.peek(), Ok(Some(&framed(10)[4..])), "what came before counts");
        decoder.skip();
        for _ in 0..3 {
            assert_eq!(decoder.peek(), Err(error));
            decoder.skip();
            assert!(decoder.take_tail(10).is_empty());
            let before = decoder.buffered();
            push(&mut decoder, &framed(10));
            assert_eq!(decoder.buffered(), before + 14);
        }
    }
}

#[test]
fn a_new_limit_holds_for_the_frame_that_waits() {
    let mut decoder = Decoder::new(10);
    push(&mut decoder, &framed(10));
    push(&mut decoder, &framed(11));
    assert!(matches!(decoder.peek(), Ok(Some(_))));
    decoder.skip();
    assert_eq!(decoder.peek(), Err(ProtocolError::FrameTooLarge));
    decoder.set_max_frame(11);
    assert_eq!(decoder.peek(), Ok(Some(&framed(11)[4..])));
    decoder.set_max_frame(10);
    assert_eq!(decoder.peek(), Err(ProtocolError::FrameTooLarge));
}

#[test]
fn a_tail_of_any_length_is_the_frames_end_and_what_follows_stays() {
    for length in [1, 10, 1024, 1025, 5000, 65_536, 200_000] {
        for tail in [0, 1, 9, 1023, 1024, 1025, length - 1, length, length + 1, usize::MAX] {
            let frame = framed(length);
            let mut decoder = Decoder::new(16 << 20);
            for _ in 0..2 {
                push(&mut decoder, &frame);
                push(&mut decoder, &framed(7));
                push(&mut decoder, &framed(3)[..5]);
                let taken = decoder.take_tail(tail);
                let expected = &frame[4 + length.saturating_sub(tail)..];
                assert!(taken == expected, "{tail} of {length}");
                assert_eq!(decoder.peek(), Ok(Some(&framed(7)[4..])), "{tail} of {length}");
                decoder.skip();
                assert_eq!(decoder.peek(), Ok(None));
                push(&mut decoder, &framed(3)[5..]);
                assert_eq!(take(&mut decoder, true), Ok(Some(framed(3)[4..].to_vec())));
                assert_eq!(decoder.buffered(), 0);
                assert!(taken == expected, "it is its own, whatever comes later");
            }
        }
    }
}

#[test]
fn where_no_frame_is_there_is_nothing_to_take() {
    let mut decoder = Decoder::new(100);
    decoder.skip();
    assert!(decoder.take_tail(usize::MAX).is_empty());
    assert_eq!((decoder.buffered(), decoder.peek()), (0, Ok(None)));
    for (came, byte) in framed(10)[..13].iter().enumerate() {
        push(&mut decoder, &[*byte]);
        decoder.skip();
        assert!(decoder.take_tail(usize::MAX).is_empty());
        assert_eq!((decoder.buffered(), decoder.peek()), (came + 1, Ok(None)));
    }
    push(&mut decoder, &framed(10)[13..]);
    assert_eq!(decoder.peek(), Ok(Some(&framed(10)[4..])));
}

#[test]
fn more_than_the_space_cannot_be_filled() {
    let mut decoder = Decoder::new(16 << 20);
    let space = decoder.space().len();
    decoder.filled(3);
    decoder.filled(usize::MAX);
    assert_eq!(decoder.buffered(), space);
    assert_eq!(decoder.peek(), Err(ProtocolError::FrameEmpty), "the space was zeroed");
}

#[test]
fn clearing_drops_all_but_the_limit() {
    let mut decoder = Decoder::new(LEAST_MAX_FRAME);
    push(&mut decoder, &framed(10));
    push(&mut decoder, &u32::MAX.to_be_bytes());
    decoder.clear();
    assert_eq!((decoder.buffered(), decoder.peek()), (0, Ok(None)));
    push(&mut decoder, &(LEAST_MAX_FRAME + 1).to_be_bytes());
    assert_eq!(decoder.peek(), Err(ProtocolError::FrameTooLarge));
}

#[test]
fn there_is_room_for_a_good_read_whatever_was_taken() {
    for length in [1, 10, 1025, 15_000, 16_379, 16_380, 20_000, 65_536, 200_000] {
        for tail in [0, 100, usize::MAX] {
            let mut decoder = Decoder::new(16 << 20);
            for _ in 0..20 {
                push(&mut decoder, &framed(length));
                assert!(matches!(decoder.peek(), Ok(Some(_))));
                decoder.take_tail(tail);
                let space = decoder.space().len();
                let least = if length < 500 { 128 } else { 4096 };
                assert!(space >= least, "{space} behind {tail} of {length}");
            }
        }
    }
}

/// Of ten thousand connections that wait for something most have said one thing only.
#[test]
fn a_read_asks_for_little_until_that_is_too_little_and_after_a_quiet_time() {
    let mut decoder = Decoder::new(16 << 20);
    let whole = |decoder: &mut Decoder, length: usize| {
        push(decoder, &framed(length));
        decoder.skip();
        decoder.space().len()
    };
    assert_eq!(decoder.space().len(), 512);
    assert_eq!(whole(&mut decoder, 400), 512);
    assert_eq!(whole(&mut decoder, 508), 16_384, "a read was filled");
    assert_eq!(whole(&mut decoder, 400), 16_384);
    assert_eq!(whole(&mut decoder, 16_380), 65_536, "and a large one");
    assert!(decoder.keeps_memory() && decoder.take_used());
    assert!(!decoder.take_used(), "nothing has come since");
    decoder.shrink();
    assert!(!decoder.keeps_memory());
    assert_eq!(decoder.space().len(), 512);
}

/// Space follows what came: after a declared length alone there is no more of it than before.
#[test]
fn a_declared_length_alone_makes_no_space() {
    let mut decoder = Decoder::new(16 << 20);
    let first = decoder.space().len();
    assert!(first <= 16_384, "{first}");
    push(&mut decoder, &(16_u32 << 20).to_be_bytes());
    assert!(decoder.space().len() <= 16_384);
    push(&mut decoder, &vec![0; 20_000]);
    assert!(decoder.space().len() <= 20_004 * 16, "a multiple of what came");
}

#[test]
fn a_small_tail_is_a_copy_of_its_exact_size() {
    for tail in [1, 10, 1023, 1024] {
        let mut decoder = Decoder::new(16 << 20);
        push(&mut decoder, &framed(2000));
        push(&mut decoder, &framed(7));
        let copy = decoder.take_tail(tail).try_into_mut().expect("nobody else has it");
        assert_eq!((copy.len(), copy.capacity()), (tail, tail));
    }
}

/// Else a connection that falls silent would keep what its application has long dropped.
#[test]
fn the_decoder_keeps_no_part_of_a_large_buffer_whose_frame_was_taken() {
    for length in [65_536, 70_000, 300_000, 5_000_000] {
        for behind in [0, 1, 4, 3000, 16_000] {
            let mut decoder = Decoder::new(16 << 20);
            push(&mut decoder, &framed(length));
            push(&mut decoder, &framed(16_000)[..behind]);
            let payload = decoder.take_tail(length - 10);
            decoder.shrink();
            assert!(payload.is_unique(), "{length}, then {behind}");
            push(&mut decoder, &framed(16_000)[behind..]);
            assert_eq!(decoder.peek(), Ok(Some(&framed(16_000)[4..])));
        }
    }
}

/// The memory of a large frame serves the next one of about its size, if its receiver has dropped it.
#[test]
fn a_large_frame_comes_into_the_memory_of_the_one_before() {
    let second = |held: bool, next: usize| {
        let mut decoder = Decoder::new(16 << 20);
        push(&mut decoder, &framed(300_000));
        let first = decoder.take_tail(300_000);
        let (memory, kept) = (first.as_ptr(), held.then_some(first));
        push(&mut decoder, &framed(next));
        let taken = decoder.take_tail(next);
        assert_eq!(taken, framed(next)[4..]);
        drop(kept);
        taken.as_ptr() == memory
    };
    assert!(second(false, 300_000) && second(false, 299_000));
    assert!(!second(true, 300_000), "its receiver still reads it");
    assert!(!second(false, 350_000), "too small");
    assert!(!second(false, 100_000), "a small frame would pin three times its size");
}

#[test]
fn an_error_has_its_name() {
    assert!(ProtocolError::FrameEmpty.to_string().contains("frame"));
    assert_eq!(ProtocolError::FrameEmpty.name(), "frame-empty");
    assert_eq!(ProtocolError::FrameTooLarge.name(), "frame-too-large");
}
