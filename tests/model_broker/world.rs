//! What a broker must do, as lists that are searched from front to back: who has subscribed to what, what
//! is retained, and what each subscription is due, in order. It stands between a server's connections and
//! their broker, and compares.

use std::collections::{BTreeMap, BTreeSet};

use switchboard::hub::Subscriber;
use switchboard::{
    Broker, CallId, Command, ConnectionId, Event, Failure, Owner, Publication, Status, from_payload,
};
use switchboard_testkit::Server;

/// Names a publication.
pub(crate) type Mark = u64;

/// A subscription.
#[derive(Clone, Debug)]
struct Known {
    who: Subscriber,
    pattern: String,
    group: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) broker: Broker,
    /// Commands lie about until [`World::carry`], as on their way to another thread.
    pub(crate) lazy: bool,
    on_their_way: Vec<(ConnectionId, Command)>,
    live: Vec<Known>,
    retained: BTreeMap<String, Mark>,
    /// What each subscription is due from its beginning, those that have ended, too.
    pub(crate) due: BTreeMap<Subscriber, Vec<Mark>>,
    /// What each subscription was told of retained values.
    pub(crate) first: BTreeMap<Subscriber, u64>,
    /// What each publication that asked for it was counted.
    pub(crate) counted: BTreeMap<(ConnectionId, CallId), u64>,
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

/// The mark is the first of what a publication says.
pub(crate) fn mark(publication: &Publication) -> Mark {
    let said = from_payload::<(Mark, String)>(&publication.payload(), &Default::default());
    said.expect("what was published").0
}

impl World {
    /// An event of one of the server's connections; what does not concern pub/sub comes back.
    pub(crate) fn handle(
        &mut self,
        server: &mut Server,
        from: ConnectionId,
        event: Event,
    ) -> Option<Event> {
        self.broker.set_full(from, server.side(from).connection().is_crowded());
        match &event {
            Event::Hello(_) => self.broker.join(from, Owner(from.number()), ""),
            Event::Subscribe(asked) => {
                let who = Subscriber { connection: from, subscription: asked.subscription };
                let fitting = |(topic, _): &(&String, &Mark)| text_fits(&asked.pattern, topic);
                let values = self.retained.iter().filter(fitting).map(|(_, mark)| *mark);
                let values: Vec<_> = if asked.retained { values.collect() } else { Vec::new() };
                self.first.insert(who, values.len() as u64);
                assert!(self.due.insert(who, values).is_none(), "an id came again");
                let (pattern, group) = (asked.pattern.clone(), asked.group.clone());
                self.live.push(Known { who, pattern, group });
            }
            Event::Unsubscribe { subscription } => {
                self.end(Subscriber { connection: from, subscription: *subscription });
            }
            Event::Cancelled { call, .. } => {
                self.end(Subscriber { connection: from, subscription: *call });
            }
            Event::Closing { .. } | Event::Closed(_) => {
                self.live.retain(|known| known.who.connection != from);
            }
            Event::Publish { call, publication } => {
                let (call, publication) = (*call, publication.clone());
                assert!(self.broker.handle(from, event).is_none());
                self.compare(Some(from), call, &publication);
                self.carry_unless_lazy(server);
                return None;
            }
            _ => {}
        }
        let rest = self.broker.handle(from, event);
        for command in self.commands() {
            if let (_, Command::Subscribe { subscription, retained }) = &command {
                let who = Subscriber { connection: from, subscription: *subscription };
                assert_eq!(retained.iter().map(mark).collect::<Vec<_>>(), self.due[&who]);
            }
            self.on_their_way.push(command);
        }
        self.carry_unless_lazy(server);
        rest
    }

    /// The server's program publishes.
    pub(crate) fn publish(&mut self, server: &mut Server, publication: Publication) {
        let count = self.broker.publish("", publication.clone()).expect("few values");
        let counted = self.compare(None, None, &publication);
        self.carry_unless_lazy(server);
        assert_eq!(counted, count);
    }

    /// The server's program ends one of the subscriptions, if there are any.
    pub(crate) fn end_one(&mut self, server: &mut Server, which: usize) {
        if self.live.is_empty() {
            return;
        }
        let Subscriber { connection, subscription } = self.live[which % self.live.len()].who;
        let why = Failure::new(Status::PERMISSION_DENIED, "no longer");
        assert!(self.broker.end_subscription(connection, subscription, why));
        self.end(Subscriber { connection, subscription });
        let commands = self.commands();
        self.on_their_way.extend(commands);
        self.carry_unless_lazy(server);
    }

    /// Carries what lies about to its connections. It may be too late for some of it.
    pub(crate) fn carry(&mut self, server: &mut Server) {
        for (to, command) in self.on_their_way.drain(..) {
            let side = server.side(to);
            let now = side.now;
            let _ = side.connection().apply(now, command);
            self.broker.set_full(to, side.connection().is_crowded());
        }
    }

    fn carry_unless_lazy(&mut self, server: &mut Server) {
        if !self.lazy {
            self.carry(server);
        }
    }

    pub(crate) fn is_live(&self, who: Subscriber) -> bool {
        self.live.iter().any(|known| known.who == who)
    }

    fn end(&mut self, who: Subscriber) {
        self.live.retain(|known| known.who != who);
    }

    fn commands(&mut self) -> Vec<(ConnectionId, Command)> {
        core::iter::from_fn(|| self.broker.poll_command()).collect()
    }

    /// Looks at what the broker made of a publication; for how many it was queued.
    fn compare(
        &mut self,
        from: Option<ConnectionId>,
        call: Option<CallId>,
        publication: &Publication,
    ) -> u64 {
        let (topic, mark) = (publication.topic(), mark(publication));
        match publication.retain() {
            Some(true) => drop(self.retained.insert(topic.into(), mark)),
            Some(false) => drop(self.retained.remove(topic)),
            None => {}
        }
        let wanted = |known: &&Known| {
            text_fits(&known.pattern, topic)
                && (publication.echo() || Some(known.who.connection) != from)
        };
        let alone: BTreeSet<_> = self
            .live
            .iter()
            .filter(wanted)
            .filter(|known| known.group.is_none())
            .map(|known| known.who)
            .collect();
        let mut groups: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for known in self.live.iter().filter(wanted) {
            if let Some(group) = &known.group {
                groups.entry(group.clone()).or_default().insert(known.who);
            }
        }
        let count = (alone.len() + groups.len()) as u64;
        let (mut to, mut answer) = (BTreeSet::new(), None);
        for (connection, command) in self.commands() {
            match &command {
                Command::Deliver { subscription, publication } => {
                    assert_eq!(self::mark(publication), mark);
                    let who = Subscriber { connection, subscription: *subscription };
                    assert!(to.insert(who), "{who:?} gets it twice");
                    self.due.entry(who).or_default().push(mark);
                }
                Command::Published { call, count } => {
                    self.counted.insert((connection, *call), *count);
                    answer = Some((connection, *call, *count));
                }
                other => panic!("{other:?} for a publication"),
            }
            self.on_their_way.push((connection, command));
        }
        assert_eq!(answer, from.zip(call).map(|(from, call)| (from, call, count)));
        assert!(alone.is_subset(&to), "somebody misses it");
        for (group, members) in groups {
            assert_eq!(members.intersection(&to).count(), 1, "of {group}");
        }
        assert_eq!(to.len() as u64, count, "somebody gets what is another's");
        count
    }
}
