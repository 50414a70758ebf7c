//! The hub: who gets what is published (`docs/protocol.md` section 5), alone, without a connection.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use switchboard::hub::{Hub, RetainedFull, RetainedSize, Subscriber};
use switchboard::{CallId, ConnectionId, is_pattern, is_topic};

fn connection(number: u64) -> ConnectionId {
    ConnectionId::new(number).unwrap()
}

fn who(number: u64, subscription: u64) -> Subscriber {
    Subscriber { connection: connection(number), subscription: CallId::new(subscription).unwrap() }
}

const fn most(values: usize, bytes: usize) -> RetainedSize {
    RetainedSize { values, bytes }
}

fn route(hub: &mut Hub<u32>, topic: &str) -> Vec<Subscriber> {
    let mut to = Vec::new();
    hub.route("", topic, None, &mut to);
    to
}

/// The connections whose one subscription gets a topic.
fn numbers(hub: &mut Hub<u32>, topic: &str) -> Vec<u64> {
    let mut numbers: Vec<_> = route(hub, topic).iter().map(|who| who.connection.number()).collect();
    numbers.sort_unstable();
    numbers
}

/// A hub in which connection 1 has the first pattern, 2 the second and so on.
fn hub(patterns: &[&str]) -> Hub<u32> {
    let mut hub = Hub::new();
    for (number, pattern) in (1..).zip(patterns) {
        assert!(is_pattern(pattern), "{pattern}");
        assert!(hub.subscribe(who(number, 1), "", pattern, None));
    }
    hub
}

// Threat 37.
#[test]
fn names_of_every_bad_kind_are_no_topics() {
    let long = "x".repeat(256);
    let huge = "a.".repeat(32 << 10) + "a";
    let levels = ["a"; 17].join(".");
    let bad = [
        "", ".", "..", "a.", ".a", "a..b", "$", "$sys.a", "a b", " a", "a\0", "a\u{7f}", "a\n.b",
        "\u{1f}", &long, &huge, &levels,
    ];
    for name in bad {
        assert!(!is_topic(name), "{:?}", &name[..name.len().min(20)]);
        assert!(!is_pattern(name), "{:?}", &name[..name.len().min(20)]);
    }
    for name in ["a*", "*a", "a.**", "a>", ">.a", "a.>.b", "a.>>", "$.>", "$*"] {
        assert!(!is_topic(name) && !is_pattern(name), "{name}");
    }
    for name in ["*", ">", "a.*", "a.>", "*.*.>", "*.a.*"] {
        assert!(!is_topic(name) && is_pattern(name), "{name}");
    }
    let (longest, deepest) = ("x".repeat(255), ["a"; 16].join("."));
    for name in ["a", "a.b", "a$", "a.$", "ä.ö", "A.a", "-", "/", "#", "+", &longest, &deepest] {
        assert!(is_topic(name) && is_pattern(name), "{name}");
    }
    let wild = ["*"; 15].join(".");
    assert!(is_pattern(&format!("{wild}.>")) && !is_pattern(&format!("{wild}.*.>")));
}

#[test]
fn a_star_is_one_token_and_an_arrow_the_rest() {
    let patterns = ["a.b", "a.*", "a.>", "*.b", ">", "*", "*.*", "a.b.c", "a.*.c", "*.>", "ab"];
    let mut hub = hub(&patterns);
    assert_eq!(numbers(&mut hub, "a.b"), [1, 2, 3, 4, 5, 7, 10]);
    assert_eq!(numbers(&mut hub, "a.b.c"), [3, 5, 8, 9, 10]);
    assert_eq!(numbers(&mut hub, "a"), [5, 6]);
    assert_eq!(numbers(&mut hub, "ab"), [5, 6, 11]);
    assert_eq!(numbers(&mut hub, "b.b"), [4, 5, 7, 10]);
    assert_eq!(numbers(&mut hub, "a.bb"), [2, 3, 5, 7, 10]);
    assert_eq!(numbers(&mut hub, "c.d.e.f"), [5, 10]);
}

#[test]
fn bytes_are_compared_and_a_beginning_is_not_the_whole() {
    let mut hub = hub(&["ab.cd", "ab.c", "ab", "AB", "a", "abc.d"]);
    assert_eq!(numbers(&mut hub, "ab.cd"), [1]);
    assert_eq!(numbers(&mut hub, "ab.c"), [2]);
    assert_eq!(numbers(&mut hub, "ab"), [3]);
    assert_eq!(numbers(&mut hub, "aB"), [0_u64; 0]);
    assert_eq!(numbers(&mut hub, "ab.cde"), [0_u64; 0]);
    assert_eq!(numbers(&mut hub, "abc"), [0_u64; 0]);
}

#[test]
fn each_subscription_of_a_connection_gets_its_own() {
    let mut hub: Hub<u32> = Hub::new();
    for subscription in [1, 3, 5] {
        assert!(hub.subscribe(who(1, subscription), "", "a.>", None));
    }
    assert!(!hub.subscribe(who(1, 3), "", "b", None), "it has that number already");
    assert_eq!(route(&mut hub, "a.b"), [who(1, 1), who(1, 3), who(1, 5)]);
    assert!(hub.unsubscribe(who(1, 3)) && !hub.unsubscribe(who(1, 3)));
    assert_eq!(route(&mut hub, "a.b"), [who(1, 1), who(1, 5)]);
    let of: Vec<_> =
        hub.of(connection(1)).map(|(call, pattern, _)| (call.number(), pattern)).collect();
    assert_eq!(of, [(1, "a.>"), (5, "a.>")]);
    assert_eq!(hub.of(connection(2)).count(), 0);
}

#[test]
fn nothing_goes_to_the_publisher_that_asked_for_none() {
    let mut hub = hub(&["a", "a"]);
    hub.subscribe(who(1, 3), "", "a", Some("g"));
    hub.subscribe(who(2, 3), "", "a", Some("g"));
    hub.subscribe(who(1, 5), "", "a", Some("alone"));
    for _ in 0..3 {
        let mut to = Vec::new();
        hub.route("", "a", Some(connection(1)), &mut to);
        assert_eq!(to, [who(2, 1), who(2, 3)]);
    }
}

#[test]
fn scopes_share_neither_topics_nor_groups_nor_values() {
    let mut hub = Hub::new();
    hub.subscribe(who(1, 1), "red", ">", None);
    hub.subscribe(who(2, 1), "blue", ">", None);
    hub.subscribe(who(3, 1), "red", ">", Some("g"));
    hub.subscribe(who(4, 1), "blue", ">", Some("g"));
    hub.retain("red", "a", 1, 0, most(1, 1000)).unwrap();
    let mut to = Vec::new();
    hub.route("red", "a", None, &mut to);
    assert_eq!(to, [who(1, 1), who(3, 1)]);
    to.clear();
    hub.route("", "a", None, &mut to);
    assert!(to.is_empty());
    assert_eq!(hub.retained("blue", ">").count(), 0);
    assert_eq!(hub.retained("", ">").count(), 0);
    assert_eq!(hub.forget("blue", "a"), None);
    assert_eq!(hub.retain("blue", "b", 2, 0, most(1, 1000)), Ok(None), "its own limit");
    assert_eq!(hub.retained("red", ">").collect::<Vec<_>>(), [("a", &1)]);
}

#[test]
fn a_group_takes_turns_whatever_patterns_its_members_came_by() {
    let mut hub: Hub<u32> = Hub::new();
    for (number, pattern) in [(1, "a.b"), (2, "a.*"), (3, "a.b"), (4, ">")] {
        hub.subscribe(who(number, 1), "", pattern, Some("g"));
    }
    let turns: Vec<_> = (0..8).flat_map(|_| numbers(&mut hub, "a.b")).collect();
    assert_eq!(turns, [1, 2, 3, 4, 1, 2, 3, 4]);
    // Two topics in turn do not make the same two members work each time.
    let mut hub: Hub<u32> = Hub::new();
    for (number, pattern) in [(1, "a"), (2, "a"), (3, "b"), (4, "b")] {
        hub.subscribe(who(number, 1), "", pattern, Some("g"));
    }
    let turns: Vec<_> =
        (0..8).flat_map(|turn| numbers(&mut hub, if turn % 2 == 0 { "a" } else { "b" })).collect();
    assert_eq!(turns, [1, 3, 2, 4, 1, 3, 2, 4]);
}

#[test]
fn the_members_of_a_group_with_room_go_first_and_the_full_ones_take_turns() {
    let mut hub: Hub<u32> = Hub::new();
    for number in 1..=3 {
        hub.subscribe(who(number, 1), "", "a", Some("g"));
    }
    hub.set_full(who(1, 1), true);
    let turns: Vec<_> = (0..4).flat_map(|_| numbers(&mut hub, "a")).collect();
    assert_eq!(turns, [2, 3, 2, 3]);
    hub.set_full(who(2, 1), true);
    hub.set_full(who(3, 1), true);
    let turns: Vec<_> = (0..4).flat_map(|_| numbers(&mut hub, "a")).collect();
    assert_eq!(turns, [1, 2, 3, 1]);
    hub.set_full(who(3, 1), false);
    hub.set_full(who(3, 1), false);
    assert_eq!(numbers(&mut hub, "a"), [3]);
    hub.unsubscribe(who(3, 1));
    hub.set_full(who(3, 1), true);
    assert_eq!(numbers(&mut hub, "a"), [2], "the one that has waited longest");
}

// Threat 40.
#[test]
fn whoever_comes_or_goes_amid_a_fan_out_changes_nothing_for_others() {
    let mut hub = hub(&["a", "a", "*", ">", "a"]);
    let all = route(&mut hub, "a");
    for (at, gone) in all.iter().enumerate() {
        // The fan-out has come to `at` when one goes and another comes in its place.
        hub.unsubscribe(*gone);
        hub.subscribe(who(10 + at as u64, 1), "", "a", None);
        let live: Vec<_> = all.iter().filter(|who| hub.is_subscribed(**who)).collect();
        assert_eq!(live, all[at + 1..].iter().collect::<Vec<_>>());
    }
    assert_eq!(numbers(&mut hub, "a"), [10, 11, 12, 13, 14]);
}

#[test]
fn the_same_history_gives_the_same_order() {
    let history = || {
        let mut hub: Hub<u32> = Hub::new();
        for number in 1..200 {
            let pattern = ["a.b", "*.b", "a.>", ">", "a.*", "*.*"][number as usize % 6];
            let group = (number % 5 == 0).then_some(["x", "y"][number as usize % 2]);
            hub.subscribe(who(number * 7 % 200, number), "", pattern, group);
            if number % 3 == 0 {
                hub.unsubscribe(who((number - 1) * 7 % 200, number - 1));
            }
        }
        (0..20).flat_map(|_| route(&mut hub, "a.b")).collect::<Vec<_>>()
    };
    let first = history();
    assert!(first.len() > 100);
    assert_eq!(first, history());
}

#[test]
fn retained_values_come_in_byte_order_of_topic() {
    let mut hub = Hub::new();
    let topics = ["b", "a.b", "a", "a.b.c", "a-", "a.a", "ab"];
    for (value, topic) in (0..).zip(topics) {
        hub.retain("", topic, value, 1, most(100, 10_000)).unwrap();
    }
    let fitting = |pattern| hub.retained("", pattern).map(|(topic, _)| topic).collect::<Vec<_>>();
    assert_eq!(fitting(">"), ["a", "a-", "a.a", "a.b", "a.b.c", "ab", "b"]);
    assert_eq!(fitting("a.>"), ["a.a", "a.b", "a.b.c"]);
    assert_eq!(fitting("a.*"), ["a.a", "a.b"]);
    assert_eq!(fitting("*"), ["a", "a-", "ab", "b"]);
    assert_eq!(fitting("*.b"), ["a.b"]);
    assert_eq!(fitting("a"), ["a"]);
    assert_eq!(fitting("c"), [""; 0]);
}

#[test]
fn a_scope_keeps_as_many_values_and_bytes_as_it_may_and_not_one_more() {
    let mut hub = Hub::new();
    for topic in ["a", "b", "c"] {
        assert_eq!(hub.retain("", topic, 1, 10, most(3, 30)), Ok(None));
    }
    assert_eq!(hub.retain("", "d", 1, 0, most(3, 30)), Err(RetainedFull));
    assert_eq!(hub.retain("", "c", 2, 10, most(3, 30)), Ok(Some(1)), "in the place of another");
    assert_eq!(hub.retain("", "c", 2, 11, most(3, 30)), Err(RetainedFull));
    assert_eq!(hub.forget("", "a"), Some(1));
    assert_eq!(hub.retain("", "d", 1, 11, most(3, 30)), Err(RetainedFull));
    assert_eq!(hub.retain("", "d", 1, 10, most(3, 30)), Ok(None));
    assert_eq!(hub.retained_size(""), most(3, 30));
    assert_eq!(hub.retain("", "b", 3, usize::MAX, most(3, usize::MAX)), Err(RetainedFull));
    assert_eq!(hub.value("", "b"), Some(&1), "as it was");
    for topic in ["b", "c", "d"] {
        assert!(hub.forget("", topic).is_some());
    }
    assert_eq!(hub.forget("", "d"), None);
    assert!(hub.is_empty() && hub.retained_size("") == most(0, 0));
}
