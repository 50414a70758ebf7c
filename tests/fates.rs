//! Every call ends exactly once and says whether it may have run, `Event::Closed` comes exactly once
//! and last: whatever ends the connection, wherever the request stands.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Chunking, Pair, Side, blob, config, framed, millis, seconds};
use proptest::prelude::*;
use switchboard::{CallError, CallId, Event, Fate, Instant, Options, Payload};

/// A way in which a connection ends, and its name.
type Ending = (&'static str, fn(&mut Side));

const ENDINGS: [Ending; 8] = [
    ("abort", |side| side.connection().abort("enough")),
    ("lost", Side::end),
    ("lost inside a frame", |side| {
        side.feed(&[0, 0]);
        side.end();
    }),
    ("protocol error", |side| side.feed(&framed("f6"))),
    ("the peer's error", |side| side.feed(&framed("84 03 0d 60 f6"))),
    ("failed write, then silence", |side| {
        side.pump.write_failed(Instant::ZERO);
        side.wait(seconds(1));
    }),
    ("nothing can be written", |side| {
        side.send("log", &Payload::null()).unwrap();
        side.wait(seconds(10));
    }),
    ("drain", |side| {
        side.close("bye");
        side.wait(seconds(5));
    }),
];

// Threat 28.
#[test]
fn a_call_that_ends_with_its_connection_says_whether_it_may_have_run() {
    for (ending, end) in ENDINGS {
        for size in [0, 10_000] {
            // So many bytes of the frames in front and of the request are written.
            for (written, fate) in [
                (0, Fate::NeverSent),
                (10, Fate::NeverSent),
                (11, Fate::MayHaveRun),
                (15, Fate::MayHaveRun),
                (usize::MAX, Fate::MayHaveRun),
            ] {
                let mut client = Side::open(true, Arc::default());
                client.send("m", &Payload::null()).unwrap();
                client.call("c", &blob(size), &Options::new().no_deadline(), 5).unwrap();
                client.send("m", &Payload::null()).unwrap();
                if written == usize::MAX {
                    client.written()
                } else {
                    client.write(written)
                };
                end(&mut client);
                client.run();
                let what = format!("{ending}, {size} B, {written} written");
                assert_eq!(client.events.len(), 2, "{what}: {:?}", client.events);
                let Event::Answer { call, token, outcome } = client.events.remove(0) else {
                    panic!("{what}: no answer")
                };
                assert_eq!((call.number(), token), (1, 5), "{what}");
                let Err(CallError::Disconnected(reason, found)) = outcome else {
                    panic!("{what}: {outcome:?}")
                };
                assert_eq!(found, fate, "{what}");
                let Event::Closed(closed) = client.events.remove(0) else { panic!("{what}") };
                assert_eq!(closed, reason, "{what}");
            }
        }
    }
}

#[test]
fn may_have_run_is_said_of_what_was_handed_over_and_of_nothing_else() {
    let reasons = |fate| {
        let lost = CallError::Disconnected(switchboard::CloseReason::Lost, fate);
        [CallError::Deadline(fate), CallError::Cancelled(fate), lost]
    };
    assert!(reasons(Fate::MayHaveRun).iter().all(CallError::may_have_run));
    assert!(!reasons(Fate::NeverSent).iter().any(CallError::may_have_run));
}

#[test]
fn a_call_that_was_given_up_before_the_end_is_not_ended_again() {
    for (ending, end) in ENDINGS {
        let mut client = Side::open(true, Arc::default());
        client.request("cancelled").unwrap();
        let late = Options::new().deadline(millis(1));
        client.call("overdue", &Payload::null(), &late, 0).unwrap();
        client.written();
        client.cancel(1).unwrap();
        client.wait(millis(1));
        assert_eq!(client.happened().len(), 2);
        end(&mut client);
        let happened = client.happened();
        assert!(happened.len() == 1 && happened[0].starts_with("closed"), "{ending}: {happened:?}");
    }
}

/// What a driver, a peer or the world may do.
#[derive(Clone, Copy, Debug)]
enum Step {
    Request { client: bool, deadline: Option<u8>, size: u16 },
    Respond { client: bool, newest: bool },
    Cancel { client: bool, call: u8 },
    Write { client: bool, most: u8 },
    Drive,
    Wait(u8),
    Close { client: bool },
    Abort { client: bool },
    Break { client: bool },
    Cut,
}

fn step() -> impl Strategy<Value = Step> {
    let side = any::<bool>;
    prop_oneof![
        8 => (side(), proptest::option::of(0u8..30), prop_oneof![Just(0u16), Just(9000), 0..200u16])
            .prop_map(|(client, deadline, size)| Step::Request { client, deadline, size }),
        6 => (side(), side()).prop_map(|(client, newest)| Step::Respond { client, newest }),
        3 => (side(), 0u8..12).prop_map(|(client, call)| Step::Cancel { client, call }),
        3 => (side(), 1u8..40).prop_map(|(client, most)| Step::Write { client, most }),
        6 => Just(Step::Drive),
        2 => (0u8..40).prop_map(Step::Wait),
        1 => side().prop_map(|client| Step::Close { client }),
        1 => side().prop_map(|client| Step::Abort { client }),
        1 => side().prop_map(|client| Step::Break { client }),
        1 => Just(Step::Cut),
    ]
}

/// What one side was told, and whether the calls that it made have ended as they must.
#[derive(Default)]
struct Ledger {
    made: Vec<CallId>,
    asked: Vec<u64>,
    ended: BTreeMap<u64, u32>,
    closed: u32,
}

impl Ledger {
    fn read(&mut self, side: &mut Side) {
        side.run();
        for event in side.events.drain(..) {
            assert_eq!(self.closed, 0, "{event:?} behind Closed");
            match event {
                Event::Request { call, .. } => self.asked.push(call.number()),
                Event::Answer { call, token, .. } => {
                    assert_eq!(
                        token,
                        self.made.iter().position(|made| *made == call).unwrap() as u64
                    );
                    *self.ended.entry(call.number()).or_default() += 1;
                }
                Event::Closed(_) => self.closed += 1,
                _ => {}
            }
        }
    }

    fn take(&mut self, side: &mut Side, step: Step) {
        match step {
            Step::Request { deadline, size, .. } => {
                let options = Options::new();
                let options = match deadline {
                    Some(ms) => options.deadline(millis(ms.into())),
                    None => options.no_deadline(),
                };
                let token = self.made.len() as u64;
                if let Ok(call) = side.call("c", &blob(size.into()), &options, token) {
                    self.made.push(call);
                }
            }
            Step::Respond { newest, .. } if !self.asked.is_empty() => {
                let at = if newest { self.asked.len() - 1 } else { 0 };
                let _ = side.respond(self.asked.remove(at));
            }
            Step::Cancel { call, .. } => {
                if let Some(call) = self.made.get(usize::from(call)) {
                    let ended = self.ended.contains_key(&call.number()) || self.closed > 0;
                    assert_eq!(side.cancel(call.number()).is_err(), ended);
                }
            }
            Step::Close { .. } => side.close("bye"),
            Step::Abort { .. } => side.connection().abort("enough"),
            Step::Break { .. } => side.feed(&framed("82 13 00")),
            _ => {}
        }
        self.read(side);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    // Threat 28.
    #[test]
    fn every_call_ends_exactly_once_whatever_happens(
        steps in proptest::collection::vec(step(), 1..60),
        seed in any::<u64>(),
    ) {
        let limits = config(|config| config.max_calls = 4);
        let mut pair = Pair::opened(limits.clone(), limits);
        pair.client.chunking = Chunking::seeded(seed);
        let (mut client, mut server) = (Ledger::default(), Ledger::default());
        for step in steps {
            match step {
                Step::Request { client: true, .. } | Step::Respond { client: true, .. }
                | Step::Cancel { client: true, .. } | Step::Close { client: true }
                | Step::Abort { client: true } | Step::Break { client: true } => {
                    client.take(&mut pair.client, step);
                }
                Step::Write { client: true, most } => {
                    let bytes = pair.client.write(most.into());
                    pair.server.feed(&bytes);
                }
                Step::Write { client: false, most } => {
                    let bytes = pair.server.write(most.into());
                    pair.client.feed(&bytes);
                }
                Step::Drive => pair.drive(),
                Step::Wait(ms) => pair.drive_for(millis(ms.into())),
                Step::Cut => {
                    pair.client.end();
                    pair.server.end();
                }
                step => server.take(&mut pair.server, step),
            }
            client.read(&mut pair.client);
            server.read(&mut pair.server);
        }
        for (ledger, side) in [(&mut client, &mut pair.client), (&mut server, &mut pair.server)] {
            side.connection().abort("the test is over");
            ledger.read(side);
            prop_assert_eq!(ledger.closed, 1);
            prop_assert!(side.done.is_some());
            let ended: Vec<u64> = ledger.ended.keys().copied().collect();
            let made: Vec<u64> = ledger.made.iter().map(|call| call.number()).collect();
            prop_assert_eq!(ended, made);
            prop_assert!(ledger.ended.values().all(|times| *times == 1));
        }
    }
}
