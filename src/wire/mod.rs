//! Bytes to frames and back: `docs/protocol.md` sections 1 and 2. Usable alone; knows the small
//! nouns (ids, status, protocol errors) and nothing of connections.
//!
//! [`Frame`] is one frame, borrowed from the bytes that it was decoded from; [`Decoder`] finds
//! frames in a stream of bytes that arrives in pieces.
//!
//! ```
//! use bytes::BytesMut;
//! use switchboard::wire::{Decoder, Frame};
//!
//! let mut stream = BytesMut::new();
//! Frame::Ping { token: 7 }.encode(&mut stream);
//! assert_eq!(&stream[..], [0, 0, 0, 3, 0x82, 4, 7]);
//!
//! let mut decoder = Decoder::new(1024);
//! for byte in stream {
//!     decoder.space()[0] = byte;
//!     decoder.filled(1);
//! }
//! let frame = decoder.peek()?.expect("the frame is whole");
//! assert_eq!(Frame::decode(frame)?, Frame::Ping { token: 7 });
//! # Ok::<(), switchboard::ProtocolError>(())
//! ```

mod codec;
mod decoder;
mod frame;
mod headers;
mod settings;
#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub(crate) use decoder::{COPIED, READ, SPARE};
pub use frame::{Amount, Dropped, Frame, Kind, Magic};
pub(crate) use frame::{
    delivery_len, encode_delivery_head, encode_topic, item_len, lagged_len, text_head, uint,
};
pub use headers::{HeaderMap, HeaderValue, Headers};
pub use settings::Settings;

/// The versions of the protocol that this crate speaks (`docs/protocol.md` section 3).
pub const VERSIONS: &[u16] = &[1];

/// Most bytes of a channel's name; the least is 1 (`docs/protocol.md` section 5).
pub(crate) const LONGEST_CHANNEL: usize = 255;

/// The longest `hello`, `welcome` and `reject`, and the least `max-frame`: 16 KiB, which the head of
/// any frame fits.
pub const LEAST_MAX_FRAME: u32 = 16 * 1024;
