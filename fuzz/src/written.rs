//! `Written`: reads what one side wrote, as its peer would, and holds it to the rules of
//! `docs/protocol.md` that can be seen from outside.

use std::collections::BTreeSet;

use switchboard::wire::{Decoder, Frame};

#[derive(Debug)]
pub(crate) struct Written {
    client: bool,
    decoder: Decoder,
    /// Frames so far, but for those of the handshake that opened it.
    frames: u64,
    answered: BTreeSet<u64>,
    opened: BTreeSet<u64>,
    cancelled: BTreeSet<u64>,
    /// It has said `goodbye` OK.
    goodbye: bool,
    /// It has said its last words.
    last_words: bool,
}

impl Written {
    pub(crate) fn new(client: bool) -> Self {
        Self {
            client,
            decoder: Decoder::new(u32::MAX),
            frames: 0,
            answered: BTreeSet::new(),
            opened: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            goodbye: false,
            last_words: false,
        }
    }

    /// These bytes were written next.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.decoder.space();
            let count = bytes.len().min(space.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.decoder.filled(count);
            bytes = &bytes[count..];
            while let Some(frame) = self.decoder.peek().expect("a good length").map(<[u8]>::to_vec)
            {
                self.frame(&Frame::decode(&frame).expect("what is written can be read"));
                self.decoder.skip();
            }
        }
    }

    /// Whether it wrote whole frames only.
    pub(crate) fn is_whole(&self) -> bool {
        self.decoder.buffered() == 0
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        assert!(!self.last_words, "{frame:?} behind last words");
        let new = !self.goodbye;
        self.frames += 1;
        match frame {
            Frame::Hello { .. } => assert!(self.client && self.frames == 1),
            Frame::Welcome { .. } => assert!(!self.client && self.frames == 1),
            Frame::Reject { .. } => {
                assert!(!self.client && self.frames == 1);
                self.last_words = true;
            }
            Frame::Goodbye { error: None, .. } => {
                assert!(!std::mem::replace(&mut self.goodbye, true), "goodbye twice");
            }
            Frame::Goodbye { .. } => self.last_words = true,
            Frame::Message { .. } => assert!(new, "a message behind goodbye"),
            Frame::Request { id, .. } => {
                let number = id.number();
                assert!(new, "a request behind goodbye");
                assert_eq!(number % 2 == 1, self.client, "an id of the other side");
                assert!(self.opened.last().is_none_or(|last| *last < number), "ids ascend");
                self.opened.insert(number);
            }
            Frame::Response { id, .. } | Frame::Failure { id, .. } => {
                assert_eq!(id.number() % 2 == 0, self.client, "an answer to its own call");
                assert!(self.answered.insert(id.number()), "answered twice");
            }
            Frame::Cancel { id } => {
                assert!(self.opened.contains(&id.number()), "cancelled before it was opened");
                assert!(self.cancelled.insert(id.number()), "cancelled twice");
            }
            Frame::Ping { .. } | Frame::Pong { .. } => {}
            other => panic!("this crate does not write {other:?}"),
        }
    }
}
