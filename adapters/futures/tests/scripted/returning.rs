//! Futures that are dropped while their client has no connection and waits to come back: what was not sent is
//! not sent later, and nothing of it stays.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchboard::{Backoff, CallError, Options, Rejected, SessionStatus};
use switchboard_futures::{Client, Server};

use crate::home::{Seen, patient, serving};
use crate::leaves::{leaves_nothing, waits};
use crate::world::{self, Scripted, finish};

fn bind(address: &str, seen: &Arc<Seen>) -> Server<Scripted> {
    finish(serving!(Server::builder().config(patient()), seen).bind(address)).unwrap()
}

#[test]
fn what_was_dropped_meanwhile_is_not_sent_later() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("s").to_str().unwrap().to_owned();
    let (before, after) = (Arc::<Seen>::default(), Arc::<Seen>::default());
    let server = bind(&address, &before);
    let soon = Backoff::new().first(Duration::from_millis(1)).longest(Duration::from_millis(1));
    let client = Client::<Scripted>::builder().config(patient()).reconnect(soon);
    let client = finish(client.connect(&address)).unwrap();
    let mut kept = finish(client.subscribe::<u32>("kept")).unwrap();
    drop(server);
    world::settle();
    assert_ne!(client.status(), SessionStatus::Ready);
    let again = client.with(Options::new().idempotent());
    leaves_nothing("request", || waits(client.request::<()>("hang", &())));
    leaves_nothing("idempotent", || waits(again.request::<()>("hang", &())));
    leaves_nothing("subscribe", || waits(client.subscribe::<u32>("dropped")));
    // Streams do not wait for a connection.
    let down = Err(CallError::Rejected(Rejected::Down));
    assert_eq!(finish(async { client.open("hang", &()).await.map(drop) }), down);
    leaves_nothing("next", || waits(kept.next()));
    // What waits to be sent once, and to be counted by nobody.
    assert!(waits(client.publish_counted("kept", &5)));
    finish(client.send("n", &1)).unwrap();
    let server = bind(&address, &after);
    world::until(|| client.status() == SessionStatus::Ready);
    world::settle();
    assert_eq!(after.began.load(Ordering::SeqCst), 0, "calls that were dropped");
    assert_eq!(after.messages(), [1]);
    let counters = server.peers()[0].counters().unwrap();
    assert_eq!((counters.subscriptions, counters.open_served), (1, 0));
    assert_eq!(client.counters().open_made, 0);
    server.publish("kept", &7, &Options::new()).unwrap();
    for value in [5, 7] {
        assert_eq!(finish(kept.next()).unwrap().unwrap().value, value);
    }
    assert_eq!(finish(again.request::<u32>("add", &(1, 2))), Ok(3));
}

#[test]
fn a_client_that_is_closed_while_it_connects_keeps_no_transport() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("s").to_str().unwrap().to_owned();
    let seen = Arc::<Seen>::default();
    let server = bind(&address, &seen);
    let known = Arc::<OnceLock<Client<Scripted>>>::default();
    let closes = Arc::clone(&known);
    let soon = Backoff::new().first(Duration::from_millis(1)).longest(Duration::from_millis(1));
    let client = Client::<Scripted>::builder().config(patient()).reconnect(soon);
    let client = client.verify_server(move |_| {
        // Not at the first time, when there is no client yet.
        if let Some(client) = closes.get() {
            client.abort("not to this one");
        }
        true
    });
    let client = known.get_or_init(|| finish(client.connect(&address)).unwrap());
    drop(server);
    world::settle();
    let server = bind(&address, &seen);
    world::until(|| client.status() == SessionStatus::Disconnected);
    world::settle();
    // The server's acceptor and its listener, and who waits for its end.
    assert_eq!(world::census(), (2, 1), "tasks and transports");
    assert!(client.closed().is_some() && server.peers().is_empty());
}
