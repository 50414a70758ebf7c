//! `Outbox`: the frames that wait to be written, in order (`docs/protocol.md` section 4, "Order").
//! Called by the connection only; knows frames and payloads, not why they are sent.
//!
//! Heads and small payloads are encoded into one buffer at once; a large payload is shared, not
//! copied. Positions count every byte that was ever queued, so that "has it been written?" is one
//! comparison.

mod deliveries;

use alloc::collections::VecDeque;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::payload::Payload;
use crate::wire::Frame;

/// A payload up to this size is copied behind its head: cheaper than a slice of its own in `writev`.
const COPIED: usize = 4096;
/// The length of a frame stands before it.
const LENGTH: usize = 4;
/// A larger buffer is given back as soon as it is empty.
const KEPT: usize = 64 * 1024;
/// Of longer queues the rest is given back, likewise.
const KEPT_FRAMES: usize = 256;

/// A run of bytes to write.
#[derive(Debug)]
enum Part {
    /// So many bytes of the buffer.
    Buffered(usize),
    /// A large payload.
    Shared(Bytes),
    /// So many bytes of the buffer that are not written after all.
    DroppedBuffered(usize),
    /// A large payload of so many bytes, likewise.
    DroppedShared(usize),
}

impl Part {
    const fn len(&self) -> usize {
        match self {
            Self::Buffered(len) | Self::DroppedBuffered(len) | Self::DroppedShared(len) => *len,
            Self::Shared(bytes) => bytes.len(),
        }
    }
}

/// Where a frame stands among all that was ever queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// What has to be counted until it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Answer,
    Pong,
    /// For it nobody need hurry.
    Delivery,
    No,
    /// It was taken back.
    TakenBack,
}

/// A frame is longer than the peer takes; nothing was queued.
#[derive(Debug)]
pub(crate) struct TooLarge;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    buffer: BytesMut,
    parts: VecDeque<Part>,
    /// The end of each frame that is not wholly written, in order.
    frames: VecDeque<(u64, Counted)>,
    /// The end of the last frame that is wholly written.
    finished: u64,
    /// All bytes before this position are written or dropped.
    written: u64,
    queued: u64,
    /// Bytes between the two that are not written after all.
    dropped: u64,
    frames_out: u64,
    bytes_out: u64,
    answers: u32,
    pongs: u32,
    deliveries: u32,
    /// Frames of the other kinds.
    others: u32,
    /// Nothing from this position on was written when everything unsent was taken back.
    taken_back: Option<u64>,
    severed: bool,
}

impl Outbox {
    /// Queues a frame with its payload, or nothing once the outbox is severed.
    pub(crate) fn push(
        &mut self,
        frame: &Frame<'_>,
        payload: Option<&Payload>,
        max_frame: u32,
        counted: Counted,
    ) -> Result<Position, TooLarge> {
        let body = payload.map_or(&[][..], Payload::as_cbor);
        let start = self.buffer.len();
        let length = frame.encode_head(&mut self.buffer, body.len());
        if length > max_frame as usize || self.severed {
            self.buffer.truncate(start);
            let at = Position { start: self.queued, end: self.queued };
            return if self.severed { Ok(at) } else { Err(TooLarge) };
        }
        let shared = payload.filter(|_| body.len() > COPIED);
        if shared.is_none() {
            self.buffer.put_slice(body);
        }
        let shared = shared.map(|payload| payload.clone().into_cbor());
        Ok(self.note_frame(start, length, shared, counted))
    }

    fn note_buffered(&mut self, bytes: usize) {
        match self.parts.back_mut() {
            Some(Part::Buffered(len)) => *len += bytes,
            _ => self.parts.push_back(Part::Buffered(bytes)),
        }
    }

    /// A frame stands in the buffer from `start` on, and goes on in what is shared.
    fn note_frame(
        &mut self,
        start: usize,
        length: usize,
        shared: impl IntoIterator<Item = Bytes>,
        counted: Counted,
    ) -> Position {
        self.note_buffered(self.buffer.len() - start);
        self.parts.extend(shared.into_iter().map(Part::Shared));
        let at = Position { start: self.queued, end: self.queued + length as u64 + 4 };
        self.queued = at.end;
        self.frames.push_back((at.end, counted));
        if let Some(counter) = self.counter(counted) {
            *counter += 1;
        }
        at
    }

    const fn counter(&mut self, counted: Counted) -> Option<&mut u32> {
        match counted {
            Counted::Answer => Some(&mut self.answers),
            Counted::Pong => Some(&mut self.pongs),
            Counted::Delivery => Some(&mut self.deliveries),
            Counted::No => Some(&mut self.others),
            Counted::TakenBack => None,
        }
    }

    /// How many answers are not wholly written.
    pub(crate) const fn answers(&self) -> usize {
        self.answers as usize
    }

    /// How many pongs are not wholly written.
    pub(crate) const fn pongs(&self) -> usize {
        self.pongs as usize
    }

    /// Whether anything but deliveries waits.
    pub(crate) const fn is_urgent(&self) -> bool {
        self.answers + self.pongs + self.others > 0
    }

    /// How many bytes are kept here, those that were taken back and not yet passed included.
    pub(crate) const fn queued(&self) -> u64 {
        self.queued - self.written
    }

    /// How many bytes wait to be written.
    pub(crate) const fn unsent(&self) -> u64 {
        self.queued() - self.dropped
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.unsent() == 0
    }

    /// Frames and bytes that were written, whole frames and all bytes.
    pub(crate) const fn totals(&self) -> (u64, u64) {
        (self.frames_out, self.bytes_out)
    }

    /// Whether not a byte of what was queued there has been written.
    pub(crate) fn is_unsent(&self, position: Position) -> bool {
        position.start >= self.taken_back.unwrap_or(self.written)
    }

    /// Lends what is to be written next, as slices in order; how many it lent.
    pub(crate) fn chunks<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        let mut rest = &self.buffer[..];
        let mut lent = 0;
        for part in &self.parts {
            if lent == out.len() {
                break;
            }
            let slice = match part {
                Part::Buffered(len) | Part::DroppedBuffered(len) => {
                    let (slice, behind) = rest.split_at(*len);
                    rest = behind;
                    slice
                }
                Part::Shared(bytes) => &bytes[..],
                Part::DroppedShared(_) => continue,
            };
            if !matches!(part, Part::DroppedBuffered(_)) {
                out[lent] = slice;
                lent += 1;
            }
        }
        lent
    }

    /// Takes note that so many bytes have been written.
    pub(crate) fn wrote(&mut self, mut bytes: usize) {
        self.bytes_out += (bytes as u64).min(self.unsent());
        while let Some(part) = self.parts.front_mut() {
            let taken = match part {
                Part::Buffered(len) => {
                    let taken = bytes.min(*len);
                    *len -= taken;
                    self.buffer.advance(taken);
                    bytes -= taken;
                    taken
                }
                Part::Shared(payload) => {
                    let taken = bytes.min(payload.len());
                    payload.advance(taken);
                    bytes -= taken;
                    taken
                }
                Part::DroppedBuffered(len) => {
                    self.buffer.advance(*len);
                    self.dropped -= *len as u64;
                    core::mem::take(len)
                }
                Part::DroppedShared(len) => {
                    self.dropped -= *len as u64;
                    core::mem::take(len)
                }
            };
            self.written += taken as u64;
            if part.len() > 0 {
                break;
            }
            self.parts.pop_front();
        }
        while let Some(&(end, counted)) =
            self.frames.front().filter(|(end, _)| *end <= self.written)
        {
            self.frames.pop_front();
            self.finished = end;
            self.frames_out += u64::from(counted != Counted::TakenBack);
            if let Some(counter) = self.counter(counted) {
                *counter -= 1;
            }
        }
        if self.is_empty() {
            if self.buffer.capacity() > KEPT {
                self.buffer = BytesMut::new();
            }
            self.parts.shrink_to(KEPT_FRAMES);
            self.frames.shrink_to(KEPT_FRAMES);
        }
    }

    /// Gives back the memory that is kept for the frames to come, if none is here.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            self.buffer = BytesMut::new();
            self.parts = VecDeque::new();
            self.frames = VecDeque::new();
        }
    }

    /// Takes frames back of which nothing has been written. The work is in what was queued behind
    /// them, as a rule little.
    pub(crate) fn remove(&mut self, position: Position) {
        let mut end = self.queued;
        let mut index = self.parts.len();
        while index > 0 && end > position.start {
            index -= 1;
            let start = end - self.parts[index].len() as u64;
            if start < position.end {
                let before = position.start.saturating_sub(start) as usize;
                let behind = end.saturating_sub(position.end) as usize;
                self.drop_part(index, before, behind);
            }
            end = start;
        }
        self.join_dropped(index);
        self.forget_frames(position);
        self.wrote(0);
    }

    /// Drops a part, but for so many bytes at either end if it is buffered.
    fn drop_part(&mut self, index: usize, before: usize, behind: usize) {
        match &mut self.parts[index] {
            Part::Shared(bytes) => {
                let len = bytes.len();
                self.dropped += len as u64;
                self.parts[index] = Part::DroppedShared(len);
            }
            Part::Buffered(len) => {
                let dropped = *len - before - behind;
                self.dropped += dropped as u64;
                self.parts[index] = Part::DroppedBuffered(dropped);
                if behind > 0 {
                    self.parts.insert(index + 1, Part::Buffered(behind));
                } else {
                    self.join_dropped(index + 1);
                }
                if before > 0 {
                    self.parts.insert(index, Part::Buffered(before));
                }
            }
            Part::DroppedBuffered(_) | Part::DroppedShared(_) => {}
        }
    }

    /// Makes one of this part and the one before it if both are dropped, so that any number of frames
    /// taken back one behind the other are one part.
    fn join_dropped(&mut self, index: usize) {
        let Some(&Part::DroppedBuffered(len)) = self.parts.get(index) else { return };
        if let Some(Part::DroppedBuffered(before)) = self.parts.get_mut(index.wrapping_sub(1)) {
            *before += len;
            self.parts.remove(index);
        }
    }

    /// The frames there are neither written nor counted any more.
    fn forget_frames(&mut self, position: Position) {
        let first = self.frames.partition_point(|(end, _)| *end <= position.start);
        for index in first..self.frames.len() {
            let (end, counted) = self.frames[index];
            if end > position.end {
                break;
            }
            if let Some(counter) = self.counter(counted) {
                *counter -= 1;
            }
            self.frames[index] = (end, Counted::TakenBack);
        }
    }

    /// Takes back every frame of which nothing has been written.
    pub(crate) fn remove_unsent(&mut self) {
        let kept = match self.frames.front() {
            Some(&(end, _)) if self.written > self.finished => end,
            _ => self.written,
        };
        self.taken_back.get_or_insert(kept);
        if kept < self.queued {
            self.remove(Position { start: kept, end: self.queued });
        }
    }

    /// Nothing can be written any more: drops what waits, now and later.
    pub(crate) fn sever(&mut self) {
        let written = self.written;
        *self = Self {
            written,
            queued: written,
            finished: written,
            frames_out: self.frames_out,
            bytes_out: self.bytes_out,
            taken_back: Some(self.taken_back.unwrap_or(written)),
            severed: true,
            ..Self::default()
        };
    }

    pub(crate) const fn is_severed(&self) -> bool {
        self.severed
    }
}
