//! `Decoder`: finds frames in a stream of bytes that arrives in pieces (`docs/protocol.md`
//! section 1). Called by connections and by whoever reads raw bytes; knows protocol errors only.

use bytes::{Bytes, BytesMut};

use crate::error::ProtocolError;

const LENGTH: usize = 4;
/// What one read asks for: every whole frame of many small ones, and not much memory.
pub(crate) const READ: usize = 16 * 1024;
/// A larger frame gets so many times the room that its bytes have filled already: few copies while it
/// grows, and never more memory than a multiple of what came.
const GROWTH: usize = 16;
/// A payload up to this size is copied out: as fast as a slice, and it pins no larger buffer.
pub(crate) const COPIED: usize = 1024;
/// A larger buffer is given back as soon as so much of it is left, or less.
const KEPT: usize = 64 * 1024;

/// A receive buffer that knows where frames begin and end.
///
/// Fill it with [`space`](Self::space) and [`filled`](Self::filled); take frames out with
/// [`peek`](Self::peek), then [`skip`](Self::skip) or [`take_tail`](Self::take_tail). Any split of
/// the bytes gives the same frames, and a frame comes out on its last byte. Memory grows with the
/// bytes that came, never with a declared length.
#[derive(Debug)]
pub struct Decoder {
    /// Wholly initialised; the bytes that came and are not taken are `start..end`.
    buffer: BytesMut,
    start: usize,
    end: usize,
    max_frame: u32,
}

impl Decoder {
    /// A decoder that refuses frames longer than `max_frame` bytes, from their first four bytes.
    #[must_use]
    pub fn new(max_frame: u32) -> Self {
        Self { buffer: BytesMut::new(), start: 0, end: 0, max_frame }
    }

    /// Changes the limit for the frames that have not been looked at yet.
    pub const fn set_max_frame(&mut self, max_frame: u32) {
        self.max_frame = max_frame;
    }

    /// Where to put the next bytes of the stream: never empty, as much as is worth reading at once.
    pub fn space(&mut self) -> &mut [u8] {
        let lacking = self.lacking();
        let wanted = lacking.min(self.buffered() * GROWTH).max(READ);
        if self.buffer.len() - self.end < lacking.clamp(1, READ / 4) {
            self.make_room(wanted);
        }
        let end = self.buffer.len().min(self.end + wanted);
        &mut self.buffer[self.end..end]
    }

    /// Says how many bytes of [`space`](Self::space) were filled, counted from its front.
    pub fn filled(&mut self, bytes: usize) {
        self.end = self.buffer.len().min(self.end.saturating_add(bytes));
    }

    /// The next frame, without its length, if it is whole.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::FrameEmpty`] or [`ProtocolError::FrameTooLarge`], from the length alone and
    /// from then on every time.
    pub fn peek(&self) -> Result<Option<&[u8]>, ProtocolError> {
        let Some(length) = self.front_length()? else { return Ok(None) };
        let body = &self.buffer[self.start + LENGTH..self.end];
        Ok(body.get(..length))
    }

    /// What has come of the next frame so far, whole or not, without its length.
    pub(crate) fn peek_partial(&self) -> &[u8] {
        self.buffer.get(self.start + LENGTH..self.end).unwrap_or_default()
    }

    /// Drops the frame that [`peek`](Self::peek) shows; nothing if it shows none.
    pub fn skip(&mut self) {
        if let Ok(Some(frame)) = self.peek() {
            self.start += LENGTH + frame.len();
            self.settle(self.buffer.len());
        }
    }

    /// Takes the last `bytes` bytes of the frame that [`peek`](Self::peek) shows, and drops the
    /// rest of it: a small tail is copied, a large one is a slice of the buffer.
    pub fn take_tail(&mut self, bytes: usize) -> Bytes {
        let Ok(Some(frame)) = self.peek() else { return Bytes::new() };
        let tail = bytes.min(frame.len());
        let end = self.start + LENGTH + frame.len();
        let held = self.buffer.len();
        if tail <= COPIED {
            let copied = Bytes::copy_from_slice(&self.buffer[end - tail..end]);
            self.start = end;
            self.settle(held);
            return copied;
        }
        let mut taken = self.buffer.split_to(end);
        (self.start, self.end) = (0, self.end - end);
        self.settle(held);
        taken.split_off(end - tail).freeze()
    }

    /// How many bytes have come and are not taken: a stream that ends now ends inside a frame unless
    /// this is 0.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// Drops all that came, and the memory with it.
    pub fn clear(&mut self) {
        *self = Self::new(self.max_frame);
    }

    /// After a frame was taken from a buffer of `held` bytes. A large buffer is given back at once,
    /// not when the next bytes come, for none may come for long; what is left in it moves out. A
    /// rest of a buffer that is too short for a read goes, too.
    fn settle(&mut self, held: usize) {
        let buffered = self.buffered();
        if held > KEPT && buffered <= KEPT {
            self.buffer = BytesMut::from(&self.buffer[self.start..self.end]);
            (self.start, self.end) = (0, buffered);
        } else if buffered == 0 {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() < READ / 4 {
                self.buffer = BytesMut::new();
            }
        }
    }

    fn front_length(&self) -> Result<Option<usize>, ProtocolError> {
        let Some(prefix) = self.buffer[self.start..self.end].first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        length_of(*prefix, self.max_frame).map(Some)
    }

    /// How many bytes the next frame still lacks; 0 if it is whole or can never be.
    fn lacking(&self) -> usize {
        let length = self.front_length().ok().flatten().unwrap_or_default();
        (LENGTH + length).saturating_sub(self.buffered())
    }

    /// Moves what is buffered to the front, into a larger buffer if need be.
    fn make_room(&mut self, wanted: usize) {
        let buffered = self.buffered();
        if self.buffer.len() >= buffered + wanted {
            self.buffer.copy_within(self.start..self.end, 0);
        } else {
            let mut buffer = BytesMut::zeroed(buffered + wanted);
            buffer[..buffered].copy_from_slice(&self.buffer[self.start..self.end]);
            self.buffer = buffer;
        }
        (self.start, self.end) = (0, buffered);
    }
}

/// The length that a frame's first four bytes tell; they alone refuse it.
pub(super) const fn length_of(
    prefix: [u8; LENGTH],
    max_frame: u32,
) -> Result<usize, ProtocolError> {
    match u32::from_be_bytes(prefix) {
        0 => Err(ProtocolError::FrameEmpty),
        length if length > max_frame => Err(ProtocolError::FrameTooLarge),
        length => Ok(length as usize),
    }
}
