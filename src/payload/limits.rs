//! `PayloadLimits`: how deep and how many. A small noun: may know nothing else.

/// No limit on depth goes beyond this, whatever [`PayloadLimits::max_depth`] says.
///
/// The scan keeps one counter for each level, in a fixed place on the stack; and what passes the
/// scan is read by recursion, for which every level costs stack, too.
pub const MAX_DEPTH: usize = 128;

/// What a payload may be before anybody reads it (`docs/protocol.md` section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadLimits {
    /// How deep arrays, maps and tags may be nested: `[]` and `[1]` are 1, `[[1]]` is 2, a number
    /// 0.
    ///
    /// 64: deeper than what people write by hand, and shallow enough for serde's recursion, of
    /// which a level costs up to some KiB of stack. Values above [`MAX_DEPTH`] are read as that.
    pub max_depth: usize,
    /// How many items there may be in all, each key, tag and piece of a string counted.
    ///
    /// 1 Mi: an item is one byte on the wire, but 16 to 64 bytes once it is a value in memory. This
    /// keeps the largest frame of tiny items at some tens of MiB.
    pub max_items: usize,
}

impl Default for PayloadLimits {
    fn default() -> Self {
        Self { max_depth: 64, max_items: 1 << 20 }
    }
}
