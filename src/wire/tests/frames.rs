//! Every kind of frame, there and back: whole, cut short, with something behind it, and damaged.

use alloc::vec::Vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::{body_and_head, check, check_each_kind, encoded, has_tail, hex, samples};
use crate::error::ProtocolError;
use crate::wire::{Frame, Kind};

#[test]
fn the_generators_cover_every_kind() {
    let mut runner = TestRunner::deterministic();
    for (number, &kind) in (0..).zip(Kind::ALL) {
        assert_eq!(kind.number(), number, "{kind:?}");
        let sample = samples::frame_of(kind).new_tree(&mut runner).unwrap().current();
        assert_eq!(sample.kind(), kind);
    }
    assert_eq!(Kind::ALL.len(), 19, "0 to 18");
    let sample = samples::extension().new_tree(&mut runner).unwrap().current();
    assert_eq!(Kind::Extension(sample.kind().number()), sample.kind());
}

#[test]
fn every_kind_comes_back_as_it_was() {
    check_each_kind(|frame| {
        let bytes = encoded(&frame);
        prop_assert_eq!(Frame::decode(&bytes[4..]), Ok(frame));
        Ok(())
    });
}

#[test]
fn the_length_in_front_counts_what_is_behind_it() {
    check_each_kind(|frame| {
        let bytes = encoded(&frame);
        let length = u32::from_be_bytes(*bytes.first_chunk().unwrap());
        prop_assert_eq!(length as usize, bytes.len() - 4);
        Ok(())
    });
}

#[test]
fn a_frame_is_written_behind_what_is_there_and_its_head_alone_counts_the_payload() {
    check_each_kind(|frame| {
        let mut out = bytes::BytesMut::from(&b"before"[..]);
        frame.encode(&mut out);
        prop_assert_eq!(&out[..6], b"before");
        prop_assert_eq!(&out[6..], encoded(&frame));

        let (body, head) = body_and_head(&frame);
        let mut out = bytes::BytesMut::from(&b"before"[..]);
        let length = frame.encode_head(&mut out, 70_000);
        prop_assert_eq!(length, head + 70_000);
        prop_assert_eq!(&out[6..10], u32::try_from(length).unwrap().to_be_bytes());
        prop_assert_eq!(&out[10..], &body[..head]);
        Ok(())
    });
}

#[test]
fn a_length_above_four_bytes_is_written_as_the_largest() {
    let mut out = bytes::BytesMut::new();
    let frame = Frame::decode(&[0x83, 8, 1]).unwrap();
    let length = frame.encode_head(&mut out, u32::MAX as usize);
    assert_eq!(length as u64, 3 + u64::from(u32::MAX));
    assert_eq!(out[..4], [0xff; 4]);
}

/// With a payload, what is cut off may be the payload's: the frame is then whole, the payload not.
#[test]
fn a_head_that_is_cut_anywhere_is_refused() {
    check_each_kind(|frame| {
        let (body, head) = body_and_head(&frame);
        for length in 0..head {
            let cut = Frame::decode(&body[..length]);
            prop_assert_eq!(cut, Err(ProtocolError::MalformedFrame), "at {}", length);
        }
        prop_assert!(has_tail(frame.kind()) || head == body.len());
        for length in head..body.len() {
            let cut = Frame::decode(&body[..length]);
            prop_assert!(cut.is_ok(), "the payload is not looked at: {:?}", cut);
            prop_assert_eq!(encoded(&cut.unwrap())[4..].to_vec(), body[..length].to_vec());
        }
        Ok(())
    });
}

#[test]
fn a_byte_behind_a_head_is_refused_where_no_payload_stands() {
    check_each_kind(|frame| {
        for byte in 0..=255 {
            let mut body = body_and_head(&frame).0;
            body.push(byte);
            match Frame::decode(&body) {
                Ok(longer) => {
                    prop_assert!(has_tail(frame.kind()), "{:02x} was taken", byte);
                    prop_assert_eq!(longer.kind(), frame.kind());
                }
                Err(error) => {
                    prop_assert!(!has_tail(frame.kind()), "{:02x} was refused", byte);
                    prop_assert_eq!(error, ProtocolError::MalformedFrame);
                }
            }
        }
        Ok(())
    });
}

#[test]
fn another_number_of_elements_is_refused() {
    check_each_kind(|frame| {
        let mut body = body_and_head(&frame).0;
        let right = body[0];
        for elements in 0x81..=0x97 {
            body[0] = elements;
            let decoded = Frame::decode(&body);
            if elements == right || matches!(frame, Frame::Extension { .. }) {
                prop_assert!(decoded.is_ok(), "{:02x}", elements);
            } else {
                prop_assert_eq!(decoded, Err(ProtocolError::MalformedFrame), "{:02x}", elements);
            }
        }
        Ok(())
    });
}

#[test]
fn only_an_array_of_1_to_23_elements_with_a_head_of_one_byte_is_a_frame() {
    for first in 0..=0xff {
        let bytes = [first, 0x18, 24];
        let decoded = Frame::decode(&bytes);
        if (0x81..=0x97).contains(&first) {
            let expected = Frame::Extension { kind: 24, elements: first & 0x1f, rest: &[] };
            assert_eq!(decoded, Ok(expected), "{first:02x}");
        } else {
            assert_eq!(decoded, Err(ProtocolError::MalformedFrame), "{first:02x}");
        }
    }
    for text in ["9818 1818", "9817 1818", "9802 1818 00", "990002 1818 00", "9f 1818 ff", ""] {
        assert_eq!(Frame::decode(&hex(text)), Err(ProtocolError::MalformedFrame), "{text}");
    }
}

#[test]
fn a_hello_with_another_first_text_is_not_this_protocol() {
    for magic in ["60", "6b 537769746368626f617264", "6a 7377697463686f617264"] {
        let bytes = hex(&alloc::format!("85 00 {magic} 8101 a0 f6"));
        assert_eq!(Frame::decode(&bytes), Err(ProtocolError::NotSwitchboard), "{magic}");
    }
}

/// Another CBOR library takes a frame with a good payload for one array, and writes the same bytes.
#[test]
fn another_library_writes_every_kind_in_the_same_bytes() {
    check_each_kind(|frame| {
        if matches!(frame, Frame::Extension { .. }) {
            return Ok(());
        }
        let (mut body, head) = body_and_head(&frame);
        body.truncate(head);
        if has_tail(frame.kind()) {
            body.push(0xf6);
        }
        let value: ciborium::Value = ciborium::from_reader(&body[..]).unwrap();
        prop_assert_eq!(super::cbor(&value), body);
        Ok(())
    });
}

/// So that a head has one spelling. Settings and headers that nobody here knows are left out.
#[test]
fn what_is_read_from_damaged_bytes_is_written_as_it_was_read() {
    let damage = proptest::collection::vec((any::<Index>(), any::<u8>()), 1..4);
    check(4096, &(samples::frame(), damage), |(frame, damage)| {
        let mut body = body_and_head(&frame).0;
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let Ok(frame) = Frame::decode(&body) else { return Ok(()) };
        let again = encoded(&frame).split_off(4);
        let leaves_out = matches!(
            frame.kind(),
            Kind::Hello
                | Kind::Welcome
                | Kind::Message
                | Kind::Request
                | Kind::Subscribe
                | Kind::Publish
                | Kind::Delivery
        );
        if leaves_out {
            prop_assert_eq!(Frame::decode(&again), Ok(frame));
        } else {
            prop_assert_eq!(again, body);
        }
        Ok(())
    });
}

#[test]
fn no_bytes_at_all_make_reading_panic() {
    let any_bytes = proptest::collection::vec(any::<u8>(), 0..64);
    let kind = (0x81_u8..=0x97, 0_u8..26);
    check(4096, &(kind, any_bytes), |((first, kind), rest)| {
        let bytes: Vec<u8> = [first, kind].into_iter().chain(rest).collect();
        if let Ok(frame) = Frame::decode(&bytes) {
            let again = encoded(&frame);
            prop_assert_eq!(Frame::decode(&again[4..]), Ok(frame));
        }
        Ok(())
    });
}
