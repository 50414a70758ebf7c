//! Which event a frame brings about, and which frames bring about none.

use switchboard::wire::Frame;
use switchboard::{CallId, Event};

/// Whether the event is what the frame brings about.
pub(crate) fn brings(frame: &Frame<'_>, event: &Event) -> bool {
    calls(frame, event) || streams_and_topics(frame, event)
}

fn calls(frame: &Frame<'_>, event: &Event) -> bool {
    match (frame, event) {
        (Frame::Hello { payload, .. }, Event::Hello(hello)) => hello.payload.as_cbor() == *payload,
        (Frame::Welcome { payload, .. }, Event::Welcome(welcome)) => {
            welcome.payload.as_cbor() == *payload
        }
        (Frame::Message { channel, payload, .. }, Event::Message(message)) => {
            message.channel() == *channel && message.clone().into_payload().as_cbor() == *payload
        }
        (Frame::Request { id, channel, payload, .. }, Event::Request { call, request, .. }) => {
            (call, request.channel()) == (id, channel)
                && request.clone().into_payload().as_cbor() == *payload
        }
        (Frame::Response { id, payload }, Event::Answer { call, outcome: Ok(value), .. }) => {
            call == id && value.as_cbor() == *payload
        }
        (Frame::Failure { id, error, .. }, Event::Answer { call, outcome: Err(failed), .. }) => {
            call == id && failed.status() == *error
        }
        (Frame::Pong { token: of }, Event::Pong { token, .. }) => token == of,
        (Frame::Cancel { id }, Event::Cancelled { call, .. }) => call == id,
        _ => false,
    }
}

fn streams_and_topics(frame: &Frame<'_>, event: &Event) -> bool {
    match (frame, event) {
        (Frame::Item { id, payload }, Event::Item { call, item }) => {
            call == id && item.payload().as_cbor() == *payload
        }
        (Frame::End { id }, Event::End { call }) => call == id,
        (Frame::Subscribe { id, pattern, headers }, Event::Subscribe(wanted)) => {
            (wanted.subscription, &wanted.pattern[..]) == (*id, *pattern)
                && wanted.group.as_deref() == headers.group
                && wanted.retained == (headers.retain == Some(true))
        }
        (Frame::Unsubscribe { subscription: of, .. }, Event::Unsubscribe { subscription }) => {
            subscription == of
        }
        (Frame::Publish { id, topic, headers, payload }, Event::Publish { call, publication }) => {
            (*call, publication.topic()) == (*id, *topic)
                && publication.payload().as_cbor() == *payload
                && publication.retain() == headers.retain
                && publication.echo() == headers.echo.unwrap_or(true)
        }
        (
            Frame::Delivery { subscription: of, topic, payload, .. },
            Event::Delivery { subscription, publication },
        ) => {
            (subscription, publication.topic()) == (of, topic)
                && publication.payload().as_cbor() == *payload
        }
        (
            Frame::Lagged { subscription: of, dropped: lost },
            Event::Lagged { subscription, dropped },
        ) => (subscription, *dropped) == (of, lost.deliveries()),
        (Frame::Failure { id, error, .. }, Event::SubscriptionEnded { subscription, failure }) => {
            (subscription, failure.status) == (id, *error)
        }
        _ => false,
    }
}

/// Whether nobody need be told of the frame: of a call or subscription that is over, for one.
pub(crate) fn is_quiet(frame: &Frame<'_>, is_over: impl Fn(CallId) -> bool, offers: bool) -> bool {
    match frame {
        Frame::Response { id, .. }
        | Frame::Failure { id, .. }
        | Frame::Item { id, .. }
        | Frame::End { id }
        | Frame::Delivery { subscription: id, .. } => is_over(*id),
        Frame::Message { channel, .. } => channel.is_empty(),
        Frame::Publish { id, .. } => id.is_none() && !offers,
        Frame::Hello { .. }
        | Frame::Welcome { .. }
        | Frame::Request { .. }
        | Frame::Subscribe { .. }
        | Frame::Lagged { .. } => false,
        _ => true,
    }
}
