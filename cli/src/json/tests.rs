//! JSON both ways: every special case by hand, the rest by chance.

use proptest::prelude::*;

use super::*;
use crate::item::tests::{hex, plain_items, written};

/// What is printed of what was read.
fn back(text: &str) -> String {
    print(&Item::read(&parse(text).unwrap()).unwrap()).unwrap()
}

fn refused(text: &str) -> String {
    let Unreadable { what, todo } = parse(text).unwrap_err();
    format!("{what}: {todo}")
}

fn unwritable(cbor: &str) -> String {
    print(&Item::read(&hex(cbor)).unwrap()).unwrap_err().to_string()
}

#[test]
fn what_is_printed_as_it_was_read() {
    for text in [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "18446744073709551615",
        "18446744073709551616",
        "-18446744073709551616",
        "-18446744073709551617",
        "170141183460469231731687303715884105728",
        "-170141183460469231731687303715884105728",
        "-170141183460469231731687303715884105729",
        "340282366920938463463374607431768211455",
        "-340282366920938463463374607431768211455",
        "21.0",
        "-0.0",
        "0.1",
        "1e300",
        "5e-324",
        r#""""#,
        r#""\"\\\n\t\r\u0000\u001b\u007f\u009b\u202eü€😀""#,
        "[]",
        r#"[1,[2.5,null],"x"]"#,
        "{}",
        r#"{"z":1,"a":{"m":[]},"":0}"#,
        r#"{"$bytes":""}"#,
        r#"{"$bytes":"AP8="}"#,
        r#"{"$$bytes":"AP8="}"#,
        r#"{"$$$bytes":1}"#,
        r#"{"$bytes":"x","y":1}"#,
        r#"{"$map":[[1,"one"],[[2],{"$bytes":"AA=="}]]}"#,
        r#"{"$map":[["a",1],["a",2]]}"#,
        r#"{"$$map":[]}"#,
        r#"{"$other":1}"#,
        r#"{"bytes":1}"#,
    ] {
        assert_eq!(back(text), text);
    }
}

#[test]
fn other_spellings_of_the_same() {
    for (text, printed) in [
        (" [ 1 , 2 ] ", "[1,2]"),
        ("-0", "-0.0"),
        ("1E2", "100.0"),
        ("1e300", "1e300"),
        (r#""\u00fc\/""#, "\"\u{fc}/\""),
        (r#"{"$bytes":"AP8"}"#, r#"{"$bytes":"AP8="}"#),
        (r#"{"$map":[]}"#, "{}"),
        (r#"{"$map":[["a",1]]}"#, r#"{"a":1}"#),
        (r#"{"$map":[["$bytes","x"]]}"#, r#"{"$$bytes":"x"}"#),
    ] {
        assert_eq!(back(text), printed);
    }
}

#[test]
fn it_is_sent_as_the_types_that_it_looks_like() {
    let cbor = |text: &str| parse(text).unwrap();
    assert_eq!(cbor("21"), hex("15"));
    assert_eq!(cbor("21.0"), hex("f94d40"));
    assert_eq!(cbor("18446744073709551616"), hex("c249010000000000000000"));
    assert_eq!(cbor("-18446744073709551616"), hex("3bffffffffffffffff"));
    assert_eq!(cbor(r#"{"$bytes":"wP/u"}"#), hex("43c0ffee"));
    assert_eq!(cbor(r#"{"b":1,"a":2}"#), hex("a2616201616102"));
}

#[test]
fn what_cannot_be_sent_is_told() {
    assert!(refused("").contains("EOF"));
    assert!(refused("hello").contains("line 1 column 1"));
    assert!(refused("1 2").contains("trailing"));
    assert!(refused("1e999").contains("range") || refused("1e999").contains("beyond a float"));
    let wide = "340282366920938463463374607431768211456";
    assert!(refused(wide).contains("beyond an integer of 128 bits"));
    assert!(refused(&format!("-{wide}")).contains("beyond an integer of 128 bits"));
    assert!(refused(r#"{"$bytes":"?"}"#).contains("is no base64"));
    assert!(refused(r#"{"$bytes":[1]}"#).contains("is no text"));
    assert!(refused(r#"{"$bytes":1}"#).contains(r#"written "$$bytes""#));
    assert!(refused(r#"{"$map":{}}"#).contains("no array of [key, value]"));
    assert!(refused(r#"{"$map":[[1]]}"#).contains(r#"written "$$map""#));
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    assert!(refused(&deep).contains("nested deeper than 64"));
    let endless = "[".repeat(100_000);
    assert!(refused(&endless).contains("recursion limit"));
}

#[test]
fn a_key_that_comes_twice_is_named() {
    for (text, key) in [
        (r#"{"a":1,"a":2}"#, "a"),
        (r#"{"a":1,"b":{},"a":1}"#, "a"),
        (r#"[1.5,{"x":[{"a b":null,"a b":true}]}]"#, "a b"),
        (r#"{"a":1,"\u0061":2}"#, "a"),
        (r#"{"$bytes":"","$bytes":""}"#, "$bytes"),
        (r#"{"$map":[[{"k":0,"k":0},1]]}"#, "k"),
    ] {
        let told = refused(text);
        assert!(told.contains(&format!("the key {key:?} comes twice")), "{told}");
        assert!(told.ends_with(r#"leave one out, or write {"$map": [[key, value], ...]}"#));
    }
    for text in [r#"{"a":{"a":1},"b":{"a":1}}"#, r#"[{"a":1},{"a":1}]"#, r#"{"a":1e3,"b":-0}"#] {
        assert!(parse(text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_to_be_done_fits_what_is_wrong() {
    assert!(refused("hello").ends_with("quotes included"));
    for text in [r#"{"$bytes":"?"}"#, r#"{"$map":1}"#, "1e999", r#"{"a":1,"a":2}"#] {
        assert!(!refused(text).contains("quotes included"), "{text}");
    }
}

#[test]
fn what_json_cannot_say_is_named() {
    assert_eq!(unwritable("f97e00"), "JSON cannot say NaN");
    assert_eq!(unwritable("f9fc00"), "JSON cannot say -Infinity");
    assert_eq!(unwritable("f7"), "JSON cannot say undefined");
    assert_eq!(unwritable("f820"), "JSON cannot say simple(32)");
    assert_eq!(unwritable("81c11a514b67b0"), "JSON cannot say the tag 1");
    assert_eq!(unwritable("c2f6"), "JSON cannot say the tag 2");
    assert_eq!(unwritable(&format!("c350{}", "ff".repeat(16))), "JSON cannot say -2^128");
    let wide = unwritable(&format!("c251{}", "01".repeat(17)));
    assert_eq!(wide, "JSON cannot say an integer of more than 128 bits");
}

proptest! {
    #[test]
    fn whatever_json_can_say_comes_back(item in plain_items()) {
        let text = print(&item).unwrap();
        prop_assert_eq!(Item::read(&parse(&text).unwrap()).unwrap(), item.clone());
        prop_assert_eq!(Item::read(&written(&item)).unwrap(), item);
        prop_assert!(serde_json::from_str::<Json>(&text).is_ok());
        prop_assert!(!text.chars().any(char::is_control));
    }

    #[test]
    fn no_text_does_harm(text: String) {
        if let Ok(payload) = parse(&text) {
            prop_assert!(Item::read(&payload).is_ok());
        }
    }
}
