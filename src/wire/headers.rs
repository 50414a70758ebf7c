//! Headers: the map that messages, requests, subscriptions and publications carry
//! (`docs/protocol.md` section 2). [`HeaderMap`] is the whole map as it stands on the wire,
//! [`Headers`] the application's part of it. Knows the codec only.

use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::fmt;

use super::codec::{BYTES, Field, MAP, Reader, TEXT, UINT, Writer, head_len};
use crate::error::{ProtocolError, Rejected};

/// Most entries of a header map, the protocol's own included.
pub(crate) const MAX_ENTRIES: usize = 16;
/// Most bytes of a header map: it stays small beside the least `max-frame` of 16 KiB.
pub(crate) const MAX_BYTES: usize = 8192;
/// Most bytes of a header's name.
const MAX_NAME: usize = 255;

/// The value of an application's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderValue<'a> {
    /// A number.
    Uint(u64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> From<&'a str> for HeaderValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for HeaderValue<'_> {
    fn from(number: u64) -> Self {
        Self::Uint(number)
    }
}

impl From<bool> for HeaderValue<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<'a> From<&'a [u8]> for HeaderValue<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> HeaderValue<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        match reader.peek_major() {
            Some(UINT) => reader.uint().map(Self::Uint),
            Some(TEXT) => reader.text().map(Self::Text),
            Some(BYTES) => reader.byte_string().map(Self::Bytes),
            _ => reader.bool().map(Self::Bool),
        }
    }

    fn write(self, out: &mut Writer<'_>) {
        match self {
            Self::Uint(number) => out.head(UINT, number),
            Self::Bool(value) => out.bool(value),
            Self::Text(text) => out.text(text),
            Self::Bytes(bytes) => out.byte_string(bytes),
        }
    }
}

/// The application's headers of a message or call: small facts beside the payload, such as W3C's
/// `traceparent`, that can be read without decoding it.
///
/// Names are 1 to 255 bytes and unique; together with the protocol's own there are at most 16, in at
/// most 8,192 bytes. Kept as they stand on the wire, in the order that it demands.
///
/// ```
/// use switchboard::{HeaderValue, Headers};
///
/// let mut headers = Headers::new();
/// headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")?;
/// headers.insert("attempt", 2u64)?;
/// assert_eq!(headers.get("attempt"), Some(HeaderValue::Uint(2)));
/// # Ok::<(), switchboard::Rejected>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    entries: Bytes,
    count: usize,
}

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Bytes::new(), count: 0 }
    }

    /// Sets a header, in place of an earlier one of that name.
    ///
    /// # Errors
    ///
    /// [`Rejected::BadHeaders`] if the name is not 1 to 255 bytes or the limits of the type are
    /// passed; the headers are then as before.
    pub fn insert<'v>(
        &mut self,
        name: &str,
        value: impl Into<HeaderValue<'v>>,
    ) -> Result<(), Rejected> {
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(Rejected::BadHeaders);
        }
        let mut pairs: Vec<_> = self.iter().filter(|(other, _)| *other != name).collect();
        let at = pairs.partition_point(|(other, _)| (other.len(), *other) < (name.len(), name));
        pairs.insert(at, (name, value.into()));
        let mut entries = BytesMut::new();
        let mut writer = Writer::new(&mut entries);
        for (name, value) in &pairs {
            writer.text(name);
            value.write(&mut writer);
        }
        writer.finish();
        if pairs.len() > MAX_ENTRIES || entries.len() >= MAX_BYTES {
            return Err(Rejected::BadHeaders);
        }
        *self = Self { count: pairs.len(), entries: entries.freeze() };
        Ok(())
    }

    /// The value of a header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<HeaderValue<'_>> {
        self.iter().find_map(|(other, value)| (other == name).then_some(value))
    }

    /// All headers: shorter names first, then in byte order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, HeaderValue<'_>)> {
        let mut reader = Reader::new(&self.entries);
        // Every entry was checked when it came in; what could not be read would end the iteration.
        core::iter::from_fn(move || {
            Some((reader.text().ok()?, HeaderValue::read(&mut reader).ok()?))
        })
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The same headers as part of a frame's header map.
    pub(crate) fn as_map(&self) -> HeaderMap<'_> {
        HeaderMap { entries: &self.entries, count: self.count, ..HeaderMap::default() }
    }

    /// Headers from entries that a [`HeaderMap`] has checked.
    pub(crate) const fn from_checked(entries: Bytes, count: usize) -> Self {
        Self { entries, count }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A frame's whole header map: the protocol's own entries by name, the application's as bytes.
/// Unknown numbers up to 255 are checked and left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderMap<'a> {
    /// 0: the milliseconds left of a request.
    pub deadline: Option<u64>,
    /// 1: the streams of a request.
    pub streams: Option<u64>,
    /// 2: what a subscription's full queue does.
    pub when_full: Option<u64>,
    /// 3: retained values.
    pub retain: Option<bool>,
    /// 4: the group of a subscription.
    pub group: Option<&'a str>,
    /// 5: whether the publisher's own connection gets the publication.
    pub echo: Option<bool>,
    /// The application's entries, encoded, in order.
    pub(crate) entries: &'a [u8],
    pub(crate) count: usize,
}

impl HeaderMap<'_> {
    const fn protocol_entries(&self) -> usize {
        self.deadline.is_some() as usize
            + self.streams.is_some() as usize
            + self.when_full.is_some() as usize
            + self.retain.is_some() as usize
            + self.group.is_some() as usize
            + self.echo.is_some() as usize
    }

    /// Whether it keeps the limits of section 2. What was read always does.
    pub(crate) fn is_within_limits(&self) -> bool {
        let entries = self.count + self.protocol_entries();
        entries <= MAX_ENTRIES && self.encoded_len() <= MAX_BYTES
    }

    /// How many bytes it takes when written, with at most [`MAX_ENTRIES`] in it.
    pub(crate) fn encoded_len(&self) -> usize {
        let numbers = [self.deadline, self.streams, self.when_full].into_iter().flatten();
        let bools = [self.retain, self.echo].into_iter().flatten();
        let group = self.group.map_or(0, |group| 1 + head_len(group.len() as u64) + group.len());
        1 + numbers.map(|number| 1 + head_len(number)).sum::<usize>()
            + 2 * bools.count()
            + group
            + self.entries.len()
    }
}

impl<'a> Field<'a> for HeaderMap<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        let start = reader.clone();
        let entries = reader.map()?;
        if entries == 0 {
            return Ok(Self::default());
        }
        if entries > MAX_ENTRIES as u64 {
            return Err(ProtocolError::MalformedFrame);
        }
        let mut map = Self::default();
        // Not an empty one: to compare with that costs more than all the rest where the C library looks at
        // memory behind a mask.
        let mut last_key: Option<&[u8]> = None;
        let mut application = reader.clone();
        for _ in 0..entries {
            let before = reader.clone();
            let (major, argument) = reader.head()?;
            match major {
                UINT => map.read_number(argument, reader)?,
                TEXT if (1..=MAX_NAME as u64).contains(&argument) => {
                    reader.text_of(argument)?;
                }
                _ => return Err(ProtocolError::MalformedFrame),
            }
            let key = match major {
                UINT => {
                    application = reader.clone();
                    number_key(&before)
                }
                _ => {
                    let key = reader.since(&before);
                    HeaderValue::read(reader)?;
                    map.count += 1;
                    key
                }
            };
            if last_key.is_some_and(|last| key <= last) {
                return Err(ProtocolError::MalformedFrame);
            }
            last_key = Some(key);
        }
        if reader.since(&start).len() > MAX_BYTES {
            return Err(ProtocolError::MalformedFrame);
        }
        map.entries = reader.since(&application);
        Ok(map)
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.head(MAP, (self.count + self.protocol_entries()) as u64);
        let numbers = [(0, self.deadline), (1, self.streams), (2, self.when_full)];
        for (key, value) in numbers {
            if let Some(value) = value {
                out.byte(key);
                out.head(UINT, value);
            }
        }
        if let Some(retain) = self.retain {
            out.byte(3);
            out.bool(retain);
        }
        if let Some(group) = self.group {
            out.byte(4);
            out.text(group);
        }
        if let Some(echo) = self.echo {
            out.byte(5);
            out.bool(echo);
        }
        out.bytes(self.entries);
    }
}

impl<'a> HeaderMap<'a> {
    /// The value of one of the protocol's own entries: known ones by type, later ones unread.
    fn read_number(&mut self, key: u64, reader: &mut Reader<'a>) -> Result<(), ProtocolError> {
        match key {
            0 => self.deadline = Some(reader.uint()?),
            1 => self.streams = Some(reader.uint()?),
            2 => self.when_full = Some(reader.uint()?),
            3 => self.retain = Some(reader.bool()?),
            4 => {
                let group = reader.text()?;
                if group.is_empty() || group.len() > MAX_NAME {
                    return Err(ProtocolError::MalformedFrame);
                }
                self.group = Some(group);
            }
            5 => self.echo = Some(reader.bool()?),
            6..=255 => {
                HeaderValue::read(reader)?;
            }
            _ => return Err(ProtocolError::MalformedFrame),
        }
        Ok(())
    }
}

/// The bytes of a number's key: one up to 23, two up to 255.
fn number_key<'a>(at: &Reader<'a>) -> &'a [u8] {
    let bytes = at.rest();
    let length = if bytes[0] < 24 { 1 } else { 2 };
    &bytes[..length]
}
