//! Every error of the scan, and every limit one below, at and one above.

use alloc::vec;
use alloc::vec::Vec;

use super::hex;
use crate::Status;
use crate::payload::{MAX_DEPTH, PayloadLimits, ScanError, scan};

fn scanned(text: &str) -> Result<(), ScanError> {
    scan(&hex(text), &PayloadLimits::default())
}

// Threats 47, 49.
#[test]
fn every_fault_is_told_with_its_place() {
    use ScanError::{
        BadChunk, BadSimple, BadText, Empty, Reserved, Trailing, Truncated, UnexpectedBreak,
    };
    let faults = [
        ("", Empty),
        ("18", Truncated { at: 0 }),
        ("1b 00000000000000", Truncated { at: 0 }),
        ("82 01", Truncated { at: 0 }),
        ("82 81 01", Truncated { at: 3 }),
        ("9f 01", Truncated { at: 2 }),
        ("a1 01", Truncated { at: 0 }),
        ("bf 01", Truncated { at: 2 }),
        ("c1", Truncated { at: 1 }),
        ("5f 41 00", Truncated { at: 3 }),
        ("81 42 00", Truncated { at: 1 }),
        ("5f 42 00", Truncated { at: 1 }),
        ("9b ffffffffffffffff 00", Truncated { at: 0 }),
        ("bb ffffffffffffffff 00", Truncated { at: 0 }),
        ("bb 8000000000000000 00", Truncated { at: 0 }),
        ("5b ffffffffffffffff 00", Truncated { at: 0 }),
        ("7b ffffffffffffffff 00", Truncated { at: 0 }),
        ("f6 f6", Trailing { at: 1 }),
        ("80 ff", Trailing { at: 1 }),
        ("1c", Reserved { at: 0 }),
        ("81 fe", Reserved { at: 1 }),
        ("5d", Reserved { at: 0 }),
        ("1f", Reserved { at: 0 }),
        ("3f", Reserved { at: 0 }),
        ("df 00", Reserved { at: 0 }),
        ("81 f8 1f", BadSimple { at: 1 }),
        ("f8 00", BadSimple { at: 0 }),
        ("ff", UnexpectedBreak { at: 0 }),
        ("81 ff", UnexpectedBreak { at: 1 }),
        ("bf 01 ff", UnexpectedBreak { at: 2 }),
        ("9f c1 ff", UnexpectedBreak { at: 2 }),
        ("5f 61 61 ff", BadChunk { at: 1 }),
        ("7f 41 61 ff", BadChunk { at: 1 }),
        ("5f 5f 40 ff ff", BadChunk { at: 1 }),
        ("5f 5e", Reserved { at: 1 }),
        ("81 61 80", BadText { at: 1 }),
        ("7f 61 61 61 80 ff", BadText { at: 3 }),
        // Two halves of one character: each piece is text of its own.
        ("7f 61 c3 61 a4 ff", BadText { at: 1 }),
        ("63 eda080", BadText { at: 0 }),
    ];
    for (text, fault) in faults {
        assert_eq!(scanned(text), Err(fault), "{text}");
        assert_eq!(fault.status(), Status::INVALID_ARGUMENT, "{text}");
    }
}

#[test]
fn every_form_of_an_item_is_taken() {
    for text in [
        "00",
        "17",
        "18 00",
        "19 0000",
        "1a 00000000",
        "1b ffffffffffffffff",
        "20",
        "3b ffffffffffffffff",
        "40",
        "41 ff",
        "58 00",
        "5f ff",
        "5f 40 41 00 ff",
        "60",
        "61 61",
        "62 c3a4",
        "7f ff",
        "7f 62 c3a4 ff",
        "80",
        "81 00",
        "98 01 00",
        "9b 0000000000000001 00",
        "9f ff",
        "9f 00 80 ff",
        "a0",
        "a1 00 00",
        "bf ff",
        "bf 00 00 ff",
        "a1 80 80",
        "a1 9f ff bf ff",
        "c0 00",
        "d8 20 60",
        "db ffffffffffffffff 00",
        "c1 c1 80",
        "e0",
        "f4",
        "f6",
        "f7",
        "f8 20",
        "f8 ff",
        "f9 7e00",
        "fa 00000000",
        "fb 7ff0000000000000",
        "d9 d9f7 00",
    ] {
        assert_eq!(scanned(text), Ok(()), "{text}");
    }
}

/// Each of these adds one level around a null, or is one level in itself.
fn nested(level: &[u8], end: &[u8], depth: usize) -> Vec<u8> {
    let mut bytes = level.repeat(depth);
    bytes.push(0xf6);
    bytes.extend(end.repeat(depth));
    bytes
}

#[test]
fn depth_is_counted_one_below_at_and_one_above() {
    let kinds: [(&[u8], &[u8]); 6] = [
        (&[0x81], &[]),
        (&[0x9f], &[0xff]),
        (&[0xa1, 0x00], &[]),
        (&[0xa1], &[0x00]),
        (&[0xbf, 0x00], &[0xff]),
        (&[0xc1], &[]),
    ];
    for (level, end) in kinds {
        for limit in [0, 1, 2, 7, 8, 9, 63, 64, MAX_DEPTH - 1, MAX_DEPTH] {
            let limits = PayloadLimits { max_depth: limit, ..PayloadLimits::default() };
            for depth in limit.saturating_sub(1)..=limit {
                assert_eq!(scan(&nested(level, end, depth), &limits), Ok(()), "{level:x?} {depth}");
            }
            let fault = ScanError::TooDeep { at: limit * level.len(), limit };
            assert_eq!(scan(&nested(level, end, limit + 1), &limits), Err(fault), "{level:x?}");
            assert_eq!(fault.status(), Status::RESOURCE_EXHAUSTED);
        }
    }
}

#[test]
fn depth_counts_what_is_open_and_no_more() {
    let limits = PayloadLimits { max_depth: 2, ..PayloadLimits::default() };
    let mut bytes = vec![0x98, 200];
    bytes.extend([0x81, 0x00].repeat(200));
    assert_eq!(scan(&bytes, &limits), Ok(()));
    let limits = PayloadLimits { max_depth: 0, ..limits };
    assert_eq!(scan(&[0x80], &limits), Err(ScanError::TooDeep { at: 0, limit: 0 }));
    assert_eq!(scan(&[0x7f, 0x61, 0x61, 0xff], &limits), Ok(()));
}

#[test]
fn no_limit_goes_beyond_the_greatest_depth() {
    let limits = PayloadLimits { max_depth: usize::MAX, ..PayloadLimits::default() };
    assert_eq!(scan(&nested(&[0x81], &[], MAX_DEPTH), &limits), Ok(()));
    assert_eq!(
        scan(&nested(&[0x81], &[], MAX_DEPTH + 1), &limits),
        Err(ScanError::TooDeep { at: MAX_DEPTH, limit: MAX_DEPTH })
    );
}

// Threat 46.
#[test]
fn items_are_counted_one_below_at_and_one_above() {
    // The text, how many items it has, and where the last of them is.
    let counted = [
        ("00", 1, 0),
        ("83 00 00 00", 4, 3),
        ("9f 00 00 ff", 3, 2),
        ("a1 00 00", 3, 2),
        ("c1 c1 00", 3, 2),
        ("5f 40 40 ff", 3, 2),
        ("82 7f 60 ff 61 61", 4, 4),
    ];
    for (text, items, last) in counted {
        let scanned =
            |max_items| scan(&hex(text), &PayloadLimits { max_items, ..PayloadLimits::default() });
        assert_eq!(scanned(items + 1), Ok(()), "{text}");
        assert_eq!(scanned(items), Ok(()), "{text}");
        let fault = ScanError::TooManyItems { at: last, limit: items - 1 };
        assert_eq!(scanned(items - 1), Err(fault), "{text}");
        assert_eq!(fault.status(), Status::RESOURCE_EXHAUSTED);
    }
}

#[test]
fn a_count_is_refused_before_its_items_are_read() {
    // One byte short, and the fault is told at the head and not at the end.
    let mut bytes = vec![0x9a, 0x00, 0x01, 0x00, 0x00];
    bytes.extend(vec![0x00; 0xffff]);
    assert_eq!(scan(&bytes, &PayloadLimits::default()), Err(ScanError::Truncated { at: 0 }));
    bytes.push(0x00);
    assert_eq!(scan(&bytes, &PayloadLimits::default()), Ok(()));
    bytes[0] = 0xba;
    assert_eq!(scan(&bytes, &PayloadLimits::default()), Err(ScanError::Truncated { at: 0 }));
    bytes.extend(vec![0x00; 0x1_0000]);
    assert_eq!(scan(&bytes, &PayloadLimits::default()), Ok(()));
}
