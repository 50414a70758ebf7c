//! What a broker does with a publication: retain or forget it, then queue it for all whom it concerns
//! (`docs/protocol.md` section 5.4). Part of the broker.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Broker, Owner, exhausted, unknown};
use crate::command::Command;
use crate::hub::RetainedFull;
use crate::id::{CallId, ConnectionId};
use crate::publication::Publication;

/// What a retained value costs beside its own bytes: its places in the hub, and its topic once more.
const RETAINED: usize = 384;

/// A retained value.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) publication: Publication,
    /// Whose quota it counts for: `None` if the program itself published it.
    owner: Option<Owner>,
    cost: usize,
}

impl Broker {
    /// Publishes a value of the program's own in a scope; for how many subscriptions it is queued.
    ///
    /// # Errors
    ///
    /// [`RetainedFull`] if it is to be retained and the scope has as many values as it may: nobody gets
    /// it then.
    pub fn publish(&mut self, scope: &str, publication: Publication) -> Result<u64, RetainedFull> {
        self.keep(scope, None, &publication)?;
        Ok(self.fan_out(scope, publication, None))
    }

    pub(super) fn publish_of(
        &mut self,
        from: ConnectionId,
        call: Option<CallId>,
        publication: Publication,
    ) {
        let published = match self.members.get(&from) {
            None => Err(unknown()),
            Some(member) => {
                let (scope, owner) = (Arc::clone(&member.scope), member.owner);
                let except = (!publication.echo()).then_some(from);
                self.keep(&scope, Some(owner), &publication)
                    .map(|()| self.fan_out(&scope, publication, except))
                    .map_err(|RetainedFull| exhausted("too many retained values; forget some"))
            }
        };
        let Some(call) = call else { return };
        let answer = match published {
            Ok(count) => Command::Published { call, count },
            Err(failure) => Command::Refuse { call, failure },
        };
        self.queue.push(from, answer);
    }

    /// Retains or forgets, if the publication asks for it.
    fn keep(
        &mut self,
        scope: &str,
        owner: Option<Owner>,
        publication: &Publication,
    ) -> Result<(), RetainedFull> {
        let topic = publication.topic();
        let before = match publication.retain() {
            None => return Ok(()),
            Some(false) => self.hub.forget(scope, topic),
            Some(true) => {
                let cost = publication.size() + RETAINED;
                let own = self.hub.value(scope, topic).filter(|kept| kept.owner == owner);
                let instead_of = own.map(|kept| kept.cost);
                let may = |owner| self.owners.may_retain(owner, cost, instead_of, &self.limits);
                if !owner.is_none_or(may) {
                    return Err(RetainedFull);
                }
                let kept = Kept { publication: publication.clone(), owner, cost };
                let before =
                    self.hub.retain(scope, topic, kept, cost, self.limits.scope_retained)?;
                if let Some(owner) = owner {
                    self.owners.retained(owner, cost);
                }
                before
            }
        };
        if let Some(Kept { owner: Some(owner), cost, .. }) = before {
            self.owners.forgot(owner, cost);
        }
        Ok(())
    }

    fn fan_out(
        &mut self,
        scope: &str,
        publication: Publication,
        except: Option<ConnectionId>,
    ) -> u64 {
        let mut to = Vec::new();
        let of_groups = self.hub.route(scope, publication.topic(), except, &mut to);
        let count = to.len() as u64;
        if count > 0 {
            // Whose turn it is in a group depends on who has room.
            self.queue.fan_out(publication, to, self.ended, of_groups > 0);
        }
        count
    }
}
