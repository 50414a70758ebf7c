//! Target `pair_ops`: any operations on a client and a server that are joined in memory.
//!
//! Each message and request carries a number of its own, so that order, loss and truth can be told
//! from what the other side got.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use switchboard::{
    CallError, CallId, CloseReason, Config, Failure, Fate, Instant, Payload, Rejected, Status,
    from_payload, to_payload,
};
use switchboard_testkit::{Chunking, Dice, Link, Pair, Side};

use crate::ledger::Ledger;
use crate::script;

#[derive(Clone, Copy, Debug, Arbitrary, PartialEq, Eq)]
enum Who {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Answer {
    Good(u8),
    Bad(u8),
    Huge,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Pieces {
    Whole,
    OneByte,
    Random(u8),
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Op {
    Request {
        by: Who,
        size: u8,
        deadline: u8,
    },
    Respond {
        by: Who,
        newest: bool,
        answer: Answer,
    },
    Cancel {
        by: Who,
        which: u8,
    },
    Send {
        by: Who,
        size: u8,
    },
    Ping {
        by: Who,
        token: u8,
    },
    Step,
    Drive,
    Wait(u8),
    Link {
        to: Who,
        latency: u8,
        pieces: Pieces,
        window: u8,
    },
    /// Its application takes no messages for now, or does again.
    Hold {
        by: Who,
        on: bool,
    },
    Close {
        by: Who,
    },
    CutAfter {
        to: Who,
        bytes: u8,
    },
    Cut,
    Abort {
        by: Who,
    },
    WriteFails {
        by: Who,
    },
}

#[derive(Clone, Copy, Debug, Arbitrary)]
struct Start {
    small: bool,
    keepalive: bool,
    restless: bool,
    /// The handshake is part of what is played: `Drive` brings it on, the server accepts at once.
    from_the_start: bool,
}

/// Decodes operations, runs them, drives the pair to its end, and checks what must hold.
///
/// # Panics
///
/// If anything does not hold.
pub fn pair_ops(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let Ok(start) = Start::arbitrary(&mut bytes) else { return };
    let Ok(ops) = Vec::<Op>::arbitrary_take_rest(bytes) else { return };
    let mut play = Play::new(start);
    for op in ops {
        play.run(op);
        play.read();
    }
    play.come_to_rest();
    play.end();
    play.compare(Who::Client);
    play.compare(Who::Server);
}

/// A side's part of what is known.
#[derive(Debug, Default)]
struct Part {
    ledger: Ledger,
    /// Messages that it sent, by number, and calls that it made: in one order.
    sent: Vec<(u32, Option<CallId>)>,
    /// Calls of the peer that it answered well before it was told to stop.
    answered: BTreeMap<u64, bool>,
}

#[derive(Debug)]
struct Play {
    pair: Pair,
    client: Part,
    server: Part,
    next: u32,
    /// The stream may have been broken from outside, so that frames may be lost.
    broken: bool,
}

impl Play {
    fn new(start: Start) -> Self {
        let mut config = Config::default();
        if start.small {
            config.max_frame = 16 << 10;
            config.max_calls = 3;
            config.max_unsent = 2000;
            config.max_untaken = 1000;
        }
        config.keepalive = start.keepalive.then_some(Duration::from_secs(1));
        let config = Arc::new(config);
        let mut pair = if start.from_the_start {
            Pair::new(config.clone(), config)
        } else {
            Pair::opened(config.clone(), config)
        };
        pair.trace.silence();
        if start.restless {
            pair.client.restless = Some(Dice(1));
            pair.server.restless = Some(Dice(2));
        }
        Self { pair, client: Part::default(), server: Part::default(), next: 0, broken: false }
    }

    const fn of(&mut self, who: Who) -> (&mut Side, &mut Part) {
        match who {
            Who::Client => (&mut self.pair.client, &mut self.client),
            Who::Server => (&mut self.pair.server, &mut self.server),
        }
    }

    fn numbered(&mut self, size: u8) -> (u32, Payload) {
        self.next += 1;
        let payload = to_payload(&(self.next, vec![0u8; script::size(size)]));
        (self.next, payload.expect("a value that can be written"))
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Request { by, size, deadline } => {
                let (number, payload) = self.numbered(size);
                let (side, part) = self.of(by);
                let before = part.ledger.made.len();
                part.ledger.request(side, &payload, deadline);
                if let Some(call) = part.ledger.made.get(before) {
                    part.sent.push((number, Some(*call)));
                }
            }
            Op::Send { by, size } => {
                let (number, payload) = self.numbered(size);
                let (side, part) = self.of(by);
                match side.send("m", &payload) {
                    Ok(()) => part.sent.push((number, None)),
                    Err(Rejected::NotReady | Rejected::Closed | Rejected::Full) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            Op::Respond { by, newest, answer } => self.respond(by, newest, answer),
            Op::Cancel { by, which } => {
                let (side, part) = self.of(by);
                part.ledger.cancel(side, which);
            }
            Op::Ping { by, token } => {
                let (side, part) = self.of(by);
                part.ledger.ping(side, token);
            }
            Op::Step => drop(self.pair.step()),
            Op::Drive => self.pair.drive(),
            Op::Wait(byte) => self.pair.drive_for(script::time(byte)),
            Op::Link { to, latency, pieces, window } => self.link(to, latency, pieces, window),
            Op::Hold { by, on } => {
                self.of(by).0.pump.set_untaken(if on { usize::MAX } else { 0 });
            }
            _ => self.ending(op),
        }
    }

    fn ending(&mut self, op: Op) {
        match op {
            Op::Close { by } => self.of(by).0.close("bye"),
            Op::CutAfter { to: Who::Server, bytes } => {
                self.pair.set_link_to_server(Link::new().cut_after(bytes.into()));
            }
            Op::CutAfter { to: Who::Client, bytes } => {
                self.pair.set_link_to_client(Link::new().cut_after(bytes.into()));
            }
            Op::Cut => self.pair.cut(),
            Op::Abort { by } => self.of(by).0.connection().abort("enough"),
            Op::WriteFails { by } => {
                let now = self.pair.now();
                self.of(by).0.pump.write_failed(now);
            }
            _ => return,
        }
        self.broken |= !matches!(op, Op::Close { .. });
    }

    fn link(&mut self, to: Who, latency: u8, pieces: Pieces, window: u8) {
        let pieces = match pieces {
            Pieces::Whole => Chunking::Whole,
            Pieces::OneByte => Chunking::OneByte,
            Pieces::Random(seed) => Chunking::seeded(seed.into()),
        };
        let mut link = Link::new().latency(script::time(latency / 2)).chunking(pieces);
        if window < 255 {
            link = link.window(script::size(window));
        }
        match to {
            Who::Client => self.pair.set_link_to_client(link),
            Who::Server => self.pair.set_link_to_server(link),
        }
    }

    fn respond(&mut self, by: Who, newest: bool, answer: Answer) {
        let (side, part) = self.of(by);
        let payload = |size| Payload::bytes(&vec![1; size]);
        let answered = match answer {
            Answer::Good(size) => {
                part.ledger.respond(side, newest, Ok(&payload(script::size(size))))
            }
            // Above max-frame where limits are small: then it becomes a failure.
            Answer::Huge => part.ledger.respond(side, newest, Ok(&payload(17 << 10))),
            Answer::Bad(size) => {
                let data = payload(script::size(size));
                let failure = Failure::new(Status::ABORTED, "no").with_data(data);
                part.ledger.respond(side, newest, Err(&failure))
            }
        };
        if let Some(call) = answered {
            part.answered.insert(call.number(), !matches!(answer, Answer::Bad(_)));
        }
    }

    fn read(&mut self) {
        self.client.ledger.read(&mut self.pair.client);
        self.server.ledger.read(&mut self.pair.server);
        if self.server.ledger.hello {
            let now = self.pair.server.now;
            let _ = self.pair.server.connection().accept(now, &Default::default());
        }
    }

    /// With perfect links everything arrives, and both sides count the same.
    fn come_to_rest(&mut self) {
        self.pair.client.pump.set_untaken(0);
        self.pair.server.pump.set_untaken(0);
        self.pair.set_links(Link::new());
        for _ in 0..2 {
            self.pair.drive();
            self.read();
        }
        let (client, server) = (self.pair.client.connection(), self.pair.server.connection());
        if !client.is_open() || !server.is_open() {
            return;
        }
        let (ours, theirs) = (client.counters(), server.counters());
        assert_eq!((ours.unsent, theirs.unsent), (0, 0));
        assert_eq!((ours.frames_out, ours.bytes_out), (theirs.frames_in, theirs.bytes_in));
        assert_eq!((theirs.frames_out, theirs.bytes_out), (ours.frames_in, ours.bytes_in));
        assert_eq!((ours.open_made, theirs.open_made), (theirs.open_served, ours.open_served));
        assert_eq!((ours.strikes, theirs.strikes), (0, 0));
        for (caller, callee) in [(&self.client, &self.server), (&self.server, &self.client)] {
            let messages = |sent: &(u32, Option<CallId>)| sent.1.is_none().then_some(sent.0);
            let sent: Vec<u32> = caller.sent.iter().filter_map(messages).collect();
            let got: Vec<u32> = callee.got().filter_map(|got| messages(&got)).collect();
            assert_eq!(sent, got, "all messages arrive");
            for number in callee.answered.keys() {
                assert!(caller.ledger.ended.contains_key(number), "answered, and still open");
            }
        }
    }

    /// Both close; all waits are over soon, and every call has ended.
    fn end(&mut self) {
        self.pair.client.close("bye");
        self.pair.drive();
        self.pair.server.close("bye");
        let longest = Duration::from_secs(40);
        let until = self.pair.now() + longest;
        self.pair.drive_for(longest);
        self.read();
        for (part, side) in
            [(&self.client, &mut self.pair.client), (&self.server, &mut self.pair.server)]
        {
            assert!(part.ledger.closed && side.done.is_some(), "no end");
            assert_eq!(part.ledger.made.len(), part.ledger.ended.len());
            assert!(side.now >= until && until > Instant::ZERO);
            let reason = side.done.as_ref().expect("done");
            let fault = matches!(reason, CloseReason::Protocol(_));
            assert!(!fault, "two of this crate, and one breaks a rule: {reason}");
            side.is_over();
        }
    }

    /// What this side's calls and messages came to, against what the other side got.
    fn compare(&self, caller: Who) {
        let (caller, callee) = match caller {
            Who::Client => (&self.client, &self.server),
            Who::Server => (&self.server, &self.client),
        };
        let mut sent = caller.sent.iter();
        for got in callee.got() {
            assert!(sent.any(|sent| *sent == got), "{got:?} came twice, late, or unsent");
        }
        for ended in caller.ledger.ended.values() {
            let seen = callee.ledger.got.iter().any(|(call, _)| *call == Some(ended.call));
            let answered = callee.answered.get(&ended.call.number());
            match &ended.outcome {
                Ok(_) => assert_eq!(answered, Some(&true), "{ended:?}"),
                Err(CallError::Failed(failure)) => {
                    let own = [Status::UNAVAILABLE, Status::DEADLINE_EXCEEDED];
                    let own = own.contains(&failure.status);
                    assert!(own || answered.is_some(), "nobody answered: {ended:?}");
                }
                Err(
                    CallError::Deadline(fate)
                    | CallError::Cancelled(fate)
                    | CallError::Disconnected(_, fate),
                ) => assert!(!seen || *fate == Fate::MayHaveRun, "seen, yet {ended:?}"),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

impl Part {
    /// The numbers of what it got, in order.
    fn got(&self) -> impl Iterator<Item = (u32, Option<CallId>)> {
        self.ledger.got.iter().map(|(call, payload)| {
            let value = from_payload::<(u32, Vec<u8>)>(payload, &Default::default());
            (value.expect("what was sent").0, *call)
        })
    }
}
