//! `Members`: who has subscribed to one pattern, alone or in groups. Called by the hub only; knows
//! `Subscriber`.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};

use super::Subscriber;

/// When a member of a group gets its next delivery: those with room first, then whoever has waited
/// longest. No two members have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) full: bool,
    pub(super) since: u64,
}

/// The subscribers of one pattern.
#[derive(Debug, Default)]
pub(super) struct Members {
    alone: Set,
    groups: BTreeMap<Box<str>, BTreeMap<Turn, Subscriber>>,
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.alone, Set::None) && self.groups.is_empty()
    }

    pub(super) fn alone(&self, found: &mut impl FnMut(Subscriber)) {
        match &self.alone {
            Set::None => {}
            Set::One(one) => found(*one),
            Set::Many(many) => many.iter().copied().for_each(found),
        }
    }

    /// The groups in the order of their names, each with its members in the order of their turns.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&str, &BTreeMap<Turn, Subscriber>)> {
        self.groups.iter().map(|(name, members)| (&**name, members))
    }

    pub(super) fn insert(&mut self, who: Subscriber) {
        self.alone.insert(who);
    }

    pub(super) fn remove(&mut self, who: Subscriber) {
        self.alone.remove(who);
    }

    pub(super) fn insert_in(&mut self, group: &str, turn: Turn, who: Subscriber) {
        match self.groups.get_mut(group) {
            Some(members) => members.insert(turn, who),
            None => self.groups.entry(group.into()).or_default().insert(turn, who),
        };
    }

    pub(super) fn remove_from(&mut self, group: &str, turn: Turn) {
        let Some(members) = self.groups.get_mut(group) else { return };
        members.remove(&turn);
        if members.is_empty() {
            self.groups.remove(group);
        }
    }
}

/// Most patterns have one subscriber, for which a tree would cost ten times its memory.
#[derive(Debug, Default)]
enum Set {
    #[default]
    None,
    One(Subscriber),
    Many(BTreeSet<Subscriber>),
}

impl Set {
    fn insert(&mut self, who: Subscriber) {
        match self {
            Self::None => *self = Self::One(who),
            Self::One(one) => *self = Self::Many(BTreeSet::from([*one, who])),
            Self::Many(many) => {
                many.insert(who);
            }
        }
    }

    fn remove(&mut self, who: Subscriber) {
        match self {
            Self::None => {}
            Self::One(one) => {
                if *one == who {
                    *self = Self::None;
                }
            }
            Self::Many(many) => {
                many.remove(&who);
                if let (Some(one), 1) = (many.first().copied(), many.len()) {
                    *self = Self::One(one);
                }
            }
        }
    }
}
