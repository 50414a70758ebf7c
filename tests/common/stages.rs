//! Every stage of a connection's life, reached by the front door.

use switchboard::Config;

use super::{GOODBYE, HELLO, Side, hex};

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing has come yet.
    Greeting,
    /// Server: the application has the `hello`.
    Deciding,
    /// Handshake complete.
    Open,
    /// This side has said `goodbye`.
    ClosingByUs,
    /// This side has, and then the peer.
    ClosingByBoth,
    /// The peer has, and this side has answered.
    ClosingByPeer,
    /// Last words are said, the peer's end of stream is awaited.
    Ending,
    /// Over.
    Closed,
}

impl Stage {
    pub(crate) const ALL: [Self; 8] = [
        Self::Greeting,
        Self::Deciding,
        Self::Open,
        Self::ClosingByUs,
        Self::ClosingByBoth,
        Self::ClosingByPeer,
        Self::Ending,
        Self::Closed,
    ];

    /// A connection in this stage; `None` where there is none for that role. Up to `Open` nothing
    /// waits. From `Open` on each side has one call open, of which the peer's asks for items and has
    /// id `theirs`, this side's has id `ours`; a ping of this side with token 9 is unanswered.
    pub(crate) fn reach(self, client: bool) -> Option<Side> {
        let config = Config::default();
        if self == Self::Greeting || self == Self::Deciding {
            if client && self == Self::Deciding {
                return None;
            }
            let config = config.into();
            let mut side = if client { Side::client(config) } else { Side::server(config) };
            if self == Self::Deciding {
                side.feed(&hex(HELLO));
            }
            side.written();
            side.events.clear();
            return Some(side);
        }
        let mut side = Side::open(client, config.into());
        side.feed(&hex(if client {
            "00000009 85 07 02 6161 a10102 f6"
        } else {
            "00000009 85 07 01 6161 a10102 f6"
        }));
        side.request("b").expect("it is open");
        let now = side.now;
        side.connection().ping(now, 9).expect("it is open");
        if self == Self::ClosingByUs || self == Self::ClosingByBoth {
            side.close("");
            side.written();
        }
        match self {
            Self::ClosingByBoth | Self::ClosingByPeer => side.feed(&hex(GOODBYE)),
            Self::Ending => side.feed(&hex("00000001 f6")),
            Self::Closed => side.connection().abort("enough"),
            _ => {}
        }
        side.written();
        side.events.clear();
        Some(side)
    }
}

/// The id of the open call of this side.
pub(crate) const fn ours(client: bool) -> u64 {
    if client { 1 } else { 2 }
}

/// The id of the open call of the peer.
pub(crate) const fn theirs(client: bool) -> u64 {
    if client { 2 } else { 1 }
}
