//! `Frame`: every frame of the protocol in one table (`docs/protocol.md` section 2), which gives the
//! type, its numbers and names, the reading and the writing. Called by connections and by whoever
//! looks at raw bytes; knows the codec, headers and settings.

use alloc::vec::Vec;
use bytes::{BufMut, BytesMut};

use super::codec::{Field, Reader, UINT, Writer, head_len, ranged};
use super::headers::HeaderMap;
use super::settings::Settings;
use crate::error::ProtocolError;
use crate::id::{CallId, ConnectionId, MAX_ID};
use crate::status::Status;

macro_rules! frames {
    ($($(#[$doc:meta])* $number:literal $name:ident $text:literal
        { $($field:ident: $type:ty,)+ })+) => {
        /// One frame, borrowed from the bytes that it was decoded from. The fields are those of the
        /// CDDL in `docs/protocol.md` section 2, in its order.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "the fields are section 2's, word for word")]
        #[non_exhaustive]
        pub enum Frame<'a> {
            $($(#[$doc])* $name { $($field: $type,)+ },)+
            /// Kinds 24 to 65,535: skipped by whoever does not know them.
            Extension { kind: u16, elements: u8, rest: &'a [u8] },
        }

        /// What a frame is: its number on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $name,)+
            /// An extension's own number.
            Extension(u16),
        }

        impl Kind {
            /// Every kind but the extensions, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The first element of the frame's array.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$name => $number,)+
                    Self::Extension(kind) => kind,
                }
            }

            /// Its name in section 2.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                    Self::Extension(_) => "extension",
                }
            }
        }

        impl<'a> Frame<'a> {
            /// What this frame is.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$name { .. } => Kind::$name,)+
                    Self::Extension { kind, .. } => Kind::Extension(*kind),
                }
            }

            /// Reads the elements behind the kind, to the end; `elements` counts the kind, too.
            fn read(
                kind: u64,
                elements: u8,
                mut reader: Reader<'a>,
            ) -> Result<Self, ProtocolError> {
                match kind {
                    $($number => {
                        const ELEMENTS: u8 = 1 + [$(stringify!($field),)+].len() as u8;
                        if elements != ELEMENTS {
                            return Err(ProtocolError::MalformedFrame);
                        }
                        $(let $field = <$type>::read(&mut reader)?;)+
                        reader.end()?;
                        Ok(Self::$name { $($field,)+ })
                    })+
                    24..=65_535 => {
                        let rest = reader.take_rest();
                        Ok(Self::Extension { kind: kind as u16, elements, rest })
                    }
                    _ => Err(ProtocolError::UnknownKind),
                }
            }

            /// Writes the head: everything but the payload.
            fn write(&self, out: &mut Writer<'_>) {
                match self {
                    $(Self::$name { $($field,)+ } => {
                        // A kind of the table is below 24, so that it is its own head.
                        out.bytes(&[0x80 | (1 + [$(stringify!($field),)+].len() as u8), $number]);
                        $($field.write(out);)+
                    })+
                    Self::Extension { kind, elements, .. } => {
                        out.byte(0x80 | elements);
                        out.head(UINT, u64::from(*kind));
                    }
                }
            }
        }
    };
}

frames! {
    /// The client's first frame.
    0 Hello "hello" {
        magic: Magic, versions: Vec<u16>, settings: Settings, payload: &'a [u8],
    }
    /// The server accepts.
    1 Welcome "welcome" {
        version: u16, connection: ConnectionId, settings: Settings, payload: &'a [u8],
    }
    /// The server refuses.
    2 Reject "reject" {
        error: Status, reason: &'a str, versions: Vec<u16>, reconnect_after_ms: Option<u64>,
        payload: &'a [u8],
    }
    /// The last word of a side, or with no error the last but for open calls.
    3 Goodbye "goodbye" {
        error: Option<Status>, reason: &'a str, reconnect_after_ms: Option<u64>,
    }
    /// Answered at once by `pong`.
    4 Ping "ping" { token: u32, }
    /// Answers the oldest `ping`, with its token.
    5 Pong "pong" { token: u32, }
    /// One-way.
    6 Message "message" { channel: &'a str, headers: HeaderMap<'a>, payload: &'a [u8], }
    /// A call.
    7 Request "request" {
        id: CallId, channel: &'a str, headers: HeaderMap<'a>, payload: &'a [u8],
    }
    /// An answer: success.
    8 Response "response" { id: CallId, payload: &'a [u8], }
    /// An answer: error; or the end of a subscription.
    9 Failure "failure" { id: CallId, error: Status, reason: &'a str, payload: &'a [u8], }
    /// An element of a stream.
    10 Item "item" { id: CallId, payload: &'a [u8], }
    /// The caller's stream is complete.
    11 End "end" { id: CallId, }
    /// Its sender takes that much more of a stream.
    12 Credit "credit" { id: CallId, amount: Amount, }
    /// The caller no longer wants the answer.
    13 Cancel "cancel" { id: CallId, }
    /// A call; its id then names the subscription.
    14 Subscribe "subscribe" { id: CallId, pattern: &'a str, headers: HeaderMap<'a>, }
    /// A call.
    15 Unsubscribe "unsubscribe" { id: CallId, subscription: CallId, }
    /// With an id: a call.
    16 Publish "publish" {
        id: Option<CallId>, topic: &'a str, headers: HeaderMap<'a>, payload: &'a [u8],
    }
    /// From the topic on: bytes of the publish.
    17 Delivery "delivery" {
        subscription: CallId, topic: &'a str, headers: HeaderMap<'a>, payload: &'a [u8],
    }
    /// So many deliveries are missing here.
    18 Lagged "lagged" { subscription: CallId, dropped: Dropped, }
}

impl<'a> Frame<'a> {
    /// Reads a whole frame: the array alone, without the four bytes of its length.
    ///
    /// The payload, if this kind has one, is not looked at.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::MalformedFrame`] or [`ProtocolError::UnknownKind`] if the bytes are not one
    /// frame in the one spelling of section 1.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, ProtocolError> {
        let Some((first @ 0x81..=0x97, rest)) = bytes.split_first() else {
            return Err(ProtocolError::MalformedFrame);
        };
        let mut reader = Reader::new(rest);
        let kind = reader.uint()?;
        Self::read(kind, first & 0x1f, reader)
    }

    /// Writes the frame, behind the four bytes of its length.
    pub fn encode(&self, out: &mut BytesMut) {
        let tail = self.tail();
        self.encode_head(out, tail.len());
        out.put_slice(tail);
    }

    /// Writes the length and the head of a frame whose payload of `payload` bytes is sent behind it;
    /// the frame's own payload is not looked at. Gives the frame's length, without its own four
    /// bytes: what the peer's `max-frame` counts.
    pub fn encode_head(&self, out: &mut BytesMut, payload: usize) -> usize {
        let start = out.len();
        let mut writer = Writer::new(out);
        writer.bytes(&[0; 4]);
        self.write(&mut writer);
        writer.finish();
        let length = out.len() - start - 4 + payload;
        // A longer one than a u32 counts is above any `max-frame`, so that it is never sent.
        let prefix = u32::try_from(length).unwrap_or(u32::MAX);
        out[start..start + 4].copy_from_slice(&prefix.to_be_bytes());
        length
    }

    /// The payload, or whatever else stands unread at the frame's end.
    const fn tail(&self) -> &'a [u8] {
        match self {
            Self::Hello { payload, .. }
            | Self::Welcome { payload, .. }
            | Self::Reject { payload, .. }
            | Self::Message { payload, .. }
            | Self::Request { payload, .. }
            | Self::Response { payload, .. }
            | Self::Failure { payload, .. }
            | Self::Item { payload, .. }
            | Self::Publish { payload, .. }
            | Self::Delivery { payload, .. } => payload,
            Self::Extension { rest, .. } => rest,
            _ => &[],
        }
    }
}

/// Writes what a `publish` and each of its `delivery`s have in common, up to the payload.
pub(crate) fn encode_topic(out: &mut BytesMut, topic: &str, headers: &HeaderMap<'_>) {
    let mut writer = Writer::new(out);
    topic.write(&mut writer);
    headers.write(&mut writer);
    writer.finish();
}

/// How many bytes stand before a text.
pub(crate) const fn text_head(text: &str) -> usize {
    head_len(text.len() as u64)
}

/// The length of an `item` whose payload has so many bytes; a `response` is as long.
pub(crate) const fn item_len(id: CallId, payload: usize) -> usize {
    2 + head_len(id.number()) + payload
}

/// The length of a `delivery` with so many bytes from the topic on.
pub(crate) const fn delivery_len(id: CallId, rest: usize) -> usize {
    2 + head_len(id.number()) + rest
}

/// The length of a `lagged`.
pub(crate) const fn lagged_len(id: CallId, dropped: u64) -> usize {
    2 + head_len(id.number()) + head_len(dropped)
}

/// A number as CBOR.
pub(crate) fn uint(number: u64) -> BytesMut {
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out);
    writer.head(UINT, number);
    writer.finish();
    out
}

/// Writes a `delivery` up to the topic; from there on, `rest` bytes are those of the publication. Gives
/// the frame's length, as [`Frame::encode_head`] does.
pub(crate) fn encode_delivery_head(out: &mut BytesMut, subscription: CallId, rest: usize) -> usize {
    let length = delivery_len(subscription, rest);
    let prefix = u32::try_from(length).unwrap_or(u32::MAX);
    let mut writer = Writer::new(out);
    writer.bytes(&prefix.to_be_bytes());
    writer.bytes(&[0x85, Kind::Delivery.number() as u8]);
    subscription.write(&mut writer);
    writer.finish();
    length
}

/// The text `"switchboard"` in `hello`: what tells this protocol from any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Magic;

impl Magic {
    const TEXT: &'static str = "switchboard";

    /// The bytes of every `hello` behind its length, up to its versions.
    pub(crate) const PREFIX: &'static [u8] = b"\x85\x00\x6bswitchboard";
}

impl Field<'_> for Magic {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        if reader.text()? == Self::TEXT { Ok(Self) } else { Err(ProtocolError::NotSwitchboard) }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.text(Self::TEXT);
    }
}

/// The amount of a `credit`, in bytes: 1 to 2^31 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(u32);

impl Amount {
    /// The amount of so many bytes, if it is in range.
    #[must_use]
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes >= 1 && bytes <= i32::MAX as u32 { Some(Self(bytes)) } else { None }
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.0
    }
}

/// The number of deliveries that a `lagged` tells of: 1 to 2^53 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped(u64);

impl Dropped {
    /// So many, if it is in range.
    #[must_use]
    pub const fn new(deliveries: u64) -> Option<Self> {
        if deliveries >= 1 && deliveries <= MAX_ID { Some(Self(deliveries)) } else { None }
    }

    /// How many deliveries.
    #[must_use]
    pub const fn deliveries(self) -> u64 {
        self.0
    }
}

ranged! {
    Amount: |number| u32::try_from(number).ok().and_then(Self::new), |amount| u64::from(amount.0);
    Dropped: Self::new, |dropped| dropped.0;
}
