//! What must make no difference for streams and topics: how the bytes are split, when and in what order
//! the outputs are polled. Generated conversations, each held several times.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Chunking, Dice, Side, blob, config, framed};
use proptest::prelude::*;
use switchboard::{CallId, Command, Event, Options, Payload, Publication};

/// What comes from the peer of a server, and what the server does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A call with these streams.
    Request {
        streams: u8,
    },
    /// Of the newest call but so many.
    Item {
        back: u8,
        size: u8,
    },
    End(u8),
    Credit {
        back: u8,
        amount: u8,
    },
    Cancel(u8),
    Subscribe,
    Unsubscribe(u8),
    Publish {
        answered: bool,
        size: u8,
    },
    /// Of the server's own calls and subscriptions, which the peer has read.
    OwnItem(u8),
    OwnAnswer(u8),
    OwnDelivery(u8),
    OwnLagged(u8),
    /// What the server does.
    Send {
        back: u8,
        size: u16,
    },
    Respond(u8),
    Take(u8),
    Deliver {
        back: u8,
        size: u16,
    },
    Call,
    OwnSubscribe,
    Write(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let back = || 0u8..3;
    prop_oneof![
        10 => prop_oneof![12 => Just(3u8), 1 => 0u8..4].prop_map(|streams| Step::Request { streams }),
        20 => (back(), any::<u8>()).prop_map(|(back, size)| Step::Item { back, size }),
        2 => back().prop_map(Step::End),
        8 => (back(), 1u8..=255).prop_map(|(back, amount)| Step::Credit { back, amount }),
        2 => back().prop_map(Step::Cancel),
        6 => Just(Step::Subscribe),
        2 => back().prop_map(Step::Unsubscribe),
        8 => any::<(bool, u8)>().prop_map(|(answered, size)| Step::Publish { answered, size }),
        6 => back().prop_map(Step::OwnItem),
        10 => back().prop_map(Step::OwnAnswer),
        6 => back().prop_map(Step::OwnDelivery),
        6 => back().prop_map(Step::OwnLagged),
        20 => (back(), 0u16..5000).prop_map(|(back, size)| Step::Send { back, size }),
        4 => back().prop_map(Step::Respond),
        10 => (1u8..5).prop_map(Step::Take),
        20 => (back(), 0u16..5000).prop_map(|(back, size)| Step::Deliver { back, size }),
        4 => Just(Step::Call),
        8 => Just(Step::OwnSubscribe),
        12 => prop_oneof![1u16..200, Just(u16::MAX)].prop_map(Step::Write),
    ]
}

fn newest(of: &[u64], back: u8) -> Option<u64> {
    of.len().checked_sub(1 + usize::from(back)).map(|at| of[at])
}

/// What both know of a conversation.
#[derive(Default)]
struct Talk {
    /// One above the peer's next call.
    next: u64,
    calls: Vec<u64>,
    subscriptions: Vec<u64>,
    own: Vec<u64>,
    own_subscriptions: Vec<u64>,
    /// Those of which the peer knows.
    live: Vec<u64>,
    answered: Vec<u64>,
    cancelled: Vec<u64>,
    /// How many events were looked at, and how many items of them used.
    seen: usize,
    used: usize,
}

fn number(id: u64) -> String {
    if id < 24 { format!("{id:02x}") } else { format!("18{:02x}", id.min(255)) }
}

impl Talk {
    fn fresh(&mut self) -> String {
        self.next += 2;
        number(self.next - 1)
    }

    /// What the peer says, if it may.
    fn says(&mut self, step: Step) -> Option<String> {
        let bytes = |size: u8| format!("58{size:02x}{}", "ab".repeat(size.into()));
        let of = |calls: &[u64], back| newest(calls, back).map(number);
        Some(match step {
            Step::Request { streams } => {
                let id = self.fresh();
                self.calls.push(self.next - 1);
                format!("85 07 {id} 6172 a101{streams:02x} f6")
            }
            Step::Item { back, size } => {
                let id = newest(&self.calls, back).filter(|id| !self.cancelled.contains(id))?;
                format!("83 0a {} {}", number(id), bytes(size))
            }
            Step::End(back) => format!("82 0b {}", of(&self.calls, back)?),
            Step::Credit { back, amount } => {
                let id = newest(&self.calls, back).filter(|id| !self.cancelled.contains(id))?;
                let amount = number(amount.into());
                format!("83 0c {} {amount}", number(id))
            }
            Step::Cancel(back) => {
                let id = newest(&self.calls, back).filter(|id| !self.cancelled.contains(id))?;
                self.cancelled.push(id);
                format!("82 0d {}", number(id))
            }
            Step::Subscribe => {
                let id = self.fresh();
                self.subscriptions.push(self.next - 1);
                format!("84 0e {id} 6174 a0")
            }
            Step::Unsubscribe(back) => {
                let of = of(&self.subscriptions, back)?;
                format!("83 0f {} {of}", self.fresh())
            }
            Step::Publish { answered, size } => {
                let id = if answered { self.fresh() } else { "f6".into() };
                format!("85 10 {id} 6174 a0 {}", bytes(size))
            }
            Step::OwnItem(back) => {
                let id = newest(&self.own, back).filter(|id| !self.answered.contains(id))?;
                format!("83 0a {} f6", number(id))
            }
            Step::OwnAnswer(back) => {
                let all: Vec<u64> =
                    self.own.iter().chain(&self.own_subscriptions).copied().collect();
                let id = newest(&all, back).filter(|id| !self.answered.contains(id))?;
                self.answered.push(id);
                if self.own_subscriptions.contains(&id) {
                    self.live.push(id);
                }
                format!("83 08 {} 00", number(id))
            }
            Step::OwnDelivery(back) => format!("85 11 {} 6174 a0 f6", of(&self.live, back)?),
            Step::OwnLagged(back) => format!("83 12 {} 05", of(&self.live, back)?),
            _ => return None,
        })
    }

    /// What the server does.
    fn does(&mut self, side: &mut Side, step: Step, written: &mut Vec<u8>) {
        let now = side.now;
        let id = |number| CallId::new(number).unwrap();
        match step {
            Step::Send { back, size } => {
                if let Some(call) = newest(&self.calls, back) {
                    let _ = side.connection().item(now, id(call), &blob(size.into()));
                }
            }
            Step::Respond(back) => {
                let _ = newest(&self.calls, back).map(|call| side.respond(call));
            }
            Step::Take(count) => {
                for _ in 0..count {
                    let at = (self.used..side.events.len())
                        .find(|at| matches!(side.events[*at], Event::Item { .. }));
                    let Some(at) = at else { break };
                    self.used = at + 1;
                    let Event::Item { call, item } = &side.events[at] else { continue };
                    let (call, item) = (*call, item.clone());
                    side.connection().taken(now, call, &item);
                }
            }
            Step::Deliver { back, size } => {
                if let Some(subscription) = newest(&self.subscriptions, back) {
                    let value = Publication::new("t", &blob(size.into()), &Options::new()).unwrap();
                    let (subscription, publication) = (id(subscription), value);
                    let _ = side
                        .connection()
                        .apply(now, Command::Deliver { subscription, publication });
                }
            }
            // The peer answers what it has read, so that all is written first.
            Step::Call => {
                let options = Options::new().no_deadline().take_items().send_items();
                if let Ok(call) = side.call("c", &Payload::null(), &options, 0) {
                    self.own.push(call.number());
                    written.extend(side.written());
                }
            }
            Step::OwnSubscribe => {
                let options = Options::new().no_deadline();
                if let Ok(call) = side.connection().subscribe(now, "t", &options, 0) {
                    self.own_subscriptions.push(call.number());
                    written.extend(side.written());
                }
            }
            Step::Write(most) => written.extend(side.write(most.into())),
            _ => {}
        }
    }

    /// Whoever subscribes is let in, whoever publishes is told.
    fn lets_in(&mut self, side: &mut Side) {
        side.run();
        let now = side.now;
        while self.seen < side.events.len() {
            let command = match &side.events[self.seen] {
                Event::Subscribe(wanted) => {
                    Command::Subscribe { subscription: wanted.subscription, retained: vec![] }
                }
                Event::Publish { call: Some(call), .. } => {
                    Command::Published { call: *call, count: 3 }
                }
                _ => Command::Published { call: CallId::new(1 << 40).unwrap(), count: 0 },
            };
            let _ = side.connection().apply(now, command);
            self.seen += 1;
        }
    }
}

/// All that a side told and wrote.
fn hold(steps: &[Step], chunking: Chunking, restless: Option<u64>) -> (Vec<String>, Vec<u8>) {
    let mut side = Side::open(
        false,
        config(|config| {
            (config.takes_items, config.offers_topics) = (true, true);
            (config.stream_window, config.max_deliveries) = (2000, 5);
            config.max_unsent = 6000;
        }),
    );
    side.chunking = chunking;
    side.restless = restless.map(Dice);
    let mut talk = Talk { next: 2, ..Talk::default() };
    let mut written = Vec::new();
    for step in steps {
        match talk.says(*step) {
            Some(frame) => side.feed(&framed(&frame)),
            None => talk.does(&mut side, *step, &mut written),
        }
        talk.lets_in(&mut side);
    }
    written.extend(side.written());
    side.end();
    written.extend(side.written());
    (side.events.iter().map(|event| format!("{event:?}")).collect(), written)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    // Threat 3.
    #[test]
    fn any_split_of_streams_and_topics_gives_the_same_events_and_the_same_bytes(
        steps in proptest::collection::vec(step(), 1..80),
        seed in any::<u64>(),
    ) {
        let whole = hold(&steps, Chunking::Whole, None);
        prop_assert_eq!(&hold(&steps, Chunking::OneByte, None), &whole);
        prop_assert_eq!(&hold(&steps, Chunking::seeded(seed), Some(!seed)), &whole);
    }
}

#[test]
fn the_conversations_go_deep() {
    use proptest::strategy::ValueTree;
    // Without this the test above might compare nothing but early ends.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = proptest::collection::vec(step(), 40..80);
    let mut all = Vec::new();
    for _ in 0..300 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        all.extend(hold(&steps, Chunking::Whole, None).0);
    }
    for event in
        ["Item", "End", "Room", "Subscribe(", "Unsubscribe", "Publish", "Delivery", "Lagged"]
    {
        let count = all.iter().filter(|told| told.starts_with(event)).count();
        assert!(count > 3, "{count} of {event}");
    }
}
