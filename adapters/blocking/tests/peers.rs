//! Who is connected, as its server sees it: who is a peer, since when, until when; and what is asked of all
//! of them at once.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use common::{GOODBYE, Gate, Home, Unwritable, failure, patient, wait_until, within};
use switchboard::{
    CallError, CloseReason, Config, ConnectionId, Failure, Fate, Options, Payload, Rejected,
    Status, Welcome,
};
use switchboard_blocking::{Client, ClientBuilder, Context, Peer, Server};

type Outcomes<T> = Vec<(Peer, Result<T, CallError>)>;

fn ids<T>(outcomes: &Outcomes<T>) -> Vec<ConnectionId> {
    outcomes.iter().map(|(peer, _)| peer.id()).collect()
}

/// What became of one of them.
fn outcome<T>(outcomes: Outcomes<T>, of: ConnectionId) -> Result<T, CallError> {
    outcomes.into_iter().find(|(peer, _)| peer.id() == of).unwrap().1
}

fn id(client: &Client) -> ConnectionId {
    client.welcome().connection
}

/// A client that tells of each message on "n".
fn listens() -> (ClientBuilder, Receiver<usize>) {
    let (sender, came) = channel();
    let on = move |_: Context, payload: Payload| sender.send(payload.len()).unwrap();
    (Client::builder().on("n", on), came)
}

#[test]
fn only_who_was_let_in_is_a_peer_and_only_while_it_is_connected() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let home = Home::of(Server::builder().authorize(move |hello, _| {
        match hello.settings.scope.as_str() {
            "bad" => return Err(Failure::new(Status::PERMISSION_DENIED, "not you")),
            "slow" => held.pass(),
            _ => {}
        }
        Ok(Welcome::new().state(hello.settings.scope.clone()))
    }));
    assert!(home.server.peers().is_empty());
    let silent = home.raw();
    let refused = Client::builder().scope("bad").connect(&home.address);
    refused.unwrap_err();
    thread::scope(|scope| {
        let slow = scope.spawn(|| home.connect(Client::builder().scope("slow")));
        gate.wait_for(1);
        let clients = ["a", "b", "c"].map(|name| home.connect(Client::builder().scope(name)));
        let scopes = || {
            let peers = home.server.peers();
            peers.iter().map(|peer| peer.state::<String>().unwrap().clone()).collect::<Vec<_>>()
        };
        assert_eq!(scopes(), ["a", "b", "c"]);
        gate.open();
        let slow = slow.join().unwrap();
        // In the order in which they came to the door.
        assert_eq!(scopes(), ["slow", "a", "b", "c"]);
        let peer = home.server.peers().remove(2);
        assert_eq!(peer.id(), id(&clients[1]));
        assert_eq!(peer.hello().unwrap().settings.scope, "b");
        assert_eq!(peer.credentials().unwrap().pid, Some(std::process::id()));
        assert_eq!(peer.state::<u32>(), None);
        let [a, b, c] = clients;
        b.close("");
        wait_until(|| scopes() == ["slow", "a", "c"]);
        drop(a);
        c.abort("");
        wait_until(|| scopes() == ["slow"]);
        drop(slow);
        wait_until(|| scopes().is_empty());
    });
    drop(silent);
}

#[test]
fn a_server_ends_one_connection_and_leaves_the_others() {
    let home = Home::of(Server::builder().handle("works", |_, ()| Ok(true)));
    let other = home.client();
    let (first, second) = (home.connect(listens().0), home.connect(listens().0));
    let peers = home.server.peers();
    let peer = |of: &Client| peers.iter().find(|peer| peer.id() == id(of)).unwrap();
    assert_eq!(peer(&first).closed(), None);
    peer(&first).ping().unwrap();
    peer(&first).close("enough");
    wait_until(|| first.closed().is_some() && peer(&first).closed().is_some());
    let reason = CloseReason::PeerClosed { message: "enough".into(), reconnect_after: None };
    assert_eq!(first.closed(), Some(reason));
    let reason = CloseReason::Closed { message: "enough".into() };
    assert_eq!(peer(&first).closed(), Some(reason));
    peer(&second).abort("out");
    wait_until(|| second.closed().is_some() && peer(&second).closed().is_some());
    assert_eq!(second.closed(), Some(CloseReason::Lost));
    let reason = CloseReason::Aborted { message: "out".into() };
    assert_eq!(peer(&second).closed(), Some(reason));
    wait_until(|| home.server.peers().len() == 1);
    assert!(other.request::<bool>("works", &()).unwrap());
    assert_eq!(peer(&other).closed(), None);
}

#[test]
fn a_handler_may_end_its_own_connection() {
    for inline in [false, true] {
        let close = |cx: Context, abort: bool| {
            if abort {
                cx.peer().abort("out");
            } else {
                cx.peer().close("enough");
            }
            Ok(7)
        };
        let builder = Server::builder();
        let home = Home::of(if inline {
            builder.handle_inline("end", close)
        } else {
            builder.handle("end", close)
        });
        // Its own call was open when it said so, and is answered.
        let client = home.client();
        assert_eq!(client.request::<u8>("end", &false).unwrap(), 7);
        assert!(matches!(client.close(""), CloseReason::PeerClosed { .. }));
        let lost = CallError::Disconnected(CloseReason::Lost, Fate::MayHaveRun);
        assert_eq!(home.client().request::<u8>("end", &true), Err(lost));
        wait_until(|| home.server.peers().is_empty());
    }
}

// Threat 31.
#[test]
fn a_broadcast_waits_for_nobody_and_says_what_became_of_each() {
    let gate = Arc::new(Gate::default());
    let mut config = common::no_hurry();
    config.max_unsent = 256 << 10;
    let builder = Server::builder().config(config).handle("slow", gate.handler());
    let home = Home::of(builder.handle("works", |_, ()| Ok(true)));
    let (builder, came) = listens();
    let good = home.connect(builder);
    let deaf = home.welcomed();
    let without = home.connect(Client::builder().on("other", |_, ()| {}));
    // It leaves, but for a call.
    let mut leaves = home.welcomed();
    leaves.frame(b"\x85\x07\x01\x64slow\xa0\xf6");
    gate.wait_for(1);
    leaves.say(GOODBYE);
    assert_eq!(leaves.hear().unwrap(), GOODBYE[4..]);
    let peers = home.server.peers();
    assert_eq!(peers.len(), 4);
    let [deaf_id, leaves_id] = [peers[1].id(), peers[3].id()];

    let block = Payload::bytes(&[7; 60_000]);
    let mut full = false;
    for _ in 0..100 {
        let told = home.server.broadcast("n", &block, &Options::new()).unwrap();
        assert!(ids(&told).into_iter().eq(peers.iter().map(Peer::id)));
        assert_eq!(came.recv().unwrap(), block.len());
        // Answers come behind messages.
        assert!(without.request::<bool>("works", &()).unwrap());
        for (peer, outcome) in told {
            if peer.id() == leaves_id {
                assert_eq!(outcome, Err(CallError::Rejected(Rejected::Closed)));
            } else if peer.id() == deaf_id && outcome.is_err() {
                assert_eq!(outcome, Err(CallError::Rejected(Rejected::Full)));
                full = true;
            } else {
                assert_eq!(outcome, Ok(()));
                assert!(!(full && peer.id() == deaf_id), "room for one that reads nothing");
            }
        }
    }
    assert!(full, "nobody is ever full");
    assert!(good.request::<bool>("works", &()).unwrap());
    // What was taken for the deaf one is whole; nothing of what was not.
    let mut deaf = deaf;
    let taken = std::iter::from_fn(|| {
        let frame = deaf.hear().unwrap();
        (frame[1] == 6).then(|| assert_eq!(frame.len(), block.len() + 5))
    });
    assert!(taken.take(5).count() == 5);
    gate.open();
}

#[test]
fn a_broadcast_says_if_the_message_cannot_be_written() {
    let home = Home::of(Server::builder());
    assert!(home.server.broadcast("n", &1, &Options::new()).unwrap().is_empty());
    let _client = home.client();
    home.server.broadcast("n", &Unwritable, &Options::new()).unwrap_err();
    home.server.survey::<()>("n", &Unwritable, &Options::new()).unwrap_err();
    let told = home.server.broadcast("", &1, &Options::new()).unwrap().remove(0).1;
    assert_eq!(told, Err(CallError::Rejected(Rejected::BadChannel)));
}

#[test]
fn a_survey_has_an_outcome_for_each() {
    let mut config = common::no_hurry();
    config.max_unsent = 64 << 10;
    let home = Home::of(Server::builder().config(config));
    let gate = Arc::new(Gate::default());
    let serving = |n: u32| home.connect(Client::builder().handle("n", move |_, m: u32| Ok(n + m)));
    let (first, second) = (serving(1), serving(2));
    let without = home.connect(Client::builder().on("other", |_, ()| {}));
    let late = home.connect(Client::builder().handle("n", {
        let gate = Arc::clone(&gate);
        move |_, _: u32| {
            gate.pass();
            Ok(0)
        }
    }));
    let text = home.connect(Client::builder().handle("n", |_, _: u32| Ok("text")));
    let leaves = home.connect(Client::builder().handle("n", |cx: Context, _: u32| {
        cx.peer().abort("");
        Ok(0)
    }));
    // One that reads nothing, to which much is said already.
    let deaf = home.welcomed();
    let stuck = home.server.peers().pop().unwrap();
    while stuck.with(within(50)).send("m", &Payload::bytes(&[0; 60_000])).is_ok() {}
    let survey = || home.server.survey::<u32>("n", &10, &within(200)).unwrap();
    let told = survey();
    assert_eq!(told.len(), 7);
    for (client, expected) in [(&first, 11), (&second, 12)] {
        assert_eq!(told.iter().find(|(peer, _)| peer.id() == id(client)).unwrap().1, Ok(expected));
    }
    let mut rest: Outcomes<u32> = told;
    let mut take = |of| {
        let at = rest.iter().position(|(peer, _)| peer.id() == of).unwrap();
        rest.remove(at).1
    };
    assert_eq!(take(stuck.id()), Err(CallError::Rejected(Rejected::Full)));
    assert_eq!(failure(take(id(&without))).status, Status::UNIMPLEMENTED);
    assert!(matches!(take(id(&text)), Err(CallError::Decode(_))));
    let lost = CallError::Disconnected(CloseReason::Lost, Fate::MayHaveRun);
    assert_eq!(take(id(&leaves)), Err(lost));
    let late_ = take(id(&late)).unwrap_err();
    assert_eq!(late_.status(), Status::DEADLINE_EXCEEDED);
    assert!(late_.may_have_run());
    gate.open();
    // The next one finds them as they are now.
    wait_until(|| home.server.peers().len() == 6);
    let late = id(&late);
    while outcome(survey(), late) != Ok(0) {}
    drop(deaf);
}

#[test]
fn a_handler_may_survey_everybody_its_caller_included() {
    let home = Home::of(Server::builder());
    let server = home.server.clone();
    let sum = home.server.handle("sum", move |_: Context, n: u32| {
        let told = server.survey::<u32>("n", &n, &patient()).unwrap();
        Ok(told.into_iter().map(|(_, answer)| answer.unwrap()).sum::<u32>())
    });
    let sum = sum.unwrap();
    let serving = |n: u32| home.connect(Client::builder().handle("n", move |_, m: u32| Ok(n * m)));
    let clients = [1, 10, 100].map(serving);
    thread::scope(|scope| {
        for client in &clients {
            scope.spawn(move || {
                for n in 1..50 {
                    assert_eq!(client.request::<u32>("sum", &n).unwrap(), 111 * n);
                }
            });
        }
    });
    drop(sum);
}

#[test]
fn a_survey_among_peers_that_come_and_go_ends() {
    let mut config = Config::default();
    config.call_deadline = None;
    let home = Home::of(Server::builder().config(config));
    let stays = home.connect(Client::builder().handle("n", |_, n: u32| Ok(n)));
    thread::scope(|scope| {
        let guests = scope.spawn(|| {
            for n in 0..150 {
                let guest = home.connect(Client::builder().handle("n", |_, n: u32| Ok(n)));
                match n % 3 {
                    0 => drop(guest.close("")),
                    1 => guest.abort(""),
                    _ => drop(guest),
                }
            }
        });
        let mut n = 0;
        while !guests.is_finished() {
            n += 1;
            let told = home.server.survey::<u32>("n", &n, &Options::new()).unwrap();
            assert_eq!(outcome(told, id(&stays)), Ok(n));
            let told = home.server.broadcast("m", &n, &Options::new()).unwrap();
            assert_eq!(outcome(told, id(&stays)), Ok(()));
        }
        guests.join().unwrap();
    });
}
