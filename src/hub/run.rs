//! `Run`: some bytes of a node of the tree. Called by the tree only.
//!
//! Short ones stand in the node itself: among a million patterns each place that has to be looked at is
//! a wait for memory.

use alloc::boxed::Box;

/// As many as fit beside the length, so that a run takes 24 bytes.
const INLINE: usize = 22;

#[derive(Clone, Debug)]
pub(super) enum Run {
    Short { length: u8, bytes: [u8; INLINE] },
    Long(Box<[u8]>),
}

impl Run {
    pub(super) fn new(run: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..run.len()) {
            Some(front) => {
                front.copy_from_slice(run);
                Self::Short { length: run.len() as u8, bytes }
            }
            None => Self::Long(run.into()),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => &bytes[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }

    /// Where in the topic one stands behind this part of a pattern, if it fits from there.
    pub(super) fn follow(&self, topic: &[u8], mut at: usize) -> Option<usize> {
        let run = self.bytes();
        for byte in run {
            match (*byte, topic.get(at)) {
                (_, None) => return None,
                (b'*', _) => at += topic[at..].iter().take_while(|byte| **byte != b'.').count(),
                (b'>', _) => at = topic.len(),
                (byte, Some(other)) if byte == *other => at += 1,
                _ => return None,
            }
        }
        Some(at)
    }
}
