//! `Link`: what one direction between two sides is like, and `Chunking`: in which pieces its bytes
//! come. Knows `Dice`.

use std::time::Duration;

use crate::Dice;

/// What one direction is like. By default it is perfect: no latency, whole pieces, room without end.
///
/// ```
/// use std::time::Duration;
/// use switchboard_testkit::{Chunking, Link, Pair};
///
/// let slow = Link::new()
///     .latency(Duration::from_millis(5))
///     .chunking(Chunking::seeded(42))
///     .window(1024);
/// let mut pair = Pair::open();
/// pair.set_links(slow);
/// ```
#[derive(Clone, Debug)]
pub struct Link {
    pub(crate) latency: Duration,
    pub(crate) chunking: Chunking,
    pub(crate) window: usize,
    pub(crate) cut_after: Option<u64>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            chunking: Chunking::Whole,
            window: usize::MAX,
            cut_after: None,
        }
    }
}

impl Link {
    /// A perfect one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a byte is under way, and the end of the stream, too. Default: no time.
    #[must_use]
    pub const fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// In which pieces bytes come. Default: as large as the reader takes them.
    #[must_use]
    pub fn chunking(mut self, chunking: Chunking) -> Self {
        self.chunking = chunking;
        self
    }

    /// How many bytes may be under way, written and not yet read. The writer waits while it is full,
    /// as with a socket whose buffers are full. Default: without end. 0: nothing gets through.
    #[must_use]
    pub const fn window(mut self, bytes: usize) -> Self {
        self.window = bytes;
        self
    }

    /// Breaks the connection, both ways, once exactly so many bytes have come through since this link
    /// was set; what is under way in the other direction is lost. Default: never.
    #[must_use]
    pub const fn cut_after(mut self, bytes: u64) -> Self {
        self.cut_after = Some(bytes);
        self
    }
}

/// In which pieces bytes come to their reader, which looks at each piece before the next one comes.
#[derive(Clone, Debug)]
pub enum Chunking {
    /// As many as the reader takes at once.
    Whole,
    /// One by one.
    OneByte,
    /// 1 to 40 at once, by chance.
    Random(Dice),
}

impl Chunking {
    /// Random pieces; the same seed gives the same ones.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self::Random(Dice(seed))
    }

    /// How long the next piece is, if so many bytes are there.
    pub(crate) fn next(&mut self, most: usize) -> usize {
        match self {
            Self::Whole => most,
            Self::OneByte => most.min(1),
            Self::Random(dice) => most.min(1 + dice.roll(40)),
        }
    }
}
