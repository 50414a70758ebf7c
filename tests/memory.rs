//! What a connection allocates, counted by the allocator of this test program: nothing for a frame, one
//! piece for what is handed on, and never more than `Config::memory_bound`, whatever a peer does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod counting;

use std::sync::Arc;
use std::time::Duration;

use counting::counted;
use switchboard::{
    CallId, Command, Config, Connection, ConnectionId, Event, Hello, Instant, Next, Options,
    Payload, Publication, Pump, Welcome,
};

const NOW: Instant = Instant::ZERO;

/// Moves what waits from one pump to the other, without allocating.
fn carry(from: &mut Pump, to: &mut Pump) {
    loop {
        let mut chunks = [&[][..]; 4];
        let lent = from.chunks(&mut chunks);
        let mut moved = 0;
        for mut chunk in chunks[..lent].iter().copied() {
            while !chunk.is_empty() {
                let space = to.space();
                let count = space.len().min(chunk.len());
                space[..count].copy_from_slice(&chunk[..count]);
                to.filled(NOW, count);
                chunk = &chunk[count..];
                moved += count;
            }
        }
        if moved == 0 {
            return;
        }
        from.wrote(NOW, moved);
    }
}

fn next_event(pump: &mut Pump) -> Option<Event> {
    loop {
        match pump.next(NOW) {
            Next::Event(event) => return Some(event),
            Next::Yield => {}
            _ => return None,
        }
    }
}

fn server(config: Arc<Config>) -> Pump {
    Pump::new(Connection::server(config, ConnectionId::new(1).unwrap(), NOW))
}

/// Two pumps whose handshake is complete.
fn open(config: &Arc<Config>) -> (Pump, Pump) {
    let client = Connection::client(Arc::clone(config), &Hello::new(), NOW).unwrap();
    let (mut client, mut server) = (Pump::new(client), server(Arc::clone(config)));
    carry(&mut client, &mut server);
    assert!(matches!(next_event(&mut server), Some(Event::Hello(_))));
    server.connection().accept(NOW, &Welcome::new()).unwrap();
    carry(&mut server, &mut client);
    assert!(matches!(next_event(&mut client), Some(Event::Welcome(_))));
    (client, server)
}

/// What one more of these allocates once many have been.
fn steady(mut round: impl FnMut()) -> usize {
    for _ in 0..1000 {
        round();
    }
    let ((), count) = counted(|| (0..1000).for_each(|_| round()));
    assert_eq!(count.allocations % 1000, 0, "not the same every time");
    count.allocations / 1000
}

#[test]
fn a_ping_and_its_pong_allocate_nothing() {
    let (mut client, mut server) = open(&Arc::default());
    let each = steady(|| {
        client.connection().ping(NOW, 7).unwrap();
        carry(&mut client, &mut server);
        assert!(next_event(&mut server).is_none());
        carry(&mut server, &mut client);
        assert!(matches!(next_event(&mut client), Some(Event::Pong { .. })));
    });
    assert_eq!(each, 0);
}

#[test]
fn a_small_message_allocates_what_its_receiver_is_handed_and_no_more() {
    let (mut client, mut server) = open(&Arc::default());
    let (payload, options) = (Payload::bytes(&[7; 64]), Options::new());
    let each = steady(|| {
        client.connection().send(NOW, "log", &payload, &options).unwrap();
        carry(&mut client, &mut server);
        assert!(matches!(next_event(&mut server), Some(Event::Message(_))));
    });
    assert_eq!(each, 1);
}

#[test]
fn a_small_call_allocates_its_arguments_there_and_its_answer_here() {
    let (mut client, mut server) = open(&Arc::default());
    let (payload, options) = (Payload::bytes(&[7; 64]), Options::new());
    let each = steady(|| {
        client.connection().request(NOW, "echo", &payload, &options, 0).unwrap();
        carry(&mut client, &mut server);
        let Some(Event::Request { call, request, .. }) = next_event(&mut server) else { panic!() };
        server.connection().respond(NOW, call, Ok(&request.into_payload())).unwrap();
        carry(&mut server, &mut client);
        assert!(matches!(next_event(&mut client), Some(Event::Answer { outcome: Ok(_), .. })));
    });
    assert_eq!(each, 2);
}

/// Limits so small that an attack reaches them quickly.
fn small() -> Arc<Config> {
    let mut config = Config::default();
    config.max_frame = 64 << 10;
    config.max_calls = 64;
    config.max_unsent = 64 << 10;
    config.max_untaken = 64 << 10;
    config.max_unanswered = 256 << 10;
    config.stream_window = 64 << 10;
    config.max_subscriptions = 64;
    config.max_deliveries = 256;
    config.max_delivery_bytes = 64 << 10;
    (config.takes_items, config.offers_topics) = (true, true);
    config.check().unwrap();
    Arc::new(config)
}

/// A server that keeps all that it is handed and answers nothing that does not fit.
#[derive(Default)]
struct Hoarder {
    kept: Vec<Event>,
    calls: Vec<CallId>,
    subscriptions: Vec<CallId>,
    untaken: usize,
}

impl Hoarder {
    fn take_all(&mut self, pump: &mut Pump) {
        while let Some(event) = next_event(pump) {
            match &event {
                Event::Hello(_) => pump.connection().accept(NOW, &Welcome::new()).unwrap(),
                Event::Message(message) => {
                    self.untaken += message.size();
                    pump.set_untaken(self.untaken);
                }
                Event::Request { call, streams, .. } => {
                    self.calls.push(*call);
                    let item = Payload::bytes(&[3; 900]);
                    // As many as are taken, to a caller that never reads.
                    while streams.caller_takes && pump.connection().item(NOW, *call, &item).is_ok()
                    {
                    }
                }
                Event::Subscribe(wanted) => {
                    let (subscription, retained) = (wanted.subscription, vec![]);
                    let accept = Command::Subscribe { subscription, retained };
                    pump.connection().apply(NOW, accept).unwrap();
                    self.subscriptions.push(subscription);
                }
                Event::Publish { publication, .. } => {
                    for subscription in &self.subscriptions {
                        let (subscription, publication) = (*subscription, publication.clone());
                        let deliver = Command::Deliver { subscription, publication };
                        let _ = pump.connection().apply(NOW, deliver);
                    }
                    // A program that hands it on keeps nothing.
                    continue;
                }
                _ => {}
            }
            self.kept.push(event);
        }
    }
}

/// Feeds bytes as far as they are wanted.
fn feed(pump: &mut Pump, hoarder: &mut Hoarder, bytes: &[u8]) {
    feed_in_pieces(pump, hoarder, bytes, usize::MAX);
}

/// The same, at most so many at once.
fn feed_in_pieces(pump: &mut Pump, hoarder: &mut Hoarder, mut bytes: &[u8], most: usize) {
    while !bytes.is_empty() {
        hoarder.take_all(pump);
        let Next::Io { read: true, .. } = pump.next(NOW) else { return };
        let space = pump.space();
        let count = space.len().min(bytes.len()).min(most);
        space[..count].copy_from_slice(&bytes[..count]);
        pump.filled(NOW, count);
        bytes = &bytes[count..];
    }
    hoarder.take_all(pump);
}

fn frame(head: &[u8], length: usize) -> Vec<u8> {
    let mut frame = (length as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(head);
    frame.resize(4 + length, 0);
    frame
}

const HELLO: &[u8] = b"\x00\x00\x00\x12\x85\x00\x6bswitchboard\x81\x01\xa0\xf6";

/// A request with so many bytes; every id in five bytes.
fn request(id: u32, length: usize) -> Vec<u8> {
    let id = id.to_be_bytes();
    frame(&[0x85, 7, 0x1a, id[0], id[1], id[2], id[3], 0x61, b'r', 0xa0], length)
}

/// 64 calls with these streams, and as many items of this length as their windows and more take.
fn streamed(length: usize, streams: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for call in 0..64_u32 {
        let id = (0x1_0001 + 2 * call).to_be_bytes();
        let open = [0x85, 7, 0x1a, id[0], id[1], id[2], id[3], 0x61, b'r', 0xa1, 1, streams, 0xf6];
        bytes.extend(frame(&open, open.len()));
        let item = frame(&[0x83, 10, 0x1a, id[0], id[1], id[2], id[3]], length.max(8));
        bytes.extend(item.repeat((64 << 10) / length.max(64)));
    }
    bytes
}

/// 64 subscriptions, and many publications of this length.
fn published(length: usize) -> Vec<u8> {
    let subscribe = |number: u8| frame(&[0x84, 14, 0x18, 25 + 2 * number, 0x61, b't', 0xa0], 7);
    let mut bytes: Vec<u8> = (0..64).flat_map(subscribe).collect();
    let mut publication = frame(&[0x85, 16, 0xf6, 0x61, b't', 0xa0, 0x5a], length.max(11));
    let content = (length.max(11) - 11) as u32;
    publication[11..15].copy_from_slice(&content.to_be_bytes());
    bytes.extend(publication.repeat(((2 << 20) / length).min(5000)));
    bytes
}

fn attacks() -> Vec<(&'static str, Vec<u8>)> {
    // Several times what any limit lets in.
    let times = |length: usize| (4 << 20) / length as u32;
    let requests = |length: usize| {
        (0..times(length)).flat_map(|count| request(0x1_0001 + 2 * count, length)).collect()
    };
    let messages = |length: usize| {
        let frame = frame(&[0x84, 6, 0x61, b'm', 0xa0], length);
        frame.repeat(times(length) as usize)
    };
    vec![
        ("large requests", requests(60 << 10)),
        ("requests just too large to be copied", requests(1060)),
        ("requests that keep a buffer each", {
            let filler = frame(&[0x82, 0x18, 24], 15 << 10);
            let each = |count: u32| [request(0x1_0001 + 2 * count, 1060), filler.clone()].concat();
            (0..256_u32).flat_map(each).collect()
        }),
        ("small requests", requests(12)),
        ("large messages", messages(60 << 10)),
        ("messages just too large to be copied", messages(1060)),
        ("smallest messages", messages(6)),
        ("pings", frame(&[0x82, 4, 1], 3).repeat(50_000)),
        ("a frame that never ends", frame(&[0x84, 6], 64 << 10)[..60_000].to_vec()),
        ("items just larger than a read", streamed(17 << 10, 1)),
        ("items just too large to be copied elsewhere", streamed(1060, 1)),
        ("smallest items", streamed(4, 1)),
        ("streams that nobody reads", streamed(4, 3)),
        ("publications to many subscriptions that nobody reads", published(2000)),
        ("small publications, likewise", published(10)),
        ("large publications, likewise", published(60 << 10)),
        ("extensions", frame(&[0x82, 0x18, 24], 30 << 10).repeat(200)),
    ]
}

// Threat 7.
#[test]
fn no_peer_makes_a_connection_hold_more_than_its_bound() {
    let config = small();
    let bound = config.memory_bound() as isize;
    let mut least_room = isize::MAX;
    // As fast as it is read, and somewhat slower.
    let manners = [usize::MAX, 16_383];
    for ((name, bytes), most) in attacks().iter().flat_map(|each| manners.map(|most| (each, most)))
    {
        let (_, count) = counted(|| {
            let (mut pump, mut hoarder) = (server(Arc::clone(&config)), Hoarder::default());
            feed(&mut pump, &mut hoarder, HELLO);
            feed_in_pieces(&mut pump, &mut hoarder, bytes, most);
            // Then it is answered as far as that goes, but never reads.
            let answer = Payload::bytes(&[0; 4000]);
            for call in hoarder.calls.drain(..) {
                let _ = pump.connection().respond(NOW, call, Ok(&answer));
            }
            (pump, hoarder)
        });
        least_room = least_room.min(bound / count.peak);
        assert!(count.peak <= bound, "{name}: {} of {bound} bytes", count.peak);
    }
    assert!(least_room <= 4, "the bound is far from anything that happens");
}

/// A server's pump with a subscription; nothing waits to be written.
fn slow_subscriber(config: &Arc<Config>) -> Pump {
    let (mut pump, mut hoarder) = (server(Arc::clone(config)), Hoarder::default());
    feed(&mut pump, &mut hoarder, HELLO);
    feed(&mut pump, &mut hoarder, &frame(&[0x84, 14, 1, 0x61, b't', 0xa0], 6));
    assert_eq!(hoarder.subscriptions.len(), 1);
    let unsent = pump.connection().unsent();
    pump.wrote(NOW, unsent as usize);
    pump
}

// Threat 41.
#[test]
fn a_mebibyte_for_a_thousand_subscribers_costs_one_payload() {
    let config: Arc<Config> = {
        let mut config = Config::default();
        config.offers_topics = true;
        Arc::new(config)
    };
    let mut pumps: Vec<Pump> = (0..1000).map(|_| slow_subscriber(&config)).collect();
    let payload = Payload::bytes(&[7; 1 << 20]);
    let (publication, made) = counted(|| Publication::new("t", &payload, &Options::new()).unwrap());
    assert!(made.bytes < 200, "it is not copied: {made:?}");
    let subscription = CallId::new(1).unwrap();
    let deliver = || Command::Deliver { subscription, publication: publication.clone() };
    let ((), first) = counted(|| {
        for pump in &mut pumps {
            pump.connection().apply(NOW, deliver()).unwrap();
        }
    });
    // Each has the head of a frame in a buffer of its own, and shares the rest.
    assert!(first.live <= 1000 * 1024, "{first:?}");
    let ((), second) = counted(|| {
        for pump in &mut pumps {
            pump.connection().apply(NOW, deliver()).unwrap();
        }
    });
    // One that waits costs its place in a queue of at least four.
    assert!(second.live <= 1000 * 4 * 128, "{second:?}");
    let ((), third) = counted(|| {
        for pump in &mut pumps {
            pump.connection().apply(NOW, deliver()).unwrap();
        }
    });
    assert_eq!(third.live, 0, "no room for more than a mebibyte: the oldest goes, {third:?}");
    let unsent = pumps[0].connection().unsent();
    assert!(unsent > 1 << 20, "{unsent}");
}

#[test]
fn a_small_item_allocates_what_its_receiver_is_handed_and_no_more() {
    let config = small();
    let (mut client, mut server) = open(&config);
    let options = Options::new().no_deadline().send_items();
    let call = client.connection().request(NOW, "c", &Payload::null(), &options, 0).unwrap();
    carry(&mut client, &mut server);
    assert!(matches!(next_event(&mut server), Some(Event::Request { .. })));
    let payload = Payload::bytes(&[7; 64]);
    let each = steady(|| {
        client.connection().item(NOW, call, &payload).unwrap();
        carry(&mut client, &mut server);
        let Some(Event::Item { call, item }) = next_event(&mut server) else { panic!() };
        server.connection().taken(NOW, call, &item);
        carry(&mut server, &mut client);
        assert!(next_event(&mut client).is_none());
    });
    assert_eq!(each, 1);
}

#[test]
fn a_small_delivery_allocates_what_its_receiver_is_handed_and_no_more() {
    let (mut client, mut server) = open(&small());
    let subscription = client.connection().subscribe(NOW, "t", &Options::new(), 0).unwrap();
    carry(&mut client, &mut server);
    assert!(matches!(next_event(&mut server), Some(Event::Subscribe(_))));
    let accept = Command::Subscribe { subscription, retained: vec![] };
    server.connection().apply(NOW, accept).unwrap();
    carry(&mut server, &mut client);
    assert!(matches!(next_event(&mut client), Some(Event::Answer { outcome: Ok(_), .. })));
    let payload = Payload::bytes(&[7; 64]);
    let publication = Publication::new("t", &payload, &Options::new()).unwrap();
    let each = steady(|| {
        let publication = publication.clone();
        let deliver = Command::Deliver { subscription, publication };
        server.connection().apply(NOW, deliver).unwrap();
        carry(&mut server, &mut client);
        assert!(matches!(next_event(&mut client), Some(Event::Delivery { .. })));
    });
    assert_eq!(each, 1);
}

#[test]
fn a_connection_that_has_ended_gives_everything_back() {
    for (name, bytes) in attacks() {
        let ((), count) = counted(|| {
            let (mut pump, mut hoarder) = (server(small()), Hoarder::default());
            feed(&mut pump, &mut hoarder, HELLO);
            feed(&mut pump, &mut hoarder, &bytes);
        });
        assert_eq!(count.live, 0, "{name}");
    }
}

/// A server may have many that say no more than that.
#[test]
fn a_connection_that_has_greeted_takes_only_its_own_size() {
    let config = Arc::default();
    let (server, count) = counted(|| open(&config).1);
    assert_eq!(count.live, 0);
    assert!(size_of::<Connection>() <= 768, "{} bytes", size_of::<Connection>());
    drop(server);
}

/// What it needed for frames it keeps while they come, and not when none has come for a while.
#[test]
fn a_connection_that_is_quiet_gives_its_buffers_back() {
    let (mut client, mut server) = open(&Arc::default());
    let (payload, options) = (Payload::bytes(&[7; 600]), Options::new());
    let mut send = || {
        client.connection().send(NOW, "log", &payload, &options).unwrap();
        carry(&mut client, &mut server);
        assert!(matches!(next_event(&mut server), Some(Event::Message(_))));
    };
    (0..2).for_each(|_| send());
    let live_after = |pump: &mut Pump, millis| {
        let at = NOW + Duration::from_millis(millis);
        counted(|| assert!(matches!(pump.next(at), Next::Io { .. }))).1.live
    };
    assert_eq!(live_after(&mut server, 999), 0, "the next may come at once");
    assert_eq!(live_after(&mut server, 1000), 0, "some have come since this was planned");
    assert!(live_after(&mut server, 2000) < -16 * 1024, "its buffer of a read at least");
    assert!(live_after(&mut client, 2000) <= 0);
}
