//! What becomes of one call: values, failures and errors over a real socket.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;

use common::{Home, Unwritable, silent_panic};
use serde::{Deserialize, Serialize};
use switchboard::{
    CallError, Failure, HeaderValue, Headers, Options, Payload, Rejected, Status, to_payload,
};
use switchboard_blocking::{Context, Server, ServerBuilder};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Order {
    name: String,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Line {
    price: i64,
    note: Option<String>,
}

/// An order with a text for a price.
#[derive(Serialize)]
struct BadOrder {
    name: &'static str,
    lines: (Line, BadLine),
}

#[derive(Serialize)]
struct BadLine {
    price: &'static str,
}

fn order() -> Order {
    let line = |price| Line { price, note: (price > 1).then(|| "ü".into()) };
    Order { name: "n".into(), lines: vec![line(-1), line(2)] }
}

/// Both ways to run a handler, on "pool" and "inline".
fn both<R: switchboard::ToPayload + 'static>(
    handler: impl Fn(Context, Payload) -> Result<R, Failure> + Clone + Send + Sync + 'static,
) -> Home {
    let builder =
        Server::builder().handle("pool", handler.clone()).handle_inline("inline", handler);
    Home::of(builder.handle("works", |_, ()| Ok(true)))
}

const BOTH: [&str; 2] = ["pool", "inline"];

fn failure(result: Result<Payload, CallError>) -> Failure {
    match result {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

#[test]
fn typed_values_go_and_come_back() {
    let home = Home::of(
        Server::builder()
            .handle("order", |_, order: Order| Ok(order))
            .handle_inline("sum", |_, (a, b): (u64, u64)| Ok(a + b))
            .handle("nothing", |_, ()| Ok(())),
    );
    let client = home.client();
    assert_eq!(client.request::<Order>("order", &order()).unwrap(), order());
    assert_eq!(client.request::<u64>("sum", &(1, 2)).unwrap(), 3);
    client.request::<()>("nothing", &()).unwrap();
}

#[test]
fn raw_payloads_go_and_come_back_byte_for_byte() {
    let home = both(|_, payload| Ok(payload));
    let client = home.client();
    // An integer that is spelled longer than it must be, and bytes.
    let long = Payload::from_cbor(&b"\x18\x05"[..]).unwrap();
    for payload in [long, Payload::bytes(&[0xff; 100_000]), Payload::null()] {
        for channel in BOTH {
            assert_eq!(client.request::<Payload>(channel, &payload).unwrap(), payload);
        }
    }
}

#[test]
fn a_failure_keeps_its_status_message_and_data() {
    let data = to_payload(&BTreeMap::from([("left", 3)])).unwrap();
    let told = Failure::new(Status::new(4711).unwrap(), "out of ü").with_data(data);
    let home = both({
        let told = told.clone();
        move |_, _| Err::<(), _>(told.clone())
    });
    for channel in BOTH {
        assert_eq!(failure(home.client().request(channel, &())), told);
    }
}

#[test]
fn a_channel_without_a_handler_is_unimplemented() {
    let home = Home::of(Server::builder().on("listened", |_, ()| {}));
    let client = home.client();
    for channel in ["nobody", "listened"] {
        let failure = failure(client.request(channel, &()));
        assert_eq!(failure.status, Status::UNIMPLEMENTED);
        assert!(failure.message.contains(channel), "{failure}");
    }
}

#[test]
fn bad_arguments_are_told_with_the_path_to_them() {
    let handler = |_: Context, _: Order| -> Result<(), Failure> { unreachable!("never runs") };
    let home =
        Home::of(ServerBuilder::default().handle("pool", handler).handle_inline("inline", handler));
    let line = order().lines.remove(0);
    let bad = BadOrder { name: "n", lines: (line, BadLine { price: "free" }) };
    for channel in BOTH {
        let failure = failure(home.client().request(channel, &bad));
        assert_eq!(failure.status, Status::INVALID_ARGUMENT);
        assert!(failure.message.contains("lines[1].price"), "{failure}");
    }
}

#[test]
fn a_question_mark_in_a_handler_becomes_a_failure() {
    let home = both(|_, _| Ok("x".parse::<u32>()?));
    for channel in BOTH {
        let failure = failure(home.client().request(channel, &()));
        assert_eq!(failure.status, Status::UNKNOWN);
        assert_eq!(failure.message, "x".parse::<u32>().unwrap_err().to_string());
    }
}

// Threat 73.
#[test]
fn a_panic_costs_its_own_call_only() {
    let home = both(|_, _| -> Result<(), Failure> { silent_panic() });
    let client = home.client();
    for channel in BOTH {
        // More often than there are threads in the pool.
        for _ in 0..20 {
            let failure = failure(client.request(channel, &()));
            assert_eq!(failure.status, Status::INTERNAL);
            assert_eq!(failure.message, "the handler panicked");
        }
        assert!(client.request::<bool>("works", &()).unwrap());
    }
}

/// Panics when it is read, which is code of the user's, too.
#[derive(Debug)]
struct Explosive;

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        silent_panic()
    }
}

#[test]
fn arguments_and_answers_that_panic_when_read_leave_the_connection_whole() {
    let home = Home::of(
        Server::builder()
            .handle("pool", |_, _: Explosive| Ok(()))
            .handle_inline("inline", |_, _: Explosive| Ok(()))
            .handle("works", |_, ()| Ok(true)),
    );
    let client = home.client();
    for channel in BOTH {
        assert_eq!(failure(client.request(channel, &())).status, Status::INTERNAL);
        let read = || client.request::<Explosive>("works", &());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_err();
        assert!(client.request::<bool>("works", &()).unwrap());
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_internal() {
    let home = both(|_, _| Ok(Unwritable));
    let client = home.client();
    for channel in BOTH {
        let failure = failure(client.request(channel, &()));
        assert_eq!(failure.status, Status::INTERNAL);
        assert!(failure.message.contains("not today"), "{failure}");
    }
    assert!(client.request::<bool>("works", &()).unwrap());
}

#[test]
fn arguments_that_cannot_be_written_fail_at_the_caller() {
    let home = both(|_, _| -> Result<(), Failure> { unreachable!("never runs") });
    let client = home.client();
    let error = client.request::<()>("pool", &Unwritable).unwrap_err();
    assert!(matches!(error, CallError::Encode(_)), "{error:?}");
    assert!(!error.may_have_run());
    assert!(matches!(client.send("pool", &Unwritable), Err(CallError::Encode(_))));
    assert!(client.request::<bool>("works", &()).unwrap());
}

#[test]
fn an_answer_of_another_type_fails_at_the_caller() {
    let home = both(|_, _| Ok(order()));
    let client = home.client();
    let error = client.request::<(u8, u8)>("pool", &()).unwrap_err();
    assert!(matches!(error, CallError::Decode(_)), "{error:?}");
    assert!(error.may_have_run());
    assert!(client.request::<bool>("works", &()).unwrap());
}

#[test]
fn what_the_protocol_does_not_take_is_rejected_at_the_caller() {
    let home = both(|_, payload| Ok(payload));
    let client = home.client();
    let long = "x".repeat(256);
    for channel in ["", &long] {
        let error = client.request::<()>(channel, &()).unwrap_err();
        assert_eq!(error, CallError::Rejected(Rejected::BadChannel));
        assert_eq!(client.send(channel, &()).unwrap_err(), error);
    }
    let large = Payload::bytes(&vec![0; 16 << 20]);
    let error = client.request::<()>("pool", &large).unwrap_err();
    assert_eq!(error, CallError::Rejected(Rejected::TooLarge));
    assert!(client.request::<bool>("works", &()).unwrap());
}

#[test]
fn headers_and_channel_arrive() {
    let home = both(|cx, _| {
        let trace = match cx.headers().get("trace") {
            Some(HeaderValue::Text(text)) => text.to_owned(),
            other => panic!("{other:?}"),
        };
        Ok((cx.channel().to_owned(), trace, cx.headers().iter().count()))
    });
    let mut headers = Headers::default();
    headers.insert("trace", HeaderValue::Text("00-ab")).unwrap();
    headers.insert("tries", HeaderValue::Uint(3)).unwrap();
    let client = home.client().with(Options::new().headers(headers));
    for channel in BOTH {
        let answer: (String, String, usize) = client.request(channel, &()).unwrap();
        assert_eq!(answer, (channel.to_owned(), "00-ab".to_owned(), 2));
    }
}
