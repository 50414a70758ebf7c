//! What an inbox keeps of the peer's calls: nothing, once they are answered.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::*;
use crate::config::Config;
use crate::connection::{Connection, Hello, Welcome};
use crate::id::ConnectionId;
use crate::pump::Pump;
use crate::session::{Backoff, SessionNext};

const NOW: Instant = Instant::ZERO;

/// Gives these bytes to the session, and takes what comes of them.
fn hears(inbox: &mut Inbox, session: &mut Session, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let space = session.space();
        let count = space.len().min(bytes.len());
        space[..count].copy_from_slice(&bytes[..count]);
        session.filled(NOW, count);
        bytes = &bytes[count..];
        takes(inbox, session);
    }
}

fn takes(inbox: &mut Inbox, session: &mut Session) {
    while let SessionNext::Event(event) = session.next(NOW) {
        inbox.take(event, session);
    }
}

/// The peer reads all that there is.
fn writes(inbox: &mut Inbox, session: &mut Session) {
    loop {
        let mut chunks = [&[][..]; 16];
        let count = session.chunks(&mut chunks);
        let bytes = chunks[..count].iter().map(|chunk| chunk.len()).sum();
        if bytes == 0 {
            return;
        }
        session.wrote(NOW, bytes);
        inbox.use_room(NOW, session);
        takes(inbox, session);
    }
}

/// One whose peer has called twice and does not read: the second answer, to the call with id 3, waits.
fn choked() -> (Inbox, Session) {
    let config = Config { max_unsent: 1, ..Config::default() };
    let id = ConnectionId::new(7).unwrap();
    let mut session = Session::of(Pump::new(Connection::server(Arc::new(config), id, NOW)));
    let mut inbox = Inbox::default();
    hears(&mut inbox, &mut session, b"\0\0\0\x12\x85\0kswitchboard\x81\x01\xa0\xf6");
    assert!(matches!(inbox.next_event(NOW, &mut session), Some(Event::Hello(_))));
    session.connection().accept(NOW, &Welcome::new()).unwrap();
    writes(&mut inbox, &mut session);
    // [7, id, "b", {}, null], twice.
    hears(
        &mut inbox,
        &mut session,
        b"\0\0\0\x07\x85\x07\x01\x61b\xa0\xf6\0\0\0\x07\x85\x07\x03\x61b\xa0\xf6",
    );
    for _ in 0..2 {
        let Some(Event::Request { call, .. }) = inbox.events.pop_front() else { panic!("no call") };
        inbox.respond(NOW, &mut session, call, Ok(Payload::bytes(&[0; 1000])));
    }
    assert!(inbox.is_choked(), "the second answer waits");
    (inbox, session)
}

#[test]
fn a_call_that_is_given_up_while_its_answer_waits_for_room_leaves_nothing_behind() {
    let (mut inbox, mut session) = choked();
    // [13, id]
    hears(&mut inbox, &mut session, b"\0\0\0\x03\x82\x0d\x03");
    assert_eq!(inbox.stopped.len(), 1, "the peer has given it up");
    writes(&mut inbox, &mut session);
    assert!(!inbox.is_choked());
    assert_eq!(inbox.stopped.len(), 0);
}

#[test]
fn while_answers_wait_calls_do_too_and_nothing_else() {
    let (mut inbox, mut session) = choked();
    // [7, 5, "b", {}, null], and behind it [6, "m", {}, null].
    hears(
        &mut inbox,
        &mut session,
        b"\0\0\0\x07\x85\x07\x05\x61b\xa0\xf6\0\0\0\x06\x84\x06\x61m\xa0\xf6",
    );
    assert!(inbox.has_events());
    assert!(matches!(inbox.next_event(NOW, &mut session), Some(Event::Message(_))));
    assert!(!inbox.has_events(), "the call waits");
    assert!(inbox.next_event(NOW, &mut session).is_none());
    writes(&mut inbox, &mut session);
    assert!(matches!(inbox.next_event(NOW, &mut session), Some(Event::Request { .. })));
}

#[test]
fn a_call_that_is_given_up_behind_answers_is_answered_though_nobody_is_given_it() {
    let (mut inbox, mut session) = choked();
    // [7, 5, "b", {}, null], and [13, 5].
    let given_up = b"\0\0\0\x07\x85\x07\x05\x61b\xa0\xf6\0\0\0\x03\x82\x0d\x05";
    hears(&mut inbox, &mut session, given_up);
    let told = inbox.next_event(NOW, &mut session);
    assert!(matches!(told, Some(Event::Cancelled { .. })), "{told:?}");
    writes(&mut inbox, &mut session);
    assert!(inbox.has_events() && session.connection().unsent() == 0);
    assert!(inbox.next_event(NOW, &mut session).is_none());
    assert!(session.connection().unsent() > 0, "this is to be written now");
    assert!(!inbox.has_events() && inbox.stopped.is_empty());
}

#[test]
fn pings_end_with_their_connection_and_leave_nothing_behind() {
    let (config, hello) = (Arc::new(Config::default()), Hello::new());
    let mut session = Session::new(config, hello, Backoff::new(), 1).unwrap();
    let (mut inbox, session) = (Inbox::default(), &mut session);
    assert_eq!(inbox.ping(NOW, session), Err(Rejected::Down));
    while !matches!(session.next(NOW), SessionNext::Connect) {}
    session.connected(NOW);
    assert_eq!(goes_on(&mut inbox, session), []);
    hears(&mut inbox, session, b"\0\0\0\x06\x85\x01\x01\x01\xa0\xf6");
    assert_eq!(goes_on(&mut inbox, session), []);
    let [kept, given_up] = [(); 2].map(|()| inbox.ping(NOW, session).unwrap());
    inbox.abandon(given_up);
    session.filled(NOW, 0);
    assert_eq!(goes_on(&mut inbox, session), [Stir::Everybody]);
    let lost = CallError::Disconnected(CloseReason::Lost, Fate::MayHaveRun);
    assert_eq!(inbox.pong(kept, NOW, None), Poll::Ready(Err(lost)));
    assert!(inbox.tickets.is_empty());
}

/// What comes of it until it waits, but for those who have nothing to look at.
fn goes_on(inbox: &mut Inbox, session: &mut Session) -> Vec<Stir> {
    let mut stirred = Vec::new();
    loop {
        let stir = match session.next(NOW) {
            SessionNext::Event(event) => inbox.take(event, session),
            SessionNext::Status(status) => inbox.status(NOW, session, status),
            SessionNext::Drop => Stir::Nobody,
            _ => break,
        };
        stirred.push(stir);
    }
    stirred.retain(|stir| *stir == Stir::Everybody);
    stirred
}
