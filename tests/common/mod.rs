//! What every test of the state machine needs: one `Side` fed by hand, a `Pair` of them joined in
//! memory on a virtual clock, bytes and events in words. No clock, no thread, no socket.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod side;
pub(crate) mod stages;
pub(crate) mod words;

use core::time::Duration;
use std::sync::Arc;

pub(crate) use side::Side;
use switchboard::{Config, Payload};

/// `hello` of a client without wishes, as section 2.3 of the protocol gives it.
pub(crate) const HELLO: &str = "00000012 85 00 6b737769746368626f617264 8101 a0 f6";
/// `welcome` to connection 7, every setting its default.
pub(crate) const WELCOME: &str = "00000006 85 01 01 07 a0 f6";
/// `goodbye` OK without words.
pub(crate) const GOODBYE: &str = "00000005 84 03 00 60 f6";

/// The bytes of hex digits, blanks aside.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// The bytes of a frame, its length in front.
pub(crate) fn framed(body: &str) -> Vec<u8> {
    let body = hex(body);
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

/// The default limits, changed.
pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Arc<Config> {
    let mut config = Config::default();
    change(&mut config);
    config.check().expect("a test's config makes sense");
    Arc::new(config)
}

/// A byte string of so many bytes of content.
pub(crate) fn blob(length: usize) -> Payload {
    Payload::bytes(&vec![0xab; length])
}

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Chance by seed: the same seed, the same numbers (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides.max(1) as u64) as usize
    }
}

/// In which pieces bytes arrive.
#[derive(Clone, Debug)]
pub(crate) enum Chunking {
    Whole,
    OneByte,
    Random(Dice),
}

impl Chunking {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self::Random(Dice(seed))
    }

    pub(crate) fn next(&mut self, most: usize) -> usize {
        match self {
            Self::Whole => most,
            Self::OneByte => most.min(1),
            Self::Random(dice) => most.min(1 + dice.roll(40)),
        }
    }
}

/// Two sides joined in memory.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: Side,
    pub(crate) server: Side,
}

impl Pair {
    pub(crate) fn new(client: Arc<Config>, server: Arc<Config>) -> Self {
        Self { client: Side::client(client), server: Side::server(server) }
    }

    /// Both with default limits, the handshake complete.
    pub(crate) fn open() -> Self {
        Self::opened(Arc::default(), Arc::default())
    }

    pub(crate) fn opened(client: Arc<Config>, server: Arc<Config>) -> Self {
        let mut pair = Self::new(client, server);
        pair.drive();
        pair.server.accept();
        pair.drive();
        pair.client.events.clear();
        pair.server.events.clear();
        pair
    }

    /// Moves bytes both ways until nothing is left to do.
    pub(crate) fn drive(&mut self) {
        while self.client.deliver(&mut self.server) | self.server.deliver(&mut self.client) {}
    }

    /// Time passes for both, and bytes travel at once.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.client.now + time;
        loop {
            self.drive();
            let due = [&mut self.client, &mut self.server]
                .into_iter()
                .filter_map(|side| side.connection().poll_timeout().map(|(due, _)| due))
                .min();
            let next = due.unwrap_or(until).min(until).max(self.client.now);
            (self.client.now, self.server.now) = (next, next);
            self.client.run();
            self.server.run();
            if due.is_none_or(|due| due > until) {
                break self.drive();
            }
        }
    }
}
