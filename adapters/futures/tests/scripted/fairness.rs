//! Connections take turns: whoever floods a server has no more of a turn than the budget, and the others go
//! on meanwhile.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::{AbortHandle, abortable, join_all};
use switchboard::{Config, Failure, Payload};
use switchboard_futures::{Client, Context, Server, Stream};

use crate::home::patient;
use crate::world::{self, Scripted, finish};

const FLOOD: usize = 20_000;
/// What was begun with the last frame of a budget of 64 is brought to its end.
const A_TURN: usize = 2 * 64;

fn roomy() -> Config {
    let mut config = patient();
    config.max_calls = FLOOD as u32 + 8;
    config
}

/// What the first handler or listener waits for, and what opens it.
fn gate() -> (impl Fn() -> Waits, AbortHandle) {
    let (waits, opens) = abortable(pending::<()>());
    let waits = Mutex::new(Some(waits));
    let gate = move || -> Waits {
        let waits = waits.lock().unwrap().take();
        Box::pin(async {
            if let Some(waits) = waits {
                assert!(waits.await.is_err(), "it is opened so");
            }
            Ok(())
        })
    };
    (gate, opens)
}

type Waits = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// A server that counts messages and calls of `flood`, and answers others.
fn counting() -> (Server<Scripted>, Arc<AtomicUsize>) {
    let (server, count, _) = counting_behind_a_gate(256);
    (server, count)
}

/// The same with so many handlers, and those of `gate` wait until it is opened.
fn counting_behind_a_gate(handlers: usize) -> (Server<Scripted>, Arc<AtomicUsize>, AbortHandle) {
    let count = Arc::<AtomicUsize>::default();
    let [messages, calls, large] = [(); 3].map(|()| Arc::clone(&count));
    let (gate, opens) = gate();
    let gate = Arc::new(gate);
    let (listens, answers) = (Arc::clone(&gate), gate);
    let builder = Server::builder().config(roomy()).handlers(handlers);
    let server = builder
        .on("gate", move |_: Context, (): ()| {
            let waits = listens();
            async { drop(waits.await) }
        })
        .handle("gate", move |_: Context, (): ()| answers())
        .handle("large", move |_: Context, (): ()| {
            large.fetch_add(1, Ordering::SeqCst);
            async { Ok(Payload::bytes(&vec![0; 4 << 20])) }
        })
        .on("flood", move |_: Context, _: usize| {
            messages.fetch_add(1, Ordering::SeqCst);
            async {}
        })
        .handle("flood", move |_: Context, (): ()| {
            calls.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        })
        .handle("other", |_: Context, n: u32| async move { Ok(n) });
    (server.start().unwrap(), count, opens)
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
        let now = served(count);
        most = most.max(now - before);
        before = now;
    }
    most
}

fn served(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

#[test]
fn a_flood_of_messages_has_a_budget_for_each_turn() {
    let (server, count) = counting();
    let flood = client_of(&server);
    for n in 0..FLOOD {
        assert_eq!(world::poll_once(flood.send("flood", &n)), Some(Ok(())));
    }
    let most = most_in_a_step(&count);
    assert_eq!(served(&count), FLOOD, "nothing is lost");
    assert!(most < A_TURN, "{most} messages in one turn");
}

#[test]
fn a_flood_of_calls_has_a_budget_for_each_turn() {
    let (server, count) = counting();
    let flood = client_of(&server);
    let calls: Vec<_> = (0..FLOOD).map(|_| flood.request::<()>("flood", &())).collect();
    let most = most_in_a_step(&count);
    assert_eq!(served(&count), FLOOD, "nothing is lost");
    assert!(most < A_TURN, "{most} calls in one turn");
    assert!(finish(join_all(calls)).iter().all(Result::is_ok));
}

#[test]
fn messages_that_waited_behind_a_listener_have_a_budget_for_each_turn() {
    let (server, count, opens) = counting_behind_a_gate(256);
    let flood = client_of(&server);
    finish(flood.send("gate", &())).unwrap();
    let mut sent = 0;
    while sent < FLOOD && world::poll_once(flood.send("flood", &sent)) == Some(Ok(())) {
        sent += 1;
    }
    world::settle();
    assert_eq!(served(&count), 0, "all wait");
    opens.abort();
    let most = most_in_a_step(&count);
    assert_eq!(served(&count), sent, "nothing is lost");
    assert!(sent > 10 * A_TURN && most < A_TURN, "{most} messages in one turn of {sent}");
}

#[test]
fn calls_that_waited_for_a_handler_have_a_budget_for_each_turn() {
    let (server, count, opens) = counting_behind_a_gate(1);
    let flood = client_of(&server);
    let gate = flood.request::<()>("gate", &());
    let calls: Vec<_> = (0..FLOOD).map(|_| flood.request::<()>("flood", &())).collect();
    world::settle();
    assert_eq!(served(&count), 0, "all wait");
    opens.abort();
    let most = most_in_a_step(&count);
    assert_eq!(served(&count), FLOOD, "nothing is lost");
    assert!(most < A_TURN, "{most} calls in one turn");
    assert_eq!(finish(gate), Ok(()));
    assert!(finish(join_all(calls)).iter().all(Result::is_ok));
}

#[test]
fn calls_that_waited_behind_answers_have_a_budget_for_each_turn() {
    let (server, count) = counting();
    let flood = client_of(&server);
    flood.pause();
    // The first that is not read has no room for the second.
    let large = [(); 2].map(|()| flood.request::<Payload>("large", &()));
    let calls: Vec<_> = (0..FLOOD).map(|_| flood.request::<()>("flood", &())).collect();
    world::settle();
    assert_eq!(served(&count), large.len(), "all others wait");
    flood.resume();
    let most = most_in_a_step(&count);
    assert_eq!(served(&count), large.len() + FLOOD, "nothing is lost");
    assert!(most < A_TURN, "{most} calls in one turn");
    assert!(finish(join_all(large)).iter().all(Result::is_ok));
    assert!(finish(join_all(calls)).iter().all(Result::is_ok));
}

// Threat 31.
#[test]
fn whoever_does_not_read_has_no_more_answers_made_than_handlers_run() {
    let (server, count, opens) = counting_behind_a_gate(1);
    let flood = client_of(&server);
    let gate = flood.request::<()>("gate", &());
    let calls: Vec<_> = (0..20).map(|_| flood.request::<Payload>("large", &())).collect();
    world::settle();
    flood.pause();
    opens.abort();
    world::settle();
    assert!(served(&count) <= 2, "{} of 4 MiB each", served(&count));
    flood.resume();
    assert_eq!(finish(gate), Ok(()));
    assert!(finish(join_all(calls)).iter().all(Result::is_ok));
    assert_eq!(served(&count), 20);
}

// Threat 31.
#[test]
fn what_is_published_by_one_who_does_not_read_its_answers_takes_no_memory() {
    let (server, _) = counting();
    let flood = client_of(&server);
    flood.pause();
    // The second of them waits for room, and whatever is called behind it.
    let calls = [(); 3].map(|()| flood.request::<Payload>("large", &()));
    world::settle();
    let before = crate::counting::live();
    let value = Payload::bytes(&[0; 1000]);
    for _ in 0..FLOOD {
        finish(flood.publish("n", &value)).unwrap();
    }
    world::settle();
    let taken = crate::counting::live() - before;
    assert!(taken < (value.len() * FLOOD / 10) as isize, "{taken} bytes");
    flood.resume();
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
