//! What a hub allocates, counted by the allocator of this test program, and how much stack it needs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod counting;

use counting::counted;
use switchboard::hub::{Hub, Subscriber};
use switchboard::{CallId, ConnectionId, is_pattern};

/// In debug a tenth, or the test takes seconds.
const MANY: u64 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
/// The smallest stack of a thread that is common.
const SMALL_STACK: usize = 64 << 10;

fn who(number: u64) -> Subscriber {
    Subscriber {
        connection: ConnectionId::new(number % 1000).unwrap(),
        subscription: CallId::new(number + 1).unwrap(),
    }
}

/// A pattern of a shape that devices have; every tenth has a wildcard.
fn pattern(number: u64) -> String {
    match number % 10 {
        0 => format!("device.{number}.*"),
        _ => format!("device.{number}.temperature"),
    }
}

// Threat 36.
#[test]
fn subscriptions_that_come_and_go_leave_no_memory_behind() {
    let mut hub: Hub<()> = Hub::new();
    hub.subscribe(who(0), "", "device.>", None);
    let ((), count) = counted(|| {
        for number in 1..MANY {
            hub.subscribe(who(number), "", &pattern(number), None);
            hub.unsubscribe(who(number));
        }
    });
    assert_eq!(count.live, 0, "one after the other");
    let ((), count) = counted(|| {
        for number in 1..MANY {
            let group = (number % 7 == 0).then_some("workers");
            hub.subscribe(who(number), "", &pattern(number), group);
        }
        let mut to = Vec::new();
        hub.route("", "device.77.temperature", None, &mut to);
        assert_eq!(to.len(), 2);
        for number in 1..MANY {
            hub.unsubscribe(who(number));
        }
    });
    let each = count.peak as u64 / MANY;
    assert!(each < 512, "{each} bytes for each of many");
    assert_eq!(count.live, 0, "all at once");
    hub.unsubscribe(who(0));
    assert!(hub.is_empty());
}

// Threat 36.
#[test]
fn a_subscription_shared_by_many_leaves_no_memory_behind() {
    let ((), count) = counted(|| {
        let mut hub: Hub<()> = Hub::new();
        (0..MANY).for_each(|number| assert!(hub.subscribe(who(number), "", "a.*", None)));
        (0..MANY).for_each(|number| assert!(hub.unsubscribe(who(number))));
        assert!(hub.is_empty());
    });
    assert_eq!(count.live, 0);
}

// Threat 36.
#[test]
fn the_deepest_patterns_need_a_small_stack_to_come_to_be_found_and_to_go() {
    let run = || {
        let mut hub: Hub<()> = Hub::new();
        // Each is the beginning of the next, and all sixteen tokens may be stars: the deepest trees.
        let mut patterns: Vec<String> = (1..=255).map(|length| "x".repeat(length)).collect();
        let deepest = ["x"; 16].join(".");
        patterns.extend((0..1 << 12).map(|bits: u32| {
            let token = |at: u32| if at < 12 && bits & (1 << at) != 0 { "*" } else { "x" };
            (0..16).map(token).collect::<Vec<_>>().join(".")
        }));
        for (number, pattern) in (0..).zip(&patterns) {
            assert!(is_pattern(pattern) && hub.subscribe(who(number), "", pattern, None));
        }
        let mut to = Vec::new();
        hub.route("", &deepest, None, &mut to);
        assert_eq!(to.len(), 1 << 12);
        to.clear();
        hub.route("", &"x".repeat(255), None, &mut to);
        assert_eq!(to.len(), 1);
        (0..100).for_each(|number| assert!(hub.unsubscribe(who(number))));
        drop(hub);
    };
    std::thread::Builder::new().stack_size(SMALL_STACK).spawn(run).unwrap().join().unwrap();
}

// Threat 42.
#[test]
fn names_that_are_chosen_to_collide_cost_what_others_cost() {
    let memory = |pattern: &dyn Fn(u64) -> String| {
        let mut hub: Hub<()> = Hub::new();
        let ((), count) = counted(|| {
            for number in 0..100_000 {
                hub.subscribe(who(number), "", &pattern(number), None);
            }
        });
        let mut to = Vec::new();
        hub.route("", &pattern(77_777), None, &mut to);
        assert_eq!(to, [who(77_777)]);
        count.peak
    };
    let usual = memory(&|number| format!("device.{number}.temperature"));
    // The same sum of bytes, the same product, the same first and last ones: what weak hashes look at.
    let letters = |number: u64, one: &str, other: &str| -> String {
        (0..17).map(|bit| if number & (1 << bit) == 0 { one } else { other }).collect()
    };
    let sums = memory(&|number| letters(number, "ab", "ba"));
    let products = memory(&|number| letters(number, "AaAa", "BBBB"));
    assert!(sums.max(products) <= 3 * usual, "{usual}, {sums}, {products}");
}

#[test]
fn a_match_allocates_nothing_once_there_is_room_for_the_names() {
    let mut hub: Hub<()> = Hub::new();
    (0..1000).for_each(|number| assert!(hub.subscribe(who(number), "", &pattern(number), None)));
    let mut to = Vec::with_capacity(8);
    let ((), count) = counted(|| {
        for _ in 0..100 {
            to.clear();
            hub.route("", "device.500.temperature", None, &mut to);
        }
    });
    assert_eq!((to.len(), count.allocations), (1, 0));
}
