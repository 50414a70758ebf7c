//! The virtual clock: what happens now, and to when it jumps. Called by `Pair` and `Net`; knows `Side`.

use std::time::Duration;

use switchboard::Instant;

use crate::Side;

/// More rounds than this without rest are taken for no end.
const MOST_ROUNDS: usize = 100_000;

/// Sides that are joined, and have one clock.
pub(crate) trait Joined {
    fn now(&self) -> Instant;
    fn set_now(&mut self, now: Instant);
    /// Lets everything happen that can happen now, once; whether anything did.
    fn carry(&mut self) -> bool;
    /// When the next byte arrives.
    fn next_arrival(&self) -> Option<Instant>;
    /// When the next timer of any side is due.
    fn next_timer(&mut self) -> Option<Instant>;
}

/// The earliest timer of these sides, all of which have just run.
pub(crate) fn timers<'a>(sides: impl IntoIterator<Item = &'a mut Side>) -> Option<Instant> {
    let due = |side: &'a mut Side| {
        let now = side.now;
        let due = side.connection().poll_timeout().map(|(due, _)| due);
        assert!(due.is_none_or(|due| due > now), "what was due is still due");
        due
    };
    sides.into_iter().filter_map(due).min()
}

/// Lets everything happen that can happen now; whether anything did.
fn settle(joined: &mut impl Joined) -> bool {
    if !joined.carry() {
        return false;
    }
    let mut rounds = 0;
    while joined.carry() {
        rounds += 1;
        assert!(rounds < MOST_ROUNDS, "there is no end of what happens at {:?}", joined.now());
    }
    true
}

pub(crate) fn step(joined: &mut impl Joined) -> bool {
    if settle(joined) {
        return true;
    }
    let wake_up = [joined.next_arrival(), joined.next_timer()].into_iter().flatten().min();
    let Some(at) = wake_up else { return false };
    joined.set_now(at);
    settle(joined);
    true
}

pub(crate) fn drive(joined: &mut impl Joined) {
    let mut rounds = 0;
    settle(joined);
    while let Some(arrival) = joined.next_arrival() {
        let at = joined.next_timer().map_or(arrival, |due| due.min(arrival));
        joined.set_now(at);
        settle(joined);
        rounds += 1;
        assert!(rounds < MOST_ROUNDS, "it does not come to rest: drive it for a time");
    }
}

pub(crate) fn drive_for(joined: &mut impl Joined, time: Duration) {
    let until = joined.now() + time;
    loop {
        settle(joined);
        let wake_up = [joined.next_arrival(), joined.next_timer()].into_iter().flatten().min();
        match wake_up.filter(|at| *at <= until) {
            Some(at) => joined.set_now(at),
            None => break,
        }
    }
    joined.set_now(until);
    settle(joined);
}
