//! Pub/sub between connections against a reference model: generated operations on a server and its
//! clients, with slow readers, latency, cuts and every kind of end. For each subscription: what was due is
//! what came and what was said to be missing, in order, once, and nothing behind its end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "model_broker/play.rs"]
mod play;
#[path = "model_broker/world.rs"]
mod world;

use play::{Op, Play};
use proptest::prelude::*;

fn run(ops: &[Op]) {
    let mut play = Play::new();
    ops.iter().for_each(|op| play.run(*op));
    play.end();
}

proptest! {
    // Threat 35.
    #[test]
    fn what_was_due_is_what_came_and_what_was_said_to_be_missing(
        ops in prop::collection::vec(any::<Op>(), 1..120),
    ) {
        run(&ops);
    }
}
