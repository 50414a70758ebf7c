//! What a server asks of all its clients, and of itself; signs of life. Called by the macro of the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use switchboard::service::STATUS;
use switchboard::{Asked, DeliveryError, Failure, Options, Payload, Status};

use super::home::{Home, echo, everybody, number, patient, read, value};
use crate::{Serves, Setup, Transport};

/// Every client of a scope gets it once, and nobody else.
pub fn a_broadcast_reaches_every_client_of_its_scope(setup: &Setup) {
    let home = Home::of(setup, Serves { authorize: Some(everybody()), ..Serves::default() });
    let (heard, hears) = channel();
    let _clients = ["", "", "red"].map(|scope| {
        let heard = heard.clone();
        let tells = move |message| heard.send((scope, read(message))).unwrap();
        home.client(Serves { scope, ..Serves::default() }.on("news", tells))
    });
    assert_eq!(home.server.broadcast("", "news", &number(1)), [Ok(()), Ok(())]);
    assert_eq!(home.server.broadcast("red", "news", &number(2)), [Ok(())]);
    let mut told: Vec<_> = hears.iter().take(3).collect();
    told.sort_unstable();
    assert_eq!(told, [("", 1), ("", 1), ("red", 2)]);
    assert_eq!(hears.try_recv().ok(), None);
}

/// All are asked at once; who does not serve says so, and holds up nobody.
pub fn a_survey_asks_every_client(setup: &Setup) {
    let home = Home::of(setup, Serves::default());
    let serves = [Serves::default().handle("name", echo), Serves::default()];
    let _clients = serves.map(|serves| home.client(serves));
    let answers = home.server.survey("", "name", &number(7), &patient());
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], Ok(number(7)));
    assert_eq!(answers[1].as_ref().unwrap_err().status(), Status::UNIMPLEMENTED);
}

/// A permission that was taken back ends what it had allowed, and nothing else.
pub fn a_check_that_is_asked_again_ends_what_it_refuses_now(setup: &Setup) {
    let open = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&open);
    let check = move |asks: Asked<'_>| match asks {
        Asked::Subscribe { pattern: "secret", .. } if !asked.load(Ordering::Relaxed) => {
            Err(Failure::new(Status::PERMISSION_DENIED, "not any more"))
        }
        _ => Ok(()),
    };
    let home = Home::of(setup, Serves { check: Some(Arc::new(check)), ..Serves::default() });
    let client = home.client(Serves::default());
    let [mut secret, mut news] =
        ["secret", "news"].map(|topic| client.subscribe(topic, &patient()).unwrap());
    open.store(false, Ordering::Relaxed);
    home.server.check_again();
    let denied = Failure::new(Status::PERMISSION_DENIED, "not any more");
    assert_eq!(secret.next(), Some(Err(DeliveryError::Ended(denied))));
    client.publish("news", &number(4), &patient()).unwrap();
    assert_eq!(value(&mut *news), 4);
}

/// Section 6: from either side, amid calls.
pub fn a_ping_is_answered_by_both_sides(setup: &Setup) {
    let home = Home::of(setup, Serves::default().handle("echo", echo));
    let client = home.client(Serves::default());
    for end in [client.as_end(), &*home.peer()] {
        assert!(end.ping().unwrap() > Duration::ZERO);
    }
    assert_eq!(client.request("echo", &number(1), &Options::new()), Ok(number(1)));
}

/// Section 4.6: a server tells the user that runs it who is connected and what it serves; over TCP nobody.
pub fn a_server_tells_of_itself(setup: &Setup) {
    let home = Home::of(setup, Serves::default().handle("echo", echo).on("log", |_| {}));
    let client = home.client(Serves::default());
    let answer = client.request(STATUS, &Payload::null(), &patient());
    if setup.transport == Transport::Tcp {
        assert_eq!(answer.unwrap_err().status(), Status::PERMISSION_DENIED);
        return;
    }
    let status = answer.unwrap();
    let tells =
        |word: &str| status.as_cbor().windows(word.len()).any(|window| window == word.as_bytes());
    assert!(["connections", "echo", "log", STATUS].into_iter().all(tells));
}
