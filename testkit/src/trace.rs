//! `Trace`: what passed between sides, a line each, for people who look for what went wrong. Knows
//! frames and `words`.

use std::collections::VecDeque;
use std::fmt;

use switchboard::Instant;
use switchboard::wire::{Decoder, Frame};

use crate::words;

/// Older lines are left out.
const MOST_LINES: usize = 1000;

/// What passed, a line each: when it was written, who wrote it, what it was.
///
/// ```text
/// 0ns client > request 1 "sum" 3 B
/// 12.5ms server > response 1 1 B
/// 12.5ms server > end of stream
/// ```
///
/// The last 1,000 lines are kept. When a test fails, which is to say panics, it prints itself on
/// standard error, unless it was [silenced](Self::silence).
#[derive(Debug, Default)]
pub struct Trace {
    lines: VecDeque<String>,
    left_out: usize,
    silent: bool,
}

impl Trace {
    /// It does not print itself when a test fails: for a property test, which fails many times while
    /// it shrinks.
    pub const fn silence(&mut self) {
        self.silent = true;
    }

    /// Forgets what has passed so far.
    pub fn clear(&mut self) {
        (self.left_out, self.lines) = (0, VecDeque::new());
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    pub(crate) fn note(&mut self, now: Instant, what: fmt::Arguments<'_>) {
        if self.lines.len() == MOST_LINES {
            self.lines.pop_front();
            self.left_out += 1;
        }
        self.lines.push_back(format!("{:?} {what}", now - Instant::ZERO));
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.left_out > 0 {
            writeln!(f, "({} older lines are left out)", self.left_out)?;
        }
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.silent {
            eprintln!("what passed:\n{self}");
        }
    }
}

/// Reads along with one direction.
#[derive(Debug)]
pub(crate) struct Tap {
    decoder: Decoder,
    /// The stream is none of frames, so that there is nothing to be read.
    lost: bool,
}

impl Tap {
    pub(crate) fn new() -> Self {
        Self { decoder: Decoder::new(u32::MAX), lost: false }
    }

    /// Notes each frame that these bytes complete.
    pub(crate) fn read(&mut self, now: Instant, who: &str, mut bytes: &[u8], trace: &mut Trace) {
        while !bytes.is_empty() && !self.lost {
            let space = self.decoder.space();
            let count = bytes.len().min(space.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.decoder.filled(count);
            bytes = &bytes[count..];
            self.note(now, who, trace);
        }
    }

    fn note(&mut self, now: Instant, who: &str, trace: &mut Trace) {
        loop {
            match self.decoder.peek() {
                Ok(None) => return,
                Ok(Some(frame)) => match Frame::decode(frame) {
                    Ok(frame) => trace.note(now, format_args!("{who} > {}", words::long(&frame))),
                    Err(error) => {
                        trace.note(now, format_args!("{who} > {} B: {error}", frame.len()));
                    }
                },
                Err(error) => {
                    self.lost = true;
                    return trace.note(now, format_args!("{who} > {error}"));
                }
            }
            self.decoder.skip();
        }
    }
}
