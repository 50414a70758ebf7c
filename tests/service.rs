//! `Registry` and the answers that adapters give alike.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use ciborium::{Value, cbor};
use switchboard::service::{
    ConnectionStatus, RegisterError, Registry, ServerStatus, decode_arguments, encode_answer,
    never_answered, no_handler, panicked,
};
use switchboard::{
    ConnectionId, Counters, Failure, Payload, PayloadLimits, Status, from_payload, to_payload,
};

type Names = Registry<&'static str, &'static str>;

#[test]
fn a_channel_has_one_handler_and_the_second_is_refused() {
    let mut registry = Names::new();
    let first = registry.handle("add", "first").unwrap();
    assert_eq!(registry.handle("add", "second"), Err(RegisterError::Taken));
    assert_eq!(registry.handler("add"), Some(&"first"));
    assert!(registry.unregister(first).is_some());
    assert!(registry.handle("add", "second").is_ok());
    assert_eq!(registry.handler("add"), Some(&"second"));
}

#[test]
fn listeners_share_a_channel_in_the_order_in_which_they_came() {
    let mut registry = Names::new();
    let names = ["a", "b", "c"].map(|name| registry.listen("log", name).unwrap());
    let heard =
        |registry: &Names| registry.listeners("log").map(|(_, name)| *name).collect::<String>();
    assert_eq!(heard(&registry), "abc");
    assert!(registry.unregister(names[1]).is_some());
    assert_eq!(heard(&registry), "ac");
    assert!(registry.unregister(names[0]).is_some() && registry.unregister(names[2]).is_some());
    assert_eq!(heard(&registry), "");
}

#[test]
fn handlers_and_listeners_of_a_channel_have_nothing_to_do_with_each_other() {
    let mut registry = Names::new();
    let handler = registry.handle("x", "handler").unwrap();
    let listener = registry.listen("x", "listener").unwrap();
    assert_ne!(handler, listener);
    assert!(registry.unregister(handler).is_some());
    assert_eq!(registry.handler("x"), None);
    assert_eq!(registry.listeners("x").count(), 1);
}

#[test]
fn a_registration_is_taken_back_once() {
    let mut registry = Names::new();
    let gone = registry.handle("x", "first").unwrap();
    assert!(registry.unregister(gone).is_some());
    assert!(registry.unregister(gone).is_none());
    registry.handle("x", "second").unwrap();
    assert!(registry.unregister(gone).is_none(), "the number is not used again");
    assert_eq!(registry.handler("x"), Some(&"second"));
}

#[test]
fn a_channel_is_1_to_255_bytes_of_text() {
    for (length, fits) in [(0, false), (1, true), (255, true), (256, false)] {
        let mut registry = Names::new();
        let channel = "c".repeat(length);
        let expected = if fits { Ok(()) } else { Err(RegisterError::BadChannel) };
        assert_eq!(registry.handle(&channel, "h").map(drop), expected, "{length}");
        assert_eq!(registry.listen(&channel, "l").map(drop), expected, "{length}");
    }
}

#[test]
fn unknown_channels_have_nobody() {
    let registry = Names::default();
    assert_eq!(registry.handler("x"), None);
    assert_eq!(registry.listeners("x").count(), 0);
}

#[test]
fn debug_shows_channels_and_not_what_is_registered() {
    let mut registry = Names::new();
    registry.handle("add", "secret").unwrap();
    registry.listen("log", "secret").unwrap();
    let text = format!("{registry:?}");
    assert!(text.contains("add") && text.contains("log") && !text.contains("secret"), "{text}");
}

#[test]
fn arguments_that_do_not_fit_are_answered_with_what_is_wrong() {
    let limits = PayloadLimits::default();
    let fits: Result<(i32, i32), _> = decode_arguments(to_payload(&(1, 2)).unwrap(), &limits);
    assert_eq!(fits, Ok((1, 2)));
    let wrong: Result<(i32, i32), _> = decode_arguments(to_payload("no").unwrap(), &limits);
    let wrong = wrong.unwrap_err();
    assert_eq!(wrong.status, Status::INVALID_ARGUMENT);
    assert!(wrong.message.starts_with("bad arguments: "), "{wrong}");
    let shallow = PayloadLimits { max_depth: 1, ..limits };
    let deep: Result<Vec<Vec<i32>>, _> = decode_arguments(to_payload(&[[1]]).unwrap(), &shallow);
    assert_eq!(deep.unwrap_err().status, Status::RESOURCE_EXHAUSTED);
}

#[test]
fn a_handlers_result_becomes_its_answer() {
    let value = encode_answer(Ok(3)).unwrap();
    assert_eq!(from_payload::<i32>(&value, &PayloadLimits::default()), Ok(3));
    let failure = Failure::new(Status::NOT_FOUND, "no").with_data(Payload::bytes(b"x"));
    assert_eq!(encode_answer::<i32>(Err(failure.clone())), Err(failure));
    let unspeakable = std::collections::BTreeMap::from([(Broken, 1)]);
    assert_eq!(encode_answer(Ok(unspeakable)).unwrap_err().status, Status::INTERNAL);
}

/// A value that serde cannot write.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Broken;

impl serde::Serialize for Broken {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("broken"))
    }
}

#[test]
fn the_protocols_own_failures_have_their_status() {
    assert_eq!(no_handler("a\nb").status, Status::UNIMPLEMENTED);
    assert_eq!(no_handler("a\nb").message, "no handler for channel \"a\\nb\"");
    assert_eq!((panicked().status, never_answered().status), (Status::INTERNAL, Status::INTERNAL));
}

#[test]
fn a_servers_status_has_the_keys_of_the_protocol() {
    let id = ConnectionId::new(7).unwrap();
    let counters = Counters::default();
    let status = ServerStatus {
        program: "editor".into(),
        pid: 4242,
        uptime: Duration::from_millis(1500),
        connections: vec![ConnectionStatus { id, uid: Some(1000), pid: None, counters }],
        handlers: vec!["open".into()],
        listeners: vec![],
    };
    let told: Value =
        from_payload(&to_payload(&status).unwrap(), &PayloadLimits::default()).unwrap();
    let expected = cbor!({
        "program" => "editor", "pid" => 4242, "version" => env!("CARGO_PKG_VERSION"),
        "protocol" => [1], "uptime-ms" => 1500,
        "connections" => [{
            "id" => 7, "uid" => 1000, "pid" => null,
            "frames-in" => 0, "frames-out" => 0, "bytes-in" => 0, "bytes-out" => 0,
            "open-made" => 0, "open-served" => 0, "unsent" => 0, "dropped" => 0, "strikes" => 0
        }],
        "handlers" => ["open"], "listeners" => []
    });
    assert_eq!(told, expected.unwrap());
}

#[test]
fn the_channels_that_are_served_are_told_in_order() {
    let mut registry = Names::new();
    registry.handle("b", "").unwrap();
    registry.handle("a", "").unwrap();
    registry.listen("c", "").unwrap();
    assert_eq!(registry.handled().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(registry.listened().collect::<Vec<_>>(), ["c"]);
}
