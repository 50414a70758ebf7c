//! What a link keeps of the peer's calls: nothing, once they are answered.

use std::sync::Arc;

use switchboard::{Config, ConnectionId, Next, Welcome};

use super::*;

/// Gives these bytes to the pump, and takes what comes of them.
fn hears(state: &mut State, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let space = state.pump.space();
        let count = space.len().min(bytes.len());
        space[..count].copy_from_slice(&bytes[..count]);
        state.pump.filled(Instant::ZERO, count);
        bytes = &bytes[count..];
        takes(state);
    }
}

fn takes(state: &mut State) {
    while let Next::Event(event) = state.pump.next(Instant::ZERO) {
        state.take(event);
    }
}

/// The peer reads all that there is.
fn writes(state: &mut State) {
    loop {
        let mut chunks = [&[][..]; 16];
        let count = state.pump.chunks(&mut chunks);
        let bytes = chunks[..count].iter().map(|chunk| chunk.len()).sum();
        if bytes == 0 {
            return;
        }
        state.pump.wrote(Instant::ZERO, bytes);
        state.send_answers();
        takes(state);
    }
}

#[test]
fn a_call_that_is_given_up_while_its_answer_waits_for_room_leaves_nothing_behind() {
    let mut config = Config::default();
    config.max_unsent = 1;
    let id = ConnectionId::new(7).unwrap();
    let connection = Connection::server(Arc::new(config), id, Instant::ZERO);
    let mut state = State::new(Pump::new(connection));
    hears(&mut state, b"\0\0\0\x12\x85\0kswitchboard\x81\x01\xa0\xf6");
    assert!(matches!(state.next_event(), Some(Event::Hello(_))));
    state.pump.connection().accept(Instant::ZERO, &Welcome::new()).unwrap();
    writes(&mut state);
    // [7, id, "b", {}, null], twice, and [13, id] for the second one, whose answer finds no room.
    hears(&mut state, b"\0\0\0\x07\x85\x07\x01\x61b\xa0\xf6\0\0\0\x07\x85\x07\x03\x61b\xa0\xf6");
    for _ in 0..2 {
        let Some(Event::Request { call, .. }) = state.inbox.pop_front() else { panic!("no call") };
        state.respond(call, Ok(Payload::bytes(&[0; 1000])));
    }
    assert!(state.is_choked(), "the second answer waits");
    hears(&mut state, b"\0\0\0\x03\x82\x0d\x03");
    assert_eq!(state.stopped.len(), 1, "the peer has given it up");
    writes(&mut state);
    assert!(!state.is_choked());
    assert_eq!(state.stopped.len(), 0);
}
