//! What an application asks for so that a line is said: options, headers, payloads.

use std::time::Duration;

use switchboard::wire::Frame;
use switchboard::{Headers, Options, Payload, Policy, Publication};

use crate::script::Line;

pub(crate) fn decode(line: &Line) -> Frame<'_> {
    Frame::decode(&line.bytes[4..]).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// What an application asks for so that a frame has these headers.
pub(crate) fn options(line: &Line) -> Options {
    let frame = decode(line);
    let map = match &frame {
        Frame::Request { headers, .. }
        | Frame::Subscribe { headers, .. }
        | Frame::Publish { headers, .. }
        | Frame::Delivery { headers, .. } => *headers,
        _ => return Options::new(),
    };
    let mut options = Options::new().headers(headers(line));
    options = match map.deadline {
        Some(ms) => options.deadline(Duration::from_millis(ms)),
        None => options.no_deadline(),
    };
    let streams = map.streams.unwrap_or(0);
    options = if streams & 1 != 0 { options.send_items() } else { options };
    options = if streams & 2 != 0 { options.take_items() } else { options };
    if let Some(policy) = map.when_full.and_then(Policy::new) {
        options = options.policy(policy);
    }
    if let Some(group) = map.group {
        options = options.group(group);
    }
    options = match (&frame, map.retain) {
        (Frame::Subscribe { .. }, Some(true)) => options.retained(),
        (_, Some(true)) => options.retain(),
        (_, Some(false)) => options.forget(),
        (_, None) => options,
    };
    options.echo(map.echo.unwrap_or(true))
}

/// What a `delivery` delivers.
pub(crate) fn delivery(line: &Line) -> Option<Publication> {
    line.kind().filter(|kind| *kind == 17)?;
    let Frame::Delivery { topic, payload, .. } = decode(line) else { return None };
    Some(Publication::new(topic, &cbor(payload), &options(line)).expect("a good publication"))
}

/// The application's headers, from the notation: texts.
pub(crate) fn headers(line: &Line) -> Headers {
    let start = line.notation.find('{').expect("a header map");
    let end = line.notation.find('}').expect("its end");
    let mut headers = Headers::new();
    for entry in line.notation[start + 1..end].split(", ") {
        if let Some((name, text)) = entry.strip_prefix('"').and_then(|e| e.split_once("\": \"")) {
            headers.insert(name, text.trim_end_matches('"')).expect("few headers");
        }
    }
    headers
}

pub(crate) fn cbor(bytes: &[u8]) -> Payload {
    Payload::from_cbor(bytes.to_vec()).expect("a good payload")
}
