//! What waits to be written: frames that are taken back leave the others whole, wherever the writes have
//! come to (`docs/protocol.md` sections 4.2 and 7.2).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use bytes::BytesMut;
use common::{Side, blob, config, framed};
use proptest::prelude::*;
use switchboard::wire::{Frame, HeaderMap};
use switchboard::{CallError, CallId, Event, Fate, Options, Payload, Status};

#[derive(Clone, Copy, Debug)]
enum Step {
    Send { size: usize },
    Request { size: usize },
    Cancel { call: usize },
    Write { most: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![4 => 0..200_usize, 1 => 4085..4100_usize, 1 => Just(9000_usize)];
    prop_oneof![
        3 => size().prop_map(|size| Step::Send { size }),
        4 => size().prop_map(|size| Step::Request { size }),
        4 => (0..8_usize).prop_map(|call| Step::Cancel { call }),
        2 => prop_oneof![1..30_usize, 1..6000_usize].prop_map(|most| Step::Write { most }),
    ]
}

fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    bytes.to_vec()
}

/// What the stream must come to, frame by frame.
#[derive(Default)]
struct Expected {
    /// The request that it is, if it is one that is open, and its bytes.
    frames: Vec<(Option<CallId>, Vec<u8>)>,
    written: Vec<u8>,
}

impl Expected {
    fn push(&mut self, call: Option<CallId>, frame: &Frame<'_>) {
        self.frames.push((call, encoded(frame)));
    }

    /// Where each frame begins.
    fn starts(&self) -> Vec<usize> {
        let ends = self.frames.iter().scan(0, |end, (_, bytes)| {
            *end += bytes.len();
            Some(*end - bytes.len())
        });
        ends.collect()
    }

    fn cancel(&mut self, call: CallId) -> Fate {
        let at = self.frames.iter().position(|(other, _)| *other == Some(call)).unwrap();
        if self.starts()[at] >= self.written.len() {
            self.frames.remove(at);
            return Fate::NeverSent;
        }
        self.frames[at].0 = None;
        self.push(None, &Frame::Cancel { id: call });
        Fate::MayHaveRun
    }

    fn bytes(&self) -> Vec<u8> {
        self.frames.iter().flat_map(|(_, bytes)| bytes).copied().collect()
    }
}

fn take(side: &mut Side, expected: &mut Expected, step: Step) {
    let headers = HeaderMap::default();
    match step {
        Step::Send { size } => {
            let payload = blob(size);
            side.send("m", &payload).unwrap();
            let payload = payload.as_cbor();
            expected.push(None, &Frame::Message { channel: "m", headers, payload });
        }
        Step::Request { size } => {
            let payload = blob(size);
            let id = side.call("c", &payload, &Options::new().no_deadline(), 0).unwrap();
            let payload = payload.as_cbor();
            expected.push(Some(id), &Frame::Request { id, channel: "c", headers, payload });
        }
        Step::Cancel { call } => {
            let open = expected.frames.iter().filter_map(|(call, _)| *call);
            let Some(call) = open.skip(call).last() else { return };
            let fate = expected.cancel(call);
            side.cancel(call.number()).unwrap();
            let Some(Event::Answer { outcome, .. }) = side.connection().poll_event() else {
                panic!("{call} has not ended")
            };
            assert_eq!(outcome, Err(CallError::Cancelled(fate)));
        }
        Step::Write { most } => expected.written.extend(side.write(most)),
    }
    let all: usize = expected.frames.iter().map(|(_, bytes)| bytes.len()).sum();
    let left = all - expected.written.len();
    assert_eq!(side.connection().unsent(), left as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn frames_that_are_taken_back_leave_the_others_whole(
        steps in proptest::collection::vec(step(), 1..60),
        fails in any::<bool>(),
    ) {
        let mut side = Side::open(true, config(|config| config.max_unsent = 1 << 30));
        let mut expected = Expected::default();
        for step in steps {
            take(&mut side, &mut expected, step);
        }
        if fails {
            // Last words: what has begun is finished, what has not is taken back.
            side.feed(&framed("f6"));
            let begun = expected.starts().partition_point(|start| *start < expected.written.len());
            expected.frames.truncate(begun);
            let (error, reason) = (Some(Status::INVALID_ARGUMENT), "malformed-frame");
            expected.push(None, &Frame::Goodbye { error, reason, reconnect_after_ms: None });
        }
        expected.written.extend(side.written());
        prop_assert!(expected.written == expected.bytes());
        prop_assert_eq!(side.connection().unsent(), 0);
        let counters = side.connection().counters();
        prop_assert_eq!(counters.frames_out, 1 + expected.frames.len() as u64, "and hello");
    }
}

#[test]
fn what_is_taken_back_between_two_messages_leaves_both() {
    let mut side = Side::open(true, config(|config| config.max_unsent = 1 << 30));
    let mut expected = Expected::default();
    let steps = [
        Step::Send { size: 20 },
        Step::Request { size: 20 },
        Step::Request { size: 9000 },
        Step::Request { size: 20 },
        Step::Send { size: 20 },
        Step::Write { most: 3 },
        Step::Cancel { call: 0 },
        Step::Cancel { call: 0 },
        Step::Send { size: 9000 },
        Step::Cancel { call: 0 },
        Step::Write { most: 40 },
    ];
    for step in steps {
        take(&mut side, &mut expected, step);
    }
    expected.written.extend(side.written());
    assert!(expected.written == expected.bytes());
    assert!(side.send("m", &Payload::null()).is_ok());
}
