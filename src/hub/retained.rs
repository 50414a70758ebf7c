//! `Retained`: the last value of each topic of a scope that was asked to be kept (`docs/protocol.md`
//! section 5.4). Called by the hub only; knows topics, not what a value is.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::fmt;
use core::ops::Bound;

/// So many retained values: what a scope has, or may have at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a pair of sizes")]
pub struct RetainedSize {
    /// How many values.
    pub values: usize,
    /// For how many bytes they count.
    pub bytes: usize,
}

/// A value was not kept: the scope would have more of them, or more bytes of them, than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing to add")]
pub struct RetainedFull;

impl fmt::Display for RetainedFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scope retains as many values as it may; forget some")
    }
}

impl core::error::Error for RetainedFull {}

#[derive(Debug)]
pub(super) struct Retained<V> {
    values: BTreeMap<Box<str>, (V, usize)>,
    bytes: usize,
}

impl<V> Default for Retained<V> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), bytes: 0 }
    }
}

impl<V> Retained<V> {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn size(&self) -> RetainedSize {
        RetainedSize { values: self.values.len(), bytes: self.bytes }
    }

    pub(super) fn get(&self, topic: &str) -> Option<&V> {
        self.values.get(topic).map(|(value, _)| value)
    }

    /// Whether a value fits in the place of what the topic has.
    pub(super) fn fits(&self, topic: &str, size: usize, most: RetainedSize) -> bool {
        let (values, bytes) = match self.values.get(topic) {
            Some((_, before)) => (self.values.len(), self.bytes - before),
            None => (self.values.len() + 1, self.bytes),
        };
        values <= most.values && bytes.checked_add(size).is_some_and(|sum| sum <= most.bytes)
    }

    pub(super) fn insert(&mut self, topic: &str, value: V, size: usize) -> Option<V> {
        self.bytes += size;
        let before = self.values.insert(topic.into(), (value, size));
        before.map(|before| self.uncounted(before))
    }

    pub(super) fn remove(&mut self, topic: &str) -> Option<V> {
        let before = self.values.remove(topic);
        before.map(|before| self.uncounted(before))
    }

    fn uncounted(&mut self, (value, size): (V, usize)) -> V {
        self.bytes -= size;
        value
    }

    /// The values of the topics that a pattern stands for, in byte order of topic. Looks at those that
    /// begin as the pattern does before its first wildcard.
    pub(super) fn fitting(&self, pattern: &str) -> impl Iterator<Item = (&str, &V)> {
        let start = &pattern[..pattern.find(['*', '>']).unwrap_or(pattern.len())];
        self.values
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(move |(topic, _)| topic.starts_with(start))
            .filter(move |(topic, _)| fits(pattern, topic))
            .map(|(topic, (value, _))| (&**topic, value))
    }
}

/// Whether a topic is one of those that a pattern stands for.
fn fits(pattern: &str, topic: &str) -> bool {
    let (mut wanted, mut tokens) = (pattern.split('.'), topic.split('.'));
    loop {
        match (wanted.next(), tokens.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some(one), Some(token)) if one == "*" || one == token => {}
            _ => return false,
        }
    }
}
