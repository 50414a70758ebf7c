//! A second, simple reader of heads, which only finds where each item stands: what the tests of
//! spelling damage.

use alloc::vec::Vec;

/// One item of a head: where it begins and ends, and what its first bytes say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) at: usize,
    /// Behind its first byte and its number or length.
    pub(super) inside: usize,
    /// Behind all that is in it.
    pub(super) end: usize,
    pub(super) major: u8,
    pub(super) argument: u64,
}

impl Item {
    fn read(bytes: &[u8], at: usize) -> Self {
        let (major, info) = (bytes[at] >> 5, bytes[at] & 0x1f);
        let width = if info < 24 { 0 } else { 1 << (info - 24) };
        let inside = at + 1 + width;
        let long =
            bytes[at + 1..inside].iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        let argument = if width == 0 { u64::from(info) } else { long };
        let mut end = inside;
        let within = match major {
            4 => argument,
            5 => argument * 2,
            _ => 0,
        };
        for _ in 0..within {
            end = Self::read(bytes, end).end;
        }
        if matches!(major, 2 | 3) {
            end += usize::try_from(argument).unwrap();
        }
        Self { at, inside, end, major, argument }
    }
}

/// All items of a frame's head but its array, those inside others, too.
pub(super) fn items(body: &[u8], head: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let mut at = 1;
    while at < head {
        let item = Item::read(body, at);
        at = if matches!(item.major, 2 | 3) { item.end } else { item.inside };
        items.push(item);
    }
    assert_eq!(at, head, "the head ends where its last item does");
    items
}

/// The first bytes of an item with a number or length in so many bytes: 1, 2, 4 or 8.
pub(super) fn spelled(major: u8, argument: u64, width: usize) -> Vec<u8> {
    let mut bytes = Vec::from([major << 5 | (24 + width.ilog2() as u8)]);
    bytes.extend_from_slice(&argument.to_be_bytes()[8 - width..]);
    bytes
}

/// These bytes with a part of them replaced.
pub(super) fn replaced(bytes: &[u8], part: core::ops::Range<usize>, by: &[u8]) -> Vec<u8> {
    [&bytes[..part.start], by, &bytes[part.end..]].concat()
}
