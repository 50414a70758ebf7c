//! How connections end, and what becomes of open calls and subscriptions. Called by the macro of the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use switchboard::{CallError, CloseReason, DeliveryError, Fate, Restart, Status, to_payload};

use super::home::{
    Home, echo, held, no_hurry, number, patient, read, until_told, values, wait_until,
};
use crate::gate::Gate;
use crate::{Client, End, Halves, Serves, Setup};

/// Section 7.1: both sides know that it was meant, and what was said.
pub fn a_client_closes_gracefully(setup: &Setup) {
    let home = Home::of(setup, Serves::config(no_hurry()));
    let client = home.client(Serves::config(no_hurry()));
    let peer = home.peer();
    client.close("done");
    assert_eq!(client.closed(), Some(CloseReason::Closed { message: "done".into() }));
    wait_until(|| peer.closed().is_some());
    let reason = CloseReason::PeerClosed { message: "done".into(), reconnect_after: None };
    assert_eq!(peer.closed(), Some(reason.clone()));
    wait_until(|| home.server.peers().is_empty());
    let ended = CallError::Disconnected(reason, Fate::NeverSent);
    assert_eq!(peer.send("n", &number(1)), Err(ended));
    client.send("n", &number(1)).unwrap_err();
}

/// Section 7.1: open calls go on, new ones are refused, and the client knows when to come back.
pub fn a_server_closes_gracefully_and_open_calls_end(setup: &Setup) {
    let gate = Arc::new(Gate::default());
    let serves = Serves::config(no_hurry()).handle("slow", held(&gate));
    let home = Home::of(setup, serves);
    // A listener, so that it reads also while nobody waits.
    let client = home.client(Serves::config(no_hurry()).on("n", |_| {}));
    let call = client.start("slow", &number(7), &patient()).unwrap();
    gate.wait_for(1);
    let back = Duration::from_secs(2);
    thread::scope(|scope| {
        scope.spawn(|| home.server.close(Restart::after(back).message("update")));
        wait_until(|| client.request("nobody", &number(1), &patient()).is_err_and(is_refused));
        gate.open();
        assert_eq!(read(call.wait().unwrap()), 7);
    });
    wait_until(|| client.closed().is_some());
    let reason = CloseReason::PeerClosed { message: "update".into(), reconnect_after: Some(back) };
    assert_eq!(client.closed(), Some(reason));
}

/// Whether a call was refused because of a close.
fn is_refused(error: CallError) -> bool {
    error.status() == Status::UNAVAILABLE
}

/// Section 7.3: who ends it at once has a reason of its own, the other one a loss.
pub fn an_abort_ends_open_calls(setup: &Setup) {
    let gate = Arc::new(Gate::default());
    let home = Home::of(setup, Serves::default().handle("slow", held(&gate)));
    let client = home.client(Serves::default());
    let peer = home.peer();
    let call = client.start("slow", &number(7), &patient()).unwrap();
    gate.wait_for(1);
    client.abort("enough");
    let reason = CloseReason::Aborted { message: "enough".into() };
    let ended = CallError::Disconnected(reason.clone(), Fate::MayHaveRun);
    assert_eq!(call.wait(), Err(ended));
    assert_eq!(client.closed(), Some(reason));
    wait_until(|| peer.closed().is_some());
    assert_eq!(peer.closed(), Some(CloseReason::Lost));
    gate.open();
}

/// Section 7.3: each call ends once, and says that it may have run.
pub fn a_loss_ends_open_calls_of_both_sides(setup: &Setup) {
    let gate = Arc::new(Gate::default());
    let home = Home::of(setup, Serves::default().handle("slow", held(&gate)));
    let client = home.client(Serves::default().handle("slow", held(&gate)));
    let peer = home.peer();
    let start = |end: &dyn End| end.start("slow", &number(7), &patient()).unwrap();
    let calls = [start(client.as_end()), start(client.as_end())];
    let back = start(&*peer);
    gate.wait_for(3);
    drop(home);
    for call in calls {
        let lost = CallError::Disconnected(CloseReason::Lost, Fate::MayHaveRun);
        assert_eq!(call.wait(), Err(lost));
    }
    let ended = back.wait().unwrap_err();
    assert!(matches!(ended, CallError::Disconnected(_, Fate::MayHaveRun)), "{ended:?}");
    let never = CallError::Disconnected(CloseReason::Lost, Fate::NeverSent);
    assert_eq!(client.request("slow", &number(1), &patient()), Err(never));
    gate.open();
}

/// Section 7.3: whoever sends an item, waits for one or for the answer is told, on both sides.
pub fn streams_end_with_their_connection(setup: &Setup) {
    let (began, (told, came)) = (channel(), channel());
    let home = Home::of(setup, Serves::default().handle("works", until_told(&began.0, &told)));
    let client = home.client(Serves::default());
    let open = |reads| client.open("works", &to_payload(&reads).unwrap(), &patient()).unwrap();
    let calls: [Halves; 2] = [true, false].map(open);
    began.1.iter().take(2).for_each(drop);
    client.abort("enough");
    let reason = CloseReason::Aborted { message: "enough".into() };
    let ended = CallError::Disconnected(reason, Fate::MayHaveRun);
    for (sending, mut taking) in calls {
        assert!(matches!(sending.send(&number(1)), Err(CallError::Disconnected(..))));
        // What had come may still be taken.
        while let Some(item) = taking.next() {
            item.unwrap();
        }
        assert_eq!(taking.answer(), Err(ended.clone()));
    }
    for error in came.iter().take(2) {
        let told = matches!(
            error,
            CallError::Disconnected(CloseReason::Lost, _) | CallError::Cancelled(Fate::MayHaveRun)
        );
        assert!(told, "{error:?}");
    }
}

/// A way for a connection to end.
type Ends = fn(&Home, &dyn Client);

/// Section 5.2: the reason is the last thing that a subscriber is told.
pub fn subscriptions_end_with_their_connection_and_say_why(setup: &Setup) {
    let update = CloseReason::PeerClosed { message: "update".into(), reconnect_after: None };
    let ends: [(Ends, CloseReason); 4] = [
        (|home, _| home.server.close(Restart::never().message("update")), update),
        (|home, _| home.peer().abort("enough"), CloseReason::Lost),
        (|_, client| client.abort("enough"), CloseReason::Aborted { message: "enough".into() }),
        (|_, client| client.close("done"), CloseReason::Closed { message: "done".into() }),
    ];
    for (end, reason) in ends {
        let home = Home::of(setup, Serves::config(no_hurry()));
        let client = home.client(Serves::config(no_hurry()));
        let mut all = client.subscribe(">", &patient()).unwrap();
        let waits = thread::spawn(move || [all.next(), all.next()]);
        end(&home, &*client);
        let told = Some(Err(DeliveryError::Disconnected(reason)));
        assert_eq!(waits.join().unwrap(), [told, None]);
    }
}

/// Section 7.1: a goodbye comes behind what was queued.
pub fn a_graceful_end_comes_behind_what_was_published(setup: &Setup) {
    let home = Home::of(setup, Serves::config(no_hurry()));
    let client = home.client(Serves::config(no_hurry()));
    let mut all = client.subscribe(">", &patient()).unwrap();
    (0..100).for_each(|n| assert_eq!(home.server.publish("", "n", &number(n), &patient()), Ok(1)));
    thread::scope(|scope| {
        scope.spawn(|| home.server.close(Restart::never()));
        assert_eq!(values(&mut *all, 100), (0..100).collect::<Vec<_>>());
        assert!(matches!(all.next(), Some(Err(DeliveryError::Disconnected(_)))));
    });
}

/// So many messages that the last one is not heard yet when a close returns that waits for none.
const MESSAGES: u64 = 500;

/// Messages that the server has read, of clients of which one has gone since, are with its listeners.
pub fn what_came_before_a_close_has_been_heard_when_it_returns(setup: &Setup) {
    let (gate, heard) = (Arc::new(Gate::default()), Arc::new(AtomicU64::new(0)));
    let (held, counts) = (Arc::clone(&gate), Arc::clone(&heard));
    let hears = move |_| {
        held.pass();
        counts.fetch_add(1, Ordering::SeqCst);
    };
    let serves = Serves::config(no_hurry()).handle("echo", echo).on("n", hears);
    let home = Home::of(setup, serves);
    // A listener, so that it reads also while nobody waits.
    let [leaves, stays] = [(); 2].map(|()| home.client(Serves::default().on("n", |_| {})));
    for client in [&leaves, &stays] {
        (0..MESSAGES).for_each(|n| client.send("n", &number(n)).unwrap());
        assert_eq!(read(client.request("echo", &number(1), &patient()).unwrap()), 1);
    }
    leaves.close("done");
    let peers = home.server.peers();
    thread::scope(|scope| {
        let closes = scope.spawn(|| {
            home.server.close(Restart::never());
            heard.load(Ordering::SeqCst)
        });
        wait_until(|| peers.iter().all(|peer| peer.closed().is_some()));
        gate.wait_for(1);
        assert_eq!(heard.load(Ordering::SeqCst), 0);
        gate.open();
        assert_eq!(closes.join().unwrap(), 2 * MESSAGES);
    });
}

/// Section 7.1: as open calls are.
pub fn a_listener_that_does_not_end_is_waited_for_until_drain(setup: &Setup) {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let mut config = no_hurry();
    config.drain = Duration::from_millis(50);
    let home = Home::of(setup, Serves::config(config).on("n", move |_| held.pass()));
    let client = home.client(Serves::default().on("n", |_| {}));
    client.send("n", &number(1)).unwrap();
    gate.wait_for(1);
    home.server.close(Restart::never());
    wait_until(|| client.closed().is_some());
    gate.open();
}
