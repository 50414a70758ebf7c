//! An executor that is dropped before those who wait for what its tasks drive: each of them is told.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use futures_util::FutureExt;
use futures_util::future::{join_all, poll_fn};
use switchboard::{CallError, DeliveryError};
use switchboard_futures::{Client, Server};

use crate::home::{Home, patient};
use crate::streams::lent;
use crate::world::{self, Scripted, finish};

type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Waits for something, and to be told that the connection is gone.
fn told<'a, T: Debug>(
    what: &'a str,
    waits: impl Future<Output = Result<T, CallError>> + 'a,
) -> Waiting<'a> {
    let told = move |ended| {
        assert!(matches!(ended, Err(CallError::Disconnected(..))), "{what}: {ended:?}")
    };
    Box::pin(waits.map(told))
}

/// Sends until nothing goes any more: a write may have been granted before there was something to write, and
/// makes room behind the first that waits.
fn fill(send: impl Fn() -> Option<Result<(), CallError>>) {
    let mut waiting = 0;
    while waiting < 2 {
        waiting = if send().is_none() { waiting + 1 } else { 0 };
    }
}

/// Has all of them wait, drops the executor, and waits for their ends.
fn end(all: Vec<Waiting<'_>>) {
    end_when(|| (), all);
}

/// The same behind something that comes just before.
fn end_when(comes: impl FnOnce(), all: Vec<Waiting<'_>>) {
    let mut all = join_all(all);
    finish(async {
        comes();
        let waits = poll_fn(|cx| std::task::Poll::Ready(all.poll_unpin(cx).is_pending()));
        assert!(waits.await);
        world::drop_executor();
        all.await;
    });
}

#[test]
fn whoever_waits_is_told() {
    let home = Home::new();
    let (client, peer) = (&home.client, &home.peer);
    let (exchange, mut items, _sender) = lent(&home);
    let (_ours, theirs) = exchange.split();
    let mut subscription = finish(client.subscribe::<u32>("n")).unwrap();
    world::settle();
    let item = async { items.next().await.unwrap() };
    let delivery = async {
        let ended = subscription.next().await.unwrap();
        assert!(matches!(&ended, Err(DeliveryError::Disconnected(_))), "{ended:?}");
        assert!(subscription.next().await.is_none());
    };
    end(vec![
        told("Client::request", client.request::<()>("hang", &())),
        told("Client::ping", client.ping()),
        told("Client::open", async { client.open("hang", &()).await?.answer::<()>().await }),
        told("Client::subscribe", async { client.subscribe::<u32>("m").await.map(drop) }),
        told("Client::publish_counted", client.publish_counted("n", &1)),
        told("ExchangeReceiver::answer", theirs.answer::<()>()),
        told("Peer::request", peer.request::<()>("hang", &())),
        told("Peer::ping", peer.ping()),
        told("Items::next", item),
        Box::pin(delivery),
        Box::pin(client.close("").map(drop)),
    ]);
    assert!(client.closed().is_some() && peer.closed().is_some());
    finish(told("a later call", client.request::<()>("hang", &())));
    finish(told("a later call of a peer", peer.request::<()>("hang", &())));
    assert_eq!(home.served.running() + home.called.running(), 0);
    assert!(home.server.peers().is_empty());
    drop((items, _sender, _ours, subscription));
    home.ends();
}

#[test]
fn a_call_that_is_alone_is_told() {
    let home = Home::alone();
    end(vec![told("Client::request", home.client.request::<()>("hang", &()))]);
    home.ends();
}

#[test]
fn whoever_waits_for_room_is_told() {
    let mut config = patient();
    (config.max_unsent, config.stream_window) = (1, 1);
    let home = Home::with(config);
    let (client, peer) = (&home.client, &home.peer);
    let (exchange, _items, sender) = lent(&home);
    finish(exchange.send(&1)).unwrap();
    finish(sender.send(&1)).unwrap();
    world::settle();
    let full = || {
        fill(|| world::poll_once(client.send("n", &1)));
        fill(|| world::poll_once(peer.send("n", &1)));
    };
    end_when(
        full,
        vec![
            told("Client::request", client.request::<()>("hang", &())),
            told("Client::send", client.send("n", &2)),
            told("Client::publish", client.publish("n", &2)),
            told("Client::subscribe", async { client.subscribe::<u32>("m").await.map(drop) }),
            told("Client::open", async { client.open("hang", &()).await.map(drop) }),
            told("Peer::request", peer.request::<()>("hang", &())),
            told("Peer::send", peer.send("n", &2)),
            Box::pin(exchange.send(&2).map(|ended| assert!(ended.is_err(), "{ended:?}"))),
            Box::pin(sender.send(&2).map(|ended| assert!(ended.is_err(), "{ended:?}"))),
        ],
    );
    drop((exchange, _items, sender));
    home.ends();
}

#[test]
fn whoever_waits_for_the_end_of_a_server_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("s").to_str().unwrap().to_owned();
    let server = finish(Server::<Scripted>::builder().bind(&address)).unwrap();
    let client = finish(Client::<Scripted>::connect(&address)).unwrap();
    end(vec![
        Box::pin(server.closed()),
        told("Client::request", client.request::<()>("nobody", &())),
    ]);
    assert!(!folder.path().join("s").exists(), "nobody is sent there");
}
