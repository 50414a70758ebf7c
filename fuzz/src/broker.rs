//! Target `broker`: what three clients of a pub/sub server do, beside lists that say what each of them is
//! due. The players and the lists are those of `tests/model_broker.rs`.

#[path = "../../tests/model_broker/play.rs"]
mod play;
#[path = "../../tests/model_broker/world.rs"]
mod world;

use play::{Op, Play};

/// Most operations: so many take some milliseconds.
const MOST: usize = 300;

/// The bytes are operations, four bytes each.
///
/// # Panics
///
/// If a client is told anything but what it is due.
pub fn broker(data: &[u8]) {
    let mut play = Play::new();
    let ops = data.chunks_exact(4).filter_map(|op| Op::try_from(op).ok());
    ops.take(MOST).for_each(|op| play.run(op));
    play.end();
}
