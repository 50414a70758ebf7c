//! Events and frames in words, so that a test reads as what happened.

use switchboard::wire::Frame;
use switchboard::{CallError, Event};

/// One event in a line.
pub(crate) fn event(event: &Event) -> String {
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

/// Frames in a line each. Bytes that are no whole frames show as they are.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((body, behind)) = rest.split_at_checked(length) else { break };
        all.push(Frame::decode(body).map_or_else(|error| error.to_string(), |frame| words(&frame)));
        bytes = behind;
    }
    if !bytes.is_empty() {
        all.push(format!("{} B more", bytes.len()));
    }
    all
}

fn words(frame: &Frame<'_>) -> String {
    let kind = frame.kind().name();
    match frame {
        Frame::Reject { error, reason, .. } => format!("{kind} {} {reason}", error.number()),
        Frame::Goodbye { error, reason, .. } => {
            format!("{kind} {} {reason}", error.map_or(0, |error| error.number()))
        }
        Frame::Ping { token } | Frame::Pong { token } => format!("{kind} {token}"),
        Frame::Message { channel, .. } => format!("{kind} {channel}"),
        Frame::Request { id, channel, .. } => format!("{kind} {} {channel}", id.number()),
        Frame::Response { id, .. } | Frame::Cancel { id } => format!("{kind} {}", id.number()),
        Frame::Failure { id, error, .. } => format!("{kind} {} {error}", id.number()),
        _ => kind.into(),
    }
}
