//! What futures that were dropped leave behind: nothing, however many there were. Nobody reads or writes
//! meanwhile, which would sweep up for them.

use std::cell::Cell;
use std::future::Future;

use switchboard::{Options, Restart};

use crate::counting;
use crate::home::{Home, patient};
use crate::streams::lent;
use crate::world::{self, finish};

/// So many polls, twice, and less than a byte of each is left.
const ROUNDS: usize = 500;

/// Polls such a future once, in a task of its own, and drops it; whether it waited.
pub(crate) fn waits<F: Future>(future: F) -> bool {
    world::poll_once(future).is_none()
}

/// Does so with many of them.
pub(crate) fn leaves_nothing(what: &str, mut waits: impl FnMut() -> bool) {
    let mut rounds = || {
        for _ in 0..ROUNDS {
            assert!(waits(), "{what} is ready");
        }
        counting::live()
    };
    // Room that is kept for the next ones is made by the first.
    let before = rounds();
    let left = rounds() - before;
    assert!(left < ROUNDS as isize, "{what} leaves {left} bytes");
}

/// Goes on for a while with such a future, ever longer, drops it, and goes on with all else.
fn goes_on<F: Future>(steps: &Cell<usize>, future: F) -> bool {
    steps.set(steps.get() + 1);
    world::go(steps.get() % 50, future);
    world::settle();
    true
}

#[test]
fn futures_that_were_under_way_leave_nothing_behind() {
    let home = Home::new();
    let (client, peer, steps) = (&home.client, &home.peer, &Cell::new(0));
    leaves_nothing("request", || goes_on(steps, client.request::<u32>("add", &(1, 2))));
    leaves_nothing("endless", || goes_on(steps, client.request::<()>("hang", &())));
    leaves_nothing("ping", || goes_on(steps, client.ping()));
    leaves_nothing("publish_counted", || goes_on(steps, client.publish_counted("n", &1)));
    leaves_nothing("subscribe", || goes_on(steps, client.subscribe::<u32>("n")));
    let delivery = async || client.subscribe::<u32>("n").await.unwrap().next().await;
    leaves_nothing("delivery", || goes_on(steps, delivery()));
    leaves_nothing("open", || goes_on(steps, client.open("hang", &())));
    let answers = async || client.open("count", &3).await.unwrap().answer::<u32>().await;
    leaves_nothing("answer", || goes_on(steps, answers()));
    leaves_nothing("Peer::request", || goes_on(steps, peer.request::<u32>("add", &(1, 2))));
    leaves_nothing("Peer::ping", || goes_on(steps, peer.ping()));
    let options = Options::new();
    leaves_nothing("survey", || goes_on(steps, home.server.survey::<()>("hang", &(), &options)));
    home.both_are_as_before();
    home.ends();
}

#[test]
fn futures_that_waited_for_room_leave_nothing_behind() {
    let mut config = patient();
    (config.max_unsent, config.stream_window) = (1, 1);
    let home = Home::with(config);
    let (server, client, peer) = (&home.server, &home.client, &home.peer);
    let (exchange, mut items, sender) = lent(&home);
    let (ours, mut theirs) = exchange.split();
    let mut subscription = finish(client.subscribe::<u32>("n")).unwrap();
    finish(ours.send(&1)).unwrap();
    finish(sender.send(&1)).unwrap();
    world::settle();
    leaves_nothing("ExchangeSender::send", || waits(ours.send(&2)));
    leaves_nothing("ItemSender::send", || waits(sender.send(&2)));
    // These are here, and no more will come.
    assert_eq!(world::poll_once(items.next()), Some(Some(Ok(1))));
    assert_eq!(world::poll_once(theirs.next()), Some(Some(Ok(1))));
    leaves_nothing("Items::next", || waits(items.next()));
    leaves_nothing("ExchangeReceiver::next", || waits(theirs.next::<u32>()));
    leaves_nothing("Subscription::next", || waits(subscription.next()));
    leaves_nothing("Server::closed", || waits(server.closed()));
    // From here on neither side writes.
    finish(client.send("n", &1)).unwrap();
    finish(peer.send("n", &1)).unwrap();
    leaves_nothing("Client::request", || waits(client.request::<u32>("add", &(1, 2))));
    leaves_nothing("Client::send", || waits(client.send("n", &1)));
    leaves_nothing("Client::publish", || waits(client.publish("n", &1)));
    leaves_nothing("Client::publish_counted", || waits(client.publish_counted("n", &1)));
    leaves_nothing("Client::subscribe", || waits(client.subscribe::<u32>("m")));
    leaves_nothing("Client::open", || waits(client.open("count", &1)));
    leaves_nothing("Client::ping", || waits(client.ping()));
    leaves_nothing("Peer::request", || waits(peer.request::<u32>("add", &(1, 2))));
    leaves_nothing("Peer::send", || waits(peer.send("n", &1)));
    leaves_nothing("Peer::open", || waits(peer.open("count", &1)));
    leaves_nothing("Peer::ping", || waits(peer.ping()));
    drop((ours, theirs, items, sender, subscription));
    home.both_are_as_before();
    home.ends();
}

#[test]
fn futures_that_waited_for_the_end_leave_nothing_behind() {
    let home = Home::new();
    // It goes on for as long as the connection is closing.
    let call = home.client.request::<()>("hang", &());
    world::settle();
    leaves_nothing("Client::close", || waits(home.client.close("")));
    leaves_nothing("Server::close", || waits(home.server.close(Restart::never())));
    leaves_nothing("Server::closed", || waits(home.server.closed()));
    drop(call);
    home.ends();
}
