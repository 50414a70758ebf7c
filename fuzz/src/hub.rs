//! Target `hub`: any operations on a hub, beside a list of subscriptions that does the same slowly.

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::{Arbitrary, Unstructured};
use switchboard::hub::{Hub, RetainedFull, RetainedSize, Subscriber};
use switchboard::{CallId, ConnectionId, is_pattern, is_topic};

const SCOPES: [&str; 2] = ["", "other"];
/// Most retained values of a scope.
const MOST: RetainedSize = RetainedSize { values: 6, bytes: 600 };

/// A topic or pattern: a number for each token, or any text.
#[derive(Clone, Debug, Arbitrary)]
enum Name<'a> {
    Tokens(Vec<u8>),
    Any(&'a str),
}

impl Name<'_> {
    fn text(&self) -> String {
        const TOKENS: [&str; 8] = ["a", "b", "ab", "abc", "*", ">", "aa", "ä"];
        match self {
            Self::Tokens(numbers) => {
                let tokens: Vec<_> = numbers.iter().map(|n| TOKENS[usize::from(n % 8)]).collect();
                tokens.join(".")
            }
            Self::Any(text) => (*text).to_owned(),
        }
    }
}

#[derive(Clone, Debug, Arbitrary)]
enum Op<'a> {
    Subscribe { by: u8, scope: bool, pattern: Name<'a>, group: u8 },
    Unsubscribe(u8),
    Leave(u8),
    Full(u8, bool),
    Publish { scope: bool, topic: Name<'a>, except: Option<u8> },
    Retain { scope: bool, topic: Name<'a>, size: u8 },
    Forget { scope: bool, topic: Name<'a> },
    Look { scope: bool, pattern: Name<'a> },
}

/// A subscription as the list has it.
#[derive(Clone, Debug)]
struct Known {
    who: Subscriber,
    scope: bool,
    pattern: String,
    group: Option<String>,
    full: bool,
    served: u64,
}

#[derive(Debug, Default)]
struct Play {
    hub: Hub<u64>,
    known: Vec<Known>,
    retained: [BTreeMap<String, (u64, usize)>; 2],
    clock: u64,
}

fn connection(number: u8) -> ConnectionId {
    ConnectionId::new(u64::from(number % 8)).expect("a small number")
}

/// Whether a topic fits, by the words of section 5.1.
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

/// Decodes operations, runs them on the hub and on the list, and compares.
///
/// # Panics
///
/// If they differ.
pub fn hub(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let mut play = Play::default();
    while let (false, Ok(op)) = (bytes.is_empty(), Op::arbitrary(&mut bytes)) {
        play.run(&op);
        assert_eq!(play.hub.len(), play.known.len());
    }
    (0..8).for_each(|number| play.leave(number));
    for (scope, name) in [(0, ""), (1, "other")] {
        for topic in std::mem::take(&mut play.retained[scope]).into_keys() {
            assert!(play.hub.forget(name, &topic).is_some());
        }
    }
    assert!(play.hub.is_empty(), "something is left behind");
}

impl Play {
    fn run(&mut self, op: &Op<'_>) {
        match op {
            Op::Subscribe { by, scope, pattern, group } => {
                let pattern = pattern.text();
                if is_pattern(&pattern) {
                    self.subscribe(connection(*by), *scope, pattern, *group);
                }
            }
            Op::Unsubscribe(at) if !self.known.is_empty() => {
                let who = self.known.remove(usize::from(*at) % self.known.len()).who;
                assert!(self.hub.unsubscribe(who) && !self.hub.unsubscribe(who));
            }
            Op::Leave(number) => self.leave(*number),
            Op::Full(at, full) if !self.known.is_empty() => {
                let at = usize::from(*at) % self.known.len();
                self.known[at].full = *full;
                self.hub.set_full(self.known[at].who, *full);
            }
            Op::Unsubscribe(_) | Op::Full(..) => {}
            Op::Publish { scope, topic, except } => {
                self.publish(*scope, &topic.text(), except.map(connection));
            }
            Op::Retain { scope, topic, size } => {
                self.retain(*scope, &topic.text(), usize::from(*size));
            }
            Op::Forget { scope, topic } => {
                let topic = topic.text();
                let value = self.retained[usize::from(*scope)].remove(&topic);
                let forgotten = self.hub.forget(SCOPES[usize::from(*scope)], &topic);
                assert_eq!(forgotten, value.map(|(value, _)| value));
            }
            Op::Look { scope, pattern } => {
                let (scope, pattern) = (usize::from(*scope), pattern.text());
                if is_pattern(&pattern) {
                    let found: Vec<_> = self.hub.retained(SCOPES[scope], &pattern).collect();
                    let values = self.retained[scope].iter();
                    let values = values.filter(|(topic, _)| text_fits(&pattern, topic));
                    let values: Vec<_> = values.map(|(t, (v, _))| (t.as_str(), v)).collect();
                    assert_eq!(found, values, "{pattern}");
                }
            }
        }
    }

    fn subscribe(&mut self, by: ConnectionId, scope: bool, pattern: String, group: u8) {
        self.clock += 1;
        let subscription = CallId::new(self.clock).expect("a small number");
        let who = Subscriber { connection: by, subscription };
        let group = (group % 4 < 2).then(|| format!("group {}", group % 4));
        let name = SCOPES[usize::from(scope)];
        assert!(self.hub.subscribe(who, name, &pattern, group.as_deref()));
        assert!(!self.hub.subscribe(who, name, ">", None));
        let served = self.clock;
        self.known.push(Known { who, scope, pattern, group, full: false, served });
    }

    fn leave(&mut self, number: u8) {
        let by = connection(number);
        let theirs: Vec<_> = self.hub.of(by).map(|(subscription, ..)| subscription).collect();
        for subscription in theirs {
            assert!(self.hub.unsubscribe(Subscriber { connection: by, subscription }));
        }
        self.known.retain(|known| known.who.connection != by);
    }

    fn publish(&mut self, scope: bool, topic: &str, except: Option<ConnectionId>) {
        if !is_topic(topic) {
            return;
        }
        let mut to = Vec::new();
        self.hub.route(SCOPES[usize::from(scope)], topic, except, &mut to);
        let mut expected = BTreeSet::new();
        let mut groups: BTreeMap<&str, Vec<(&mut bool, &mut u64, Subscriber)>> = BTreeMap::new();
        for known in &mut self.known {
            let wanted = known.scope == scope && Some(known.who.connection) != except;
            if wanted && text_fits(&known.pattern, topic) {
                match &known.group {
                    None => assert!(expected.insert(known.who)),
                    Some(group) => {
                        let one = (&mut known.full, &mut known.served, known.who);
                        groups.entry(group).or_default().push(one);
                    }
                }
            }
        }
        for members in groups.into_values() {
            let next = members.into_iter().min_by_key(|(full, served, _)| (**full, **served));
            let (_, served, who) = next.expect("a group has a member");
            self.clock += 1;
            *served = self.clock;
            assert!(expected.insert(who));
        }
        let set: BTreeSet<_> = to.iter().copied().collect();
        assert_eq!(set.len(), to.len(), "somebody gets it twice");
        assert_eq!(set, expected, "{topic}");
    }

    fn retain(&mut self, scope: bool, topic: &str, size: usize) {
        if !is_topic(topic) {
            return;
        }
        self.clock += 1;
        let values = &mut self.retained[usize::from(scope)];
        let mut after = values.clone();
        let before = after.insert(topic.to_owned(), (self.clock, size));
        let bytes: usize = after.values().map(|(_, size)| size).sum();
        let may = after.len() <= MOST.values && bytes <= MOST.bytes;
        let kept = self.hub.retain(SCOPES[usize::from(scope)], topic, self.clock, size, MOST);
        if may {
            *values = after;
            assert_eq!(kept, Ok(before.map(|(value, _)| value)));
            let size = RetainedSize { values: values.len(), bytes };
            assert_eq!(self.hub.retained_size(SCOPES[usize::from(scope)]), size);
        } else {
            assert_eq!(kept, Err(RetainedFull));
        }
    }
}
