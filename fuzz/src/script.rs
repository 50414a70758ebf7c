//! `Script`: the fuzzer's bytes, read from the front; behind their end everything is 0.

use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A byte that says how many, then so many bytes, or what is left.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let length = self.byte();
        self.take(length.into())
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Of one byte a time: milliseconds at first, then a quarter of a second each, up to 32 s.
pub(crate) fn time(byte: u8) -> Duration {
    match byte {
        0..128 => Duration::from_millis(byte.into()),
        _ => Duration::from_millis(250 * u64::from(byte - 127)),
    }
}

/// Of one byte a size: small ones each, some large ones.
pub(crate) fn size(byte: u8) -> usize {
    match byte {
        0..192 => byte.into(),
        _ => 150 * usize::from(byte - 191),
    }
}
