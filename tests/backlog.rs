//! `Backlog` against a model of a few lines, several of them in one room (`docs/protocol.md` section 5.3).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::VecDeque;

use common::blob;
use proptest::prelude::*;
use switchboard::{Allowance, Backlog, Due, Options, Overflow, Policy, Publication};

const MOST: usize = 4;
const BYTES: usize = 300;

#[derive(Clone, Copy, Debug)]
enum Op {
    Push { to: usize, size: usize },
    Pop(usize),
    Lag(usize),
    Clear(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (0..3usize, 0..200usize).prop_map(|(to, size)| Op::Push { to, size }),
        6 => (0..3usize).prop_map(Op::Pop),
        1 => (0..3usize).prop_map(Op::Lag),
        1 => (0..3usize).prop_map(Op::Clear),
    ]
}

/// A delivery of so many bytes, number in front, or losses.
type Entry = Result<(u32, usize), u64>;

fn value(number: u32, size: usize) -> (Publication, usize) {
    let topic = format!("t{number}");
    let publication = Publication::new(&topic, &blob(size), &Options::new()).unwrap();
    // The topic, its head, the headers, the payload.
    let bytes = 1 + topic.len() + 1 + blob(size).len();
    (publication, bytes)
}

/// What comes out and what is lost make up all that went in, in order.
fn compare(ops: &[Op], policy: Policy) -> Result<(), TestCaseError> {
    let mut room = Allowance::new(MOST, BYTES);
    let mut backlogs = [policy; 3].map(Backlog::new);
    let mut models: [VecDeque<Entry>; 3] = Default::default();
    let used = |models: &[VecDeque<Entry>; 3]| {
        let all = models.iter().flatten().flatten();
        all.fold((0, 0), |(count, bytes), (_, size)| (count + 1, bytes + size))
    };
    for (number, op) in (0..).zip(ops) {
        match *op {
            Op::Push { to, size } => {
                let (publication, bytes) = value(number, size);
                let told = backlogs[to].push(publication, &mut room);
                let fits = |models: &_| {
                    let (count, used) = used(models);
                    count == 0 || (count < MOST && used + bytes <= BYTES)
                };
                let mut tried = models.clone();
                let mut lost = 0;
                while policy == Policy::DropOldest && !fits(&tried) {
                    // The oldest delivery, and the losses around it become one.
                    let Some(at) = tried[to].iter().position(Result::is_ok) else { break };
                    lost += 1;
                    let mut losses = 1;
                    tried[to].remove(at);
                    while let Some(Err(before)) = tried[to].front() {
                        losses += before;
                        tried[to].pop_front();
                    }
                    tried[to].push_front(Err(losses));
                }
                if fits(&tried) {
                    prop_assert_eq!(told, Ok(lost));
                    tried[to].push_back(Ok((number, bytes)));
                    models = tried;
                } else if policy == Policy::Disconnect {
                    prop_assert_eq!(told, Err(Overflow));
                } else {
                    prop_assert_eq!(told, Ok(1));
                    lag(&mut models[to], 1);
                }
            }
            Op::Pop(of) => {
                let expected = models[of].pop_front();
                let found = backlogs[of].pop(&mut room).map(|due| match due {
                    Due::Delivery(publication) => Ok(publication.topic()[1..].parse().unwrap()),
                    Due::Lagged(lost) => Err(lost),
                });
                prop_assert_eq!(found, expected.map(|entry| entry.map(|(number, _)| number)));
            }
            Op::Lag(of) => {
                backlogs[of].lag(2);
                lag(&mut models[of], 2);
            }
            Op::Clear(of) => {
                backlogs[of].clear(&mut room);
                models[of].clear();
            }
        }
        prop_assert_eq!((room.deliveries(), room.bytes()), used(&models));
        for (backlog, model) in backlogs.iter().zip(&models) {
            prop_assert_eq!(backlog.is_empty(), model.is_empty());
        }
    }
    Ok(())
}

fn lag(model: &mut VecDeque<Entry>, lost: u64) {
    match model.back_mut() {
        Some(Err(before)) => *before += lost,
        _ => model.push_back(Err(lost)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn a_backlog_keeps_to_the_model_under_every_policy(
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        for policy in [Policy::DropOldest, Policy::DropNewest, Policy::Disconnect] {
            compare(&ops, policy)?;
        }
    }
}

#[test]
fn no_loss_is_no_entry() {
    let mut backlog = Backlog::new(Policy::DropOldest);
    backlog.lag(0);
    assert!(backlog.is_empty() && backlog.front().is_none());
}
