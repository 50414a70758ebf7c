//! Reading and writing heads: the deterministic CBOR of `docs/protocol.md` section 1, nothing else.
//! Called by the frame table, headers and settings; knows protocol errors and the small nouns.

use bytes::{BufMut, BytesMut};

use crate::error::ProtocolError;
use crate::id::{CallId, ConnectionId};
use crate::status::Status;

pub(crate) const UINT: u8 = 0;
pub(crate) const BYTES: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const MAP: u8 = 5;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// A cursor over the bytes of one frame. Every method refuses what is not spelled in the one way
/// that section 1 allows.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes everything that has not been read.
    pub(crate) const fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// What stood between an earlier state of this reader and this one.
    pub(crate) fn since(&self, earlier: &Self) -> &'a [u8] {
        &earlier.rest[..earlier.rest.len() - self.rest.len()]
    }

    /// The frame must end here.
    pub(crate) const fn end(&self) -> Result<(), ProtocolError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ProtocolError::MalformedFrame) }
    }

    fn byte(&mut self) -> Result<u8, ProtocolError> {
        let (&first, rest) = self.rest.split_first().ok_or(ProtocolError::MalformedFrame)?;
        self.rest = rest;
        Ok(first)
    }

    fn bytes(&mut self, length: u64) -> Result<&'a [u8], ProtocolError> {
        let length = usize::try_from(length).map_err(|_| ProtocolError::MalformedFrame)?;
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(ProtocolError::MalformedFrame)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The major type and argument of the next item, in the shortest spelling.
    #[inline]
    pub(crate) fn head(&mut self) -> Result<(u8, u64), ProtocolError> {
        let first = self.byte()?;
        match first & 0x1f {
            small @ 0..=23 => Ok((first >> 5, u64::from(small))),
            _ => self.long_head(first),
        }
    }

    fn long_head(&mut self, first: u8) -> Result<(u8, u64), ProtocolError> {
        let (value, least) = match first & 0x1f {
            24 => (u64::from(self.byte()?), 24),
            25 => (u64::from(u16::from_be_bytes(self.array_of()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.array_of()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.array_of()?), 1 << 32),
            _ => return Err(ProtocolError::MalformedFrame),
        };
        if value < least || first >> 5 == 7 {
            return Err(ProtocolError::MalformedFrame);
        }
        Ok((first >> 5, value))
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ProtocolError::MalformedFrame)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn expect(&mut self, major: u8) -> Result<u64, ProtocolError> {
        match self.head()? {
            (found, value) if found == major => Ok(value),
            _ => Err(ProtocolError::MalformedFrame),
        }
    }

    pub(crate) fn uint(&mut self) -> Result<u64, ProtocolError> {
        self.expect(UINT)
    }

    pub(crate) fn array(&mut self) -> Result<u64, ProtocolError> {
        self.expect(ARRAY)
    }

    pub(crate) fn map(&mut self) -> Result<u64, ProtocolError> {
        self.expect(MAP)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, ProtocolError> {
        let length = self.expect(TEXT)?;
        self.text_of(length)
    }

    pub(crate) fn text_of(&mut self, length: u64) -> Result<&'a str, ProtocolError> {
        core::str::from_utf8(self.bytes(length)?).map_err(|_| ProtocolError::MalformedFrame)
    }

    pub(crate) fn byte_string(&mut self) -> Result<&'a [u8], ProtocolError> {
        let length = self.expect(BYTES)?;
        self.bytes(length)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, ProtocolError> {
        match self.byte()? {
            FALSE => Ok(false),
            TRUE => Ok(true),
            _ => Err(ProtocolError::MalformedFrame),
        }
    }

    /// Whether a null comes next; takes it if so.
    pub(crate) fn null(&mut self) -> bool {
        match self.rest {
            [NULL, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The major type of the next item, still unread.
    pub(crate) fn peek_major(&self) -> Option<u8> {
        self.rest.first().map(|first| first >> 5)
    }
}

/// Writes heads behind what stands in a buffer. Bytes are staged, so that a head of many small parts is
/// one copy into the buffer: a check of its room for each costs more than the parts.
#[derive(Debug)]
pub(crate) struct Writer<'o> {
    out: &'o mut BytesMut,
    staged: [u8; STAGED],
    count: usize,
}

/// Room for the head of almost any frame.
const STAGED: usize = 64;

impl<'o> Writer<'o> {
    pub(crate) const fn new(out: &'o mut BytesMut) -> Self {
        Self { out, staged: [0; STAGED], count: 0 }
    }

    /// Everything is in the buffer afterwards. Not by value: to move what was staged byte by byte costs more
    /// than to stage it.
    pub(crate) fn finish(&mut self) {
        self.flush();
    }

    fn flush(&mut self) {
        self.out.put_slice(&self.staged[..self.count]);
        self.count = 0;
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if bytes.len() > STAGED - self.count {
            self.flush();
            if bytes.len() > STAGED {
                return self.out.put_slice(bytes);
            }
        }
        self.staged[self.count..self.count + bytes.len()].copy_from_slice(bytes);
        self.count += bytes.len();
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        if self.count == STAGED {
            self.flush();
        }
        self.staged[self.count] = byte;
        self.count += 1;
    }

    /// The major type and argument of an item, in the shortest spelling.
    pub(crate) fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        match value {
            0..=23 => self.byte(major | value as u8),
            24..=0xff => self.bytes(&[major | 24, value as u8]),
            0x100..=0xffff => {
                let [a, b] = (value as u16).to_be_bytes();
                self.bytes(&[major | 25, a, b]);
            }
            0x1_0000..=0xffff_ffff => {
                let [a, b, c, d] = (value as u32).to_be_bytes();
                self.bytes(&[major | 26, a, b, c, d]);
            }
            _ => {
                self.byte(major | 27);
                self.bytes(&value.to_be_bytes());
            }
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.head(TEXT, text.len() as u64);
        self.bytes(text.as_bytes());
    }

    pub(crate) fn byte_string(&mut self, bytes: &[u8]) {
        self.head(BYTES, bytes.len() as u64);
        self.bytes(bytes);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.byte(if value { TRUE } else { FALSE });
    }

    pub(crate) fn null(&mut self) {
        self.byte(NULL);
    }
}

/// How many bytes [`Writer::head`] writes.
pub(crate) const fn head_len(value: u64) -> usize {
    match value {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// A type that can stand in the frame table: one element of a frame's array (section 2).
pub(crate) trait Field<'a>: Sized {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ProtocolError>;
    fn write(&self, out: &mut Writer<'_>);
}

/// An integer of section 2 that has a range of its own.
macro_rules! ranged {
    ($($type:ty: $from:expr, $into:expr;)+) => {
        $(impl Field<'_> for $type {
            fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
                let number = reader.uint()?;
                let from: fn(u64) -> Option<Self> = $from;
                from(number).ok_or(ProtocolError::MalformedFrame)
            }

            fn write(&self, out: &mut Writer<'_>) {
                let into: fn(&Self) -> u64 = $into;
                out.head(UINT, into(self));
            }
        })+
    };
}
pub(super) use ranged;

ranged! {
    u32: |number| u32::try_from(number).ok(), |token| u64::from(*token);
    u16: |number| u16::try_from(number).ok().filter(|version| *version >= 1), |version| u64::from(*version);
    CallId: Self::new, |id| id.number();
    ConnectionId: Self::new, |id| id.number();
    Status: |number| u32::try_from(number).ok().and_then(Self::new), |status| u64::from(status.number());
}

/// 0 or a status: how `goodbye` says whether it is graceful.
impl Field<'_> for Option<Status> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let number = u32::try_from(reader.uint()?).map_err(|_| ProtocolError::MalformedFrame)?;
        Ok(Status::new(number))
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.head(UINT, self.map_or(0, |status| u64::from(status.number())));
    }
}

/// A number or null: the milliseconds of `reconnect-after-ms`.
impl Field<'_> for Option<u64> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        if reader.null() { Ok(None) } else { reader.uint().map(Some) }
    }

    fn write(&self, out: &mut Writer<'_>) {
        match self {
            Some(number) => out.head(UINT, *number),
            None => out.null(),
        }
    }
}

/// An id or null: a `publish` that wants an answer, or none.
impl<'a> Field<'a> for Option<CallId> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        if reader.null() { Ok(None) } else { CallId::read(reader).map(Some) }
    }

    fn write(&self, out: &mut Writer<'_>) {
        match self {
            Some(id) => id.write(out),
            None => out.null(),
        }
    }
}

impl<'a> Field<'a> for &'a str {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        reader.text()
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.text(self);
    }
}

/// The payload: all that is left of the frame, unread. Written by the frame itself, behind the head.
impl<'a> Field<'a> for &'a [u8] {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        Ok(reader.take_rest())
    }

    fn write(&self, _out: &mut Writer<'_>) {}
}
