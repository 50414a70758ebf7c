//! Connections take turns: whoever floods a server has no more of a turn than the budget, and the others go
//! on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use switchboard::Config;
use switchboard_futures::{Client, Context, Server, Stream};

use crate::home::patient;
use crate::world::{self, Scripted, finish};

const FLOOD: usize = 20_000;
/// What was begun with the last frame of a budget of 64 is brought to its end.
const A_TURN: usize = 2 * 64;

fn roomy() -> Config {
    let mut config = patient();
    config.max_calls = FLOOD as u32;
    config
}

/// A server that counts messages and calls of `flood`, and answers others.
fn counting() -> (Server<Scripted>, Arc<AtomicUsize>) {
    let count = Arc::<AtomicUsize>::default();
    let [messages, calls] = [(); 2].map(|()| Arc::clone(&count));
    let builder = Server::builder().config(roomy());
    let server = builder
        .on("flood", move |_: Context, _: usize| {
            messages.fetch_add(1, Ordering::SeqCst);
            async {}
        })
        .handle("flood", move |_: Context, (): ()| {
            calls.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        })
        .handle("other", |_: Context, n: u32| async move { Ok(n) });
    (server.start().unwrap(), count)
}

fn client_of(server: &Server<Scripted>) -> Client<Scripted> {
    let (ours, theirs) = Stream::pair().unwrap();
    server.attach(theirs).unwrap();
    finish(Client::builder().config(roomy()).attach(ours)).unwrap()
}

/// Goes on to the end, and gives the most that was served in one step.
fn most_in_a_step(count: &AtomicUsize) -> usize {
    let (mut most, mut before) = (0, 0);
    while world::step() {
        let now = count.load(Ordering::SeqCst);
        most = most.max(now - before);
        before = now;
    }
    assert_eq!(before, FLOOD, "nothing is lost");
    most
}

#[test]
fn a_flood_of_messages_has_a_budget_for_each_turn() {
    let (server, count) = counting();
    let flood = client_of(&server);
    for n in 0..FLOOD {
        assert_eq!(world::poll_once(flood.send("flood", &n)), Some(Ok(())));
    }
    let most = most_in_a_step(&count);
    assert!(most < A_TURN, "{most} messages in one turn");
}

#[test]
fn a_flood_of_calls_has_a_budget_for_each_turn() {
    let (server, count) = counting();
    let flood = client_of(&server);
    let calls: Vec<_> = (0..FLOOD).map(|_| flood.request::<()>("flood", &())).collect();
    let most = most_in_a_step(&count);
    assert!(most < A_TURN, "{most} calls in one turn");
    assert!(finish(join_all(calls)).iter().all(Result::is_ok));
}

#[test]
fn others_go_on_beside_a_flood() {
    let (server, count) = counting();
    let (flood, other) = (client_of(&server), client_of(&server));
    for n in 0..FLOOD {
        assert_eq!(world::poll_once(flood.send("flood", &n)), Some(Ok(())));
    }
    let before = count.load(Ordering::SeqCst);
    for n in 0..10 {
        assert_eq!(finish(other.request::<u32>("other", &n)), Ok(n));
    }
    let passed = count.load(Ordering::SeqCst) - before;
    // A call takes a turn of either side and some steps of their sockets: so many turns of the flood come
    // between.
    assert!(passed < 10 * 10 * A_TURN, "{passed} messages beside ten calls");
    assert!(passed > 0 && passed < FLOOD, "{passed}: the flood goes on beside them");
}
