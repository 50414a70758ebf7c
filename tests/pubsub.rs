//! Pub/sub between connections: a broker, a server and its clients in memory (`docs/protocol.md`
//! section 5).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::{Arc, Mutex};

use common::{blob, config};
use switchboard::{
    Asked, Broker, BrokerLimits, CallId, Config, Connection, ConnectionId, Event, Failure, Hello,
    Options, Owner, Payload, Policy, Publication, Status,
};
use switchboard_testkit::{Link, Net, Server};

/// A server with a broker, and clients.
struct PubSub {
    net: Net,
    broker: Arc<Mutex<Broker>>,
}

/// Gives the broker's commands to the connections.
fn carry(broker: &mut Broker, server: &mut Server) {
    while let Some((to, command)) = broker.poll_command() {
        let side = server.side(to);
        let now = side.now;
        let _ = side.connection().apply(now, command);
        broker.set_full(to, side.connection().is_crowded());
    }
}

/// A check that lets nothing pass that begins with `secret`.
fn check(asked: &Asked<'_>) -> Result<(), Failure> {
    let name = match asked {
        Asked::Publish(publication) => publication.topic(),
        Asked::Request(received) | Asked::Message(received) => received.channel(),
        Asked::Subscribe { pattern, .. } => pattern,
        other => panic!("{other:?}"),
    };
    if name.starts_with("secret") {
        return Err(Failure::new(Status::PERMISSION_DENIED, "no secrets"));
    }
    Ok(())
}

impl PubSub {
    fn new(limits: BrokerLimits, change: impl FnOnce(&mut Config)) -> Self {
        let mut net = Net::with_config(config(|config| {
            config.offers_topics = true;
            change(config);
        }));
        net.trace.silence();
        let broker = Arc::new(Mutex::new(Broker::new(limits)));
        let in_net = Arc::clone(&broker);
        net.on_event(move |server, from, event| {
            let mut broker = in_net.lock().unwrap();
            if let Event::Hello(hello) = &event {
                broker.join(from, Owner(from.number() % 2), &hello.settings.scope);
            }
            let rest = match Asked::of(&event).map(|asked| check(&asked)) {
                Some(Err(failure)) => {
                    broker.refuse(from, event, failure);
                    None
                }
                _ => broker.handle(from, event),
            };
            carry(&mut broker, server);
            rest
        });
        Self { net, broker }
    }

    fn with_clients(count: usize) -> (Self, Vec<ConnectionId>) {
        let mut all = Self::new(BrokerLimits::default(), |_| {});
        let clients = (0..count).map(|_| all.net.connect()).collect();
        (all, clients)
    }

    fn subscribe(&mut self, by: ConnectionId, pattern: &str, options: &Options) -> CallId {
        let side = self.net.client(by);
        let now = side.now;
        let call = side.connection().subscribe(now, pattern, options, 0).unwrap();
        self.net.drive();
        assert_eq!(self.net.client(by).happened()[0], format!("{call} ended well"));
        call
    }

    fn publish(&mut self, by: ConnectionId, topic: &str, payload: &Payload) {
        let side = self.net.client(by);
        let now = side.now;
        side.connection().publish(now, topic, payload, &Options::new()).unwrap();
    }

    /// The server's own.
    fn say(&mut self, topic: &str) -> u64 {
        let publication = Publication::new(topic, &Payload::null(), &Options::new()).unwrap();
        let mut broker = self.broker.lock().unwrap();
        let count = broker.publish("", publication).unwrap();
        carry(&mut broker, &mut self.net.server);
        count
    }

    /// How many deliveries a client got, and how many it was told are missing.
    fn got(&mut self, by: ConnectionId) -> (u64, u64) {
        let side = self.net.client(by);
        side.run();
        side.events.drain(..).fold((0, 0), |(got, lost), event| match event {
            Event::Delivery { .. } => (got + 1, lost),
            Event::Lagged { dropped, .. } => (got, lost + dropped),
            other => panic!("{other:?}"),
        })
    }
}

// Threat 33.
#[test]
fn one_subscriber_that_does_not_read_costs_the_others_nothing() {
    let (mut all, clients) = PubSub::with_clients(101);
    let publisher = clients[100];
    for client in &clients[..100] {
        all.subscribe(*client, "news", &Options::new());
    }
    all.net.set_link_to_client(clients[0], Link::new().window(0));
    let payload = blob(64);
    for _ in 0..30 {
        for _ in 0..100 {
            all.publish(publisher, "news", &payload);
        }
        all.net.drive();
    }
    for client in &clients[1..100] {
        assert_eq!(all.got(*client), (3000, 0), "{client}");
    }
    assert_eq!(all.got(clients[0]), (0, 0));
    all.net.set_link_to_client(clients[0], Link::new());
    all.net.drive();
    let (got, lost) = all.got(clients[0]);
    assert_eq!(got + lost, 3000);
    assert!(got >= 1024 && lost > 0, "{got} came, {lost} are missing");
}

#[test]
fn a_policy_to_disconnect_ends_the_connection_that_asked_for_it_and_no_other() {
    let (mut all, clients) = PubSub::with_clients(2);
    all.subscribe(clients[0], "a", &Options::new().policy(Policy::Disconnect));
    all.subscribe(clients[1], "a", &Options::new());
    all.net.set_link_to_client(clients[0], Link::new().window(0));
    for _ in 0..2000 {
        all.say("a");
        all.net.drive();
    }
    assert_eq!(all.got(clients[1]), (2000, 0));
    let told = all.net.server.side(clients[0]).happened();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("closed: ") && told[0].contains("RESOURCE_EXHAUSTED"), "{told:?}");
    assert_eq!(all.say("a"), 1, "its subscription has ended");
}

#[test]
fn a_group_gives_its_work_to_those_who_read() {
    let (mut all, clients) = PubSub::with_clients(3);
    for client in &clients {
        all.subscribe(*client, "jobs.>", &Options::new().group("workers"));
    }
    all.net.set_link_to_client(clients[0], Link::new().window(0));
    for _ in 0..9000 {
        assert_eq!(all.say("jobs.a"), 1);
        all.net.drive();
    }
    let (second, third) = (all.got(clients[1]), all.got(clients[2]));
    assert_eq!((second.1, third.1), (0, 0));
    all.net.set_link_to_client(clients[0], Link::new());
    all.net.drive();
    let first = all.got(clients[0]);
    assert_eq!((first.0 + second.0 + third.0, first.1), (9000, 0), "{first:?}");
    assert!((1024..1200).contains(&first.0), "as many as there is room for: {first:?}");
    assert!(second.0.abs_diff(third.0) < 100, "{second:?} {third:?}");
}

#[test]
fn a_publisher_that_subscribes_to_itself_gets_all_of_it_in_order_and_nothing_stops() {
    let (mut all, clients) = PubSub::with_clients(1);
    let me = clients[0];
    let subscription = all.subscribe(me, ">", &Options::new());
    for number in 1..=500 {
        all.publish(me, "echo", &blob(number));
    }
    all.net.drive();
    let lengths: Vec<_> = all.net.client(me).happened();
    let expected = (1..=500).map(|number| {
        let length = blob(number).len();
        format!("delivery {} echo of {length} B", subscription.number())
    });
    assert_eq!(lengths, expected.collect::<Vec<_>>());
}

#[test]
fn what_the_check_refuses_is_answered_or_dropped_and_reaches_nobody() {
    let (mut all, clients) = PubSub::with_clients(2);
    all.subscribe(clients[1], ">", &Options::new());
    all.publish(clients[0], "secret.plan", &Payload::null());
    let side = all.net.client(clients[0]);
    let (now, options) = (side.now, Options::new());
    let connection = side.connection();
    connection.publish_counted(now, "secret.plan", &Payload::null(), &options, 0).unwrap();
    connection.publish_counted(now, "open", &Payload::null(), &options, 0).unwrap();
    all.net.drive();
    let told = ["call 1 ended failed PERMISSION_DENIED: no secrets", "call 3 ended well"];
    assert_eq!(all.net.client(clients[0]).happened(), told);
    assert_eq!(all.net.client(clients[1]).happened(), ["delivery 1 open of 1 B"]);
}

#[test]
fn the_check_is_asked_of_calls_and_messages_too() {
    let (mut all, clients) = PubSub::with_clients(1);
    for channel in ["secret", "open"] {
        let side = all.net.client(clients[0]);
        side.send(channel, &Payload::null()).unwrap();
        side.request(channel).unwrap();
    }
    all.net.drive();
    let told = ["message open of 1 B", "call 3 asks open"];
    assert_eq!(all.net.server.side(clients[0]).happened(), told);
    let refused = ["call 1 ended failed PERMISSION_DENIED: no secrets"];
    assert_eq!(all.net.client(clients[0]).happened(), refused);
}

#[test]
fn a_permission_that_is_taken_back_holds_for_what_waits_at_the_connection() {
    let (mut all, clients) = PubSub::with_clients(1);
    let subscription = all.subscribe(clients[0], "a", &Options::new());
    all.subscribe(clients[0], "b", &Options::new());
    // Not a byte gets through, so that all waits at the connection.
    all.net.set_link_to_client(clients[0], Link::new().window(0));
    for topic in ["b", "a", "a", "a", "b"] {
        all.say(topic);
        all.net.drive();
    }
    let why = Failure::new(Status::PERMISSION_DENIED, "no longer");
    let mut broker = all.broker.lock().unwrap();
    assert!(broker.end_subscription(clients[0], subscription, why));
    carry(&mut broker, &mut all.net.server);
    drop(broker);
    all.net.set_link_to_client(clients[0], Link::new());
    all.net.drive();
    let told = all.net.client(clients[0]).happened();
    let of_it = |told: &&String| told.contains(" a ");
    assert!(told.iter().filter(of_it).count() == 0, "{told:?}");
    let ended =
        format!("subscription {} ended: PERMISSION_DENIED: no longer", subscription.number());
    assert!(told.contains(&ended), "{told:?}");
    assert_eq!(told.iter().filter(|told| told.contains(" b ")).count(), 2, "{told:?}");
}

#[test]
fn scopes_hear_nothing_of_each_other() {
    let mut all = PubSub::new(BrokerLimits::default(), |_| {});
    let ids: Vec<_> = ["red", "blue", "red"]
        .map(|scope| {
            let hello = Hello::new().scope(scope);
            let client = Connection::client(Arc::default(), &hello, all.net.now()).unwrap();
            let id = all.net.join(client);
            all.net.drive();
            all.net.client(id).events.clear();
            all.subscribe(id, ">", &Options::new());
            id
        })
        .into();
    all.publish(ids[0], "a", &Payload::null());
    all.net.drive();
    assert_eq!(all.got(ids[0]), (1, 0));
    assert_eq!(all.got(ids[1]), (0, 0));
    assert_eq!(all.got(ids[2]), (1, 0));
    let mut broker = all.broker.lock().unwrap();
    assert_eq!(broker.broadcast("red", "news", Payload::null(), Options::new()), 2);
    assert_eq!(broker.survey("blue", "how", Payload::null(), Options::new(), 9), 1);
    carry(&mut broker, &mut all.net.server);
    drop(broker);
    all.net.drive();
    assert_eq!(all.net.client(ids[0]).happened(), ["message news of 1 B"]);
    assert_eq!(all.net.client(ids[1]).happened(), ["call 2 asks how"]);
    all.net.client(ids[1]).respond(2).unwrap();
    all.net.drive();
    let answer = all.net.server.side(ids[1]).events.pop();
    assert!(matches!(answer, Some(Event::Answer { token: 9, outcome: Ok(_), .. })), "{answer:?}");
}

// Threat 43.
#[test]
fn one_owner_uses_up_its_quota_and_the_other_has_its_own() {
    let mut limits = BrokerLimits::default();
    limits.owner_subscriptions = 3;
    let mut all = PubSub::new(limits, |_| {});
    // Of one owner those with odd numbers, of the other those with even ones.
    let clients: Vec<_> = (0..4).map(|_| all.net.connect()).collect();
    let mut answers = Vec::new();
    for client in [0, 2, 0, 2, 1, 3, 1, 3] {
        let side = all.net.client(clients[client]);
        let now = side.now;
        side.connection().subscribe(now, "a", &Options::new(), 0).unwrap();
        all.net.drive();
        answers.push(all.net.client(clients[client]).happened()[0].contains("ended well"));
    }
    assert_eq!(answers, [true, true, true, false, true, true, true, false]);
    all.net.cut(clients[0]);
    all.net.drive();
    all.subscribe(clients[2], "a", &Options::new());
}
