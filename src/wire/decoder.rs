//! `Decoder`: finds frames in a stream of bytes that arrives in pieces (`docs/protocol.md`
//! section 1). Called by connections and by whoever reads raw bytes; knows protocol errors only.

use alloc::boxed::Box;
use alloc::vec;

use bytes::{Bytes, BytesMut};

use crate::error::ProtocolError;

const LENGTH: usize = 4;
/// What the first read asks for, and the first after a quiet time: most connections say little at once, and
/// many are there only to hear something some day.
const FIRST: usize = 512;
/// What a read asks for as soon as that was too little: every whole frame of many small ones, and not much
/// memory.
pub(crate) const READ: usize = 16 * 1024;
/// And what it asks for when the one before got all that it asked for.
const BULK: usize = 64 * 1024;
/// A larger frame gets so many times the room that its bytes have filled already: few copies while it
/// grows, and never more memory than a multiple of what came.
const GROWTH: usize = 16;
/// Room behind a large frame: a read that fills it to its last byte would leave it open whether more is
/// there, and the next one would move the whole frame to make room for that.
const SLACK: usize = 256;
/// A payload up to this size is copied out: as fast as a slice, and it pins no larger buffer.
pub(crate) const COPIED: usize = 1024;
/// A larger buffer is given back as soon as so much of it is left, or less.
const KEPT: usize = 64 * 1024;
/// The memory of a taken frame up to this size is used again for the next large one, if nobody holds the
/// frame any more: to get such memory anew, zeroed, costs several times what it costs to fill it.
pub(crate) const SPARE: usize = 2 << 20;
/// Of so many frames: those of a stream are used while the next ones come.
const SPARES: usize = 4;

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
    /// The memory of the last large frames, which their receivers may still hold, newest first; up to
    /// [`SPARE`] bytes. No places before the first large frame.
    spares: Box<[Bytes]>,
    /// Something has come since this was asked last.
    used: bool,
    /// What a read asks for: [`FIRST`], or [`READ`] once that was too little.
    usual: usize,
    /// The last read got all that it asked for, and that was much.
    eager: bool,
}

impl Decoder {
    /// A decoder that refuses frames longer than `max_frame` bytes, from their first four bytes.
    #[must_use]
    pub fn new(max_frame: u32) -> Self {
        let (buffer, spares) = (BytesMut::new(), Box::default());
        let (usual, eager) = (FIRST, false);
        Self { buffer, start: 0, end: 0, max_frame, spares, used: false, usual, eager }
    }

    /// Changes the limit for the frames that have not been looked at yet.
    pub const fn set_max_frame(&mut self, max_frame: u32) {
        self.max_frame = max_frame;
    }

    /// Where to put the next bytes of the stream: never empty, as much as is worth reading at once.
    pub fn space(&mut self) -> &mut [u8] {
        let lacking = self.lacking();
        let last = self.spares.first().map_or(0, Bytes::len);
        let growth = (self.buffered() * GROWTH).max(last);
        let wanted = lacking.saturating_add(SLACK).min(growth).max(READ);
        // One that fits the next large frame as well.
        let usual = if self.eager { last.clamp(BULK, BULK + READ) } else { self.usual };
        let grows = self.buffered() == 0 && self.buffer.len() < usual;
        if grows || self.buffer.len() - self.end < lacking.clamp(1, self.usual / 4) {
            self.make_room(wanted, usual);
        }
        &mut self.buffer[self.end..]
    }

    /// Says how many bytes of [`space`](Self::space) were filled, counted from its front.
    pub fn filled(&mut self, bytes: usize) {
        self.end = self.buffer.len().min(self.end.saturating_add(bytes));
        let full = self.end == self.buffer.len();
        self.eager = full && self.usual == READ;
        if full {
            self.usual = READ;
        }
        self.used |= bytes > 0;
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
    /// rest of it: a small tail is copied, a large one is a slice of the buffer, unless that is much
    /// larger.
    pub fn take_tail(&mut self, bytes: usize) -> Bytes {
        let Ok(Some(frame)) = self.peek() else { return Bytes::new() };
        let tail = bytes.min(frame.len());
        let end = self.start + LENGTH + frame.len();
        let held = self.buffer.len();
        if tail <= COPIED || (held >= BULK && tail <= READ) {
            let copied = Bytes::copy_from_slice(&self.buffer[end - tail..end]);
            self.start = end;
            self.settle(held);
            return copied;
        }
        let behind = self.end - end;
        if end <= READ || behind > KEPT {
            let mut taken = self.buffer.split_to(end);
            (self.start, self.end) = (0, behind);
            self.settle(held);
            return taken.split_off(end - tail).freeze();
        }
        let whole = core::mem::take(&mut self.buffer).freeze();
        self.buffer = BytesMut::from(&whole[end..self.end]);
        (self.start, self.end) = (0, behind);
        if held <= SPARE {
            self.keep_spare(whole.clone());
        }
        whole.slice(end - tail..end)
    }

    /// The same for what may be kept for long: copied unless it is larger than a read, so that it pins
    /// no more than its own size.
    pub(crate) fn take_unpinned(&mut self, bytes: usize) -> Bytes {
        match self.peek() {
            Ok(Some(frame)) if frame.len() <= READ => {
                let tail = Bytes::copy_from_slice(&frame[frame.len() - bytes.min(frame.len())..]);
                self.skip();
                tail
            }
            _ => self.take_tail(bytes),
        }
    }

    /// Gives back the memory that is kept for what comes next: for a stream that has become quiet.
    pub fn shrink(&mut self) {
        self.spares = Box::default();
        (self.usual, self.eager) = (FIRST, false);
        if self.buffered() < READ {
            self.buffer = BytesMut::from(&self.buffer[self.start..self.end]);
            (self.start, self.end) = (0, self.buffer.len());
        }
    }

    /// Whether such memory is kept.
    pub(crate) fn keeps_memory(&self) -> bool {
        !self.buffer.is_empty() || self.spares.iter().any(|spare| !spare.is_empty())
    }

    /// Whether something has come since this was asked.
    pub(crate) const fn take_used(&mut self) -> bool {
        core::mem::replace(&mut self.used, false)
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
            if self.buffer.len() < self.usual / 4 {
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

    /// Initialised memory of at least so many bytes, and not many more: a small frame that is kept for
    /// long must not pin the memory of a large one.
    fn take_spare(&mut self, bytes: usize) -> BytesMut {
        let fits = |spare: &Bytes| (bytes..=bytes + READ).contains(&spare.len());
        let free = self.spares.iter().position(|spare| fits(spare) && spare.is_unique());
        let spare = free.map(|index| core::mem::take(&mut self.spares[index]));
        spare.and_then(|spare| spare.try_into_mut().ok()).unwrap_or_else(|| BytesMut::zeroed(bytes))
    }

    fn keep_spare(&mut self, whole: Bytes) {
        if self.spares.is_empty() {
            self.spares = vec![Bytes::new(); SPARES].into();
        }
        // One that was used again has left its place, else the oldest makes room.
        let place = self.spares.iter().position(Bytes::is_empty).unwrap_or(SPARES - 1);
        self.spares[..=place].rotate_right(1);
        self.spares[0] = whole;
        let mut kept = 0;
        for spare in &mut self.spares {
            kept += spare.len();
            if kept > SPARE {
                *spare = Bytes::new();
            }
        }
    }

    /// Moves what is buffered to the front, into a larger buffer if need be: with room for so much, and
    /// as large as `usual`.
    fn make_room(&mut self, wanted: usize, usual: usize) {
        let buffered = self.buffered();
        if buffered > 0 {
            self.usual = READ;
        }
        let size = if buffered == 0 { usual } else { usual.max(buffered + wanted) };
        if self.buffer.len() >= size {
            self.buffer.copy_within(self.start..self.end, 0);
        } else {
            let mut buffer = self.take_spare(size);
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
