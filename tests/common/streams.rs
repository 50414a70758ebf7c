//! Two programs with streams of items, in short words.

use std::sync::Arc;

use switchboard::{CallId, Config, Event, Options, Payload, Rejected};

use super::{Pair, Side, config};

pub(crate) fn id(number: u64) -> CallId {
    CallId::new(number).unwrap()
}

pub(crate) fn takes(window: u32) -> Arc<Config> {
    config(|config| {
        config.takes_items = true;
        config.stream_window = window;
    })
}

/// Both take items with such a window.
pub(crate) fn pair(window: u32) -> Pair {
    Pair::opened(takes(window), takes(window))
}

pub(crate) fn options() -> Options {
    Options::new().no_deadline()
}

pub(crate) fn call(side: &mut Side, options: &Options) -> CallId {
    side.call("c", &Payload::null(), options, 0).unwrap()
}

pub(crate) fn item(side: &mut Side, call: u64, payload: &Payload) -> Result<(), Rejected> {
    let now = side.now;
    side.connection().item(now, id(call), payload)
}

pub(crate) fn end(side: &mut Side, call: u64) -> Result<(), Rejected> {
    let now = side.now;
    side.connection().end(now, id(call))
}

/// Says that every item in the events was used.
pub(crate) fn take_all(side: &mut Side) {
    side.run();
    let now = side.now;
    for event in std::mem::take(&mut side.events) {
        match event {
            Event::Item { call, item } => side.connection().taken(now, call, &item),
            other => side.events.push(other),
        }
    }
}
