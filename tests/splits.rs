//! What must make no difference: how the bytes are split, when and in what order the outputs are
//! polled. Generated conversations, each held several times.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use bytes::BytesMut;
use common::{Chunking, Dice, Side, blob, config, hex, millis};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use switchboard::wire::{Amount, Frame, HeaderMap};
use switchboard::{CallId, Options, Status};

/// What the peer sends.
#[derive(Clone, Copy, Debug)]
enum Said {
    Message { size: u16 },
    Nameless,
    Request { skip: u8, deadline: Option<u8>, streams: u8 },
    Answer { call: u8, fails: bool },
    Cancel { call: u8 },
    Credit { call: u8 },
    Item { call: u8 },
    Publish { answered: bool },
    Ping(u8),
    Pong,
    Extension { size: u8 },
    Goodbye { error: bool },
    Noise([u8; 5]),
}

/// One step of a conversation: frames that come in one piece, or something that this side does.
#[derive(Clone, Debug)]
enum Step {
    Come(Vec<Said>),
    Send { size: u16 },
    Request { size: u16, deadline: u8 },
    Respond { call: u8 },
    Cancel { call: u8 },
    Ping,
    Write { most: u16 },
    Wait(u8),
    Close,
    End,
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        48 => prop_oneof![0u16..300, Just(2_000)].prop_map(|size| Said::Message { size }),
        4 => Just(Said::Nameless),
        64 => (0u8..3, proptest::option::of(0u8..50), prop_oneof![6 => Just(0u8), 1 => 0u8..4])
            .prop_map(|(skip, deadline, streams)| Said::Request { skip, deadline, streams }),
        48 => (0u8..8, any::<bool>()).prop_map(|(call, fails)| Said::Answer { call, fails }),
        16 => (0u8..8).prop_map(|call| Said::Cancel { call }),
        1 => (0u8..8).prop_map(|call| Said::Credit { call }),
        1 => (0u8..8).prop_map(|call| Said::Item { call }),
        8 => any::<bool>().prop_map(|answered| Said::Publish { answered }),
        24 => any::<u8>().prop_map(Said::Ping),
        16 => Just(Said::Pong),
        16 => any::<u8>().prop_map(|size| Said::Extension { size }),
        1 => prop_oneof![4 => Just(false), 1 => Just(true)].prop_map(|error| Said::Goodbye { error }),
        1 => any::<[u8; 5]>().prop_map(Said::Noise),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![0u16..200, Just(5000)];
    prop_oneof![
        64 => proptest::collection::vec(said(), 1..6).prop_map(Step::Come),
        16 => size().prop_map(|size| Step::Send { size }),
        40 => (size(), 1u8..60).prop_map(|(size, deadline)| Step::Request { size, deadline }),
        32 => (0u8..8).prop_map(|call| Step::Respond { call }),
        16 => (0u8..8).prop_map(|call| Step::Cancel { call }),
        8 => Just(Step::Ping),
        40 => prop_oneof![1u16..60, Just(u16::MAX)].prop_map(|most| Step::Write { most }),
        16 => (0u8..40).prop_map(Step::Wait),
        4 => Just(Step::Close),
        1 => Just(Step::End),
    ]
}

/// The other side, which as a rule keeps the rules: it answers what it has read, and cancels once.
#[derive(Default)]
struct Peer {
    /// Its next call.
    next: u64,
    /// Its calls, and those of them that it has not cancelled.
    asked: Vec<u64>,
    cancellable: Vec<u64>,
    /// Calls of the side under test: queued there, and those that this peer may answer.
    made: Vec<u64>,
    answerable: Vec<u64>,
    /// Pings of the side under test, likewise.
    pings: Vec<u32>,
    pongs: Vec<u32>,
    /// It has said `goodbye`.
    left: bool,
}

/// Takes one of these, if there are any.
fn pick<T: Copy>(from: &mut Vec<T>, at: u8) -> Option<T> {
    let index = usize::from(at) % from.len().max(1);
    (index < from.len()).then(|| from.remove(index))
}

impl Peer {
    fn say(&mut self, said: Said, out: &mut BytesMut) -> Option<()> {
        let (payload, mut headers) = (&[0xf6][..], HeaderMap::default());
        let id = |number| CallId::new(number).unwrap();
        let opens = matches!(
            said,
            Said::Message { .. } | Said::Nameless | Said::Request { .. } | Said::Publish { .. }
        );
        if self.left && (opens || matches!(said, Said::Goodbye { error: false })) {
            return None;
        }
        let content = match said {
            Said::Message { size } => blob(size.into()).into_cbor(),
            Said::Extension { size } => vec![0xff; size.into()].into(),
            _ => payload.into(),
        };
        let frame = match said {
            Said::Message { .. } => Frame::Message { channel: "m", headers, payload: &content },
            Said::Nameless => Frame::Message { channel: "", headers, payload },
            Said::Request { skip, deadline, streams } => {
                let call = self.next + 2 * u64::from(skip);
                self.next = call + 2;
                self.asked.push(call);
                self.cancellable.push(call);
                headers.deadline = deadline.map(u64::from);
                headers.streams = (streams > 0).then_some(streams.into());
                Frame::Request { id: id(call), channel: "r", headers, payload }
            }
            Said::Answer { call, fails } => {
                let id = id(pick(&mut self.answerable, call)?);
                if fails {
                    Frame::Failure { id, error: Status::NOT_FOUND, reason: "no", payload }
                } else {
                    Frame::Response { id, payload }
                }
            }
            Said::Cancel { call } => Frame::Cancel { id: id(pick(&mut self.cancellable, call)?) },
            Said::Credit { call } => {
                let call = id(pick(&mut self.cancellable, call)?);
                Frame::Credit { id: call, amount: Amount::new(5).unwrap() }
            }
            Said::Item { call } => Frame::Item { id: id(self.next + u64::from(call)), payload },
            Said::Publish { answered } => {
                let call = answered.then(|| id(self.next));
                self.next += if answered { 2 } else { 0 };
                Frame::Publish { id: call, topic: "t", headers, payload }
            }
            Said::Ping(token) => Frame::Ping { token: token.into() },
            Said::Pong => Frame::Pong { token: pick(&mut self.pongs, 0)? },
            Said::Extension { .. } => Frame::Extension { kind: 99, elements: 2, rest: &content },
            Said::Goodbye { error } => {
                self.left = true;
                let error = error.then_some(Status::INTERNAL);
                Frame::Goodbye { error, reason: "bye", reconnect_after_ms: None }
            }
            Said::Noise(bytes) => {
                out.extend_from_slice(&bytes);
                return None;
            }
        };
        frame.encode(out);
        Some(())
    }

    /// Reads what the side under test has written.
    fn read(&mut self, side: &mut Side) {
        if side.connection().unsent() == 0 {
            self.answerable.append(&mut self.made);
            self.pongs.append(&mut self.pings);
        }
    }
}

/// All that a side told and wrote.
type Trace = (Vec<String>, Vec<u8>, String);

/// Holds the conversation; the bytes come in these pieces, and at random moments somebody looks.
fn hold(client: bool, steps: &[Step], chunking: Chunking, restless: Option<u64>) -> Trace {
    let mut side = Side::open(client, config(|config| config.max_calls = 4));
    side.chunking = chunking;
    side.restless = restless.map(Dice);
    let mut peer = Peer { next: if client { 2 } else { 1 }, ..Peer::default() };
    let mut calls = Vec::new();
    let mut written = Vec::new();
    for (number, step) in (0u32..).zip(steps) {
        let now = side.now;
        match step {
            Step::Come(frames) => {
                let mut bytes = BytesMut::new();
                for said in frames {
                    peer.say(*said, &mut bytes);
                }
                side.feed(&bytes);
            }
            Step::Send { size } => drop(side.send("m", &blob((*size).into()))),
            Step::Request { size, deadline } => {
                let options = Options::new().deadline(millis((*deadline).into()));
                if let Ok(call) = side.call("c", &blob((*size).into()), &options, number.into()) {
                    calls.push(call.number());
                    peer.made.push(call.number());
                }
            }
            Step::Respond { call } => {
                if let Some(call) = pick(&mut peer.asked, *call) {
                    let _ = side.respond(call);
                }
            }
            Step::Cancel { call } => {
                if let Some(call) = pick(&mut calls, *call) {
                    if side.connection().unsent() == 0 {
                        let _ = side.cancel(call);
                    }
                }
            }
            Step::Ping => {
                if side.connection().ping(now, number).is_ok() {
                    peer.pings.push(number);
                }
            }
            Step::Write { most } => written.extend(side.write((*most).into())),
            Step::Wait(ms) => side.wait(millis((*ms).into())),
            Step::Close => side.close("bye"),
            Step::End => side.end(),
        }
        side.run();
        peer.read(&mut side);
    }
    written.extend(side.written());
    side.end();
    written.extend(side.written());
    let told = side.events.iter().map(|event| format!("{event:?}")).collect();
    (told, written, format!("{:?}, shut {}", side.done, side.shut))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    // Threat 3.
    #[test]
    fn any_split_of_the_bytes_gives_the_same_events_and_the_same_bytes(
        client in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..40),
        seed in any::<u64>(),
    ) {
        let whole = hold(client, &steps, Chunking::Whole, None);
        prop_assert_eq!(&hold(client, &steps, Chunking::OneByte, None), &whole);
        prop_assert_eq!(&hold(client, &steps, Chunking::seeded(seed), None), &whole);
    }

    #[test]
    fn looking_at_the_outputs_at_any_time_in_any_order_changes_nothing(
        client in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..40),
        seed in any::<u64>(),
    ) {
        let calm = hold(client, &steps, Chunking::Whole, None);
        prop_assert_eq!(&hold(client, &steps, Chunking::Whole, Some(seed)), &calm);
        prop_assert_eq!(&hold(client, &steps, Chunking::seeded(seed), Some(!seed)), &calm);
    }

    #[test]
    fn the_first_frames_mean_the_same_in_any_split(
        client in any::<bool>(),
        hello in prop_oneof![
            6 => Just(true),
            1 => Just(false),
        ],
        noise in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0x85), any::<u8>()], 0..40),
    ) {
        let greeting = hex(if client { common::WELCOME } else { common::HELLO });
        let bytes = if hello { [greeting, noise].concat() } else { noise };
        let greet = |chunking: Chunking| {
            let mut side = if client {
                Side::client(Default::default())
            } else {
                Side::server(Default::default())
            };
            side.chunking = chunking;
            side.feed(&bytes);
            side.end();
            let told: Vec<String> = side.events.iter().map(|event| format!("{event:?}")).collect();
            (told, side.written(), side.done)
        };
        prop_assert_eq!(greet(Chunking::OneByte), greet(Chunking::Whole));
    }
}

#[test]
fn the_conversations_go_deep() {
    // Without this the tests above might compare nothing but early ends.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = proptest::collection::vec(step(), 1..40);
    let (mut long, mut answers, mut ends) = (0, 0, 0);
    for _ in 0..200 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let (told, ..) = hold(true, &steps, Chunking::Whole, None);
        long += usize::from(told.len() > 10);
        answers += told.iter().filter(|event| event.contains("outcome: Ok")).count();
        let graceful = ["Closed(PeerClosed", "Closed(Closed"];
        ends += told.iter().filter(|event| graceful.iter().any(|g| event.starts_with(g))).count();
    }
    assert!(long > 40 && answers > 20 && ends > 5, "{long}, {answers}, {ends}");
}
