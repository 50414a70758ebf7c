//! Whether bytes are exactly one well-formed CBOR item (RFC 8949) within limits.
//!
//! One walk from left to right, without recursion and without allocation, each byte looked at once:
//! safe on any input and on any stack. Knows [`PayloadLimits`] and [`ScanError`] only.
//!
//! ```text
//! first byte: mmm iiiii   m: 0 1 integer, 2 bytes, 3 text, 4 array, 5 map, 6 tag, 7 simple, float
//!                         i: 0-23 the argument itself, 24-27 it follows in 1, 2, 4 or 8 bytes,
//!                            28-30 reserved, 31 indefinite length; ff is the break
//! ```

use super::error::ScanError;
use super::limits::{MAX_DEPTH, PayloadLimits};

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

/// A simple value in two bytes.
const LONG_SIMPLE: u8 = 0xf8;

/// The end of what has an indefinite length.
const BREAK: u8 = 0xff;

/// Checks that `bytes` are exactly one well-formed item within `limits`, its text in UTF-8.
///
/// A length or count that the bytes left cannot hold is refused where it is announced, so nothing
/// that passes makes a reader reserve more than a fixed multiple of what came.
///
/// # Errors
///
/// [`ScanError`]: the first thing that is wrong, and where.
pub fn scan(bytes: &[u8], limits: &PayloadLimits) -> Result<(), ScanError> {
    if bytes.is_empty() {
        return Err(ScanError::Empty);
    }
    let mut items = Items { left: limits.max_items, limit: limits.max_items };
    let mut levels = Levels::new(limits.max_depth.min(MAX_DEPTH));
    let mut open = Open(1);
    let mut at = 0;
    loop {
        let Some(&first) = bytes.get(at) else { return Err(ScanError::Truncated { at }) };
        if first == BREAK {
            if !open.may_end() {
                return Err(ScanError::UnexpectedBreak { at });
            }
            open = Open(0);
            at += 1;
        } else {
            items.count(at)?;
            open = open.taken();
            let Some(head) = Head::read(bytes, at) else { return Err(bad_head(first, at)) };
            let left = (bytes.len() - head.end) as u64;
            let inner = match first >> 5 {
                BYTES | TEXT if head.indefinite => {
                    at = chunks(bytes, head.end, first >> 5, &mut items)?;
                    None
                }
                BYTES | TEXT => {
                    at = string(bytes, at, first >> 5, &head)?;
                    None
                }
                ARRAY if head.indefinite => Some(Open::ELEMENTS),
                ARRAY if head.argument <= left => Some(Open(head.argument as usize)),
                MAP if head.indefinite => Some(Open::KEY),
                MAP if head.argument <= left / 2 => Some(Open(2 * head.argument as usize)),
                ARRAY | MAP => return Err(ScanError::Truncated { at }),
                _ if head.indefinite => return Err(ScanError::Reserved { at }),
                TAG => Some(Open(1)),
                SIMPLE if first == LONG_SIMPLE && head.argument < 32 => {
                    return Err(ScanError::BadSimple { at });
                }
                _ => {
                    at = head.end;
                    None
                }
            };
            if let Some(inner) = inner {
                levels.push(open, at)?;
                open = inner;
                at = head.end;
            }
        }
        while open.is_full() {
            match levels.pop() {
                Some(outer) => open = outer,
                None if at == bytes.len() => return Ok(()),
                None => return Err(ScanError::Trailing { at }),
            }
        }
    }
}

/// How many more items there may be.
struct Items {
    left: usize,
    limit: usize,
}

impl Items {
    #[inline]
    const fn count(&mut self, at: usize) -> Result<(), ScanError> {
        if self.left == 0 {
            return Err(ScanError::TooManyItems { at, limit: self.limit });
        }
        self.left -= 1;
        Ok(())
    }
}

/// What an array, map or tag still lacks: a number of items, the two of a map's entry counted each,
/// or one of the three below. No count gets near those: it is checked against the bytes left.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Open(usize);

impl Open {
    /// Items up to a break.
    const ELEMENTS: Self = Self(usize::MAX);
    /// A key or a break.
    const KEY: Self = Self(usize::MAX - 1);
    /// The value of a key.
    const VALUE: Self = Self(usize::MAX - 2);

    #[inline]
    const fn taken(self) -> Self {
        match self {
            Self::ELEMENTS => Self::ELEMENTS,
            Self::KEY => Self::VALUE,
            Self::VALUE => Self::KEY,
            Self(left) => Self(left - 1),
        }
    }

    #[inline]
    const fn may_end(self) -> bool {
        matches!(self, Self::ELEMENTS | Self::KEY)
    }

    #[inline]
    const fn is_full(self) -> bool {
        self.0 == 0
    }
}

/// How many levels have a place from the start. To prepare all of them would cost more than the
/// scan of a small payload.
const SHALLOW: usize = 8;

/// The levels around the innermost one.
struct Levels {
    shallow: [Open; SHALLOW],
    deep: Option<[Open; MAX_DEPTH - SHALLOW]>,
    len: usize,
    max: usize,
}

impl Levels {
    #[inline]
    const fn new(max: usize) -> Self {
        Self { shallow: [Open(0); SHALLOW], deep: None, len: 0, max }
    }

    #[inline]
    fn push(&mut self, open: Open, at: usize) -> Result<(), ScanError> {
        if self.len >= self.max {
            return Err(ScanError::TooDeep { at, limit: self.max });
        }
        match self.shallow.get_mut(self.len) {
            Some(level) => *level = open,
            None => self.push_deep(open),
        }
        self.len += 1;
        Ok(())
    }

    #[cold]
    fn push_deep(&mut self, open: Open) {
        let deep = self.deep.get_or_insert([Open(0); MAX_DEPTH - SHALLOW]);
        deep[self.len - SHALLOW] = open;
    }

    #[inline]
    fn pop(&mut self) -> Option<Open> {
        self.len = self.len.checked_sub(1)?;
        match self.shallow.get(self.len) {
            Some(open) => Some(*open),
            None => self.deep.as_ref().map(|deep| deep[self.len - SHALLOW]),
        }
    }
}

/// The first byte of an item and its argument.
struct Head {
    argument: u64,
    indefinite: bool,
    /// The offset behind them.
    end: usize,
}

impl Head {
    /// `None`: a reserved first byte, or the argument is cut off.
    #[inline]
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let (&first, rest) = bytes.get(at..)?.split_first()?;
        let info = first & 0x1f;
        let (argument, width) = match info {
            0..=23 => (info.into(), 0),
            24 => (u64::from(*rest.first()?), 1),
            25 => (u16::from_be_bytes(*rest.first_chunk()?).into(), 2),
            26 => (u32::from_be_bytes(*rest.first_chunk()?).into(), 4),
            27 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            31 => (0, 0),
            _ => return None,
        };
        Some(Self { argument, indefinite: info == 31, end: at + 1 + width })
    }
}

/// Why [`Head::read`] found none.
#[cold]
const fn bad_head(first: u8, at: usize) -> ScanError {
    match first & 0x1f {
        28..=30 => ScanError::Reserved { at },
        _ => ScanError::Truncated { at },
    }
}

/// Steps over the string at `start`, and returns the offset behind it.
#[inline]
fn string(bytes: &[u8], start: usize, kind: u8, head: &Head) -> Result<usize, ScanError> {
    let rest = &bytes[head.end..];
    if head.argument > rest.len() as u64 {
        return Err(ScanError::Truncated { at: start });
    }
    let content = &rest[..head.argument as usize];
    if kind == TEXT && !content.is_ascii() && core::str::from_utf8(content).is_err() {
        return Err(ScanError::BadText { at: start });
    }
    Ok(head.end + content.len())
}

/// Steps over the pieces of a string and the break behind them, and returns the offset behind that.
#[cold]
fn chunks(bytes: &[u8], mut at: usize, kind: u8, items: &mut Items) -> Result<usize, ScanError> {
    loop {
        let first = *bytes.get(at).ok_or(ScanError::Truncated { at })?;
        if first == BREAK {
            return Ok(at + 1);
        }
        if first >> 5 != kind {
            return Err(ScanError::BadChunk { at });
        }
        items.count(at)?;
        let head = Head::read(bytes, at).ok_or_else(|| bad_head(first, at))?;
        if head.indefinite {
            return Err(ScanError::BadChunk { at });
        }
        at = string(bytes, at, kind, &head)?;
    }
}

/// The shortest head of a byte string of this length, and how many bytes of it count.
pub(super) fn byte_string_head(length: usize) -> ([u8; 9], usize) {
    let mut head = [0; 9];
    let argument = (length as u64).to_be_bytes();
    let width: usize = match length as u64 {
        0..=23 => {
            head[0] = BYTES << 5 | argument[7];
            return (head, 1);
        }
        24..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    };
    // 1, 2, 4 and 8 bytes are announced by 24 to 27: 24 and how often 1 was doubled.
    head[0] = BYTES << 5 | (24 + width.trailing_zeros() as u8);
    head[1..=width].copy_from_slice(&argument[8 - width..]);
    (head, 1 + width)
}

/// The content of `bytes`, if they are one byte string of definite length and nothing else.
pub(super) fn byte_string(bytes: &[u8]) -> Option<&[u8]> {
    bytes.first().filter(|first| **first >> 5 == BYTES)?;
    let head = Head::read(bytes, 0).filter(|head| !head.indefinite)?;
    let content = &bytes[head.end..];
    (content.len() as u64 == head.argument).then_some(content)
}
