//! `Publication`: a value under a topic, encoded once for all who get it (`docs/protocol.md` section 5).
//! Made by publishers and from what a peer publishes; kept and handed on by the hub and by queues;
//! knows the wire's heads, payloads and options.

use bytes::{BufMut, Bytes, BytesMut};
use core::fmt;

use crate::error::Rejected;
use crate::options::Options;
use crate::payload::Payload;
use crate::topic::is_topic;
use crate::wire::{HeaderMap, Headers, encode_topic, text_head};

/// A payload up to this size is copied behind the topic and the headers: one piece of memory is cheaper
/// to keep and to write than two.
const COPIED: usize = 4096;

/// A value under a topic: what a publisher says and a subscriber gets. Topic, headers and payload are
/// encoded once; a clone shares them, so that 1 MiB for 1,000 subscribers is 1 MiB.
///
/// ```
/// use switchboard::{Options, Publication, to_payload};
///
/// let value = to_payload(&21.5)?;
/// let publication = Publication::new("rooms.7", &value, &Options::new().retain())?;
/// assert_eq!(publication.topic(), "rooms.7");
/// assert_eq!(publication.payload(), value);
/// assert_eq!(publication.retain(), Some(true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Publication {
    /// The topic and the headers as they stand in a frame, then the payload unless it is in `tail`.
    bytes: Bytes,
    /// A large payload of this program's own, which is not copied. Empty: it is in `bytes`.
    tail: Bytes,
    /// Where in `bytes` the topic's text begins and ends, then the application's headers.
    topic: (u8, u16),
    entries: (u16, u16),
    count: u8,
    retain: Option<bool>,
    echo: bool,
}

impl Publication {
    /// Encodes a value that is to be published. Of the options the headers,
    /// [`retain`](Options::retain), [`forget`](Options::forget) and [`echo`](Options::echo) count.
    ///
    /// # Errors
    ///
    /// [`Rejected::BadTopic`] if [`is_topic`] says no; [`Rejected::BadHeaders`].
    pub fn new(topic: &str, payload: &Payload, options: &Options) -> Result<Self, Rejected> {
        if !is_topic(topic) {
            return Err(Rejected::BadTopic);
        }
        let headers = options.publish_map();
        if !headers.is_within_limits() {
            return Err(Rejected::BadHeaders);
        }
        let copied = if payload.len() <= COPIED { payload.as_cbor() } else { &[] };
        let head = text_head(topic) + topic.len() + headers.encoded_len();
        let mut bytes = BytesMut::with_capacity(head + copied.len());
        encode_topic(&mut bytes, topic, &headers);
        let layout = Self::layout(topic, &headers, bytes.len());
        bytes.put_slice(copied);
        let tail = if copied.is_empty() { payload.clone().into_cbor() } else { Bytes::new() };
        Ok(Self { bytes: bytes.freeze(), tail, ..layout })
    }

    /// Where the parts lie in bytes that begin with the topic's head and whose payload begins at `head`.
    fn layout(topic: &str, headers: &HeaderMap<'_>, head: usize) -> Self {
        let start = text_head(topic);
        // A topic has at most 255 bytes, headers 8,192 and 16 entries.
        Self {
            bytes: Bytes::new(),
            tail: Bytes::new(),
            topic: (start as u8, (start + topic.len()) as u16),
            entries: ((head - headers.entries.len()) as u16, head as u16),
            count: headers.count as u8,
            retain: headers.retain,
            echo: headers.echo.unwrap_or(true),
        }
    }

    /// The layout of what a peer published or delivered, whose topic is one, and how many bytes of the
    /// frame's end it takes.
    pub(crate) fn of_frame(
        topic: &str,
        headers: &HeaderMap<'_>,
        frame: &[u8],
        payload: &[u8],
    ) -> (Self, usize) {
        let text = topic.as_ptr() as usize - frame.as_ptr() as usize;
        let kept = frame.len() - text + text_head(topic);
        (Self::layout(topic, headers, kept - payload.len()), kept)
    }

    /// The same with the bytes themselves.
    pub(crate) fn with_bytes(mut self, bytes: Bytes) -> Self {
        self.bytes = bytes;
        self
    }

    /// What stands in a `delivery` behind the subscription, in up to two pieces, of which the second may
    /// be empty.
    pub(crate) const fn encoded(&self) -> (&Bytes, &Bytes) {
        (&self.bytes, &self.tail)
    }

    /// How many bytes that is.
    pub(crate) fn encoded_len(&self) -> usize {
        self.bytes.len() + self.tail.len()
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        let (start, end) = (self.topic.0.into(), self.topic.1.into());
        // It was checked when it was made, so that the default is never taken.
        core::str::from_utf8(&self.bytes[start..end]).unwrap_or_default()
    }

    /// The application's headers, as the publisher gave them.
    #[must_use]
    pub fn headers(&self) -> Headers {
        let (start, end) = (usize::from(self.entries.0), usize::from(self.entries.1));
        Headers::from_checked(self.bytes.slice(start..end), self.count.into())
    }

    /// The value. In a delivery it is unchecked: whoever uses it checks it first.
    #[must_use]
    pub fn payload(&self) -> Payload {
        let inside = || self.bytes.slice(usize::from(self.entries.1)..);
        Payload::from_peer(if self.tail.is_empty() { inside() } else { self.tail.clone() })
    }

    /// `true`: it is to be kept as its topic's value. `false`: what is kept is to be forgotten. `None`:
    /// neither.
    #[must_use]
    pub const fn retain(&self) -> Option<bool> {
        self.retain
    }

    /// Whether the publisher's own connection is to get it, too.
    #[must_use]
    pub const fn echo(&self) -> bool {
        self.echo
    }

    /// How many bytes of memory it takes to keep it: topic, headers and payload, which its clones
    /// share, and what one of them costs beside.
    #[must_use]
    pub fn size(&self) -> usize {
        const KEPT: usize = 128;
        self.encoded_len() + KEPT
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("topic", &self.topic())
            .field("headers", &self.headers())
            .field("retain", &self.retain)
            .field("echo", &self.echo)
            .field("payload", &self.payload())
            .finish()
    }
}
