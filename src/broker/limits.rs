//! `BrokerLimits`: what the owners of connections may have at a broker, by name (`docs/protocol.md`
//! section 8). Knows sizes only.

use crate::config::ConfigError;
use crate::hub::RetainedSize;

/// Most bytes that a subscription costs in all tables: its pattern and its group, both twice, and their
/// places.
const SUBSCRIPTION: usize = 4 * 255 + 768;

/// The limits of a broker. All are finite by default and can be set one by one. How many subscriptions
/// one connection may have says [`Config::max_subscriptions`](crate::Config::max_subscriptions).
///
/// Quotas have one tier: everything counts for the owner of the connection that asked for it, however
/// many connections that owner has. So nobody gets more by connecting again, and nobody can take what
/// is another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerLimits {
    /// Subscriptions that an owner may have, over all its connections. Default 4,096: four connections
    /// with as many as each may have. It also bounds the work of a publication, which is at worst in
    /// proportion to the subscriptions of its scope: about 0.2 ms for so many. A further
    /// `subscribe` is refused with RESOURCE_EXHAUSTED.
    pub owner_subscriptions: usize,
    /// Retained values that an owner may have, over all scopes, and for how many bytes they may count:
    /// each for those of its topic, headers and payload and for 512 more. Default 2,048 and 8 MiB: half
    /// of a scope, so that nobody fills one alone. A further publication that is to be retained is
    /// refused whole.
    pub owner_retained: RetainedSize,
    /// Retained values of a scope, whosever they are; the program's own count as well. Default 4,096 and
    /// 16 MiB: each device of a large building, or some pictures.
    pub scope_retained: RetainedSize,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        Self {
            owner_subscriptions: 4096,
            owner_retained: RetainedSize { values: 2048, bytes: 8 << 20 },
            scope_retained: RetainedSize { values: 4096, bytes: 16 << 20 },
        }
    }
}

impl BrokerLimits {
    /// Whether the values make sense.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the field and what it must be.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (owner, scope) = (self.owner_retained, self.scope_retained);
        let rules = [
            (self.owner_subscriptions > 0, "owner_subscriptions must be above 0"),
            (
                owner.values <= scope.values && owner.bytes <= scope.bytes,
                "owner_retained must be at most scope_retained",
            ),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            Some((_, rule)) => Err(ConfigError::new(rule)),
            None => Ok(()),
        }
    }

    /// The most memory that the connections of so many owners can make a broker hold, in bytes, while its
    /// commands are polled to the end after each event. What the program itself retains comes on top.
    #[must_use]
    pub const fn memory_bound(&self, owners: usize) -> usize {
        let subscriptions = self.owner_subscriptions.saturating_mul(SUBSCRIPTION);
        // A value that is just too large to be copied keeps a buffer of up to twice its size.
        let retained = self.owner_retained.bytes.saturating_mul(2);
        owners.saturating_mul(subscriptions.saturating_add(retained))
    }
}
