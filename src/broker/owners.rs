//! `Owners`: what each owner of connections uses of its quota. Called by the broker only; knows limits.

use alloc::collections::BTreeMap;

use super::Owner;
use super::limits::BrokerLimits;
use crate::hub::RetainedSize;

/// What an owner has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    subscriptions: usize,
    retained: RetainedSize,
}

/// Those that have anything: an owner that has given all back is forgotten.
#[derive(Debug, Default)]
pub(super) struct Owners(BTreeMap<Owner, Usage>);

impl Owners {
    fn usage(&self, owner: Owner) -> Usage {
        self.0.get(&owner).copied().unwrap_or_default()
    }

    fn change(&mut self, owner: Owner, change: impl FnOnce(&mut Usage)) {
        let mut usage = self.usage(owner);
        change(&mut usage);
        if usage == Usage::default() {
            self.0.remove(&owner);
        } else {
            self.0.insert(owner, usage);
        }
    }

    pub(super) fn may_subscribe(&self, owner: Owner, limits: &BrokerLimits) -> bool {
        self.usage(owner).subscriptions < limits.owner_subscriptions
    }

    pub(super) fn subscribed(&mut self, owner: Owner) {
        self.change(owner, |usage| usage.subscriptions += 1);
    }

    pub(super) fn unsubscribed(&mut self, owner: Owner) {
        self.change(owner, |usage| usage.subscriptions -= 1);
    }

    /// Whether it may retain so many bytes in the place of those of another value, if that is its own.
    pub(super) fn may_retain(
        &self,
        owner: Owner,
        bytes: usize,
        instead_of: Option<usize>,
        limits: &BrokerLimits,
    ) -> bool {
        let RetainedSize { values, bytes: before } = self.usage(owner).retained;
        let values = values + usize::from(instead_of.is_none());
        let bytes = (before - instead_of.unwrap_or_default()).checked_add(bytes);
        let most = limits.owner_retained;
        values <= most.values && bytes.is_some_and(|sum| sum <= most.bytes)
    }

    pub(super) fn retained(&mut self, owner: Owner, bytes: usize) {
        self.change(owner, |usage| {
            usage.retained.values += 1;
            usage.retained.bytes += bytes;
        });
    }

    pub(super) fn forgot(&mut self, owner: Owner, bytes: usize) {
        self.change(owner, |usage| {
            usage.retained.values -= 1;
            usage.retained.bytes -= bytes;
        });
    }
}
