//! What a connection serves, when what it is for has ended before it was served.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use switchboard::Payload;
use switchboard_futures::{Client, Context, Server, Stream};

use crate::home::{Home, Seen, patient, serving};
use crate::world::{self, Mischief, Scripted, finish};

/// A server with one handler at a time, and its client.
fn narrow(seen: &Arc<Seen>) -> (Server<Scripted>, Client<Scripted>) {
    let waits = Arc::clone(seen);
    let server = serving!(Server::<Scripted>::builder().config(patient()), seen)
        .on("hang", move |_: Context, (): ()| {
            let hangs = waits.hang();
            async { drop(hangs.await) }
        })
        .handlers(1)
        .start()
        .unwrap();
    let (ours, theirs) = Stream::pair().unwrap();
    server.attach(theirs).unwrap();
    let client = finish(Client::builder().config(patient()).attach(ours)).unwrap();
    (server, client)
}

#[test]
fn a_call_that_is_given_up_before_it_had_a_handler_is_over() {
    let seen = Arc::<Seen>::default();
    let (server, client) = narrow(&seen);
    let first = client.request::<()>("hang", &());
    let second = client.request::<()>("hang", &());
    let third = client.request::<u32>("add", &(1, 2));
    world::settle();
    let served = || {
        world::settle();
        server.peers()[0].counters().unwrap().open_served
    };
    assert_eq!(served(), 3);
    drop(second);
    assert_eq!(served(), 2);
    drop(first);
    assert_eq!(finish(third), Ok(3));
    assert_eq!(served(), 0);
    assert_eq!(seen.began.load(Ordering::SeqCst), 1, "the second never ran");
}

#[test]
fn handlers_end_with_their_connection_though_a_listener_goes_on() {
    let seen = Arc::<Seen>::default();
    let (server, client) = narrow(&seen);
    let call = client.request::<()>("hang", &());
    finish(client.send("hang", &())).unwrap();
    world::settle();
    assert_eq!(seen.running(), 2);
    client.abort("");
    world::settle();
    assert_eq!(seen.running(), 1, "the listener goes on with what came");
    drop((call, server));
    world::drop_executor();
    assert_eq!(seen.running(), 0);
}

#[test]
fn messages_that_nobody_listens_to_hold_nothing_up() {
    let mut config = patient();
    config.max_untaken = 1;
    let home = Home::with(config);
    for n in 0..10 {
        finish(home.client.send("nobody", &n)).unwrap();
        finish(home.client.send("n", &n)).unwrap();
        assert_eq!(finish(home.client.request::<u32>("add", &(n, 1))), Ok(n + 1));
    }
    assert!(home.served.messages().iter().copied().eq(0..10));
}

#[test]
fn a_call_that_is_given_up_behind_answers_that_wait_is_over_as_soon_as_they_are_read() {
    let mut config = patient();
    config.max_unsent = 1;
    let builder = Server::<Scripted>::builder().config(config);
    let builder = builder.handle("bytes", |_: Context, count: usize| async move {
        Ok(Payload::bytes(&vec![0; count]))
    });
    let server = builder.start().unwrap();
    let (ours, theirs) = Stream::pair().unwrap();
    server.attach(theirs).unwrap();
    let client = finish(Client::<Scripted>::builder().config(patient()).attach(ours)).unwrap();
    world::annoy(Mischief::WritesAtOnce);
    client.pause();
    // The second answer waits for the first to be read, and the third call for the second answer.
    let [first, second, third] =
        [4 << 20, 1000, 1].map(|count| client.request::<Payload>("bytes", &count));
    world::settle();
    drop(third);
    world::settle();
    client.resume();
    assert!(finish(join_all([first, second])).iter().all(Result::is_ok));
    world::settle();
    let counters = server.peers()[0].counters().unwrap();
    assert_eq!((counters.open_served, counters.unsent), (0, 0));
    assert_eq!(client.counters().open_made, 0, "the client has been told");
}

#[test]
fn an_answer_that_waits_behind_a_call_that_is_given_up_is_written() {
    let mut config = patient();
    config.max_unsent = 1;
    let served = Arc::<Seen>::default();
    let bytes = |_: Context, ()| async { Ok(Payload::bytes(&[0; 1000])) };
    let builder = Server::<Scripted>::builder().config(config).handle("bytes", bytes);
    let server = serving!(builder, &served).start().unwrap();
    let (ours, theirs) = Stream::pair().unwrap();
    server.attach(theirs).unwrap();
    let client = serving!(Client::<Scripted>::builder().config(patient()), &served);
    let client = finish(client.attach(ours)).unwrap();
    world::settle();
    world::annoy(Mischief::WritesAtOnce);
    finish(client.request::<u32>("add", &(1, 2))).unwrap();
    client.pause();
    let peer = server.peers().remove(0);
    // The socket is full, and nothing waits but one call.
    let small = Payload::null();
    let mut calls = Vec::new();
    while peer.counters().unwrap().unsent == 0 {
        calls.push(peer.request::<()>("hang", &small));
        world::settle();
    }
    let answer = client.request::<Payload>("bytes", &());
    world::settle();
    assert!(peer.counters().unwrap().unsent < 128, "no answer waits with the call");
    drop(calls.pop());
    assert_eq!(peer.counters().unwrap().open_made, calls.len(), "it was taken back");
    client.resume();
    assert!(finish(answer).is_ok());
}

#[test]
fn a_subscription_that_ends_behind_a_call_that_is_given_up_ends_at_its_server_too() {
    let mut config = patient();
    config.max_unsent = 1;
    let served = Arc::<Seen>::default();
    let builder = Server::<Scripted>::builder().config(patient());
    let server = serving!(builder, &served).start().unwrap();
    let (ours, theirs) = Stream::pair().unwrap();
    server.attach(theirs).unwrap();
    let client = finish(Client::<Scripted>::builder().config(config).attach(ours)).unwrap();
    world::settle();
    let subscription = finish(client.subscribe::<u32>("n")).unwrap();
    world::annoy(Mischief::WritesAtOnce);
    let peer = server.peers().remove(0);
    peer.pause();
    // The socket is full, and nothing waits but one call.
    let mut calls = Vec::new();
    while client.counters().unsent == 0 {
        calls.push(client.request::<()>("hang", &()));
        world::settle();
    }
    drop(subscription);
    world::settle();
    drop(calls.pop());
    world::settle();
    peer.resume();
    world::settle();
    assert_eq!(peer.counters().unwrap().subscriptions, 0);
}
