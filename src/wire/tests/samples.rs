//! Generators: any frame of a kind, with numbers and lengths at the edges of their spellings. What a
//! frame borrows is leaked, so that a failing one is shown whole.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::time::Duration;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use crate::id::{CallId, ConnectionId, MAX_ID};
use crate::status::Status;
use crate::wire::{
    Amount, Dropped, Frame, HeaderMap, HeaderValue, Headers, Kind, LEAST_MAX_FRAME, Magic, Settings,
};

/// Where a number's or a length's spelling gets longer, and the ends of the protocol's ranges.
const EDGES: [u64; 18] = [
    0,
    1,
    2,
    23,
    24,
    25,
    255,
    256,
    65_535,
    65_536,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    MAX_ID - 1,
    MAX_ID,
    MAX_ID + 1,
    u64::MAX,
];

fn number(range: RangeInclusive<u64>) -> BoxedStrategy<u64> {
    let edges: Vec<u64> = EDGES.into_iter().filter(|edge| range.contains(edge)).collect();
    prop_oneof![range.clone(), select(edges)].boxed()
}

fn narrow(range: RangeInclusive<u64>) -> impl Strategy<Value = u32> {
    number(range).prop_map(|number| u32::try_from(number).unwrap())
}

/// Text of at most `most` bytes.
fn text(most: usize) -> impl Strategy<Value = &'static str> {
    let lengths: Vec<usize> =
        [0, 1, 23, 24, 255, 256, 300].into_iter().filter(|&length| length <= most).collect();
    let any = vec(any::<char>(), 0..8).prop_map(|chars| chars.into_iter().collect::<String>());
    let long = select(lengths).prop_map(|length| "x".repeat(length));
    prop_oneof![any, long].prop_map(|text| &*text.leak())
}

/// The name of a header or a group.
fn name() -> impl Strategy<Value = &'static str> {
    text(255).prop_map(|text| if text.is_empty() { "n" } else { text })
}

fn bytes() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..40).prop_map(|bytes| &*bytes.leak())
}

fn value() -> impl Strategy<Value = HeaderValue<'static>> {
    prop_oneof![
        number(0..=u64::MAX).prop_map(HeaderValue::Uint),
        any::<bool>().prop_map(HeaderValue::Bool),
        text(300).prop_map(HeaderValue::Text),
        bytes().prop_map(HeaderValue::Bytes),
    ]
}

/// The application's headers, at most ten of them.
pub(super) fn entries() -> impl Strategy<Value = Vec<(&'static str, HeaderValue<'static>)>> {
    vec((name(), value()), 0..=10)
}

fn headers() -> impl Strategy<Value = HeaderMap<'static>> {
    let numbers = proptest::array::uniform3(proptest::option::of(number(0..=u64::MAX)));
    let bools = any::<[Option<bool>; 2]>();
    (numbers, bools, proptest::option::of(name()), entries()).prop_map(
        |([deadline, streams, when_full], [retain, echo], group, entries)| {
            let mut headers = Headers::new();
            for (name, value) in entries {
                headers.insert(name, value).expect("ten headers keep the limits");
            }
            let map = Box::leak(Box::new(headers)).as_map();
            HeaderMap { deadline, streams, when_full, retain, group, echo, ..map }
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let keepalive = proptest::option::of(number(1000..=24 * 60 * 60 * 1000));
    let interface = (text(300).prop_map(String::from), text(30).prop_map(String::from));
    (
        narrow(u64::from(LEAST_MAX_FRAME)..=u64::from(u32::MAX)),
        narrow(0..=u64::from(u32::MAX)),
        narrow(0..=(1 << 31) - 1),
        keepalive,
        text(255),
        btree_map(interface.0, interface.1, 0..4),
    )
        .prop_map(|(max_frame, max_calls, stream_window, keepalive, scope, interfaces)| {
            let keepalive = keepalive.map(Duration::from_millis);
            Settings {
                max_frame,
                max_calls,
                stream_window,
                keepalive,
                scope: scope.into(),
                interfaces,
            }
        })
}

fn version() -> impl Strategy<Value = u16> {
    number(1..=65_535).prop_map(|version| u16::try_from(version).unwrap())
}

fn versions() -> impl Strategy<Value = Vec<u16>> {
    vec(version(), 1..30)
}

fn id() -> impl Strategy<Value = CallId> {
    number(1..=MAX_ID).prop_map(|id| CallId::new(id).unwrap())
}

fn status() -> impl Strategy<Value = Status> {
    narrow(1..=u64::from(u32::MAX)).prop_map(|status| Status::new(status).unwrap())
}

fn token() -> impl Strategy<Value = u32> {
    narrow(0..=u64::from(u32::MAX))
}

fn ms() -> impl Strategy<Value = Option<u64>> {
    proptest::option::of(number(0..=u64::MAX))
}

/// Any extension.
pub(super) fn extension() -> BoxedStrategy<Frame<'static>> {
    (number(24..=65_535), 1_u8..=23, bytes())
        .prop_map(|(kind, elements, rest)| Frame::Extension {
            kind: u16::try_from(kind).unwrap(),
            elements,
            rest,
        })
        .boxed()
}

/// Any frame of this kind; of extensions, any at all.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each kind")]
pub(super) fn frame_of(kind: Kind) -> BoxedStrategy<Frame<'static>> {
    match kind {
        Kind::Hello => (versions(), settings(), bytes())
            .prop_map(|(versions, settings, payload)| Frame::Hello {
                magic: Magic,
                versions,
                settings,
                payload,
            })
            .boxed(),
        Kind::Welcome => (version(), number(0..=MAX_ID), settings(), bytes())
            .prop_map(|(version, connection, settings, payload)| Frame::Welcome {
                version,
                connection: ConnectionId::new(connection).unwrap(),
                settings,
                payload,
            })
            .boxed(),
        Kind::Reject => (status(), text(300), versions(), ms(), bytes())
            .prop_map(|(error, reason, versions, reconnect_after_ms, payload)| Frame::Reject {
                error,
                reason,
                versions,
                reconnect_after_ms,
                payload,
            })
            .boxed(),
        Kind::Goodbye => (proptest::option::of(status()), text(300), ms())
            .prop_map(|(error, reason, reconnect_after_ms)| Frame::Goodbye {
                error,
                reason,
                reconnect_after_ms,
            })
            .boxed(),
        Kind::Ping => token().prop_map(|token| Frame::Ping { token }).boxed(),
        Kind::Pong => token().prop_map(|token| Frame::Pong { token }).boxed(),
        Kind::Message => (text(300), headers(), bytes())
            .prop_map(|(channel, headers, payload)| Frame::Message { channel, headers, payload })
            .boxed(),
        Kind::Request => (id(), text(300), headers(), bytes())
            .prop_map(|(id, channel, headers, payload)| Frame::Request {
                id,
                channel,
                headers,
                payload,
            })
            .boxed(),
        Kind::Response => {
            (id(), bytes()).prop_map(|(id, payload)| Frame::Response { id, payload }).boxed()
        }
        Kind::Failure => (id(), status(), text(300), bytes())
            .prop_map(|(id, error, reason, payload)| Frame::Failure { id, error, reason, payload })
            .boxed(),
        Kind::Item => (id(), bytes()).prop_map(|(id, payload)| Frame::Item { id, payload }).boxed(),
        Kind::End => id().prop_map(|id| Frame::End { id }).boxed(),
        Kind::Credit => (id(), narrow(1..=(1 << 31) - 1))
            .prop_map(|(id, amount)| Frame::Credit { id, amount: Amount::new(amount).unwrap() })
            .boxed(),
        Kind::Cancel => id().prop_map(|id| Frame::Cancel { id }).boxed(),
        Kind::Subscribe => (id(), text(300), headers())
            .prop_map(|(id, pattern, headers)| Frame::Subscribe { id, pattern, headers })
            .boxed(),
        Kind::Unsubscribe => (id(), id())
            .prop_map(|(id, subscription)| Frame::Unsubscribe { id, subscription })
            .boxed(),
        Kind::Publish => (proptest::option::of(id()), text(300), headers(), bytes())
            .prop_map(|(id, topic, headers, payload)| Frame::Publish {
                id,
                topic,
                headers,
                payload,
            })
            .boxed(),
        Kind::Delivery => (id(), text(300), headers(), bytes())
            .prop_map(|(subscription, topic, headers, payload)| Frame::Delivery {
                subscription,
                topic,
                headers,
                payload,
            })
            .boxed(),
        Kind::Lagged => (id(), number(1..=MAX_ID))
            .prop_map(|(subscription, dropped)| Frame::Lagged {
                subscription,
                dropped: Dropped::new(dropped).unwrap(),
            })
            .boxed(),
        Kind::Extension(_) => extension(),
    }
}

/// Any frame at all.
pub(super) fn frame() -> impl Strategy<Value = Frame<'static>> {
    let kinds = Kind::ALL.iter().map(|&kind| frame_of(kind));
    Union::new(kinds.chain([extension()]))
}
