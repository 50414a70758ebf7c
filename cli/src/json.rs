//! JSON to payloads and back, so that what is printed can be sent again. Knows items.
//!
//! | CBOR | JSON |
//! |---|---|
//! | integers up to 128 bits | integers, digit by digit; `-0` is the float |
//! | floats | with a point or an exponent, `21.0`, so that they stay floats |
//! | bytes | `{"$bytes": "<base64>"}` |
//! | maps with a key that is no text or comes twice | `{"$map": [[key, value], ...]}` |
//! | a map whose only key is `$bytes`, `$map`, `$$bytes`, ... itself | that key with a `$` more |
//! | NaN, infinities, undefined, other tags and simple values, longer integers | refused |
//!
//! The order of keys is kept; an object in which one comes twice is refused. `$bytes` and `$map` mean
//! something only where they are the one key of an object; beside another key they are ordinary
//! names.

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ciborium::Value;
use serde_json::{Map, Value as Json};
use switchboard::Payload;

use crate::diag;
use crate::item::Item;
use crate::text::push_quoted;
use twins::NoTwins;

#[cfg(test)]
mod tests;
mod twins;

const BYTES: &str = "$bytes";
const MAP: &str = "$map";

/// The standard alphabet; padding is written, and read if it is there.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is no payload, and what to do about it.
#[derive(Debug, PartialEq)]
pub(crate) struct Unreadable {
    pub(crate) what: String,
    pub(crate) todo: &'static str,
}

impl Unreadable {
    fn new(what: impl fmt::Display, todo: &'static str) -> Self {
        Self { what: what.to_string(), todo }
    }
}

/// What there is in an item that JSON has no words for.
#[derive(Debug, PartialEq)]
pub(crate) struct Unwritable(String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JSON cannot say {}", self.0)
    }
}

/// The payload that `text` says.
pub(crate) fn parse(text: &str) -> Result<Payload, Unreadable> {
    let json = serde_json::from_str(text).map_err(|error| {
        Unreadable::new(error, r#"write it like '{"ms": 5}' or '"text"', quotes included"#)
    })?;
    let _: NoTwins = serde_json::from_str(text).map_err(|error| {
        Unreadable::new(error, r#"leave one out, or write {"$map": [[key, value], ...]}"#)
    })?;
    let simpler = |error: &dyn fmt::Display| Unreadable::new(error, "send something simpler");
    let mut cbor = Vec::new();
    ciborium::into_writer(&value(json)?, &mut cbor).map_err(|error| simpler(&error))?;
    Payload::from_cbor(cbor).map_err(|error| simpler(&error))
}

fn value(json: Json) -> Result<Value, Unreadable> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(of) => of.into(),
        Json::Number(number) => self::number(&number.to_string())?,
        Json::String(text) => text.into(),
        Json::Array(elements) => {
            Value::Array(elements.into_iter().map(value).collect::<Result<_, _>>()?)
        }
        Json::Object(entries) => object(entries)?,
    })
}

fn number(digits: &str) -> Result<Value, Unreadable> {
    if digits == "-0" {
        return Ok((-0.0).into());
    }
    if digits.contains(['.', 'e', 'E']) {
        return match digits.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(float.into()),
            _ => Err(Unreadable::new(
                format_args!("{digits} is beyond a float of 64 bits"),
                "send it as text, in quotes",
            )),
        };
    }
    let (negative, magnitude) = match digits.strip_prefix('-') {
        Some(magnitude) => (true, magnitude),
        None => (false, digits),
    };
    let beyond = |_| {
        Unreadable::new(
            format_args!("{digits} is beyond an integer of 128 bits"),
            "send it as text, in quotes",
        )
    };
    let magnitude: u128 = magnitude.parse().map_err(beyond)?;
    Ok(match i128::try_from(magnitude) {
        Ok(magnitude) => Value::from(if negative { -magnitude } else { magnitude }),
        Err(_) if negative => {
            Value::Tag(3, Box::new((magnitude - 1).to_be_bytes().to_vec().into()))
        }
        Err(_) => Value::from(magnitude),
    })
}

fn object(entries: Map<String, Json>) -> Result<Value, Unreadable> {
    let alone = entries.len() == 1;
    let mut pairs = Vec::with_capacity(entries.len());
    for (key, content) in entries {
        match key.as_str() {
            BYTES if alone => return bytes(&content),
            MAP if alone => return pairs_of(content),
            _ => {
                let literal = if alone && is_marked(&key) { &key[1..] } else { &key };
                pairs.push((literal.into(), value(content)?));
            }
        }
    }
    Ok(Value::Map(pairs))
}

/// Whether it is `$bytes` or `$map`, with any number of `$` before it.
fn is_marked(key: &str) -> bool {
    key.starts_with('$') && ["bytes", "map"].contains(&key.trim_start_matches('$'))
}

fn bytes(content: &Json) -> Result<Value, Unreadable> {
    let text = content.as_str().ok_or("is no text");
    let bytes = text.and_then(|text| BASE64.decode(text).map_err(|_| "is no base64"));
    bytes.map(Value::from).map_err(|what| {
        Unreadable::new(
            format_args!("what stands in {{\"{BYTES}\": ...}} {what}"),
            r#"give base64; a key that is really called so is written "$$bytes""#,
        )
    })
}

fn pairs_of(content: Json) -> Result<Value, Unreadable> {
    let wrong = || {
        Unreadable::new(
            format_args!("what stands in {{\"{MAP}\": ...}} is no array of [key, value]"),
            r#"give such pairs; a key that is really called so is written "$$map""#,
        )
    };
    let Json::Array(pairs) = content else { return Err(wrong()) };
    let pair = |pair| {
        let Json::Array(pair) = pair else { return Err(wrong()) };
        let [key, content] = <[Json; 2]>::try_from(pair).map_err(|_| wrong())?;
        Ok((value(key)?, value(content)?))
    };
    Ok(Value::Map(pairs.into_iter().map(pair).collect::<Result<_, _>>()?))
}

/// `item` as JSON, compact, on one line.
pub(crate) fn print(item: &Item) -> Result<String, Unwritable> {
    let mut out = String::new();
    push(&mut out, item)?;
    Ok(out)
}

fn push(out: &mut String, item: &Item) -> Result<(), Unwritable> {
    match item {
        Item::Unsigned(_) | Item::Negative(_) | Item::Tag(..) => match item.integer() {
            Some(integer) => {
                let digits = integer.text();
                out.push_str(&digits.ok_or_else(|| Unwritable("-2^128".into()))?);
            }
            None => return Err(unwritable_tag(item)),
        },
        Item::Bytes(bytes) => {
            out.extend(["{\"", BYTES, "\":\"", &BASE64.encode(bytes), "\"}"]);
        }
        Item::Text(text) => push_quoted(out, text),
        Item::Array(elements) => push_series(out, ['[', ']'], elements, push)?,
        Item::Map(entries) => push_map(out, entries)?,
        Item::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Item::Null => out.push_str("null"),
        Item::Undefined => return Err(Unwritable("undefined".into())),
        Item::Simple(number) => return Err(Unwritable(format!("simple({number})"))),
        Item::Float(number) if number.is_finite() => out.push_str(&diag::float(*number)),
        Item::Float(number) => return Err(Unwritable(diag::float(*number))),
    }
    Ok(())
}

fn unwritable_tag(item: &Item) -> Unwritable {
    match item {
        Item::Tag(2 | 3, content) if matches!(**content, Item::Bytes(_)) => {
            Unwritable("an integer of more than 128 bits".into())
        }
        Item::Tag(tag, _) => Unwritable(format!("the tag {tag}")),
        _ => Unwritable("this number".into()),
    }
}

fn push_map(out: &mut String, entries: &[(Item, Item)]) -> Result<(), Unwritable> {
    let mut seen = HashSet::new();
    let named = entries.iter().all(|(key, _)| match key {
        Item::Text(key) => seen.insert(key),
        _ => false,
    });
    if named {
        let alone = entries.len() == 1;
        return push_series(out, ['{', '}'], entries, |out, (key, content)| {
            if let Item::Text(key) = key {
                let marked = if alone && is_marked(key) { "$" } else { "" };
                push_quoted(out, &format!("{marked}{key}"));
            }
            out.push(':');
            push(out, content)
        });
    }
    out.extend(["{\"", MAP, "\":"]);
    push_series(out, ['[', ']'], entries, |out, (key, content)| {
        out.push('[');
        push(out, key)?;
        out.push(',');
        push(out, content)?;
        out.push(']');
        Ok(())
    })?;
    out.push('}');
    Ok(())
}

fn push_series<T>(
    out: &mut String,
    [open, close]: [char; 2],
    elements: &[T],
    each: impl Fn(&mut String, &T) -> Result<(), Unwritable>,
) -> Result<(), Unwritable> {
    out.push(open);
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(out, element)?;
    }
    out.push(close);
    Ok(())
}
