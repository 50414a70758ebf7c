//! The channels of `serve --demo` that stream: out, in, and both ways.

use serde::{Deserialize, Serialize};
use switchboard::{CallError, Failure, Rejected, Status};
use switchboard_blocking::{Context, ItemSender, ServerBuilder};

use super::sleep;

/// Adds the channels to a server.
pub(super) fn add(server: ServerBuilder) -> ServerBuilder {
    server
        .handle("count", |cx: Context, wanted: Count| count(&cx, &wanted))
        .handle("sum", |cx: Context, (): ()| sum(&cx))
        .handle("upper", |cx: Context, (): ()| upper(&cx))
}

#[derive(Deserialize)]
struct Count {
    to: u64,
    /// Between two numbers.
    #[serde(default)]
    every_ms: u64,
}

/// Streams 1, 2, ... while somebody takes it.
fn count(cx: &Context, wanted: &Count) -> Result<(), Failure> {
    let numbers = cx.sender()?;
    for number in 1..=wanted.to {
        if number > 1 && wanted.every_ms > 0 {
            sleep(cx, wanted.every_ms)?;
        }
        send(&numbers, &number)?;
    }
    Ok(())
}

/// A number, written as it came: whole ones stay whole.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Float(f64),
}

impl Number {
    fn plus(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Self::Whole(one.checked_add(other)?),
            (one, other) => Self::Float(one.float() + other.float()),
        })
    }

    fn float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

/// Adds up what is streamed to it.
fn sum(cx: &Context) -> Result<Number, Failure> {
    let mut sum = Number::Whole(0);
    for number in cx.items() {
        let too_much = || Failure::new(Status::OUT_OF_RANGE, "the sum is beyond 64 bits");
        sum = sum.plus(number.map_err(unusable)?).ok_or_else(too_much)?;
    }
    Ok(sum)
}

/// Streams back what is streamed to it, in capitals.
fn upper(cx: &Context) -> Result<(), Failure> {
    let texts = cx.sender()?;
    for text in cx.items::<String>() {
        send(&texts, &text.map_err(unusable)?.to_uppercase())?;
    }
    Ok(())
}

fn send(items: &ItemSender, item: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
    items.send(item).map_err(|error| match error {
        CallError::Rejected(Rejected::NoStream) => {
            let text = "this channel streams, and its caller takes no items: call it with --stream";
            Failure::new(Status::INVALID_ARGUMENT, text)
        }
        other => other.into(),
    })
}

fn unusable(error: CallError) -> Failure {
    match error {
        CallError::Decode(error) => {
            Failure::new(Status::INVALID_ARGUMENT, format!("an item is unusable: {error}"))
        }
        other => other.into(),
    }
}
