//! What a link promises: latency adds up, a window limits what is under way, a cut ends both sides,
//! pieces make no difference, and the same seed gives the same trace.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use switchboard::{CloseReason, Event, Options, Payload};
use switchboard_testkit::{Chunking, Link, Pair, Side};

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn blob(length: usize) -> Payload {
    Payload::bytes(&vec![0xab; length])
}

#[test]
fn latency_adds_up_there_and_back_and_no_other_time_passes() {
    let mut pair = Pair::open();
    pair.set_link_to_server(Link::new().latency(millis(5)));
    pair.set_link_to_client(Link::new().latency(Duration::from_micros(7500)));
    pair.server.serve(|_| Ok(Payload::null()));
    for round in 1..4u64 {
        pair.client.request("ask").unwrap();
        pair.drive();
        assert_eq!(pair.client.happened(), [format!("call {} ended well", 2 * round - 1)]);
        assert_eq!(pair.now(), (Duration::from_micros(12_500) * round as u32).into());
    }
    assert_eq!(
        pair.trace.lines().take(3).collect::<Vec<_>>(),
        [
            r#"0ns client > request 1 "ask" 1 B"#,
            "5ms server > response 1 1 B",
            r#"12.5ms client > request 3 "ask" 1 B"#,
        ],
    );
}

#[test]
fn the_handshake_takes_its_latency_too() {
    let mut pair = Pair::new(Default::default(), Default::default());
    pair.set_links(Link::new().latency(millis(5)));
    pair.server.serve(|_| Ok(Payload::null()));
    pair.drive();
    assert_eq!(
        (pair.client.happened(), pair.now()),
        (vec!["welcome #7".into()], millis(10).into())
    );
}

#[test]
fn time_passes_only_as_a_test_says_and_timers_run_when_they_are_due() {
    let mut pair = Pair::open();
    let options = Options::new().deadline(millis(20));
    pair.client.call("slow", &Payload::null(), &options, 0).unwrap();
    pair.drive();
    assert_eq!((pair.now(), pair.client.happened()), (millis(0).into(), vec![]));
    pair.drive_for(millis(19));
    assert_eq!(pair.client.happened(), Vec::<String>::new());
    pair.drive_for(millis(1));
    assert_eq!(pair.client.happened(), ["call 1 ended late MayHaveRun"]);
    assert_eq!(pair.server.happened(), ["call 1 asks slow", "call 1 stopped DEADLINE_EXCEEDED"]);
}

#[test]
fn steps_go_from_one_thing_that_is_due_to_the_next() {
    let mut pair = Pair::open();
    pair.set_links(Link::new().latency(millis(5)));
    assert!(!pair.step(), "nothing is under way, and no timer runs");
    pair.client.call("slow", &Payload::null(), &Options::new().deadline(millis(20)), 0).unwrap();
    let mut times = Vec::new();
    while pair.step() {
        times.push(pair.now().as_nanos() / 1_000_000);
    }
    // Written; there; the deadline here, whose cancel is written at once; its own there, counted from
    // the arrival, and just as the cancel comes.
    assert_eq!(times, [0, 5, 20, 25]);
    assert_eq!(pair.client.happened(), ["call 1 ended late MayHaveRun"]);
}

#[test]
fn a_window_limits_what_is_under_way_and_holds_the_writer_back() {
    let mut pair = Pair::open();
    pair.set_link_to_server(Link::new().window(100).latency(millis(1)));
    pair.client.send("m", &blob(950)).unwrap();
    let mut rounds = 0;
    while pair.server.events.is_empty() {
        assert!(pair.under_way_to_server() <= 100);
        pair.step();
        rounds += 1;
    }
    assert!(pair.now() >= millis(10).into(), "ten windows of a millisecond each: {rounds} rounds");
    assert_eq!(pair.server.happened(), ["message m of 953 B"]);
    assert_eq!((pair.under_way_to_server(), pair.client.connection().unsent()), (0, 0));
}

#[test]
fn bytes_stay_under_way_while_their_reader_does_not_read() {
    let mut pair = Pair::open();
    pair.set_link_to_server(Link::new().window(1000));
    pair.server.pump.set_untaken(usize::MAX);
    pair.client.send("m", &blob(5000)).unwrap();
    pair.drive();
    assert_eq!(pair.under_way_to_server(), 1000);
    assert!(pair.client.connection().unsent() > 4000);
    pair.server.pump.set_untaken(0);
    pair.drive();
    assert_eq!(pair.server.happened(), ["message m of 5003 B"]);
}

#[test]
fn nothing_gets_through_no_window_until_the_writer_gives_up() {
    let mut pair = Pair::open();
    pair.set_link_to_server(Link::new().window(0));
    pair.client.request("c").unwrap();
    pair.drive_for(Duration::from_secs(11));
    let reason = "the peer read nothing for too long";
    let lost = format!("call 1 ended disconnected NeverSent: {reason}");
    assert_eq!(pair.client.happened(), [lost, format!("closed: {reason}")]);
    assert_eq!(pair.server.happened(), ["closed: the connection was lost"]);
}

#[test]
fn a_cut_ends_both_sides_at_once() {
    let mut pair = Pair::open();
    pair.trace.silence();
    pair.set_links(Link::new().latency(millis(5)));
    pair.client.request("c").unwrap();
    pair.server.request("s").unwrap();
    pair.step();
    pair.cut();
    pair.drive();
    assert_eq!(pair.now(), millis(0).into());
    for (side, call) in [(&mut pair.client, 1), (&mut pair.server, 2)] {
        let reason = "the connection was lost";
        let lost = format!("call {call} ended disconnected MayHaveRun: {reason}");
        assert_eq!(side.happened(), [lost, format!("closed: {reason}")]);
        side.is_over();
    }
    assert_eq!(pair.trace.lines().last(), Some("0ns client and server are cut off"));
}

#[test]
fn a_cut_after_so_many_bytes_lets_exactly_those_through() {
    for most in 0..40 {
        let mut pair = Pair::open();
        pair.set_link_to_server(Link::new().latency(millis(5)).cut_after(most));
        for _ in 0..3 {
            // 10 bytes each.
            pair.client.send("m", &Payload::null()).unwrap();
        }
        pair.drive();
        let came = (most / 10).min(3) as usize;
        let lost = most <= 30;
        let messages = pair.server.happened();
        assert_eq!(messages.len(), came + usize::from(lost), "{most}: {messages:?}");
        assert_eq!(pair.server.done == Some(CloseReason::Lost), lost, "{most}");
        assert_eq!(pair.client.done == Some(CloseReason::Lost), lost, "{most}");
    }
}

#[test]
fn the_end_of_the_stream_comes_behind_all_bytes() {
    let mut pair = Pair::open();
    pair.set_links(Link::new().latency(millis(5)).chunking(Chunking::OneByte).window(7));
    pair.client.send("last", &blob(100)).unwrap();
    pair.client.close("bye");
    pair.drive();
    let server = ["message last of 102 B", "closing bye", "closed: closed by the peer: bye"];
    assert_eq!(pair.server.happened(), server);
    assert_eq!(pair.client.happened(), ["closed: closed by this side: bye"]);
    pair.client.is_over();
    pair.server.is_over();
}

/// A conversation with some of everything, over this link; its trace.
fn converse(link: Link) -> (String, Vec<String>) {
    let mut pair = Pair::open();
    pair.set_links(link);
    pair.server.serve(|request| Ok(request.into_payload()));
    for size in [0, 10, 500, 20_000] {
        pair.client.call("echo", &blob(size), &Options::new(), 0).unwrap();
        pair.server.send("news", &blob(size)).unwrap();
        pair.drive_for(millis(3));
    }
    pair.client.close("bye");
    pair.drive();
    assert!(pair.client.done.is_some() && pair.server.done.is_some());
    (pair.trace.to_string(), pair.client.happened())
}

#[test]
fn the_same_seed_gives_the_same_trace_and_any_pieces_the_same_events() {
    let link = |seed| Link::new().latency(millis(2)).window(300).chunking(Chunking::seeded(seed));
    assert_eq!(converse(link(7)), converse(link(7)));
    let whole = converse(Link::new());
    assert_eq!(whole.1.len(), 9);
    assert_eq!(converse(Link::new().chunking(Chunking::seeded(1))), whole);
    assert_eq!(converse(Link::new().chunking(Chunking::OneByte)), whole);
}

#[test]
fn a_handler_keeps_what_it_returns_and_may_command_its_side() {
    let mut pair = Pair::open();
    pair.server.on_event(|side, event| match event {
        Event::Request { call, .. } => {
            side.send("soon", &Payload::null()).unwrap();
            side.answer(call, Ok(&Payload::null())).unwrap();
            None
        }
        other => Some(other),
    });
    pair.client.send("log", &Payload::null()).unwrap();
    pair.client.request("c").unwrap();
    pair.drive();
    assert_eq!(pair.server.happened(), ["message log of 1 B"]);
    assert_eq!(pair.client.happened(), ["message soon of 1 B", "call 1 ended well"]);
}

#[test]
fn a_side_that_serves_holds_its_answers_back_while_too_much_waits() {
    let mut pair = Pair::open();
    pair.server.serve(|request| Ok(request.into_payload()));
    pair.set_link_to_client(Link::new().window(1 << 16).latency(millis(1)));
    for _ in 0..5 {
        pair.client.call("echo", &blob(1 << 20), &Options::new(), 0).unwrap();
        pair.drive_for(Duration::ZERO);
    }
    pair.drive();
    assert_eq!(pair.client.happened().len(), 5);
}

#[test]
#[should_panic(expected = "does not come to rest")]
fn sides_that_answer_each_other_for_ever_are_found() {
    let mut pair = Pair::open();
    pair.trace.silence();
    pair.set_links(Link::new().latency(millis(1)));
    let again = |side: &mut Side, _| {
        side.send("ball", &Payload::null()).ok();
        None
    };
    pair.client.on_event(again);
    pair.server.on_event(again);
    pair.client.send("ball", &Payload::null()).unwrap();
    pair.drive();
}
