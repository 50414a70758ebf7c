//! What a `Decoder` allocates, counted by the allocator of this test program: memory follows the
//! bytes that came, never a declared length, and is given back.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod counting;

use bytes::{Bytes, BytesMut};
use counting::{Count, counted, live};
use switchboard::ProtocolError;
use switchboard::wire::{Decoder, Frame};

const MAX: u32 = 16 << 20;
/// One read, with what an allocator's user may add to it.
const FIRST_READ: usize = 20 * 1024;

fn push(decoder: &mut Decoder, mut bytes: &[u8], step: usize) {
    while !bytes.is_empty() {
        let space = decoder.space();
        let taken = step.min(bytes.len()).min(space.len());
        space[..taken].copy_from_slice(&bytes[..taken]);
        decoder.filled(taken);
        bytes = &bytes[taken..];
    }
}

fn framed(length: usize) -> Vec<u8> {
    let mut bytes = u32::try_from(length).unwrap().to_be_bytes().to_vec();
    bytes.resize(4 + length, 0x55);
    bytes
}

#[test]
fn the_allocator_counts() {
    let (kept, count) = counted(|| vec![1_u8; 1000]);
    assert_eq!(count, Count { allocations: 1, bytes: 1000, live: 1000, peak: 1000 });
    let ((), count) = counted(|| drop(kept));
    assert_eq!(count, Count { allocations: 0, bytes: 0, live: -1000, peak: 0 });
    let (_, count) = counted(|| vec![0_u8; 1000]);
    assert_eq!(count.bytes, 1000, "zeroed");
}

#[test]
fn a_new_decoder_costs_nothing() {
    let (_decoder, count) = counted(|| Decoder::new(MAX));
    assert_eq!(count, Count::default());
}

// Threat 1.
#[test]
fn a_declared_length_costs_no_more_than_the_first_read() {
    for length in [1, 16 << 20, (16 << 20) + 1, u32::MAX, 0] {
        let mut decoder = Decoder::new(MAX);
        let ((), count) = counted(|| {
            for byte in length.to_be_bytes() {
                push(&mut decoder, &[byte], 1);
                let _ = decoder.peek();
            }
            for _ in 0..100 {
                decoder.space();
                decoder.filled(0);
                let _ = decoder.peek();
            }
        });
        assert_eq!(count.allocations, 1, "{length}");
        assert!(count.bytes <= FIRST_READ, "{length}: {count:?}");
    }
}

#[test]
fn memory_is_a_multiple_of_what_came() {
    let frame = framed(16 << 20);
    let mut decoder = Decoder::new(MAX);
    let mut came = 0;
    let before = live();
    for piece in frame.chunks(4000) {
        push(&mut decoder, piece, 4000);
        came += piece.len();
        let held = usize::try_from(live() - before).unwrap();
        assert!(held <= FIRST_READ + 17 * came, "{held} for {came}");
        assert!(held <= FIRST_READ + frame.len(), "{held} for {came}");
    }
    assert!(matches!(decoder.peek(), Ok(Some(_))));
}

// Threat 3.
#[test]
fn a_large_frame_byte_by_byte_is_linear_work() {
    let cost = |length: usize, step: usize| {
        let frame = framed(length);
        let mut decoder = Decoder::new(MAX);
        let ((), count) = counted(|| {
            for piece in frame[..frame.len() - 1].chunks(step) {
                push(&mut decoder, piece, step);
                assert_eq!(decoder.peek(), Ok(None));
            }
            push(&mut decoder, &frame[frame.len() - 1..], 1);
            assert_eq!(decoder.peek().unwrap().map(<[u8]>::len), Some(length));
        });
        count
    };
    let (one, two) = (cost(1 << 20, 1), cost(2 << 20, 1));
    assert!(one.bytes <= 2 << 20, "{one:?}");
    assert!(one.allocations <= 8, "{one:?}");
    assert!(two.bytes <= 2 * one.bytes, "{one:?}, {two:?}");
    let whole = cost(1 << 20, 1 << 20);
    assert!(one.bytes <= whole.bytes + FIRST_READ, "{one:?}, {whole:?}");
}

#[test]
fn a_small_payload_costs_one_allocation_of_its_exact_size() {
    for tail in [1, 2, 10, 1023, 1024] {
        let mut decoder = Decoder::new(MAX);
        push(&mut decoder, &[framed(2000), framed(7)].concat(), usize::MAX);
        let (payload, count) = counted(|| decoder.take_tail(tail));
        assert_eq!(payload.len(), tail);
        assert_eq!(count.allocations, 1, "{tail}");
        assert_eq!((count.bytes, count.live), (tail, tail as isize));
    }
    let mut decoder = Decoder::new(MAX);
    push(&mut decoder, &framed(2000), usize::MAX);
    let (payload, count) = counted(|| decoder.take_tail(0));
    assert_eq!((payload.len(), count), (0, Count::default()));
}

#[test]
fn a_small_payload_outlives_its_buffer_alone() {
    let before = live();
    let payload = {
        let mut decoder = Decoder::new(MAX);
        push(&mut decoder, &framed(1000), usize::MAX);
        decoder.take_tail(900)
    };
    assert_eq!(live() - before, 900);
    drop(payload);
    assert_eq!(live() - before, 0);
}

#[test]
fn a_large_payload_is_not_copied() {
    for length in [2000, 70_000, 1 << 20] {
        let mut decoder = Decoder::new(MAX);
        push(&mut decoder, &framed(length), usize::MAX);
        let (payload, count) = counted(|| decoder.take_tail(length - 3));
        assert_eq!(payload.len(), length - 3);
        // What tells of its memory, and the places where that is kept to be used again.
        assert!(count.bytes <= 256, "{length}: {count:?}");
    }
}

#[test]
fn pings_cost_nothing_in_the_steady_state() {
    let mut ping = BytesMut::new();
    Frame::Ping { token: 70_000 }.encode(&mut ping);
    let many = ping.repeat(20_000);
    for (name, stream, step) in [
        ("each alone", &ping[..], 64),
        ("byte by byte", &ping[..], 1),
        ("many", &many[..], 1 << 20),
    ] {
        let mut decoder = Decoder::new(MAX);
        let mut run = |rounds| {
            let mut frames = 0;
            for _ in 0..rounds {
                let mut rest = stream;
                while !rest.is_empty() {
                    let piece = step.min(rest.len()).min(decoder.space().len());
                    push(&mut decoder, &rest[..piece], step);
                    rest = &rest[piece..];
                    while let Some(frame) = decoder.peek().unwrap() {
                        assert_eq!(Frame::decode(frame), Ok(Frame::Ping { token: 70_000 }));
                        frames += 1;
                        decoder.skip();
                    }
                }
            }
            frames
        };
        run(5);
        let (frames, count) = counted(|| run(50));
        assert_eq!(frames, 50 * stream.len() / ping.len());
        assert_eq!(count, Count::default(), "{name}");
    }
}

#[test]
fn reading_and_refusing_heads_costs_nothing() {
    let mut headers = switchboard::Headers::new();
    headers.insert("traceparent", "00").unwrap();
    let map = "84 06 63 6c6f67 a2 0001 6161 f5 f6";
    let message: Vec<u8> = map
        .split(' ')
        .flat_map(|part| part.as_bytes().chunks(2))
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let (read, count) = counted(|| Frame::decode(&message).is_ok());
    assert!(read);
    assert_eq!(count, Count::default());
    for length in 0..message.len() - 1 {
        let (read, count) = counted(|| Frame::decode(&message[..length]));
        assert_eq!(read, Err(ProtocolError::MalformedFrame));
        assert_eq!(count, Count::default());
    }
}

#[test]
fn a_declared_count_reserves_nothing() {
    let hello = b"\x85\x00\x6bswitchboard";
    for rest in [&b"\x9a\xff\xff\xff\xff\x01"[..], b"\x81\x01\xba\xff\xff\xff\xff\x06\xf5"] {
        let bytes = [hello, rest].concat();
        let (read, count) = counted(|| Frame::decode(&bytes));
        assert_eq!(read, Err(ProtocolError::MalformedFrame));
        assert!(count.bytes <= 256, "{count:?}");
    }
}

/// At once and not when the next bytes come: none may come for long. But for what the next large frame
/// comes into, which waits for `shrink`.
#[test]
fn an_emptied_large_buffer_is_given_back() {
    for length in [65_537, 1 << 20, 2 << 20, 5_000_000, 16 << 20] {
        for behind in [0, 3, 5000] {
            for by_tail in [false, true] {
                let (frame, next) = (framed(length), framed(5000));
                let before = live();
                let mut decoder = Decoder::new(MAX);
                push(&mut decoder, &frame, usize::MAX);
                push(&mut decoder, &next[..behind], usize::MAX);
                if by_tail {
                    assert_eq!(decoder.take_tail(length).len(), length);
                } else {
                    decoder.skip();
                }
                let spare = if by_tail && length <= 1 << 20 { 1100 * 1024 } else { 0 };
                let held = live() - before;
                assert!(held <= 64 * 1024 + spare, "{held} of {length}, {behind} behind it");
                decoder.shrink();
                let held = live() - before;
                assert!(held <= 64 * 1024, "{held} of {length}, {behind} behind it");
                assert_eq!(decoder.buffered(), behind);
            }
        }
    }
}

/// What is taken from behind a large frame must not keep that frame's memory.
#[test]
fn a_payload_behind_a_large_frame_does_not_pin_it() {
    for length in [70_000, 278_600, 300_000, 4_735_000] {
        let before = live();
        let stream = [framed(length), framed(5000)].concat();
        let mut decoder = Decoder::new(MAX);
        push(&mut decoder, &stream, usize::MAX);
        drop(decoder.take_tail(length));
        let payload: Bytes = decoder.take_tail(4000);
        drop((decoder, stream));
        let held = live() - before;
        assert_eq!(payload.len(), 4000);
        assert!((4000..=64 * 1024).contains(&held), "{held} of {length}");
    }
}
