//! `Hub`: which subscriptions a topic concerns (`docs/protocol.md` section 5). Called by the broker, or
//! alone; routing only: it knows ids, names, groups and retained values, no queue, no frame, no socket.
//!
//! Scopes share nothing: each has a tree of patterns and a map of retained values, made with the first
//! and gone with the last. A delivery to a group goes to the member that has waited longest among those
//! with room, whichever of the fitting patterns it came by.

mod members;
mod retained;
mod run;
mod tree;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use members::{Members, Turn};
use retained::Retained;
pub use retained::{RetainedFull, RetainedSize};
use tree::Tree;

use crate::id::{CallId, ConnectionId};

/// Names a subscription: the connection that made it, and the id of the `subscribe` there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_structs, reason = "a pair of names")]
pub struct Subscriber {
    /// Whose it is.
    pub connection: ConnectionId,
    /// Its number there.
    pub subscription: CallId,
}

/// What is known of a subscription.
#[derive(Debug)]
struct Entry {
    scope: Box<str>,
    pattern: Box<str>,
    group: Option<(Box<str>, Turn)>,
}

#[derive(Debug)]
struct Scope<V> {
    patterns: Tree<Members>,
    retained: Retained<V>,
}

impl<V> Default for Scope<V> {
    fn default() -> Self {
        Self { patterns: Tree::default(), retained: Retained::default() }
    }
}

impl<V> Scope<V> {
    fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.retained.is_empty()
    }
}

/// Subscriptions and retained values, by scope. `V` is what is retained.
///
/// Topics and patterns that it is given must be such ([`is_topic`](crate::is_topic),
/// [`is_pattern`](crate::is_pattern)): what is neither is found by nobody.
///
/// ```
/// use switchboard::hub::{Hub, Subscriber};
/// use switchboard::{CallId, ConnectionId};
///
/// let mut hub: Hub<u32> = Hub::new();
/// let who = |connection, subscription| Subscriber {
///     connection: ConnectionId::new(connection).unwrap(),
///     subscription: CallId::new(subscription).unwrap(),
/// };
/// hub.subscribe(who(1, 1), "", "news.*", None);
/// hub.subscribe(who(2, 1), "", "news.>", None);
/// let mut to = Vec::new();
/// hub.route("", "news.sport", None, &mut to);
/// assert_eq!(to, [who(1, 1), who(2, 1)]);
/// ```
#[derive(Debug)]
pub struct Hub<V> {
    /// The scope without a name, which most programs do with.
    unnamed: Scope<V>,
    scopes: BTreeMap<Box<str>, Scope<V>>,
    subscriptions: BTreeMap<Subscriber, Entry>,
    /// The turns that were given to members of groups, counted.
    turns: u64,
}

impl<V> Default for Hub<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Hub<V> {
    /// No subscription, no value.
    #[must_use]
    pub fn new() -> Self {
        Self {
            unnamed: Scope::default(),
            scopes: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            turns: 0,
        }
    }

    /// From now on publications of this scope whose topic fits go to `who`, or to one member of its
    /// group. Whether there was no such subscription yet; if there was, nothing has changed.
    pub fn subscribe(
        &mut self,
        who: Subscriber,
        scope: &str,
        pattern: &str,
        group: Option<&str>,
    ) -> bool {
        if self.subscriptions.contains_key(&who) {
            return false;
        }
        let turn = Turn { full: false, since: self.next_turn() };
        let members = self.made(scope).patterns.entry(pattern);
        match group {
            None => members.insert(who),
            Some(group) => members.insert_in(group, turn, who),
        }
        let group = group.map(|group| (group.into(), turn));
        let entry = Entry { scope: scope.into(), pattern: pattern.into(), group };
        self.subscriptions.insert(who, entry);
        true
    }

    /// Ends a subscription; whether there was one.
    pub fn unsubscribe(&mut self, who: Subscriber) -> bool {
        let Some(entry) = self.subscriptions.remove(&who) else { return false };
        if let Some(scope) = find_mut(&mut self.unnamed, &mut self.scopes, &entry.scope) {
            if let Some(members) = scope.patterns.get_mut(&entry.pattern) {
                match &entry.group {
                    None => members.remove(who),
                    Some((group, turn)) => members.remove_from(group, *turn),
                }
                if members.is_empty() {
                    scope.patterns.remove(&entry.pattern);
                }
            }
        }
        self.tidy(&entry.scope);
        true
    }

    /// The subscriptions of a connection in the order of their numbers, each with its pattern and its
    /// group.
    pub fn of(
        &self,
        connection: ConnectionId,
    ) -> impl Iterator<Item = (CallId, &str, Option<&str>)> {
        let from = CallId::new(1).map(|subscription| Subscriber { connection, subscription });
        from.into_iter()
            .flat_map(|from| self.subscriptions.range(from..))
            .take_while(move |(who, _)| who.connection == connection)
            .map(|(who, entry)| {
                let group = entry.group.as_ref().map(|(group, _)| &**group);
                (who.subscription, &*entry.pattern, group)
            })
    }

    /// Whether the subscription lives.
    #[must_use]
    pub fn is_subscribed(&self, who: Subscriber) -> bool {
        self.subscriptions.contains_key(&who)
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether there is neither a subscription nor a retained value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unnamed.is_empty() && self.scopes.is_empty()
    }

    /// Says whether the queue of a subscription is full: while it is, the others of its group go
    /// first. At the beginning it is not.
    pub fn set_full(&mut self, who: Subscriber, full: bool) {
        self.take_turn(who, |turn| Turn { full, ..turn });
    }

    /// Puts behind `to` whom a publication goes to, always in the same order, each once: everybody
    /// whose pattern fits, and of each group one. Nothing goes to `except`, the publisher's own
    /// connection, if that is given. How many of them are there for a group.
    pub fn route(
        &mut self,
        scope: &str,
        topic: &str,
        except: Option<ConnectionId>,
        to: &mut Vec<Subscriber>,
    ) -> usize {
        let Some(at) = self.scope(scope) else { return 0 };
        let wanted = |who: &Subscriber| Some(who.connection) != except;
        let mut next: Vec<(&str, Turn, Subscriber)> = Vec::new();
        at.patterns.each_fitting(topic, &mut |members| {
            members.alone(&mut |who| {
                if wanted(&who) {
                    to.push(who);
                }
            });
            for (group, members) in members.groups() {
                let first = members.iter().find(|(_, who)| wanted(who));
                next.extend(first.map(|(turn, who)| (group, *turn, *who)));
            }
        });
        next.sort_unstable();
        next.dedup_by_key(|(group, ..)| *group);
        let chosen = to.len();
        to.extend(next.into_iter().map(|(.., who)| who));
        for who in &to[chosen..] {
            let since = self.next_turn();
            self.take_turn(*who, |before| Turn { since, ..before });
        }
        to.len() - chosen
    }

    /// Keeps a value for a topic, in place of what it had, which is handed out. It counts for `size`
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`RetainedFull`] if the scope would then have more than `most`; all is then as
    /// before.
    pub fn retain(
        &mut self,
        scope: &str,
        topic: &str,
        value: V,
        size: usize,
        most: RetainedSize,
    ) -> Result<Option<V>, RetainedFull> {
        let fits = match self.scope(scope) {
            Some(scope) => scope.retained.fits(topic, size, most),
            None => Retained::<V>::default().fits(topic, size, most),
        };
        if !fits {
            return Err(RetainedFull);
        }
        Ok(self.made(scope).retained.insert(topic, value, size))
    }

    /// Forgets the value of a topic, which is handed out.
    pub fn forget(&mut self, scope: &str, topic: &str) -> Option<V> {
        let found = find_mut(&mut self.unnamed, &mut self.scopes, scope)?;
        let value = found.retained.remove(topic);
        self.tidy(scope);
        value
    }

    /// The value that a topic has.
    #[must_use]
    pub fn value(&self, scope: &str, topic: &str) -> Option<&V> {
        self.scope(scope)?.retained.get(topic)
    }

    /// The values of the topics that a pattern stands for, in byte order of topic.
    pub fn retained(&self, scope: &str, pattern: &str) -> impl Iterator<Item = (&str, &V)> {
        self.scope(scope).into_iter().flat_map(move |scope| scope.retained.fitting(pattern))
    }

    /// What a scope retains.
    #[must_use]
    pub fn retained_size(&self, scope: &str) -> RetainedSize {
        self.scope(scope).map(|scope| scope.retained.size()).unwrap_or_default()
    }

    /// Gives a member of a group another turn. Others have none.
    fn take_turn(&mut self, who: Subscriber, change: impl FnOnce(Turn) -> Turn) {
        let Some(entry) = self.subscriptions.get_mut(&who) else { return };
        let Some((group, turn)) = &mut entry.group else { return };
        let scope = find_mut(&mut self.unnamed, &mut self.scopes, &entry.scope);
        let Some(scope) = scope else { return };
        let Some(members) = scope.patterns.get_mut(&entry.pattern) else { return };
        let next = change(*turn);
        // In this order, or a group of one would be made anew.
        members.insert_in(group, next, who);
        if next != *turn {
            members.remove_from(group, *turn);
        }
        *turn = next;
    }

    const fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    fn scope(&self, name: &str) -> Option<&Scope<V>> {
        if name.is_empty() { Some(&self.unnamed) } else { self.scopes.get(name) }
    }

    /// The scope, made if there is none.
    fn made(&mut self, name: &str) -> &mut Scope<V> {
        if name.is_empty() {
            &mut self.unnamed
        } else {
            self.scopes.entry(name.into()).or_default()
        }
    }

    /// A scope with nothing in it does not exist.
    fn tidy(&mut self, name: &str) {
        if self.scopes.get(name).is_some_and(Scope::is_empty) {
            self.scopes.remove(name);
        }
    }
}

/// The scope with this name, while something else of the hub is in use.
fn find_mut<'a, V>(
    unnamed: &'a mut Scope<V>,
    scopes: &'a mut BTreeMap<Box<str>, Scope<V>>,
    name: &str,
) -> Option<&'a mut Scope<V>> {
    if name.is_empty() { Some(unnamed) } else { scopes.get_mut(name) }
}
