//! A server with many clients: each has its own connection, links and end, and one handler sees all.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use switchboard::{Connection, Event, Failure, Hello, Payload, Status};
use switchboard_testkit::{Chunking, Link, Net};

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn clients_are_accepted_and_have_a_connection_each() {
    let mut net = Net::new();
    let (anna, bert) = (net.connect(), net.connect());
    assert_eq!((anna.number(), bert.number()), (1, 2));
    assert_eq!(net.server.ids().collect::<Vec<_>>(), [anna, bert]);
    net.client(bert).request("b").unwrap();
    net.drive();
    assert_eq!(net.server.side(anna).happened(), Vec::<String>::new());
    assert_eq!(net.server.side(bert).happened(), ["call 1 asks b"]);
    net.server.side(bert).respond(1).unwrap();
    net.drive();
    assert_eq!(net.client(bert).happened(), ["call 1 ended well"]);
    assert_eq!(net.client(anna).happened(), Vec::<String>::new());
}

#[test]
fn one_handler_sees_all_connections_and_may_command_each() {
    let mut net = Net::new();
    net.on_event(|server, from, event| match event {
        Event::Request { call, .. } => {
            for id in server.ids() {
                server.side(id).send("asked", &Payload::null()).unwrap();
            }
            server.side(from).answer(call, Ok(&Payload::null())).unwrap();
            None
        }
        other => Some(other),
    });
    let clients: Vec<_> = (0..3).map(|_| net.connect()).collect();
    net.client(clients[1]).request("c").unwrap();
    net.client(clients[2]).send("log", &Payload::null()).unwrap();
    net.drive();
    assert_eq!(net.client(clients[0]).happened(), ["message asked of 1 B"]);
    assert_eq!(net.client(clients[1]).happened(), ["message asked of 1 B", "call 1 ended well"]);
    assert_eq!(net.server.side(clients[2]).happened(), ["message log of 1 B"]);
    assert_eq!(net.server.side(clients[2]).happened(), Vec::<String>::new());
}

#[test]
fn a_handler_may_refuse_a_client_or_let_it_wait() {
    let mut net = Net::new();
    net.on_event(|server, from, event| {
        if let Event::Hello(_) = event {
            let side = server.side(from);
            let now = side.now;
            if from.number() == 1 {
                let failure = Failure::new(Status::PERMISSION_DENIED, "no");
                side.connection().refuse(now, failure, None).unwrap();
            }
            return None;
        }
        Some(event)
    });
    let refused = net.connect();
    assert_eq!(
        net.client(refused).happened(),
        ["closed: the server refused: PERMISSION_DENIED: no"],
    );
    let waits = net.connect();
    assert_eq!(net.client(waits).happened(), Vec::<String>::new());
    net.server.side(waits).accept();
    net.drive();
    assert_eq!(net.client(waits).happened(), ["welcome #2"]);
}

#[test]
fn links_and_cuts_concern_one_connection_only() {
    let mut net = Net::with_config(Arc::default());
    let (near, far) = (net.connect(), net.connect());
    net.set_links(far, Link::new().latency(millis(5)).chunking(Chunking::OneByte));
    for id in [near, far] {
        net.client(id).send("log", &Payload::null()).unwrap();
    }
    net.step();
    assert_eq!(net.server.side(near).happened().len(), 1);
    assert_eq!(net.server.side(far).happened().len(), 0);
    net.drive();
    assert_eq!((net.server.side(far).happened().len(), net.now()), (1, millis(5).into()));
    net.cut(far);
    net.drive();
    assert_eq!(net.client(far).happened(), ["closed: the connection was lost"]);
    assert_eq!(net.server.side(far).happened(), ["closed: the connection was lost"]);
    assert!(net.client(near).connection().is_open());
}

#[test]
fn a_client_that_comes_late_has_the_time_of_the_others() {
    let mut net = Net::new();
    net.connect();
    net.drive_for(Duration::from_secs(3600));
    let now = net.now();
    let late = net.join(Connection::client(Arc::default(), &Hello::new(), now).unwrap());
    net.drive();
    assert_eq!(net.client(late).happened(), ["welcome #2"]);
    assert_eq!(net.now(), Duration::from_secs(3600).into());
}
