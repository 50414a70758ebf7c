//! Clients that come back (`docs/reconnect.md`): when, when not, and what is open and sent meanwhile. Called
//! by the macro of the tests.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use SessionStatus::{Connected, Connecting, Disconnected, Idle, Ready, Reconnecting};
use switchboard::{
    Backoff, CallError, CloseReason, Failure, Fate, Payload, Rejected, Restart, SessionStatus,
    Status, to_payload,
};
use switchboard_endpoint::OpenError;

use super::home::{
    Home, echo, held, no_hurry, number, patient, read, until_cancelled, until_told, value,
    wait_until,
};
use crate::gate::Gate;
use crate::{Call, Serves, Setup};

/// A client's first days, and those of one that has lost its server and come back.
const BEGINS: [SessionStatus; 3] = [Connecting, Connected, Ready];
const LOSES: [SessionStatus; 2] = [Disconnected, Reconnecting];
const RETURNS: [SessionStatus; 2] = [Connected, Ready];

/// What a client was told of its status, in order.
struct Told(Receiver<SessionStatus>, Cell<SessionStatus>);

impl Told {
    fn next(&self) -> Option<SessionStatus> {
        let status = self.0.recv().ok()?;
        let before = self.1.replace(status);
        let follows: &[SessionStatus] = match before {
            Idle => &[Connecting],
            Connecting | Reconnecting => &[Connected, Disconnected],
            Connected => &[Ready, Disconnected],
            Ready => &[Disconnected],
            Disconnected => &[Reconnecting],
        };
        assert!(follows.contains(&status), "{status:?} behind {before:?}");
        Some(status)
    }

    /// These come next, and nothing else.
    fn are<const N: usize>(&self, statuses: [SessionStatus; N]) {
        assert_eq!([(); N].map(|()| self.next()), statuses.map(Some));
    }

    /// Takes them up to this one. A client that comes too early, or while a server closes, has tried in vain.
    fn come_to(&self, status: SessionStatus) {
        while self.next().unwrap() != status {}
    }

    /// Nothing more is told, once the client is gone.
    fn are_over(&self) {
        assert_eq!(self.next(), None);
        assert_eq!(self.1.get(), Disconnected);
    }
}

/// No server waits for longer than it must.
fn soon() -> Backoff {
    Backoff::new().first(Duration::from_millis(1)).longest(Duration::from_millis(20))
}

fn soon_again() -> Restart {
    Restart::after(Duration::from_millis(1))
}

fn coming_back_as(backoff: Backoff, serves: Serves) -> (Serves, Told) {
    let (told, statuses) = channel();
    let on_status = move |status| {
        let _ = told.send(status);
    };
    let serves = Serves { comes_back: Some((backoff, Arc::new(on_status))), ..serves };
    (serves, Told(statuses, Cell::new(Idle)))
}

fn coming_back(serves: Serves) -> (Serves, Told) {
    coming_back_as(soon(), serves)
}

/// Refuses everybody, and counts.
fn refusing(status: Status, came: &Arc<AtomicUsize>) -> Serves {
    let came = Arc::clone(came);
    let refuse = move |_: &Payload| {
        came.fetch_add(1, Ordering::Relaxed);
        Err(Failure::new(status, "no"))
    };
    Serves { authorize: Some(Arc::new(refuse)), ..Serves::default() }
}

/// Each change of the status is told once, subscriptions live on, and retained values come again.
pub fn a_client_comes_back_to_a_server_that_restarts(setup: &Setup) {
    let home = Home::of(setup, Serves::config(no_hurry()).handle("echo", echo));
    let (serves, told) = coming_back(Serves::config(no_hurry()));
    let client = home.client(serves);
    told.are(BEGINS);
    home.server.publish("", "n", &number(1), &patient().retain()).unwrap();
    let mut all = client.subscribe(">", &patient().retained()).unwrap();
    assert_eq!(value(&mut *all), 1);
    let place = home.close(soon_again());
    told.are(LOSES);
    // Nobody is let in before there is something retained.
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let authorize = move |_: &Payload| {
        held.pass();
        Ok(())
    };
    let serves = Serves::config(no_hurry()).handle("echo", echo);
    let home = place.serve(Serves { authorize: Some(Arc::new(authorize)), ..serves });
    home.server.publish("", "n", &number(2), &patient().retain()).unwrap();
    gate.open();
    told.come_to(Ready);
    assert_eq!(value(&mut *all), 2);
    assert_eq!(home.server.publish("", "n", &number(3), &patient()), Ok(1));
    assert_eq!(value(&mut *all), 3);
    assert_eq!(client.request("echo", &number(4), &patient()).map(read), Ok(4));
    client.close("done");
    told.are([Disconnected]);
    assert_eq!(client.closed(), Some(CloseReason::Closed { message: "done".into() }));
}

/// Nobody has said goodbye, and again and again.
pub fn a_client_comes_back_to_a_server_that_dies(setup: &Setup) {
    let mut home = Home::of(setup, Serves::default().handle("echo", echo));
    let (serves, told) = coming_back(Serves::default());
    let client = home.client(serves);
    told.are(BEGINS);
    let mut all = client.subscribe("n", &patient()).unwrap();
    for n in 0..3 {
        let place = home.fall();
        told.come_to(Reconnecting);
        home = place.serve(Serves::default().handle("echo", echo));
        told.come_to(Ready);
        assert_eq!(home.server.publish("", "n", &number(n), &patient()), Ok(1));
        assert_eq!(value(&mut *all), n);
        assert_eq!(client.request("echo", &number(n), &patient()).map(read), Ok(n));
    }
    assert_eq!(client.closed(), None);
}

/// What may have run is not done twice, unless its caller does not mind.
pub fn only_idempotent_calls_are_made_again(setup: &Setup) {
    let gate = Arc::new(Gate::default());
    let home = Home::of(setup, Serves::default().handle("slow", held(&gate)));
    let (serves, told) = coming_back(Serves::default());
    let client = home.client(serves);
    let once = client.start("slow", &number(1), &patient()).unwrap();
    let repeated = client.start("slow", &number(2), &patient().idempotent()).unwrap();
    gate.wait_for(2);
    let place = home.fall();
    let ended = once.wait().unwrap_err();
    assert_eq!(ended, CallError::Disconnected(CloseReason::Lost, Fate::MayHaveRun));
    let home = place.serve(Serves::default().handle("slow", held(&gate)));
    gate.wait_for(3);
    gate.open();
    assert_eq!(repeated.wait().map(read), Ok(2));
    drop(home);
    told.are(BEGINS);
}

/// A call that waits for its server is answered, and messages are not overtaken by others.
pub fn what_is_sent_while_down_waits_in_order(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let (serves, told) = coming_back(Serves::default());
    let client = home.client(serves);
    let place = home.fall();
    told.come_to(Reconnecting);
    (0..10).for_each(|n| client.send("n", &number(n)).unwrap());
    let call = client.start("echo", &number(10), &patient()).unwrap();
    let (taken, came) = channel();
    let serves = Serves::default().handle("echo", echo);
    let _home = place.serve(serves.on("n", move |n| taken.send(read(n)).unwrap_or(())));
    assert_eq!(came.iter().take(10).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert_eq!(call.wait().map(read), Ok(10));
}

/// So its user can tell that nobody was there.
pub fn what_is_sent_while_down_fails_if_it_must_not_wait(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let (serves, told) = coming_back_as(soon().fail_while_down(), Serves::default());
    let client = home.client(serves);
    let place = home.fall();
    told.come_to(Reconnecting);
    let down = || CallError::Rejected(Rejected::Down);
    assert_eq!(client.send("n", &number(1)), Err(down()));
    assert_eq!(client.request("echo", &number(1), &patient()), Err(down()));
    assert_eq!(client.publish("n", &number(1), &patient()), Err(down()));
    assert_eq!(client.subscribe("n", &patient()).map(drop), Err(down()));
    let _home = place.serve(Serves::default().handle("echo", echo));
    told.come_to(Ready);
    assert_eq!(client.request("echo", &number(2), &patient()).map(read), Ok(2));
}

/// Its status is told meanwhile.
pub fn connecting_waits_for_a_server_that_starts_later(setup: &Setup) {
    let place = Home::of(setup, Serves::default()).close(Restart::never());
    let (serves, told) = coming_back(Serves::default());
    let connecting = place.connecting(serves);
    let client = thread::spawn(move || connecting().unwrap());
    told.are([Connecting, Disconnected, Reconnecting]);
    let _home = place.serve(Serves::default().handle("echo", echo));
    let client = client.join().unwrap();
    told.are(RETURNS);
    assert_eq!(client.request("echo", &number(1), &patient()).map(read), Ok(1));
}

/// The last error is told, and nothing is tried behind it.
pub fn connecting_gives_up_after_its_attempts(setup: &Setup) {
    let place = Home::of(setup, Serves::default()).close(Restart::never());
    let (serves, told) = coming_back_as(soon().attempts(Some(3)), Serves::default());
    let error = place.connect(&Payload::null(), serves).err().unwrap();
    assert!(matches!(error, OpenError::NotRunning { .. }), "{error:?}");
    told.are([Connecting, Disconnected, Reconnecting, Disconnected]);
    told.are_over();
}

/// A refusal that trying again does not change is told, and not met twice.
pub fn a_refusal_is_not_tried_again(setup: &Setup) {
    let came = Arc::new(AtomicUsize::new(0));
    let home = Home::of(setup, refusing(Status::PERMISSION_DENIED, &came));
    let (serves, told) = coming_back(Serves::default());
    let error = home.connect(&Payload::null(), serves).err().unwrap();
    let failure = Failure::new(Status::PERMISSION_DENIED, "no");
    assert!(matches!(error, OpenError::Refused { failure: said, .. } if said == failure));
    told.are([Connecting, Connected, Disconnected]);
    told.are_over();
    let (serves, told) = coming_back(Serves::default());
    let home = home.close(Restart::never()).serve(Serves::default());
    let client = home.client(serves);
    let _home = home.close(soon_again()).serve(refusing(Status::PERMISSION_DENIED, &came));
    wait_until(|| client.closed().is_some());
    assert!(
        matches!(client.closed(), Some(CloseReason::Refused { failure: said, .. }) if said == failure)
    );
    told.are(BEGINS);
    told.are(LOSES);
    drop(client);
    while told.next().is_some() {}
    told.are_over();
    assert_eq!(came.load(Ordering::Relaxed), 2);
}

/// A server that does not want its clients back does not get them.
pub fn a_server_that_goes_for_good_is_left_alone(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let (serves, told) = coming_back(Serves::default());
    let client = home.client(serves);
    let home = home.close(Restart::never().message("enough")).serve(Serves::default());
    wait_until(|| client.closed().is_some());
    let reason = CloseReason::PeerClosed { message: "enough".into(), reconnect_after: None };
    assert_eq!(client.closed(), Some(reason.clone()));
    let ended = CallError::Disconnected(reason, Fate::NeverSent);
    assert_eq!(client.send("n", &number(1)), Err(ended));
    drop(client);
    told.are(BEGINS);
    told.are([Disconnected]);
    told.are_over();
    assert!(home.server.peers().is_empty());
}

/// What waits is told so, and nobody waits for a server that may never come.
pub fn a_client_without_a_server_ends_at_once(setup: &Setup) {
    for closes in [true, false] {
        let home = Home::of(setup, Serves::default());
        let (serves, told) = coming_back_as(
            // So long that nothing but the end could end it.
            Backoff::new().first(Duration::from_secs(60 * 60)),
            Serves::default(),
        );
        let client = home.client(serves);
        let _place = home.fall();
        told.are(BEGINS);
        told.are(LOSES);
        let call = client.start("echo", &number(1), &patient()).unwrap();
        let reason = if closes {
            client.close("done");
            CloseReason::Closed { message: "done".into() }
        } else {
            client.abort("enough");
            CloseReason::Aborted { message: "enough".into() }
        };
        assert_eq!(client.closed(), Some(reason.clone()));
        let ended = CallError::Disconnected(reason, Fate::NeverSent);
        assert_eq!(call.wait(), Err(ended.clone()));
        assert_eq!(client.send("n", &number(1)), Err(ended));
        told.are([Disconnected]);
        drop(client);
        told.are_over();
    }
}

/// Its handlers and listeners are those that it had.
pub fn a_client_that_came_back_serves_as_before(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let (taken, came) = channel();
    let serves = Serves::default().handle("echo", echo);
    let (serves, told) = coming_back(serves.on("n", move |n| taken.send(read(n)).unwrap_or(())));
    let _client = home.client(serves);
    let place = home.fall();
    told.come_to(Reconnecting);
    let home = place.serve(Serves::default());
    told.come_to(Ready);
    wait_until(|| home.server.peers().len() == 1);
    assert_eq!(home.peer().request("echo", &number(1), &patient()).map(read), Ok(1));
    home.peer().send("n", &number(2)).unwrap();
    assert_eq!(came.recv(), Ok(2));
}

/// Both sides and their handlers name it by the number that its server gave it.
pub fn a_client_that_came_back_knows_its_new_connection(setup: &Setup) {
    let which = |call: &dyn Call, _| Ok(to_payload(&call.connection().number())?);
    let mut home = Home::of(setup, Serves::default().handle("which", which));
    let (serves, told) = coming_back(Serves::default().handle("which", which));
    let client = home.client(serves);
    told.are(BEGINS);
    let mut before = None;
    for _ in 0..2 {
        let number = client.connection().number();
        assert_ne!(before.replace(number), Some(number), "another one");
        assert_eq!(client.request("which", &Payload::null(), &patient()).map(read), Ok(number));
        wait_until(|| home.server.peers().len() == 1);
        let back = home.peer().request("which", &Payload::null(), &patient());
        assert_eq!(back.map(read), Ok(number));
        let place = home.fall();
        told.come_to(Reconnecting);
        home = place.serve(Serves::default().handle("which", which));
        told.come_to(Ready);
    }
}

/// A client's handler works for nobody when its caller is gone, whether or not the client comes back.
pub fn handlers_learn_that_their_caller_is_lost(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let (began, (learned, learns)) = (Arc::new(Gate::default()), channel());
    let (begins, (told, tells)) = (channel(), channel());
    let serves = Serves::default().handle("works", until_cancelled(&began, learned));
    let (serves, statuses) =
        coming_back(serves.handle("streams", until_told(&begins.0, &told)).handle("echo", echo));
    let _client = home.client(serves);
    wait_until(|| home.server.peers().len() == 1);
    let peer = home.peer();
    let _works = peer.start("works", &number(1), &patient()).unwrap();
    let open = |reads| peer.open("streams", &to_payload(&reads).unwrap(), &patient()).unwrap();
    let _streams = [true, false].map(open);
    began.wait_for(1);
    begins.1.iter().take(2).for_each(drop);
    let place = home.fall();
    learns.recv().unwrap();
    // How, depends on whether there is a connection again.
    assert_eq!(tells.iter().take(2).count(), 2);
    // And for the next one as before.
    let home = place.serve(Serves::default());
    statuses.come_to(Reconnecting);
    statuses.come_to(Ready);
    wait_until(|| home.server.peers().len() == 1);
    assert_eq!(home.peer().request("echo", &number(1), &patient()).map(read), Ok(1));
}
