//! Settings as they are read and written (section 3.2): what is absent, out of range or unknown.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ciborium::Value;
use core::time::Duration;

use super::{cbor, encoded};
use crate::error::ProtocolError;
use crate::wire::{Frame, Magic, Settings};

/// Reads settings that another library spelled, in a `hello` and in a `welcome`.
fn read(entries: &[(Value, Value)]) -> Result<Settings, ProtocolError> {
    let map = || Value::Map(entries.to_vec());
    let versions = Value::Array(Vec::from([1.into()]));
    let hello = [0.into(), "switchboard".into(), versions, map(), Value::Null];
    let welcome = [1.into(), 1.into(), 7.into(), map(), Value::Null];
    let [hello, welcome] = [hello, welcome].map(|frame| cbor(&Value::Array(Vec::from(frame))));
    let from_hello = Frame::decode(&hello).map(|frame| match frame {
        Frame::Hello { settings, payload: [0xf6], .. } => settings,
        other => panic!("{other:?}"),
    });
    let from_welcome = Frame::decode(&welcome).map(|frame| match frame {
        Frame::Welcome { settings, payload: [0xf6], .. } => settings,
        other => panic!("{other:?}"),
    });
    assert_eq!(from_hello, from_welcome);
    from_hello
}

fn read_one(key: u64, value: impl Into<Value>) -> Result<Settings, ProtocolError> {
    read(&[(key.into(), value.into())])
}

fn written(settings: Settings) -> String {
    let frame = Frame::Hello { magic: Magic, versions: Vec::from([1]), settings, payload: &[0xf6] };
    let bytes = encoded(&frame);
    // Before the settings: the length, array, kind, magic and versions; behind them the payload.
    bytes[20..bytes.len() - 1].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn interfaces(pairs: &[(&str, &str)]) -> Value {
    Value::Map(pairs.iter().map(|&(name, version)| (name.into(), version.into())).collect())
}

#[test]
fn what_is_absent_has_its_default() {
    let settings = read(&[]).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.max_frame, 16_777_216);
    assert_eq!(settings.max_calls, 1024);
    assert_eq!(settings.stream_window, 262_144);
    assert_eq!(settings.keepalive, None);
    assert_eq!(settings.scope, "");
    assert!(settings.interfaces.is_empty());
}

#[test]
fn max_frame_is_read_as_at_least_16_kib() {
    for (sent, expected) in [
        (0, 16_384),
        (1, 16_384),
        (16_383, 16_384),
        (16_384, 16_384),
        (16_385, 16_385),
        (16_777_216, 16_777_216),
        (u64::from(u32::MAX), u32::MAX),
        (1 << 32, u32::MAX),
        (u64::MAX, u32::MAX),
    ] {
        assert_eq!(read_one(0, sent).map(|settings| settings.max_frame), Ok(expected), "{sent}");
    }
}

#[test]
fn max_calls_is_any_number() {
    for (sent, expected) in
        [(0, 0), (1, 1), (u64::from(u32::MAX), u32::MAX), (1 << 32, u32::MAX), (u64::MAX, u32::MAX)]
    {
        assert_eq!(read_one(1, sent).map(|settings| settings.max_calls), Ok(expected), "{sent}");
    }
}

#[test]
fn stream_window_is_read_as_at_most_2_31_minus_1() {
    const MOST: u32 = 2_147_483_647;
    for (sent, expected) in [
        (0, 0),
        (1, 1),
        (u64::from(MOST) - 1, MOST - 1),
        (u64::from(MOST), MOST),
        (u64::from(MOST) + 1, MOST),
        (1 << 32, MOST),
        (u64::MAX, MOST),
    ] {
        let window = read_one(2, sent).map(|settings| settings.stream_window);
        assert_eq!(window, Ok(expected), "{sent}");
    }
}

#[test]
fn keepalive_is_read_as_1_s_to_24_h_and_0_is_none() {
    const DAY: u64 = 86_400_000;
    for (sent, expected) in [
        (0, None),
        (1, Some(1000)),
        (999, Some(1000)),
        (1000, Some(1000)),
        (1001, Some(1001)),
        (DAY - 1, Some(DAY - 1)),
        (DAY, Some(DAY)),
        (DAY + 1, Some(DAY)),
        (u64::MAX, Some(DAY)),
    ] {
        let keepalive = read_one(3, sent).map(|settings| settings.keepalive);
        assert_eq!(keepalive, Ok(expected.map(Duration::from_millis)), "{sent}");
    }
}

#[test]
fn a_scope_has_at_most_255_bytes() {
    for length in [0, 1, 255] {
        let scope = "s".repeat(length);
        assert_eq!(read_one(4, scope.clone()).map(|settings| settings.scope), Ok(scope));
    }
    assert_eq!(read_one(4, "s".repeat(256)), Err(ProtocolError::MalformedFrame));
    assert_eq!(read_one(4, "\u{e9}".repeat(128)), Err(ProtocolError::MalformedFrame), "bytes");
}

#[test]
fn interfaces_are_read_by_name_in_the_order_of_their_bytes() {
    let pairs = [("", ""), ("b", "1.0.0"), ("calc", "1.4.2"), ("zeta", "not a version")];
    let settings = read_one(5, interfaces(&pairs)).unwrap();
    assert_eq!(settings.interfaces.len(), 4);
    assert_eq!(settings.interfaces.get("calc").map(String::as_str), Some("1.4.2"));
    let bad = [
        [("b", "1"), ("a", "1")],
        [("aa", "1"), ("b", "1")],
        [("a", "1"), ("a", "1")],
        [("a", "1"), ("", "1")],
    ];
    for pairs in bad {
        let read = read_one(5, interfaces(&pairs));
        assert_eq!(read, Err(ProtocolError::MalformedFrame), "{pairs:?}");
    }
}

// Threat 14.
#[test]
fn unknown_settings_are_ignored_whatever_value_they_have() {
    let long = "x".repeat(300);
    let values: [Value; 8] = [
        0.into(),
        u64::MAX.into(),
        true.into(),
        false.into(),
        long.into(),
        Value::Bytes(Vec::from([0xff; 30])),
        interfaces(&[]),
        interfaces(&[("a", "b"), ("c", "d")]),
    ];
    for key in [6, 23, 24, 255, 256, 65_536, 1 << 32, u64::MAX] {
        for value in &values {
            assert_eq!(read_one(key, value.clone()), Ok(Settings::default()), "{key}: {value:?}");
        }
    }
    let among = read(&[(1.into(), 5.into()), (77.into(), 1.into())]).unwrap();
    assert_eq!(among, Settings { max_calls: 5, ..Settings::default() });
}

#[test]
fn even_an_unknown_setting_has_a_type_that_may_be() {
    let nested = Value::Map(Vec::from([("a".into(), interfaces(&[]))]));
    let numbered = Value::Map(Vec::from([(1.into(), "a".into())]));
    let disordered = interfaces(&[("b", ""), ("a", "")]);
    let array = Value::Array(Vec::new());
    for value in [Value::Null, (-1).into(), 1.5.into(), array, nested, numbered, disordered] {
        assert_eq!(read_one(6, value.clone()), Err(ProtocolError::MalformedFrame), "{value:?}");
    }
}

#[test]
fn a_known_setting_of_another_type_is_refused() {
    let values: [Value; 8] = [
        1.into(),
        true.into(),
        "x".into(),
        Value::Bytes(Vec::new()),
        Value::Null,
        interfaces(&[]),
        (-1).into(),
        Value::Array(Vec::new()),
    ];
    for (key, right) in [(0, 0), (1, 0), (2, 0), (3, 0), (4, 2), (5, 5)] {
        for (place, value) in values.iter().enumerate() {
            let read = read_one(key, value.clone());
            if place == right {
                assert!(read.is_ok(), "{key}: {value:?}");
            } else {
                assert_eq!(read, Err(ProtocolError::MalformedFrame), "{key}: {value:?}");
            }
        }
    }
    for pair in [(Value::from("a"), Value::from("b")), (Value::Bool(true), 1.into())] {
        let read = read(core::slice::from_ref(&pair));
        assert_eq!(read, Err(ProtocolError::MalformedFrame), "{pair:?}");
    }
}

#[test]
fn keys_ascend_and_none_stands_twice() {
    for (first, second, good) in [
        (0, 1, true),
        (1, 0, false),
        (1, 1, false),
        (0, 24, true),
        (24, 0, false),
        (200, 200, false),
        (255, 256, true),
        (256, 255, false),
    ] {
        let entries: [(Value, Value); 2] =
            [(first.into(), 20_000.into()), (second.into(), 20_000.into())];
        assert_eq!(read(&entries).is_ok(), good, "{first}, {second}");
    }
}

/// Map heads of two bytes and more are only met here: headers end at 16.
#[test]
fn any_number_of_unknown_settings_is_read() {
    for count in [23_u64, 24, 255, 256, 1000] {
        let entries: Vec<_> = (0..count).map(|key| ((key + 6).into(), true.into())).collect();
        assert_eq!(read(&entries), Ok(Settings::default()), "{count}");
    }
}

#[test]
fn only_what_differs_from_its_default_is_written() {
    assert_eq!(written(Settings::default()), "a0");
    let small = Settings { max_frame: 65_536, ..Settings::default() };
    assert_eq!(written(small), "a1001a00010000");
    let none = Settings { max_calls: 0, stream_window: 0, ..Settings::default() };
    assert_eq!(written(none), "a201000200");
    let promised = Settings { keepalive: Some(Duration::from_secs(15)), ..Settings::default() };
    assert_eq!(written(promised), "a103193a98");
    let mut all = Settings { scope: "lab".into(), ..Settings::default() };
    for name in ["bb", "a", "c"] {
        all.interfaces.insert(name.into(), "1".into());
    }
    assert_eq!(written(all), "a204636c616205a3616161316163613162626261 31".replace(' ', ""));
}
