//! The handshake (`docs/protocol.md` section 3).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{HELLO, Pair, Side, WELCOME, blob, config, framed, hex, millis, seconds};
use switchboard::{
    CloseReason, Config, Connection, ConnectionId, Event, Failure, Hello, Instant, Payload,
    ProtocolError, Rejected, Status, Timer, Welcome, to_payload,
};

/// A client that says this hello, and a server, before any byte has travelled.
fn pair(hello: &Hello) -> Pair {
    let config = Arc::<Config>::default();
    let client = Connection::client(config.clone(), hello, Instant::ZERO).unwrap();
    Pair::join(Side::new(client), Side::server(config))
}

fn deciding() -> Side {
    let mut server = Side::server(Arc::default());
    server.feed(&hex(HELLO));
    assert_eq!(server.happened(), ["hello"]);
    server
}

#[test]
fn a_client_that_is_accepted_at_once_is_open_on_both_sides() {
    let mut pair = Pair::new(Arc::default(), Arc::default());
    assert!(!pair.client.connection().is_open());
    pair.drive();
    assert_eq!(pair.server.happened(), ["hello"]);
    pair.server.accept();
    assert!(pair.server.connection().is_open());
    pair.drive();
    assert_eq!(pair.client.happened(), ["welcome #7"]);
    assert!(pair.client.connection().is_open());
    assert_eq!(pair.client.connection().id(), ConnectionId::new(7));
    assert_eq!(pair.server.happened(), Vec::<String>::new());
}

#[test]
fn hello_and_welcome_are_the_bytes_of_the_protocol_page() {
    let mut client = Side::client(Arc::default());
    assert_eq!(client.written(), hex(HELLO));
    let mut server = deciding();
    server.accept();
    assert_eq!(server.written(), hex(WELCOME));
}

#[test]
fn a_server_may_decide_later_and_says_nothing_until_then() {
    let mut server = deciding();
    server.wait(millis(9999));
    assert_eq!((server.happened(), server.said()), (vec![], vec![]));
    server.accept();
    assert_eq!(server.said(), ["welcome"]);
    server.wait(seconds(60));
    assert_eq!(server.happened(), Vec::<String>::new());
}

#[test]
fn each_side_sees_what_the_other_said_of_itself() {
    let token = to_payload("a token").unwrap();
    let hello = Hello::new().payload(token.clone()).scope("lab");
    let mut pair = pair(&hello);
    pair.drive();
    let Event::Hello(hello) = pair.server.events.remove(0) else { panic!("no hello") };
    assert_eq!((hello.versions, &hello.settings.scope[..]), (vec![1], "lab"));
    assert_eq!(hello.payload, token);
    let welcome = Welcome::new().payload(token.clone());
    pair.server.connection().accept(Instant::ZERO, &welcome).unwrap();
    pair.drive();
    let Event::Welcome(welcome) = pair.client.events.remove(0) else { panic!("no welcome") };
    assert_eq!((welcome.version, welcome.connection.number()), (1, 7));
    assert_eq!(welcome.payload, token);
}

// Threat 14.
#[test]
fn the_highest_common_version_is_chosen_whatever_the_order_of_the_list() {
    for versions in ["820201", "820102", "8301020f"] {
        let mut server = Side::server(Arc::default());
        server.feed(&framed(&format!("85 00 6b737769746368626f617264 {versions} a0 f6")));
        assert_eq!(server.happened(), ["hello"], "{versions}");
        server.accept();
        assert_eq!(server.written(), hex(WELCOME), "{versions}");
    }
}

#[test]
fn a_refused_client_reads_status_words_data_and_when_to_come_back() {
    let mut pair = pair(&Hello::new());
    pair.drive();
    let data = to_payload(&["admin"]).unwrap();
    let failure = Failure::new(Status::PERMISSION_DENIED, "not you").with_data(data);
    let again = Some(millis(250));
    pair.server.connection().refuse(Instant::ZERO, failure.clone(), again).unwrap();
    pair.drive();
    let refused = CloseReason::Refused {
        failure: failure.clone(),
        versions: vec![1],
        reconnect_after: again,
    };
    assert!(matches!(&pair.client.events[..], [Event::Closed(reason)] if *reason == refused));
    assert_eq!(pair.client.done, Some(refused));
    assert_eq!(pair.server.done, Some(CloseReason::Rejected { failure }));
}

#[test]
fn a_refusal_with_too_much_data_or_words_still_says_why() {
    let mut pair = pair(&Hello::new());
    pair.drive();
    let failure = Failure::new(Status::NOT_FOUND, "é".repeat(1000)).with_data(blob(20_000));
    pair.server.connection().refuse(Instant::ZERO, failure, None).unwrap();
    pair.drive();
    let Some(CloseReason::Refused { failure, .. }) = pair.client.done else {
        panic!("not refused")
    };
    assert_eq!((failure.status, failure.message), (Status::NOT_FOUND, "é".repeat(512)));
    assert_eq!(failure.data, Payload::null());
}

#[test]
fn a_full_server_refuses_before_hello_and_the_client_reads_it() {
    let mut pair = pair(&Hello::new());
    let full = Failure::new(Status::RESOURCE_EXHAUSTED, "full");
    pair.server.connection().refuse(Instant::ZERO, full, None).unwrap();
    pair.drive();
    assert_eq!(pair.client.happened(), ["closed: the server refused: RESOURCE_EXHAUSTED: full"]);
    assert_eq!(pair.server.happened(), ["closed: this side refused: RESOURCE_EXHAUSTED: full"]);
    assert!(pair.server.done.is_some());
}

#[test]
fn a_closing_server_refuses_with_unavailable_before_and_after_hello() {
    for mut server in [Side::server(Arc::default()), deciding()] {
        server.close("restart");
        assert_eq!(server.said(), ["reject 14 restart"]);
        assert!(server.shut);
    }
}

#[test]
fn a_client_that_gives_up_says_nothing() {
    let mut client = Side::client(Arc::default());
    client.close("changed my mind");
    assert_eq!(client.happened(), ["closed: closed by this side: changed my mind"]);
    assert_eq!(client.said(), Vec::<String>::new());
}

// Threat 14.
#[test]
fn a_server_without_a_common_version_names_its_own() {
    let mut server = Side::server(Arc::default());
    server.feed(&framed("85 00 6b737769746368626f617264 820203 a0 f6"));
    let bytes = server.written();
    assert!(bytes[4..].starts_with(&hex("86 02 09")), "{bytes:x?}");
    assert!(bytes.ends_with(&hex("81 01 f6 f6")), "{bytes:x?}");
    assert_eq!(server.events.len(), 1);
    let Event::Closed(reason) = server.events.remove(0) else { panic!("not closed") };
    assert_eq!(reason, CloseReason::Versions { theirs: vec![2, 3] });
}

// Threat 14.
#[test]
fn a_client_without_a_common_version_learns_the_servers() {
    let mut client = Side::client(Arc::default());
    client.feed(&framed("86 02 09 61 78 820203 f6 f6"));
    assert_eq!(client.done, Some(CloseReason::Versions { theirs: vec![2, 3] }));
}

// Threat 68.
#[test]
fn failed_precondition_with_a_common_version_is_a_refusal() {
    let mut client = Side::client(Arc::default());
    client.feed(&framed("86 02 09 61 78 8101 f6 f6"));
    assert!(matches!(client.done, Some(CloseReason::Refused { .. })));
}

// Threat 14.
#[test]
fn a_welcome_in_a_version_that_was_not_offered_ends_it_silently() {
    let mut client = Side::client(Arc::default());
    client.written();
    client.feed(&framed("85 01 02 07 a0 f6"));
    assert_eq!(client.said(), Vec::<String>::new());
    assert_eq!(client.done, Some(CloseReason::Protocol(ProtocolError::UnexpectedFrame)));
}

// Threat 12.
#[test]
fn a_silent_client_is_rejected_when_time_is_up() {
    for mut server in [Side::server(Arc::default()), deciding()] {
        server.wait(millis(9999));
        assert_eq!(server.said(), Vec::<String>::new());
        server.wait(millis(1));
        assert_eq!(server.said(), ["reject 4 handshake-timeout"]);
        assert_eq!(server.happened(), ["closed: the handshake took too long"]);
        let late = server.now;
        let accepted = server.connection().accept(late, &Welcome::new());
        assert_eq!(accepted, Err(Rejected::Closed));
    }
}

// Threat 12.
#[test]
fn a_silent_server_is_left_without_a_word_when_time_is_up() {
    let mut client = Side::client(Arc::default());
    client.written();
    client.wait(millis(9999));
    assert_eq!(client.done, None);
    client.wait(millis(1));
    assert_eq!(client.said(), Vec::<String>::new());
    assert_eq!(client.done, Some(CloseReason::Timeout(Timer::Handshake)));
}

// Threat 12.
#[test]
fn bytes_that_trickle_in_do_not_put_off_the_end_of_the_handshake() {
    let mut server = Side::server(Arc::default());
    for &byte in &hex(HELLO)[..10] {
        server.feed(&[byte]);
        server.wait(seconds(1));
    }
    assert_eq!(server.happened(), ["closed: the handshake took too long"]);
}

#[test]
fn a_broken_hello_is_rejected() {
    let magic = "85 00 6b737769746368626f617264";
    let broken = [
        ("no version", format!("{magic} 80 a0 f6"), "reject 3 malformed-frame"),
        ("version 0", format!("{magic} 8100 a0 f6"), "reject 3 malformed-frame"),
        (
            "a setting twice",
            format!("{magic} 8101 a2 00190400 00190400 f6"),
            "reject 3 malformed-frame",
        ),
        ("ends early", magic.into(), "reject 3 malformed-frame"),
        ("one byte", "85".into(), "reject 3 malformed-frame"),
        (
            "another magic",
            "85 00 6b737769746368626f617265 8101 a0 f6".into(),
            "reject 3 not-switchboard",
        ),
        ("a ping", "82 04 05".into(), "reject 3 not-switchboard"),
    ];
    for (what, body, words) in broken {
        let mut server = Side::server(Arc::default());
        server.feed(&[framed(&body), hex(HELLO)].concat());
        assert_eq!(server.said(), [words], "{what}");
        assert!(server.happened().iter().all(|event| event.starts_with("closed")), "{what}");
    }
}

// Threat 47.
#[test]
fn a_hello_with_a_bad_payload_is_rejected_and_never_shown() {
    for (payload, status) in [("", 3), ("f6f6", 3), ("61ff", 3), ("81", 3)] {
        let mut server = Side::server(Arc::default());
        server.feed(&framed(&format!("85 00 6b737769746368626f617264 8101 a0 {payload}")));
        let said = server.said();
        assert!(said.len() == 1 && said[0].starts_with(&format!("reject {status} ")), "{said:?}");
        assert!(server.happened()[0].starts_with("closed"));
    }
    let mut server = Side::server(Arc::default());
    let deep = "81".repeat(65);
    server.feed(&framed(&format!("85 00 6b737769746368626f617264 8101 a0 {deep} f6")));
    assert!(server.said()[0].starts_with("reject 8 "), "too deep is over a limit");
}

#[test]
fn a_hello_of_16_kib_passes_and_one_byte_more_is_refused_here_and_dropped_there() {
    let hello = |length| Hello::new().payload(blob(length));
    // 16 head bytes of hello, 1 of no settings, 3 of the byte string's length.
    let fits = 16_384 - 17 - 3;
    let mut pair = pair(&hello(fits));
    pair.drive();
    assert_eq!(pair.server.happened(), ["hello"]);
    let config = Arc::<Config>::default();
    let long = Connection::client(config.clone(), &hello(fits + 1), Instant::ZERO);
    assert_eq!(long.unwrap_err(), Rejected::TooLarge);
    let scope = Connection::client(config, &Hello::new().scope("s".repeat(256)), Instant::ZERO);
    assert_eq!(scope.unwrap_err(), Rejected::TooLarge);

    let mut server = Side::server(Arc::default());
    server.feed(&16_385u32.to_be_bytes());
    assert_eq!(server.said(), Vec::<String>::new());
    assert_eq!(server.done, Some(CloseReason::Protocol(ProtocolError::FrameTooLarge)));
}

#[test]
fn a_welcome_that_is_too_large_is_refused_and_another_may_follow() {
    let mut server = deciding();
    let now = server.now;
    let large = Welcome::new().payload(blob(16_384));
    assert_eq!(server.connection().accept(now, &large), Err(Rejected::TooLarge));
    server.accept();
    assert_eq!(server.said(), ["welcome"]);
}

// Threat 15.
#[test]
fn a_client_that_speaks_before_it_is_answered_is_rejected() {
    let mut server = deciding();
    server.feed(&[0]);
    assert_eq!(server.said(), ["reject 9 unexpected-frame"], "one byte is enough");
    let late = server.connection().accept(Instant::ZERO, &Welcome::new());
    assert_eq!(late, Err(Rejected::Closed));

    let mut server = Side::server(Arc::default());
    server.feed(&[hex(HELLO), framed("84 06 636c6f67 a0 626869")].concat());
    assert_eq!(server.said(), ["reject 9 unexpected-frame"]);
    let happened = server.happened();
    assert_eq!(happened[0], "hello");
    assert!(happened[1].starts_with("closed"), "{happened:?}");
}

// Threat 4.
#[test]
fn frames_right_behind_welcome_in_the_same_bytes_are_taken() {
    let mut client = Side::client(Arc::default());
    let message = framed("84 06 636c6f67 a0 626869");
    client.feed(&[hex(WELCOME), message.clone(), message].concat());
    assert_eq!(client.happened(), ["welcome #7", "message log of 3 B", "message log of 3 B"]);
}

#[test]
fn hello_and_welcome_may_be_split_anywhere() {
    for (bytes, told, client) in [(hex(HELLO), "hello", false), (hex(WELCOME), "welcome #7", true)]
    {
        for at in 1..bytes.len() {
            let mut side =
                if client { Side::client(Arc::default()) } else { Side::server(Arc::default()) };
            side.feed(&bytes[..at]);
            assert_eq!(side.happened(), Vec::<String>::new());
            side.feed(&bytes[at..]);
            assert_eq!(side.happened(), [told]);
        }
    }
}

#[test]
fn a_client_that_cannot_use_the_welcomes_payload_says_goodbye() {
    let mut client = Side::client(Arc::default());
    client.written();
    client.feed(&framed("85 01 01 07 a0 f6f6"));
    let said = client.said();
    assert!(said.len() == 1 && said[0].starts_with("goodbye 3 "), "{said:?}");
    assert!(client.happened()[0].starts_with("closed"));
}

#[test]
fn commands_before_the_handshake_is_complete_are_not_ready() {
    for mut side in [Side::client(Arc::default()), Side::server(Arc::default()), deciding()] {
        assert_eq!(side.send("log", &Payload::null()), Err(Rejected::NotReady));
        assert_eq!(side.request("add"), Err(Rejected::NotReady));
        assert_eq!(side.connection().ping(Instant::ZERO, 1), Err(Rejected::NotReady));
    }
    let mut server = Side::server(Arc::default());
    let early = server.connection().accept(Instant::ZERO, &Welcome::new());
    assert_eq!(early, Err(Rejected::NotReady));
}

#[test]
fn a_client_is_never_asked_to_accept_or_refuse() {
    let mut client = Side::open(true, Arc::default());
    let connection = client.connection();
    let no = Failure::new(Status::NOT_FOUND, "no");
    assert_eq!(connection.refuse(Instant::ZERO, no, None), Err(Rejected::Closed));
    assert_eq!(connection.accept(Instant::ZERO, &Welcome::new()), Err(Rejected::Closed));
    let mut client = Side::client(Arc::default());
    assert!(client.connection().accept(Instant::ZERO, &Welcome::new()).is_err());
}

#[test]
fn settings_travel_only_where_they_differ_from_the_defaults() {
    let small = config(|config| {
        config.max_frame = 65_536;
        config.max_calls = 2;
    });
    let mut client = Side::client(small);
    let expected = "0000001a 85 00 6b737769746368626f617264 8101 a2 001a00010000 0102 f6";
    assert_eq!(client.written(), hex(expected));
}
