//! Events and frames in words, so that a test reads as what happened. Knows the core's public types.

use switchboard::wire::Frame;
use switchboard::{CallError, Event};

/// One event in a line, such as `call 1 asks sum` or `closed: closed by the peer: bye`.
#[must_use]
pub fn event(event: &Event) -> String {
    match event {
        Event::Hello(_) => "hello".into(),
        Event::Welcome(welcome) => format!("welcome {}", welcome.connection),
        Event::Message(message) => {
            let length = message.clone().into_payload().len();
            format!("message {} of {length} B", message.channel())
        }
        Event::Request { call, request, .. } => format!("{call} asks {}", request.channel()),
        Event::Cancelled { call, status } => format!("{call} stopped {status}"),
        Event::Answer { call, outcome, .. } => {
            format!("{call} ended {}", ending(outcome.as_ref().err()))
        }
        Event::Item { call, item } => format!("{call} item of {} B", item.payload().len()),
        Event::End { call } => format!("{call} items complete"),
        Event::Room { call } => format!("{call} room"),
        Event::Subscribe(wanted) => {
            format!("subscription {} to {}", wanted.subscription.number(), wanted.pattern)
        }
        Event::Unsubscribe { subscription } => {
            format!("subscription {} is not wanted", subscription.number())
        }
        Event::Publish { call, publication } => {
            let number = call.map_or(0, |call| call.number());
            format!("publish {number} {} of {} B", publication.topic(), publication.payload().len())
        }
        Event::Delivery { subscription, publication } => {
            let (number, length) = (subscription.number(), publication.payload().len());
            format!("delivery {number} {} of {length} B", publication.topic())
        }
        Event::Lagged { subscription, dropped } => {
            format!("lagged {} by {dropped}", subscription.number())
        }
        Event::SubscriptionEnded { subscription, failure } => {
            format!("subscription {} ended: {failure}", subscription.number())
        }
        Event::Pong { token, .. } => format!("pong {token}"),
        Event::Closing { message, .. } => format!("closing {message}"),
        Event::Closed(reason) => format!("closed: {reason}"),
    }
}

fn ending(error: Option<&CallError>) -> String {
    match error {
        None => "well".into(),
        Some(CallError::Failed(failure)) => format!("failed {failure}"),
        Some(CallError::Deadline(fate)) => format!("late {fate:?}"),
        Some(CallError::Cancelled(fate)) => format!("cancelled {fate:?}"),
        Some(CallError::Disconnected(reason, fate)) => format!("disconnected {fate:?}: {reason}"),
        Some(other) => format!("{other:?}"),
    }
}

/// The frames of a stream in a line each, such as `request 1 sum`. Bytes that are no whole frame show
/// as `3 B more`.
#[must_use]
pub fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((body, behind)) = rest.split_at_checked(length) else { break };
        all.push(Frame::decode(body).map_or_else(|error| error.to_string(), |frame| short(&frame)));
        bytes = behind;
    }
    if !bytes.is_empty() {
        all.push(format!("{} B more", bytes.len()));
    }
    all
}

fn short(frame: &Frame<'_>) -> String {
    let kind = frame.kind().name();
    match frame {
        Frame::Reject { error, reason, .. } => format!("{kind} {} {reason}", error.number()),
        Frame::Goodbye { error, reason, .. } => {
            format!("{kind} {} {reason}", error.map_or(0, |error| error.number()))
        }
        Frame::Message { channel, .. } => format!("{kind} {channel}"),
        Frame::Request { id, channel, .. } => format!("{kind} {} {channel}", id.number()),
        Frame::Response { id, .. } => format!("{kind} {}", id.number()),
        Frame::Failure { id, error, .. } => format!("{kind} {} {error}", id.number()),
        Frame::Ping { .. } | Frame::Pong { .. } | Frame::Cancel { .. } => long(frame),
        _ => kind.into(),
    }
}

/// One frame for a trace: kind, number, quoted name, size of the payload.
pub(crate) fn long(frame: &Frame<'_>) -> String {
    let kind = frame.kind().name();
    match frame {
        Frame::Hello { payload, .. } => format!("{kind} {} B", payload.len()),
        Frame::Welcome { connection, payload, .. } => {
            format!("{kind} {connection} {} B", payload.len())
        }
        Frame::Reject { error, reason, .. } => format!("{kind} {error} {reason:?}"),
        Frame::Goodbye { error: None, reason, .. } => format!("{kind} OK {reason:?}"),
        Frame::Goodbye { error: Some(error), reason, .. } => format!("{kind} {error} {reason:?}"),
        Frame::Ping { token } | Frame::Pong { token } => format!("{kind} {token}"),
        Frame::Message { channel, payload, .. } => {
            format!("{kind} {channel:?} {} B", payload.len())
        }
        Frame::Request { id, channel, payload, .. } => {
            format!("{kind} {} {channel:?} {} B", id.number(), payload.len())
        }
        Frame::Response { id, payload } | Frame::Item { id, payload } => {
            format!("{kind} {} {} B", id.number(), payload.len())
        }
        Frame::Failure { id, error, reason, .. } => {
            format!("{kind} {} {error} {reason:?}", id.number())
        }
        Frame::End { id } | Frame::Cancel { id } => format!("{kind} {}", id.number()),
        Frame::Credit { id, amount } => format!("{kind} {} {amount:?}", id.number()),
        Frame::Subscribe { id, pattern, .. } => format!("{kind} {} {pattern:?}", id.number()),
        Frame::Unsubscribe { id, subscription } => {
            format!("{kind} {} {}", id.number(), subscription.number())
        }
        Frame::Publish { id, topic, payload, .. } => {
            let id = id.map_or(0, |id| id.number());
            format!("{kind} {id} {topic:?} {} B", payload.len())
        }
        Frame::Delivery { subscription, topic, payload, .. } => {
            format!("{kind} {} {topic:?} {} B", subscription.number(), payload.len())
        }
        Frame::Lagged { subscription, dropped } => {
            format!("{kind} {} {dropped:?}", subscription.number())
        }
        Frame::Extension { kind, rest, .. } => format!("extension {kind} {} B", rest.len()),
        _ => kind.into(),
    }
}
