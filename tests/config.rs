//! Every limit of `Config` one below, at and one above (`docs/protocol.md` section 8), and which values make
//! sense. The limits of payloads and of heads, which have no field here, are tested where they are kept.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Side, blob, config, framed, hex, millis, seconds};
use switchboard::{
    CallId, Command, Config, Connection, Event, Hello, Instant, Next, Options, Payload, Publication,
};

/// What happens so far from a limit: -1, 0 or 1 byte, call, item or millisecond; whether it is borne.
type Borne = fn(i32) -> bool;

/// What is borne at -1, 0 and +1 where the limit is the last good value.
const UP_TO: [bool; 3] = [true, true, false];
/// The same where something happens, or is refused, as soon as the limit is reached.
const BELOW: [bool; 3] = [true, false, false];

/// Every field of `Config` that is a limit.
const LIMITS: [(&str, Borne, [bool; 3]); 24] = [
    ("max_frame", frame_of_the_peer, UP_TO),
    ("max_frame", frame_to_the_peer, UP_TO),
    ("max_calls", calls_of_the_peer, UP_TO),
    ("max_calls", calls_to_the_peer, UP_TO),
    ("handshake_timeout", handshake, BELOW),
    ("drain", drain, BELOW),
    ("linger", linger, BELOW),
    ("write_stall", write_stall, BELOW),
    ("keepalive", own_promise, BELOW),
    ("keepalive", promise_of_the_peer, BELOW),
    ("call_deadline", call_deadline, BELOW),
    ("max_unsent", unsent, BELOW),
    ("max_untaken", untaken, UP_TO),
    ("max_unanswered", unanswered, UP_TO),
    ("max_unanswered", untaken_items, UP_TO),
    ("max_unsent", waiting_items, BELOW),
    ("stream_window", window, BELOW),
    ("max_subscriptions", subscriptions, UP_TO),
    ("max_deliveries", deliveries, UP_TO),
    ("max_delivery_bytes", delivery_bytes, UP_TO),
    ("payload", depth, UP_TO),
    ("payload", items, UP_TO),
    ("turn_frames", turn_frames, BELOW),
    ("turn_bytes", turn_bytes, BELOW),
];

/// These say what is served and needed, and limit nothing.
const NO_LIMITS: [&str; 5] = ["interfaces", "requires", "takes_items", "offers_topics", "policy"];

#[test]
fn every_limit_holds_one_below_at_and_one_above() {
    for (name, borne, expected) in LIMITS {
        assert_eq!([-1, 0, 1].map(borne), expected, "{name}");
    }
}

#[test]
fn every_field_of_config_is_here() {
    let all = format!("{:#?}", Config::default());
    let fields: Vec<&str> = all
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(':'))
        .map(|(field, _)| field)
        .filter(|field| !field.starts_with(' '))
        .collect();
    assert!(fields.len() > 10, "{all}");
    for field in &fields {
        let here = LIMITS.iter().any(|(name, ..)| name == field) || NO_LIMITS.contains(field);
        assert!(here, "{field} has no test");
    }
    assert!(LIMITS.iter().all(|(name, ..)| fields.contains(name)), "a field that is none");
}

/// The number so far from a limit.
fn near(limit: u64, by: i32) -> u64 {
    limit.saturating_add_signed(by.into())
}

/// A message of the peer that is so long as its length says, from 32 bytes on.
fn message(length: u64) -> Vec<u8> {
    let content = length as u16 - 8;
    let mut bytes = (length as u32).to_be_bytes().to_vec();
    bytes.extend([0x84, 6, 0x61, b'm', 0xa0, 0x59]);
    bytes.extend(content.to_be_bytes());
    bytes.resize(4 + length as usize, 0);
    bytes
}

fn frame_of_the_peer(by: i32) -> bool {
    let mut side = Side::open(true, config(|config| config.max_frame = 20_000));
    side.feed(&message(near(20_000, by)));
    side.connection().is_open()
}

fn frame_to_the_peer(by: i32) -> bool {
    // The welcome says 20,000: 1 array, 1 kind, 2 channel, 1 headers, 3 the byte string's length.
    let mut side = Side::client(Arc::default());
    side.feed(&framed("85 01 01 07 a1 00 194e20 f6"));
    side.send("m", &blob(near(20_000 - 8, by) as usize)).is_ok()
}

fn calls_of_the_peer(by: i32) -> bool {
    let mut side = Side::open(false, config(|config| config.max_calls = 3));
    for number in 0..near(3, by) {
        side.feed(&framed(&format!("85 07 {:02x} 6161 a0 f6", 2 * number + 1)));
    }
    side.said().is_empty()
}

fn calls_to_the_peer(by: i32) -> bool {
    let mut side = Side::client(Arc::default());
    side.feed(&framed("85 01 01 07 a1 01 03 f6"));
    (0..near(3, by)).all(|_| side.request("c").is_ok())
}

fn after(side: &mut Side, limit: u64, by: i32) {
    side.wait(millis(near(limit, by)));
}

fn handshake(by: i32) -> bool {
    let mut side = Side::server(config(|config| config.handshake_timeout = millis(700)));
    after(&mut side, 700, by);
    side.happened().is_empty()
}

fn drain(by: i32) -> bool {
    let mut side = Side::open(false, config(|config| config.drain = millis(700)));
    side.feed(&framed("85 07 01 6161 a0 f6"));
    side.close("bye");
    side.written();
    side.events.clear();
    after(&mut side, 700, by);
    side.happened().is_empty()
}

fn linger(by: i32) -> bool {
    let mut side = Side::open(false, config(|config| config.linger = millis(700)));
    side.feed(&framed("f6"));
    side.written();
    after(&mut side, 700, by);
    side.done.is_none()
}

fn write_stall(by: i32) -> bool {
    let mut side = Side::open(false, config(|config| config.write_stall = millis(700)));
    side.send("m", &Payload::null()).unwrap();
    after(&mut side, 700, by);
    side.done.is_none()
}

fn own_promise(by: i32) -> bool {
    let mut side = Side::client(config(|config| config.keepalive = Some(millis(1500))));
    side.feed(&hex(common::WELCOME));
    side.written();
    after(&mut side, 1500, by);
    side.said().is_empty()
}

fn promise_of_the_peer(by: i32) -> bool {
    let mut side = Side::client(Arc::default());
    // Every 1,500 ms; three times that ends it.
    side.feed(&framed("85 01 01 07 a1 03 1905dc f6"));
    side.written();
    after(&mut side, 4500, by);
    side.connection().is_open()
}

fn call_deadline(by: i32) -> bool {
    let mut side = Side::open(true, config(|config| config.call_deadline = Some(millis(700))));
    side.call("c", &Payload::null(), &Options::new(), 0).unwrap();
    side.written();
    after(&mut side, 700, by);
    side.happened().is_empty()
}

fn unsent(by: i32) -> bool {
    let mut side = Side::open(true, config(|config| config.max_unsent = 100));
    // 4 length, 1 array, 1 kind, 2 channel, 1 headers, 2 the byte string's length.
    side.send("m", &blob(near(100 - 11, by) as usize)).unwrap();
    assert_eq!(side.connection().unsent(), near(100, by));
    let (message, call) = (side.send("m", &Payload::null()), side.request("c"));
    assert_eq!(message.is_ok(), near(100, by) < 100);
    message.is_ok() || call.is_ok()
}

fn untaken(by: i32) -> bool {
    let mut side = Side::open(true, config(|config| config.max_untaken = 100));
    side.pump.set_untaken(near(100, by) as usize);
    matches!(side.pump.next(Instant::ZERO), Next::Io { read: true, .. })
}

fn unanswered(by: i32) -> bool {
    let mut side = Side::open(false, config(|config| config.max_unanswered = 1000));
    // What is kept begins with the text of the channel: 1 byte, 1 of headers, 3 of the length.
    let request = |id: u8, kept: u64| {
        let content = kept as u16 - 5;
        let mut body = vec![0x85, 7, id, 0x61, b'r', 0xa0, 0x59];
        body.extend(content.to_be_bytes());
        body.resize(body.len() + usize::from(content), 0);
        [&(body.len() as u32).to_be_bytes()[..], &body].concat()
    };
    side.feed(&request(1, 600));
    side.feed(&request(3, near(400, by)));
    side.said().is_empty()
}

fn untaken_items(by: i32) -> bool {
    let mut side = Side::open(
        false,
        config(|config| (config.max_unanswered, config.takes_items) = (1000, true)),
    );
    // A request costs 131 B: the text of its channel, the headers, a null, and what an event costs;
    // an item its payload, and that.
    side.feed(&framed("85 07 01 6172 a10101 f6"));
    let item = |kept: u64| {
        let content = kept as u16 - 128 - 3;
        let mut body = vec![0x83, 10, 1, 0x59];
        body.extend(content.to_be_bytes());
        body.resize(body.len() + usize::from(content), 0);
        [&(body.len() as u32).to_be_bytes()[..], &body].concat()
    };
    side.feed(&item(500));
    side.happened();
    // Of the request the text of its channel, the headers and the payload are kept.
    side.feed(&item(near(1000 - 500 - 5, by)));
    side.happened().iter().all(|event| event.contains("item"))
}

fn waiting_items(by: i32) -> bool {
    let mut side = Side::open(true, config(|config| config.max_unsent = 200));
    let options = Options::new().no_deadline().send_items();
    let call = side.call("c", &Payload::null(), &options, 0).unwrap();
    let now = side.now;
    // 1 array, 1 kind, 1 id, 2 the byte string's length. The request is not written, so that it waits.
    side.connection().item(now, call, &blob(near(200 - 5, by) as usize)).unwrap();
    side.connection().item(now, call, &Payload::null()).is_ok()
}

fn window(by: i32) -> bool {
    let mut side = Side::open(
        false,
        config(|config| (config.stream_window, config.takes_items) = (1000, true)),
    );
    side.feed(&framed("85 07 01 6172 a10101 f6"));
    // 1 array, 1 kind, 1 id, 3 the byte string's length: then a further one has credit, or not.
    let content = near(1000 - 6, by) as u16;
    let mut body = vec![0x83, 10, 1, 0x59];
    body.extend(content.to_be_bytes());
    body.resize(body.len() + usize::from(content), 0);
    side.feed(&[&(body.len() as u32).to_be_bytes()[..], &body].concat());
    side.feed(&framed("83 0a 01 f6"));
    side.said().is_empty()
}

/// A server that offers topics, with so many subscriptions.
fn subscribed(change: impl FnOnce(&mut Config), count: u64) -> Side {
    let mut side = Side::open(
        false,
        config(|config| {
            config.offers_topics = true;
            change(config);
        }),
    );
    for number in 0..count {
        side.feed(&framed(&format!("84 0e {:02x} 6174 a0", 2 * number + 1)));
        let Some(Event::Subscribe(wanted)) = side.events.pop() else { break };
        let (subscription, retained) = (wanted.subscription, vec![]);
        let now = side.now;
        side.connection().apply(now, Command::Subscribe { subscription, retained }).unwrap();
    }
    side
}

fn subscriptions(by: i32) -> bool {
    let mut side = subscribed(|config| config.max_subscriptions = 3, near(3, by));
    !side.said().iter().any(|words| words.contains("RESOURCE_EXHAUSTED"))
}

/// Whether all of so many deliveries of so many bytes are kept, beside one that is written next.
fn kept(change: impl FnOnce(&mut Config), count: u64, bytes: u64) -> bool {
    let mut side = subscribed(change, 1);
    side.written();
    // 2 the topic, 1 the headers, 2 the byte string's length.
    let payload = blob(bytes as usize - 5);
    let publication = Publication::new("t", &payload, &Options::new()).unwrap();
    for _ in 0..=count {
        let (subscription, publication) = (CallId::new(1).unwrap(), publication.clone());
        let now = side.now;
        let deliver = Command::Deliver { subscription, publication };
        side.connection().apply(now, deliver).unwrap();
    }
    side.connection().counters().deliveries_dropped == 0
}

fn deliveries(by: i32) -> bool {
    kept(|config| config.max_deliveries = 3, near(3, by), 40)
}

fn delivery_bytes(by: i32) -> bool {
    kept(|config| config.max_delivery_bytes = 200, 2, near(100, by))
}

/// Whether a server that takes this much takes a hello with this payload.
fn hello_is_taken(change: fn(&mut Config), payload: &str) -> bool {
    let mut side = Side::server(config(change));
    side.feed(&framed(&format!("85 00 6b737769746368626f617264 8101 a0 {payload}")));
    side.happened() == ["hello"]
}

fn depth(by: i32) -> bool {
    let payload = "81".repeat(near(5, by) as usize) + "f6";
    hello_is_taken(|config| config.payload.max_depth = 5, &payload)
}

fn items(by: i32) -> bool {
    let nulls = near(5 - 1, by) as usize;
    let payload = format!("{:02x}", 0x80 + nulls) + &"f6".repeat(nulls);
    hello_is_taken(|config| config.payload.max_items = 5, &payload)
}

/// Whether these bytes are dealt with in one turn.
fn in_one_turn(change: fn(&mut Config), mut bytes: &[u8]) -> bool {
    let mut side = Side::open(true, config(change));
    while !bytes.is_empty() {
        let space = side.pump.space();
        let count = space.len().min(bytes.len());
        space[..count].copy_from_slice(&bytes[..count]);
        side.pump.filled(Instant::ZERO, count);
        bytes = &bytes[count..];
    }
    loop {
        match side.pump.next(Instant::ZERO) {
            Next::Event(Event::Message(_)) => {}
            Next::Yield => return false,
            Next::Io { .. } => return true,
            other => panic!("{other:?}"),
        }
    }
}

fn turn_frames(by: i32) -> bool {
    let bytes = framed("84 06 616d a0 f6").repeat(near(3, by) as usize);
    in_one_turn(|config| config.turn_frames = 3, &bytes)
}

fn turn_bytes(by: i32) -> bool {
    in_one_turn(|config| config.turn_bytes = 1000, &message(near(1000 - 4, by)))
}

/// What `check` says of the defaults with this change.
fn check(change: impl FnOnce(&mut Config)) -> Result<(), String> {
    let mut config = Config::default();
    change(&mut config);
    config.check().map_err(|error| error.to_string())
}

#[test]
fn a_value_that_makes_no_sense_is_named_and_the_least_one_that_does_is_taken() {
    type Change = fn(&mut Config, bool);
    let rows: [(&str, Change); 13] = [
        ("max_frame", |config, good| config.max_frame = 16_384 - u32::from(!good)),
        ("handshake_timeout", |config, good| config.handshake_timeout = nanos(good)),
        ("write_stall", |config, good| config.write_stall = nanos(good)),
        ("call_deadline", |config, good| config.call_deadline = Some(nanos(good))),
        ("max_unsent", |config, good| config.max_unsent = good.into()),
        ("max_unanswered", |config, good| config.max_unanswered = good.into()),
        ("payload.max_depth", |config, good| config.payload.max_depth = good.into()),
        ("payload.max_items", |config, good| config.payload.max_items = good.into()),
        ("stream_window", |config, good| config.stream_window = good.into()),
        ("max_deliveries", |config, good| config.max_deliveries = good.into()),
        ("max_delivery_bytes", |config, good| config.max_delivery_bytes = good.into()),
        ("turn_frames", |config, good| config.turn_frames = good.into()),
        ("turn_bytes", |config, good| config.turn_bytes = good.into()),
    ];
    for (name, change) in rows {
        assert_eq!(check(|config| change(config, true)), Ok(()), "{name}");
        let error = check(|config| change(config, false)).unwrap_err();
        assert!(error.starts_with(&format!("config: {name} must be")), "{error}");
    }
    for (every, good) in [
        (millis(999), false),
        (seconds(1), true),
        (seconds(86_400), true),
        (seconds(86_400) + millis(1), false),
    ] {
        let checked = check(|config| config.keepalive = Some(every));
        assert_eq!(checked.is_ok(), good, "{every:?}");
    }
    let above = check(|config| config.stream_window = 1 << 31).unwrap_err();
    assert!(above.starts_with("config: stream_window must be"), "{above}");
    assert_eq!(check(|config| config.stream_window = (1 << 31) - 1), Ok(()));
    // These may be nothing at all.
    let nothing = check(|config| {
        (config.drain, config.linger) = (Duration::ZERO, Duration::ZERO);
        (config.max_calls, config.max_untaken, config.max_subscriptions) = (0, 0, 0);
        (config.call_deadline, config.keepalive) = (None, None);
    });
    assert_eq!(nothing, Ok(()));
}

/// 0 or the shortest time there is.
fn nanos(one: bool) -> Duration {
    Duration::from_nanos(one.into())
}

#[test]
fn times_are_cut_at_a_day() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    for (long, expected) in [(DAY - millis(1), DAY - millis(1)), (DAY, DAY), (Duration::MAX, DAY)] {
        let config = config(|config| {
            (config.handshake_timeout, config.drain, config.linger) = (long, long, long);
            (config.write_stall, config.call_deadline) = (long, Some(long));
        });
        let due = |connection: &mut Connection| {
            let (at, timer) = connection.poll_timeout().unwrap();
            (at - Instant::ZERO, format!("{timer:?}"))
        };
        let client = Connection::client(config.clone(), &Hello::new(), Instant::ZERO);
        let expected = |timer: &str| (expected, String::from(timer));
        assert_eq!(due(&mut client.unwrap()), expected("Handshake"));
        let mut side = Side::open(false, config.clone());
        side.send("m", &Payload::null()).unwrap();
        assert_eq!(due(side.connection()), expected("Write"));
        side.written();
        side.call("c", &Payload::null(), &Options::new(), 0).unwrap();
        side.written();
        assert_eq!(due(side.connection()), expected("Call"));
        let mut side = Side::open(false, config.clone());
        side.close("bye");
        side.written();
        assert_eq!(due(side.connection()), expected("Drain"));
        let mut side = Side::open(false, config.clone());
        side.feed(&framed("f6"));
        side.written();
        assert_eq!(due(side.connection()), expected("Linger"));
        let mut side = Side::open(false, config);
        side.pump.write_failed(Instant::ZERO);
        assert_eq!(due(side.connection()), expected("Linger"));
    }
}
