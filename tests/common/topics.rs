//! Two programs with subscriptions, in short words.

use std::sync::Arc;

use switchboard::{CallId, Command, Config, Options, Publication, Rejected};

use super::{Pair, Side, blob, config};

pub(crate) fn id(number: u64) -> CallId {
    CallId::new(number).unwrap()
}

pub(crate) fn offers(change: impl FnOnce(&mut Config)) -> Arc<Config> {
    config(|config| {
        config.offers_topics = true;
        change(config);
    })
}

/// The server offers topics.
pub(crate) fn pair() -> Pair {
    Pair::opened(Arc::default(), offers(|_| ()))
}

pub(crate) fn options() -> Options {
    Options::new().no_deadline()
}

pub(crate) fn subscribe(side: &mut Side, options: &Options) -> Result<CallId, Rejected> {
    let now = side.now;
    side.connection().subscribe(now, "t.>", options, 5)
}

pub(crate) fn unsubscribe(side: &mut Side, subscription: u64) -> Result<CallId, Rejected> {
    let now = side.now;
    side.connection().unsubscribe(now, id(subscription), &options(), 6)
}

pub(crate) fn publication(topic: &str, size: usize) -> Publication {
    Publication::new(topic, &blob(size), &Options::new()).unwrap()
}

pub(crate) fn apply(side: &mut Side, command: Command) -> Result<(), Rejected> {
    let now = side.now;
    side.connection().apply(now, command)
}

pub(crate) fn accept(side: &mut Side, subscription: u64) {
    let (subscription, retained) = (id(subscription), vec![]);
    apply(side, Command::Subscribe { subscription, retained }).unwrap();
}

pub(crate) fn deliver(
    side: &mut Side,
    subscription: u64,
    value: &Publication,
) -> Result<(), Rejected> {
    let (subscription, publication) = (id(subscription), value.clone());
    apply(side, Command::Deliver { subscription, publication })
}

/// A pair whose client has a subscription, number 1.
pub(crate) fn subscribed(server: Arc<Config>, options: &Options) -> Pair {
    let mut pair = Pair::opened(Arc::default(), server);
    subscribe(&mut pair.client, options).unwrap();
    pair.drive();
    accept(&mut pair.server, 1);
    pair.drive();
    pair.client.events.clear();
    pair.server.events.clear();
    pair.trace.clear();
    pair
}
