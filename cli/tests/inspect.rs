//! `switchboard inspect` on the bytes of `tests/vectors/`, and on broken ones.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;

use common::{Done, binary, feed, finish, run};
use serde_json::{Value, json};

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Runs `inspect` with these bytes on stdin.
fn inspect(bytes: &[u8], arguments: &[&str]) -> Done {
    feed(bytes, &[&["inspect"], arguments].concat())
}

/// Each frame of a file of vectors: its notation and its bytes.
fn vectors(file: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(file);
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("c> ") || line.starts_with("s> "));
    let rows = lines.map(|line| line[3..].split(" | ").collect::<Vec<_>>());
    let frames = rows.filter(|row| row[0].trim() != "-");
    frames.map(|row| (row[0].trim().to_string(), hex(row[1]))).collect()
}

const FILES: [&str; 7] = [
    "calls.txt",
    "closing.txt",
    "errors.txt",
    "frames.txt",
    "handshake.txt",
    "streams.txt",
    "topics.txt",
];

#[test]
fn every_vector_shows_as_its_notation() {
    for file in FILES {
        let frames = vectors(file);
        assert!(frames.len() >= 35, "{file}: {} frames", frames.len());
        let bytes: Vec<u8> = frames.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let done = inspect(&bytes, &["--full"]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{file}");
        assert_eq!(done.stdout.lines().count(), frames.len(), "{file}");
        let mut offset = 0;
        for (line, (notation, bytes)) in done.stdout.lines().zip(&frames) {
            let (before, shown) = line.split_once('[').unwrap();
            let words: Vec<&str> = before.split_whitespace().collect();
            assert_eq!(words[0], offset.to_string(), "{line}");
            assert_eq!(words[1], (bytes.len() - 4).to_string(), "{line}");
            // The marks of other spellings (`_`) are not shown, the value is.
            if !notation.contains('_') {
                assert_eq!(shown, &notation[1..], "{file}");
            }
            offset += bytes.len();
        }
    }
}

#[test]
fn kinds_have_their_names() {
    let bytes: Vec<u8> = vectors("frames.txt").into_iter().take(20).flat_map(|f| f.1).collect();
    let done = inspect(&bytes, &["-"]);
    let names: Vec<&str> =
        done.stdout.lines().map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    let all = "hello welcome reject goodbye ping pong message request response failure item end \
               credit cancel subscribe unsubscribe publish delivery lagged extension";
    assert_eq!(names, all.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn json_is_an_object_a_line() {
    for file in FILES {
        let frames = vectors(file);
        let bytes: Vec<u8> = frames.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let done = inspect(&bytes, &["--output", "json"]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{file}");
        let lines: Vec<Value> =
            done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), frames.len(), "{file}");
        let mut offset = 0;
        for (line, (notation, bytes)) in lines.iter().zip(&frames) {
            assert_eq!(
                (&line["offset"], &line["length"]),
                (&json!(offset), &json!(bytes.len() - 4))
            );
            let shown = if line["diag"].is_string() { &line["diag"] } else { &line["frame"][0] };
            assert!(shown.is_number() || shown == notation, "{line}");
            offset += bytes.len();
        }
    }
    let done = inspect(&hex("0000000f 85 07 01 63616464 a1001905dc 820102"), &["--output=json"]);
    let line = r#"{"offset":0,"length":15,"kind":"request","frame":[7,1,"add",{"$map":[[0,1500]]},[1,2]]}"#;
    assert_eq!(done.stdout.trim_end(), line);
}

/// A ping stands before, another one behind: `offset` is where the second frame begins.
const PING: &str = "00000003 82 04 07";
const PING_LINE: &str = "       0        3  ping        [4, 7]\n";

#[test]
fn broken_bytes_are_named_and_nothing_behind_them_is_guessed() {
    for (bytes, name, words) in [
        ("00000000", "frame-empty", "a length of 0"),
        ("47455420", "frame-too-large", "or these bytes do not speak switchboard at all"),
        ("00000001 f6", "malformed-frame", "no frame"),
        ("00000004 82 04 18 05", "malformed-frame", "one spelling"),
        ("00000003 83 04 05", "malformed-frame", ""),
        ("00000006 84 06 61 ff a0 f6", "malformed-frame", ""),
        ("00000003 82 13 00", "unknown-kind", "19 to 23"),
        (
            "00000012 85 00 6b737769746368626f726564 8101 a0 f6",
            "not-switchboard",
            "hello of another",
        ),
    ] {
        let all = hex(&[PING, bytes, PING].concat());
        let done = inspect(&all, &[]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(6), PING_LINE), "{bytes}");
        let start = format!("switchboard: byte 7: {name}: ");
        assert!(done.stderr.starts_with(&start) && done.stderr.contains(words), "{}", done.stderr);
        assert_eq!(done.stderr.lines().count(), 1);

        let done = inspect(&all, &["--output", "json"]);
        assert_eq!(done.code, Some(6));
        let lines: Vec<Value> =
            done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{bytes}");
        assert_eq!((&lines[1]["offset"], &lines[1]["error"]), (&json!(7), &json!(name)));
    }
}

#[test]
fn bad_payloads_are_noted_and_cost_nothing_else() {
    for (bytes, shown, words) in [
        ("00000003 83 08 01", "response    [8, 1, ...] bad payload: ", "it is empty"),
        ("00000005 83 08 01 f6 f6", "response    [8, 1, ...] bad payload: ", "more follows"),
        ("00000006 84 06 61 78 a0 ff", "message     [6, \"x\", {}, ...] bad payload: ", "a break"),
        ("00000004 82 1818 ff", "extension   [24, ...] unreadable extension: ", ""),
    ] {
        let all = hex(&[PING, bytes, PING].concat());
        let done = inspect(&all, &[]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{bytes}");
        let lines: Vec<&str> = done.stdout.lines().collect();
        assert_eq!(lines.len(), 3, "{bytes}");
        assert!(lines[1].contains(shown) && lines[1].contains(words), "{}", lines[1]);
        assert!(lines[2].ends_with("ping        [4, 7]"));

        let done = inspect(&all, &["--output", "json"]);
        let line: Value = serde_json::from_str(done.stdout.lines().nth(1).unwrap()).unwrap();
        assert!(line["bad"].as_str().unwrap().contains(words), "{line}");
        assert_eq!(line.get("frame"), None);
    }
}

#[test]
fn a_payload_may_be_as_deep_as_the_protocol_allows() {
    let nested = |levels: usize| {
        let body = [hex("83 08 01"), vec![0x81; levels - 1], vec![0x80]].concat();
        inspect(&[&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat(), &[])
    };
    assert!(!nested(64).stdout.contains("bad payload"));
    assert!(nested(65).stdout.contains("bad payload: the payload is not usable CBOR: nested"));
}

#[test]
fn what_ends_too_soon_is_told() {
    let request = hex("0000000b 85 07 01 63616464 a0 820102");
    for (came, words) in [
        (1, "the stream ends inside a frame's length: 1 of 4 bytes"),
        (3, "the stream ends inside a frame's length: 3 of 4 bytes"),
        (4, "the stream ends inside a frame: 4 of 15 bytes"),
        (12, "the stream ends inside a frame: 12 of 15 bytes"),
    ] {
        let all = [&hex(PING), &request[..came]].concat();
        let done = inspect(&all, &[]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(6), PING_LINE));
        assert!(done.stderr.starts_with(&format!("switchboard: byte 7: {words}: ")), "{done:?}");

        let done = inspect(&all, &["--output", "json"]);
        let line: Value = serde_json::from_str(done.stdout.lines().nth(1).unwrap()).unwrap();
        assert_eq!((&line["error"], &line["came"]), (&json!("incomplete"), &json!(came)));
    }
    let done = inspect(&[], &[]);
    assert_eq!((done.code, done.stdout, done.stderr), (Some(0), String::new(), String::new()));
}

#[test]
fn long_frames_are_cut_unless_all_is_asked_for() {
    let text = "ü".repeat(400);
    let body = [b"\x84\x06\x61x\xa0\x79\x03\x20", text.as_bytes()].concat();
    let bytes = [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat();
    let done = inspect(&bytes, &[]);
    assert!(done.stdout.ends_with("ü... (416 characters; --full shows all)\n"), "{}", done.stdout);
    assert_eq!(done.stdout.matches('ü').count(), 200 - r#"[6, "x", {}, ""#.len());
    for arguments in [&["--full"][..], &["--output", "json"]] {
        assert_eq!(inspect(&bytes, arguments).stdout.matches('ü').count(), 400);
    }
}

#[test]
fn the_longest_frame_can_be_named() {
    let bytes = hex("0000000b 85 07 01 63616464 a0 820102");
    assert_eq!(inspect(&bytes, &["--max-frame", "11"]).code, Some(0));
    let done = inspect(&bytes, &["--max-frame", "10"]);
    assert_eq!(done.code, Some(6));
    assert!(done.stderr.contains("byte 0: frame-too-large"), "{}", done.stderr);
}

#[test]
fn frames_are_shown_as_they_come() {
    let mut child = binary(&["inspect"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..2 {
        for byte in hex(PING) {
            stdin.write_all(&[byte]).unwrap();
        }
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.ends_with("ping        [4, 7]\n"), "{line}");
    }
    drop(stdin);
    assert_eq!(finish(child).code, Some(0));
}

#[test]
fn files_are_read_and_what_is_none_is_a_matter_of_usage() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.bin");
    fs::write(&file, hex(PING)).unwrap();
    let done = run(&["inspect", file.to_str().unwrap()]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), PING_LINE, ""));
    for missing in [folder.path().join("nothing"), folder.path().into()] {
        let done = run(&["inspect", missing.to_str().unwrap()]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{done:?}");
        assert!(done.stderr.starts_with("switchboard: cannot read "), "{done:?}");
    }
    assert_eq!(run(&["inspect", "--max-frame", "x"]).code, Some(2));
    assert!(run(&["--help"]).stdout.contains("switchboard inspect "));
}
