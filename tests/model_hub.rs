//! The hub against a reference model under generated operations: a list of subscriptions, a matcher of
//! a few lines, and groups that serve whoever has waited longest.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use switchboard::hub::{Hub, RetainedFull, RetainedSize, Subscriber};
use switchboard::{CallId, ConnectionId, is_pattern, is_topic};

const SCOPES: [&str; 2] = ["", "other"];
const GROUPS: [&str; 2] = ["g", "h"];
/// Most retained values of a scope.
const MOST: usize = 6;

#[derive(Clone, Debug)]
enum Op {
    Subscribe {
        by: u64,
        scope: usize,
        pattern: String,
        group: Option<usize>,
    },
    /// Of the subscriptions that live, the one at this place.
    Unsubscribe(usize),
    Leave(u64),
    Full(usize, bool),
    Publish {
        scope: usize,
        topic: String,
        except: Option<u64>,
    },
    Retain {
        scope: usize,
        topic: String,
    },
    Forget {
        scope: usize,
        topic: String,
    },
    Look {
        scope: usize,
        pattern: String,
    },
}

/// One of them as the model keeps it.
#[derive(Clone, Debug)]
struct Known {
    who: Subscriber,
    scope: usize,
    pattern: String,
    group: Option<usize>,
    full: bool,
    served: u64,
}

#[derive(Debug, Default)]
struct Model {
    subscriptions: Vec<Known>,
    retained: [BTreeMap<String, u64>; 2],
    clock: u64,
}

/// Whether a topic fits, by the words of the protocol.
fn fits(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], []) => true,
        ([">"], [_, ..]) => true,
        (["*", pattern @ ..], [_, topic @ ..]) => fits(pattern, topic),
        ([one, pattern @ ..], [token, topic @ ..]) => one == token && fits(pattern, topic),
        _ => false,
    }
}

fn text_fits(pattern: &str, topic: &str) -> bool {
    let split = |text| str::split(text, '.').collect::<Vec<_>>();
    fits(&split(pattern), &split(topic))
}

impl Model {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn publish(
        &mut self,
        scope: usize,
        topic: &str,
        except: Option<ConnectionId>,
    ) -> BTreeSet<Subscriber> {
        let fit = |known: &&mut Known| {
            known.scope == scope
                && Some(known.who.connection) != except
                && text_fits(&known.pattern, topic)
        };
        let mut to = BTreeSet::new();
        let mut groups: BTreeMap<usize, Vec<&mut Known>> = BTreeMap::new();
        for known in self.subscriptions.iter_mut().filter(fit) {
            match known.group {
                Some(group) => groups.entry(group).or_default().push(known),
                None => assert!(to.insert(known.who)),
            }
        }
        for members in groups.into_values() {
            let next = members.into_iter().min_by_key(|known| (known.full, known.served)).unwrap();
            self.clock += 1;
            next.served = self.clock;
            assert!(to.insert(next.who));
        }
        to
    }
}

#[derive(Debug, Default)]
struct Play {
    hub: Hub<u64>,
    model: Model,
    next: u64,
}

impl Play {
    fn run(&mut self, op: Op) {
        match op {
            Op::Subscribe { by, scope, pattern, group } => {
                assert!(is_pattern(&pattern), "{pattern}");
                self.next += 1;
                let who = Subscriber {
                    connection: ConnectionId::new(by).unwrap(),
                    subscription: CallId::new(self.next).unwrap(),
                };
                let name = group.map(|group| GROUPS[group]);
                assert!(self.hub.subscribe(who, SCOPES[scope], &pattern, name));
                let served = self.model.tick();
                let known = Known { who, scope, pattern, group, full: false, served };
                self.model.subscriptions.push(known);
            }
            Op::Unsubscribe(at) => {
                if self.model.subscriptions.is_empty() {
                    return;
                }
                let at = at % self.model.subscriptions.len();
                let who = self.model.subscriptions.remove(at).who;
                assert!(self.hub.unsubscribe(who) && !self.hub.unsubscribe(who));
            }
            Op::Leave(by) => {
                let by = ConnectionId::new(by).unwrap();
                let theirs: Vec<_> =
                    self.hub.of(by).map(|(subscription, ..)| subscription).collect();
                for subscription in theirs {
                    assert!(self.hub.unsubscribe(Subscriber { connection: by, subscription }));
                }
                self.model.subscriptions.retain(|known| known.who.connection != by);
            }
            Op::Full(at, full) => {
                let count = self.model.subscriptions.len().max(1);
                let Some(known) = self.model.subscriptions.get_mut(at % count) else { return };
                known.full = full;
                self.hub.set_full(known.who, full);
            }
            Op::Publish { scope, topic, except } => {
                assert!(is_topic(&topic), "{topic}");
                let except = except.map(|number| ConnectionId::new(number).unwrap());
                let mut to = Vec::new();
                self.hub.route(SCOPES[scope], &topic, except, &mut to);
                let set: BTreeSet<_> = to.iter().copied().collect();
                assert_eq!(set.len(), to.len(), "somebody gets it twice");
                assert_eq!(set, self.model.publish(scope, &topic, except), "{topic}");
            }
            Op::Retain { scope, topic } => {
                self.next += 1;
                let most = RetainedSize { values: MOST, bytes: usize::MAX };
                let kept = self.hub.retain(SCOPES[scope], &topic, self.next, 0, most);
                let values = &mut self.model.retained[scope];
                if values.len() < MOST || values.contains_key(&topic) {
                    assert_eq!(kept, Ok(values.insert(topic, self.next)));
                } else {
                    assert_eq!(kept, Err(RetainedFull));
                }
            }
            Op::Forget { scope, topic } => {
                let forgotten = self.model.retained[scope].remove(&topic);
                assert_eq!(self.hub.forget(SCOPES[scope], &topic), forgotten);
            }
            Op::Look { scope, pattern } => {
                let fitting: Vec<_> = self.hub.retained(SCOPES[scope], &pattern).collect();
                let values = self.model.retained[scope].iter();
                let values = values.filter(|(topic, _)| text_fits(&pattern, topic));
                assert_eq!(fitting, values.map(|(t, v)| (t.as_str(), v)).collect::<Vec<_>>());
            }
        }
        assert_eq!(self.hub.len(), self.model.subscriptions.len());
    }
}

/// Few tokens, some with a common beginning, so that topics and patterns meet.
fn topic() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&["a", "b", "ab", "abc", "aa"][..]), 1..5)
        .prop_map(|tokens| tokens.join("."))
}

fn pattern() -> impl Strategy<Value = String> {
    let tokens = prop::sample::select(&["a", "b", "ab", "abc", "*", "*"][..]);
    (prop::collection::vec(tokens, 0..5), any::<bool>()).prop_map(|(mut tokens, rest)| {
        if rest || tokens.is_empty() {
            tokens.push(">");
        }
        tokens.join(".")
    })
}

fn op() -> impl Strategy<Value = Op> {
    let scope = 0..2usize;
    prop_oneof![
        4 => (1..6u64, scope.clone(), pattern(), prop::option::of(0..2usize))
            .prop_map(|(by, scope, pattern, group)| Op::Subscribe { by, scope, pattern, group }),
        2 => any::<usize>().prop_map(Op::Unsubscribe),
        1 => (1..6u64).prop_map(Op::Leave),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(at, full)| Op::Full(at, full)),
        6 => (scope.clone(), topic(), prop::option::of(1..6u64))
            .prop_map(|(scope, topic, except)| Op::Publish { scope, topic, except }),
        2 => (scope.clone(), topic()).prop_map(|(scope, topic)| Op::Retain { scope, topic }),
        1 => (scope.clone(), topic()).prop_map(|(scope, topic)| Op::Forget { scope, topic }),
        1 => (scope, pattern()).prop_map(|(scope, pattern)| Op::Look { scope, pattern }),
    ]
}

proptest! {
    #[test]
    fn the_hub_does_what_a_list_of_subscriptions_would(ops in prop::collection::vec(op(), 1..120)) {
        let mut play = Play::default();
        for op in ops {
            play.run(op);
        }
        for number in 1..6 {
            play.run(Op::Leave(number));
        }
        let topics: Vec<_> = play.model.retained[0].keys().cloned().collect();
        topics.into_iter().for_each(|topic| play.run(Op::Forget { scope: 0, topic }));
        let topics: Vec<_> = play.model.retained[1].keys().cloned().collect();
        topics.into_iter().for_each(|topic| play.run(Op::Forget { scope: 1, topic }));
        assert!(play.hub.is_empty());
    }
}
