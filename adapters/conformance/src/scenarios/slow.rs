//! Who takes too slowly: senders of items wait, subscribers lose and learn what. Called by the macro of the
//! tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use switchboard::{Config, Delivery, DeliveryError, Payload, Policy, Status, to_payload};

use super::home::{Home, echo, items, no_hurry, number, patient, read, value, wait_until};
use crate::gate::Gate;
use crate::{Call, End, Serves, Setup};

/// So many items are sent. Each takes all the credit that there is.
const ITEMS: u64 = 300;

/// One item at a time is under way.
fn narrow() -> Config {
    let mut config = Config::default();
    config.stream_window = 1;
    config
}

/// One has been sent, and no more are while another call goes back and forth.
fn is_held(sent: &AtomicU64, end: &dyn End) {
    wait_until(|| sent.load(Ordering::SeqCst) > 0);
    for n in 0..50 {
        assert_eq!(read(end.request("echo", &number(n), &patient()).unwrap()), n);
    }
    assert_eq!(sent.load(Ordering::SeqCst), 1);
}

/// Section 4.3: credit comes back as items are taken, and nothing is lost.
pub fn a_caller_that_takes_no_items_holds_its_handler_back(setup: &Setup) {
    let sent = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&sent);
    let sends = move |call: &dyn Call, _: Payload| {
        for n in 0..ITEMS {
            call.send(&number(n))?;
            counts.fetch_add(1, Ordering::SeqCst);
        }
        Ok(Payload::null())
    };
    let home = Home::of(setup, Serves::default().handle("sends", sends).handle("echo", echo));
    let client = home.client(Serves::config(narrow()));
    let (_, mut taking) = client.open("sends", &Payload::null(), &patient()).unwrap();
    is_held(&sent, client.as_end());
    assert!((0..ITEMS).all(|n| taking.next() == Some(Ok(number(n)))), "each in its place");
    assert_eq!(taking.next(), None);
    assert_eq!(taking.answer(), Ok(Payload::null()));
}

/// The same the other way round.
pub fn a_handler_that_takes_no_items_holds_its_caller_back(setup: &Setup) {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let takes = move |call: &dyn Call, _: Payload| {
        held.pass();
        let in_place = items(call).zip(0..).all(|(item, n)| item == Ok(number(n)));
        Ok(to_payload(&in_place)?)
    };
    let serves = Serves::config(narrow()).handle("takes", takes).handle("echo", echo);
    let home = Home::of(setup, serves);
    let client = home.client(Serves::default());
    let (sending, taking) = client.open("takes", &Payload::null(), &patient()).unwrap();
    let sent = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..ITEMS {
                sending.send(&number(n)).unwrap();
                sent.fetch_add(1, Ordering::SeqCst);
            }
            sending.finish().unwrap();
        });
        is_held(&sent, client.as_end());
        gate.open();
        assert_eq!(taking.answer(), to_payload(&true).map_err(Into::into));
    });
    assert_eq!(sent.into_inner(), ITEMS);
}

/// So many large values are more than the system buffers, also for TCP: 10 MiB.
const LARGE: u64 = 800;

/// A value with its number.
fn large(n: u64) -> Payload {
    to_payload(&(n, "x".repeat(16 << 10))).unwrap()
}

/// Queues for few deliveries.
fn short() -> Config {
    let mut config = no_hurry();
    (config.max_deliveries, config.max_unsent) = (16, 64 << 10);
    config
}

/// Section 5.3: what came and what was dropped make up all that was due, each gap in its place.
pub fn a_slow_subscriber_is_told_its_exact_loss_and_others_lose_nothing(setup: &Setup) {
    let home = Home::of(setup, Serves::config(short()));
    let [slow, fast] = [(); 2].map(|()| home.client(Serves::config(short())));
    let [mut behind, mut ahead] =
        [&slow, &fast].map(|client| client.subscribe("n", &patient()).unwrap());
    slow.pause();
    for n in 0..LARGE {
        assert_eq!(home.server.publish("", "n", &large(n), &patient()), Ok(2));
        assert!(ahead.next().unwrap().unwrap().value == large(n), "the other one gets each");
    }
    slow.resume();
    let (mut lost, mut next) = (0, 0);
    while next < LARGE {
        match behind.next().unwrap() {
            Ok(Delivery { value, .. }) => assert!(value == large(next), "every gap was told"),
            Err(DeliveryError::Lagged(missing)) => {
                (lost, next) = (lost + missing, next + missing - 1)
            }
            Err(error) => panic!("{error}"),
        }
        next += 1;
    }
    assert!(next == LARGE && (1..LARGE).contains(&lost), "{lost} of {next} lost");
    home.server.publish("", "n", &number(7), &patient()).unwrap();
    assert_eq!([value(&mut *behind), value(&mut *ahead)], [7, 7]);
}

/// Section 5.3, policy 2: it gets what comes before the first gap, and no more.
pub fn a_subscriber_that_must_not_lose_anything_is_ended_instead(setup: &Setup) {
    let home = Home::of(setup, Serves::config(short()));
    let client = home.client(Serves::config(short()));
    let mut strict = client.subscribe("n", &patient().policy(Policy::Disconnect)).unwrap();
    client.pause();
    for n in 0..LARGE {
        home.server.publish("", "n", &large(n), &patient()).unwrap();
    }
    client.resume();
    let mut next = 0;
    let last = loop {
        match strict.next().unwrap() {
            Ok(Delivery { value, .. }) => assert!(value == large(next), "nothing is missing"),
            Err(error) => break error,
        }
        next += 1;
    };
    let status = match last {
        DeliveryError::Ended(failure) => Some(failure.status),
        DeliveryError::Disconnected(reason) => reason.status(),
        _ => None,
    };
    assert_eq!(status, Some(Status::RESOURCE_EXHAUSTED));
    assert!(next < LARGE && strict.next().is_none());
}
