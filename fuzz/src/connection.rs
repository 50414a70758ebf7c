//! Target `connection`: one side, in any role and phase, whose peer says anything at all.
//!
//! The first byte chooses role, limits and phase. Then come steps: a byte says what happens, such as a
//! frame with these bytes, time, a write, or a command of the application; the bytes behind it say more.

use std::sync::Arc;
use std::time::Duration;

use switchboard::{Config, Failure, Instant, Payload, Status, Welcome};
use switchboard_testkit::{Chunking, Dice, Side};

use crate::ledger::Ledger;
use crate::script::{self, Script};
use crate::written::Written;

/// The least `goodbye` OK.
const GOODBYE: &[u8] = &[0x84, 3, 0, 0x60, 0xf6];
/// Most bytes that a command of the application queues here: a payload, its head, last words.
const LARGEST: u64 = 12_000;
/// Most bytes of a refusal, and of what else a call may cost in the outbox.
const SMALL: u64 = 192;

/// Calls over `max-calls` that are refused and borne.
const MOST_STRIKES: u64 = 16;

/// Plays the script twice, the bytes whole and in random pieces with outputs looked at in random order:
/// both must come to the same.
///
/// # Panics
///
/// If anything does not hold.
pub fn connection(data: &[u8]) {
    let whole = Play::new(data, None).play_on(data);
    let seed = data.iter().fold(1, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(*byte));
    let split = Play::new(data, Some(seed)).play_on(data);
    assert_eq!(whole, split, "a split changed what came out");
}

/// One side, and all that is known of it.
#[derive(Debug)]
struct Play {
    client: bool,
    side: Side,
    ledger: Ledger,
    written: Written,
    bytes: Vec<u8>,
    /// A write has failed: what waited is dropped, a frame in the middle, too.
    severed: bool,
}

impl Play {
    /// The side that the first byte chooses.
    fn new(data: &[u8], seed: Option<u64>) -> Self {
        let first = Script::new(data).byte();
        let client = first & 1 == 1;
        let mut config = Config::default();
        if first & 2 == 2 {
            config.max_frame = 16 << 10;
            config.max_calls = 3;
            config.max_unsent = 500;
            config.max_unanswered = 600;
            config.keepalive = Some(Duration::from_secs(2));
            config.call_deadline = None;
        }
        let phase = first >> 2 & 7;
        let config = Arc::new(config);
        let mut side = match (phase, client) {
            (0 | 1, true) => Side::client(config),
            (0 | 1, false) => Side::server(config),
            _ => Side::open(client, config),
        };
        if let Some(seed) = seed {
            side.chunking = Chunking::seeded(seed);
            side.restless = Some(Dice(seed));
        }
        let (ledger, written) = (Ledger::default(), Written::new(client));
        let mut play = Self { client, side, ledger, written, bytes: Vec::new(), severed: false };
        play.reach(phase);
        play
    }

    /// 0 nothing has come, 1 server: hello has, 2 open, 3 open with a call each way, then closing
    /// by this side, by both, by the peer; 7 ending.
    fn reach(&mut self, phase: u8) {
        if phase == 1 && !self.client {
            self.frame(b"\x85\0\x6bswitchboard\x81\x01\xa0\xf6");
        }
        if phase >= 3 {
            let theirs = if self.client { 2 } else { 1 };
            self.frame(&[0x85, 7, theirs, 0x61, b'a', 0xa1, 1, 2, 0xf6]);
            self.ledger.request(&mut self.side, &Payload::null(), 0);
            self.ledger.ping(&mut self.side, 9);
            self.write(usize::MAX);
        }
        if phase == 4 || phase == 5 {
            self.side.close("bye");
            self.write(usize::MAX);
        }
        match phase {
            5 | 6 => self.frame(GOODBYE),
            7 => self.frame(&[0xf6]),
            _ => {}
        }
    }

    fn play_on(mut self, data: &[u8]) -> (Vec<String>, Vec<u8>) {
        let mut script = Script::new(data);
        script.byte();
        while !script.is_over() {
            self.step(&mut script);
            self.check();
        }
        // The peer hangs up and reads no more: within the longest timer all is over, and for good.
        self.side.end();
        self.side.wait(Duration::from_secs(10));
        self.ledger.read(&mut self.side);
        assert!(self.ledger.closed, "no end");
        assert_eq!(self.ledger.made.len(), self.ledger.ended.len());
        let reason = self.side.done.clone();
        self.side.is_over();
        self.frame(GOODBYE);
        self.application(&mut Script::new(&[1]));
        self.side.is_over();
        assert_eq!(self.side.done, reason, "another reason");
        (self.ledger.told, self.bytes)
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0..=5 => self.frame(script.piece()),
            6 => self.side.feed(script.piece()),
            7 => self.side.wait(script::time(script.byte())),
            8 => self.write(script.byte().into()),
            9 => self.write(usize::MAX),
            10 => self.respond(script.byte(), script.byte()),
            11 => {
                let payload = Payload::bytes(&vec![7; script::size(script.byte())]);
                self.ledger.request(&mut self.side, &payload, script.byte());
            }
            12 => self.ledger.cancel(&mut self.side, script.byte()),
            13 => {
                let payload = Payload::bytes(&vec![8; script::size(script.byte())]);
                let _ = self.side.send("m", &payload);
            }
            14 => self.ledger.ping(&mut self.side, script.byte()),
            _ => self.application(script),
        }
        self.ledger.read(&mut self.side);
    }

    fn respond(&mut self, how: u8, size: u8) {
        let payload = Payload::bytes(&vec![9; script::size(size)]);
        if how & 2 == 0 {
            self.ledger.respond(&mut self.side, how & 1 == 1, Ok(&payload));
        } else {
            let failure = Failure::new(Status::NOT_FOUND, "none").with_data(payload);
            self.ledger.respond(&mut self.side, how & 1 == 1, Err(&failure));
        }
    }

    /// What comes seldom.
    fn application(&mut self, script: &mut Script<'_>) {
        let now = self.side.now;
        let connection = self.side.connection();
        match script.byte() % 8 {
            0 | 1 => drop(connection.accept(now, &Welcome::new())),
            2 => drop(connection.refuse(now, Failure::new(Status::NOT_FOUND, "no"), None)),
            3 => connection.close(now, "bye", Some(Duration::from_millis(5))),
            4 => connection.abort("enough"),
            5 => connection.strike(now),
            6 => {
                self.side.pump.write_failed(now);
                self.severed = true;
            }
            _ => self.side.end(),
        }
        self.ledger.read(&mut self.side);
    }

    /// A frame of the peer comes, whatever its bytes.
    fn frame(&mut self, body: &[u8]) {
        let length = u32::try_from(body.len()).expect("a short one");
        self.side.feed(&[&length.to_be_bytes()[..], body].concat());
        self.ledger.read(&mut self.side);
    }

    /// The peer reads at most so many bytes.
    fn write(&mut self, most: usize) {
        let bytes = if most == usize::MAX { self.side.written() } else { self.side.write(most) };
        self.written.read(&bytes);
        self.bytes.extend(bytes);
        self.ledger.read(&mut self.side);
    }

    /// What holds after each step.
    fn check(&mut self) {
        let now = self.side.now;
        let due = self.side.connection().poll_timeout().map(|(due, _)| due);
        let most = now + Duration::from_secs(24 * 60 * 60);
        assert!(due.is_none_or(|due| due <= most), "due at {due:?}");
        let counters = self.side.connection().counters();
        let config = self.side.connection().config();
        let calls = u64::from(config.max_calls) + counters.open_made as u64 + MOST_STRIKES;
        let bound = config.max_unsent as u64 + LARGEST + calls * SMALL;
        assert!(counters.unsent <= bound, "{} B wait, at most {bound} may", counters.unsent);
        assert!(counters.bytes_out >= self.bytes.len() as u64);
        if let Some(reason) = &self.side.done {
            assert_eq!(counters.unsent, 0, "{reason}, and still bytes to write");
            assert_eq!(due, None, "{reason}, and still a timer");
            assert!(now >= Instant::ZERO);
        } else if counters.unsent == 0 && !self.severed {
            assert!(self.written.is_whole(), "a frame ends in the middle");
        }
    }
}
