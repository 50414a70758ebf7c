//! Calls and messages: what goes, comes back, is refused, cancelled, late or in order. Called by the macro of
//! the tests.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use switchboard::{CallError, Config, Failure, Fate, Options, Payload, Status, to_payload};
use switchboard_endpoint::OpenError;

use super::home::{Home, echo, failure, held, number, patient, read, until_cancelled};
use crate::gate::Gate;
use crate::{Call, Serves, Setup};

/// Section 1 of the protocol: payloads are passed on byte for byte.
pub fn values_come_back_as_they_went(setup: &Setup) {
    let home = Home::of(setup, Serves::default().handle("echo", echo));
    let client = home.client(Serves::default());
    // An integer that is spelled longer than it must be, nothing, much, and something of structure.
    let long = Payload::from_cbor(&b"\x18\x05"[..]).unwrap();
    let much = Payload::bytes(&vec![0xff; 3 << 20]);
    for payload in [long, Payload::null(), much, to_payload(&("ü", [1.5], false)).unwrap()] {
        assert!(client.request("echo", &payload, &patient()).unwrap() == payload);
    }
}

/// Section 3: the server decides by what the client says of itself; whoever is refused learns why.
pub fn hello_is_seen_and_a_refusal_reaches_the_client_whole(setup: &Setup) {
    let told = Failure::new(Status::UNAUTHENTICATED, "no key").with_data(number(7));
    let why = told.clone();
    let key = move |hello: &Payload| if *hello == number(42) { Ok(()) } else { Err(why.clone()) };
    let serves = Serves { authorize: Some(Arc::new(key)), ..Serves::default() };
    let home = Home::of(setup, serves);
    match home.connect(&Payload::null(), Serves::default()).map(drop) {
        Err(OpenError::Refused { failure, .. }) => assert_eq!(failure, told),
        other => panic!("{other:?}"),
    }
    assert!(home.server.peers().is_empty());
    let client = home.connect(&number(42), Serves::default()).unwrap();
    assert_eq!((client.closed(), home.peer().closed()), (None, None));
}

/// Section 6: what a handler says went wrong is what its caller is told.
pub fn a_failure_keeps_status_message_and_data(setup: &Setup) {
    let told = Failure::new(Status::new(4711).unwrap(), "out of ü").with_data(number(3));
    let fails = {
        let told = told.clone();
        move |_: &dyn Call, _| Err(told.clone())
    };
    let home = Home::of(setup, Serves::default().handle("fails", fails.clone()));
    let client = home.client(Serves::default().handle("fails", fails));
    assert_eq!(failure(client.request("fails", &Payload::null(), &patient())), told);
    assert_eq!(failure(home.peer().request("fails", &Payload::null(), &patient())), told);
}

/// Section 4.2: the handler knows how long its caller waits, and learns that it no longer does.
pub fn a_deadline_travels_and_ends_the_call_for_both(setup: &Setup) {
    let (began, (sender, learned)) = (Arc::new(Gate::default()), channel());
    let hours = |left: Duration| left.as_secs() / 60 / 60;
    let left = move |call: &dyn Call, _| Ok(number(call.time_left().map_or(0, hours)));
    let serves = Serves::default().handle("late", until_cancelled(&began, sender));
    let home = Home::of(setup, serves.handle("left", left));
    let client = home.client(Serves::default());
    let day = Options::new().deadline(Duration::from_secs(5 * 60 * 60 + 1800));
    assert_eq!(read(client.request("left", &Payload::null(), &day).unwrap()), 5);
    assert_eq!(read(client.request("left", &Payload::null(), &patient()).unwrap()), 0);
    let hasty = Options::new().deadline(Duration::from_millis(300));
    let error = client.request("late", &Payload::null(), &hasty).unwrap_err();
    assert_eq!((error.status(), error.may_have_run()), (Status::DEADLINE_EXCEEDED, true));
    learned.recv().unwrap();
}

/// Section 4.2: whoever waits is told, and so is the handler; a call that is dropped is cancelled.
pub fn a_cancel_reaches_the_handler(setup: &Setup) {
    let (began, (sender, learned)) = (Arc::new(Gate::default()), channel());
    let late = until_cancelled(&began, sender);
    let home = Home::of(setup, Serves::default().handle("late", late.clone()));
    let client = home.client(Serves::default().handle("late", late));
    for (count, end) in [client.as_end(), &*home.peer()].into_iter().enumerate() {
        let call = end.start("late", &Payload::null(), &patient()).unwrap();
        let cancel = call.canceller();
        thread::scope(|scope| {
            let waits = scope.spawn(|| call.wait());
            began.wait_for(2 * count + 1);
            cancel();
            assert_eq!(waits.join().unwrap(), Err(CallError::Cancelled(Fate::MayHaveRun)));
            learned.recv().unwrap();
            cancel();
        });
        let call = end.start("late", &Payload::null(), &patient()).unwrap();
        began.wait_for(2 * count + 2);
        drop(call);
        learned.recv().unwrap();
    }
}

/// A handler that panics answers INTERNAL, and the connection goes on.
pub fn a_panic_costs_its_own_call_only(setup: &Setup) {
    let panics = |_: &dyn Call, _| std::panic::resume_unwind(Box::new(()));
    let home = Home::of(setup, Serves::default().handle("panics", panics).handle("echo", echo));
    let client = home.client(Serves::default());
    // More often than there are threads.
    for n in 0..40 {
        let told = failure(client.request("panics", &number(n), &patient()));
        assert_eq!(told.status, Status::INTERNAL);
        assert_eq!(read(client.request("echo", &number(n), &patient()).unwrap()), n);
    }
}

/// Section 4.5: nothing but the handshake tells client from server.
pub fn the_server_calls_its_client(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let (sender, came) = channel();
    let serves = Serves::default().handle("echo", echo);
    let _client = home.client(serves.on("n", move |n| sender.send(read(n)).unwrap()));
    let peer = home.peer();
    for n in 0..100 {
        assert_eq!(read(peer.request("echo", &number(n), &patient()).unwrap()), n);
        peer.send("n", &number(n)).unwrap();
    }
    assert!(came.iter().take(100).eq(0..100));
}

/// Calls go back and forth on one connection, each within the one before.
pub fn a_handler_calls_its_caller_back(setup: &Setup) {
    fn down(call: &dyn Call, n: Payload) -> Result<Payload, Failure> {
        match read(n) {
            0 => Ok(number(0)),
            n => Ok(number(1 + read(call.request("down", &number(n - 1))?))),
        }
    }
    let home = Home::of(setup, Serves::default().handle("down", down));
    let client = home.client(Serves::default().handle("down", down));
    for _ in 0..20 {
        assert_eq!(read(client.request("down", &number(5), &patient()).unwrap()), 5);
        assert_eq!(read(home.peer().request("down", &number(5), &patient()).unwrap()), 5);
    }
}

/// Section 4.4.
pub fn messages_arrive_in_order(setup: &Setup) {
    let (sender, came) = channel();
    let tells = move |n| sender.send(read(n)).unwrap();
    let home = Home::of(setup, Serves::default().on("n", tells.clone()));
    let client = home.client(Serves::default().on("n", tells));
    for end in [client.as_end(), &*home.peer()] {
        (0..3000).for_each(|n| end.send("n", &number(n)).unwrap());
        assert!(came.iter().take(3000).eq(0..3000));
    }
}

/// Section 4.4.
pub fn requests_begin_in_order(setup: &Setup) {
    let (sender, came) = channel();
    let tells = move |_: &dyn Call, n: Payload| {
        sender.send(read(n.clone()))?;
        Ok(n)
    };
    let mut serves = Serves::default().handle("n", tells);
    serves.one_by_one = true;
    let home = Home::of(setup, serves);
    let client = home.client(Serves::default());
    let start = |n| client.start("n", &number(n), &patient()).unwrap();
    let calls: Vec<_> = (0..500).map(start).collect();
    assert!(came.iter().take(500).eq(0..500));
    for (n, call) in calls.into_iter().enumerate().rev() {
        assert_eq!(read(call.wait().unwrap()), n as u64);
    }
}

/// Section 8: a caller over `max-calls`, or with too much unsent, waits for its turn, within its deadline.
pub fn calls_over_the_limits_wait_and_end_at_their_deadlines(setup: &Setup) {
    let gate = Arc::new(Gate::default());
    let mut config = Config::default();
    (config.max_calls, config.max_unsent) = (1, 1);
    let home = Home::of(setup, Serves::config(config.clone()).handle("slow", held(&gate)));
    let client = home.client(Serves::config(config));
    let call = client.start("slow", &number(7), &patient()).unwrap();
    gate.wait_for(1);
    let short = Options::new().deadline(Duration::from_millis(50));
    let late = Err(CallError::Deadline(Fate::NeverSent));
    assert_eq!(client.request("slow", &number(8), &short), late);
    thread::scope(|scope| {
        for thread in 0..8 {
            let client = &client;
            scope.spawn(move || {
                for n in thread * 100..thread * 100 + 50 {
                    let answer = client.request("slow", &number(n), &patient());
                    assert_eq!(read(answer.unwrap()), n);
                }
            });
        }
        gate.open();
    });
    assert_eq!(read(call.wait().unwrap()), 7);
}
