//! CBOR's diagnostic notation (RFC 8949 section 8): whatever CBOR can say, for people. Knows items.
//!
//! It shows the value and not its spelling: there are no marks for widths or indefinite lengths.

use crate::item::Item;
use crate::text::push_quoted;

/// `item` in diagnostic notation, on one line.
pub(crate) fn print(item: &Item) -> String {
    let mut out = String::new();
    push(&mut out, item);
    out
}

fn push(out: &mut String, item: &Item) {
    match item {
        Item::Unsigned(_) | Item::Negative(_) => out.extend(item.integer().and_then(|n| n.text())),
        Item::Bytes(bytes) => {
            out.push_str("h'");
            out.extend(bytes.iter().map(|byte| format!("{byte:02x}")));
            out.push('\'');
        }
        Item::Text(text) => push_quoted(out, text),
        Item::Array(elements) => push_series(out, ['[', ']'], elements, push),
        Item::Map(entries) => push_series(out, ['{', '}'], entries, |out, (key, value)| {
            push(out, key);
            out.push_str(": ");
            push(out, value);
        }),
        Item::Tag(tag, content) => match big_integer(item) {
            Some(digits) => out.push_str(&digits),
            None => {
                out.push_str(&tag.to_string());
                push_series(out, ['(', ')'], std::slice::from_ref(&**content), push);
            }
        },
        Item::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Item::Null => out.push_str("null"),
        Item::Undefined => out.push_str("undefined"),
        Item::Simple(number) => out.extend(["simple(", &number.to_string(), ")"]),
        Item::Float(number) => out.push_str(&float(*number)),
    }
}

fn push_series<T>(
    out: &mut String,
    [open, close]: [char; 2],
    elements: &[T],
    each: impl Fn(&mut String, &T),
) {
    out.push(open);
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        each(out, element);
    }
    out.push(close);
}

/// The digits of an integer that needs its tag; others show it, so that it can be seen.
fn big_integer(item: &Item) -> Option<String> {
    let integer = item.integer()?;
    let Item::Tag(_, content) = item else { return None };
    let Item::Bytes(bytes) = &**content else { return None };
    let needed = integer.magnitude > u64::MAX.into() && bytes.first() != Some(&0);
    if needed { integer.text() } else { None }
}

/// A float that stays one when it is read: `21.0`, `1e300`.
pub(crate) fn float(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    format!("{number:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::hex;

    fn of(cbor: &str) -> String {
        print(&Item::read(&hex(cbor)).unwrap())
    }

    #[test]
    fn the_examples_of_the_standard() {
        for (cbor, shown) in [
            ("00", "0"),
            ("1bffffffffffffffff", "18446744073709551615"),
            ("c249010000000000000000", "18446744073709551616"),
            ("3bffffffffffffffff", "-18446744073709551616"),
            ("c349010000000000000000", "-18446744073709551617"),
            ("3903e7", "-1000"),
            ("f98000", "-0.0"),
            ("f93c00", "1.0"),
            ("fb3ff199999999999a", "1.1"),
            ("fb7e37e43c8800759c", "1e300"),
            ("f90001", "5.960464477539063e-8"),
            ("f97c00", "Infinity"),
            ("faff800000", "-Infinity"),
            ("fb7ff8000000000000", "NaN"),
            ("f4", "false"),
            ("f6", "null"),
            ("f7", "undefined"),
            ("f0", "simple(16)"),
            ("f8ff", "simple(255)"),
            ("c11a514b67b0", "1(1363896240)"),
            ("d818456449455446", "24(h'6449455446')"),
            ("40", "h''"),
            ("62225c", r#""\"\\""#),
            ("62c3bc", "\"\u{fc}\""),
            ("80", "[]"),
            ("8301820203820405", "[1, [2, 3], [4, 5]]"),
            ("a0", "{}"),
            ("a201020304", "{1: 2, 3: 4}"),
            ("a26161016162820203", r#"{"a": 1, "b": [2, 3]}"#),
        ] {
            assert_eq!(of(cbor), shown, "{cbor}");
        }
    }

    #[test]
    fn pieces_show_as_the_whole() {
        assert_eq!(of("5f42010243030405ff"), "h'0102030405'");
        assert_eq!(of("7f657374726561646d696e67ff"), r#""streaming""#);
        assert_eq!(of("9f018202039f0405ffff"), "[1, [2, 3], [4, 5]]");
        assert_eq!(of("bf6346756ef563416d7421ff"), r#"{"Fun": true, "Amt": -2}"#);
    }

    #[test]
    fn a_tag_that_an_integer_does_not_need_is_seen() {
        assert_eq!(of("c24105"), "2(h'05')");
        assert_eq!(of("c24a00010000000000000000"), "2(h'00010000000000000000')");
        assert_eq!(of("c2f6"), "2(null)");
        let wide = format!("c251{}", "01".repeat(17));
        assert_eq!(of(&wide), format!("2(h'{}')", "01".repeat(17)));
    }

    #[test]
    fn what_a_peer_says_stays_on_its_line() {
        assert_eq!(of("641b5b326a"), r#""\u001b[2j""#);
    }
}
