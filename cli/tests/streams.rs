//! Calls that stream from a shell: items out, items in, both at once, and what is wrong with them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::Duration;

use common::{
    Done, Fake, Serve, WELCOME, binary, feed, finish, greet, part, read_frame, write_frames,
};
use switchboard::Options;
use switchboard_blocking::Client;

/// Calls `channel` with these lines on stdin.
fn stream(serve: &Serve, channel: &str, lines: &str, rest: &[&str]) -> Done {
    let address = serve.address();
    feed(lines.as_bytes(), &[&["call", &address, channel, "--stdin"], rest].concat())
}

#[track_caller]
fn prints(done: &Done, stdout: &str) {
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), stdout, ""));
}

/// One line on stderr; whatever came before is on stdout.
#[track_caller]
fn fails(done: &Done, code: i32, reason: &str) {
    assert_eq!(done.code, Some(code), "{done:?}");
    assert!(done.stderr.starts_with("switchboard: ") && done.stderr.contains(reason), "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
}

#[test]
fn items_are_printed_before_the_answer() {
    let serve = Serve::demo();
    prints(&serve.call("count", &[r#"{"to":3}"#, "--stream"]), "1\n2\n3\nnull\n");
    prints(&serve.call("count", &[r#"{"to":0}"#, "--stream"]), "null\n");
    let slowly = r#"{"to":2,"every_ms":1}"#;
    prints(&serve.call("count", &[slowly, "--stream", "--timeout", "20s"]), "1\n2\nnull\n");
    // What streams nothing is a call like others.
    prints(&serve.call("echo", &["21.0", "--stream"]), "21.0\n");
}

#[test]
fn a_hundred_thousand_lines_are_summed_up() {
    let serve = Serve::demo();
    let lines: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    prints(&stream(&serve, "sum", &lines, &[]), "5000050000\n");
}

#[test]
fn numbers_stay_what_they_are() {
    let serve = Serve::demo();
    for (lines, sum) in [
        ("", "0"),
        ("1\n-3", "-2"),
        ("1\n\n  \n2\n", "3"),
        ("21.5\r\n1\r\n", "22.5"),
        ("1.0\n", "1.0"),
        ("9223372036854775806\n1\n", "9223372036854775807"),
    ] {
        prints(&stream(&serve, "sum", lines, &[]), &format!("{sum}\n"));
    }
    let done = stream(&serve, "sum", "9223372036854775807\n1\n", &[]);
    fails(&done, 1, "OUT_OF_RANGE: the sum is beyond 64 bits");
}

#[test]
fn each_line_is_answered_while_stdin_is_open() {
    let serve = Serve::demo();
    let arguments = ["call", &serve.address(), "upper", "--stdin", "--output", "diag"];
    let mut child = binary(&arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line
    };
    for (said, heard) in [("\"one\"\n", "\"ONE\"\n"), ("\"zwölf\"\n", "\"ZWÖLF\"\n")] {
        stdin.write_all(said.as_bytes()).unwrap();
        assert_eq!(line(), heard);
    }
    // The last line need not end.
    stdin.write_all(b"\"two\"").unwrap();
    drop(stdin);
    assert_eq!((line(), line()), ("\"TWO\"\n".into(), "null\n".into()));
    let done = finish(child);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_call_that_has_ended_does_not_wait_for_stdin() {
    let serve = Serve::demo();
    for (channel, code, stdout) in [("echo", 0, "null\n"), ("nobody", 1, "")] {
        let arguments = ["call", &serve.address(), channel, "--stdin"];
        let mut child = binary(&arguments).stdin(Stdio::piped()).spawn().unwrap();
        let open = child.stdin.take();
        let done = finish(child);
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), stdout), "{done:?}");
        drop(open);
    }
}

#[test]
fn a_handler_tells_which_item_it_cannot_use() {
    let serve = Serve::demo();
    let done = stream(&serve, "sum", "1\n\"two\"\n3\n", &[]);
    fails(&done, 1, "INVALID_ARGUMENT: an item is unusable: ");
    assert_eq!(done.stdout, "");
    fails(&stream(&serve, "upper", "1\n", &[]), 1, "INVALID_ARGUMENT: an item is unusable: ");
}

#[test]
fn a_line_that_is_no_json_is_told_with_its_number() {
    let serve = Serve::demo();
    let done = stream(&serve, "sum", "1\n\nthree\n4\n", &[]);
    fails(&done, 2, "line 3 of stdin is no JSON that can be sent: ");
    assert_eq!(done.stdout, "");
    fails(&stream(&serve, "sum", "1 2\n", &[]), 2, "line 1 of stdin is no JSON");
    let address = serve.address();
    let done = feed(b"1\n\"\xff\"\n", &["call", &address, "sum", "--stdin"]);
    fails(&done, 2, "line 2 of stdin is no UTF-8: write bytes as");
    // An item that no frame takes.
    let long = format!("\"{}\"\n", "x".repeat(17 << 20));
    fails(&stream(&serve, "upper", &long, &[]), 2, "larger than the peer takes in one frame");
}

#[test]
fn stdin_is_one_thing_only() {
    let done = feed(b"1\n", &["call", "./x.sock", "sum", "-", "--stdin"]);
    fails(&done, 2, "stdin cannot be the argument and the items at once");
    let done = feed(b"1\n", &["call", "stdio", "sum", "--stdin"]);
    fails(&done, 2, "stdin cannot be the connection and the items at once");
    let serve = Serve::demo();
    let folder = tempfile::tempdir().unwrap();
    let folder = File::open(folder.path()).unwrap();
    let child = binary(&["call", &serve.address(), "sum", "--stdin"]).stdin(folder).spawn();
    fails(&finish(child.unwrap()), 6, "cannot read stdin");
}

#[test]
fn whoever_takes_no_items_is_told_how() {
    let serve = Serve::demo();
    let done = serve.call("count", &[r#"{"to":1}"#]);
    fails(&done, 1, "its caller takes no items: call it with --stream");
    assert_eq!(done.stdout, "");
}

#[test]
fn a_time_limit_is_that_of_the_whole_stream() {
    let serve = Serve::demo();
    let slowly = r#"{"to":3,"every_ms":600000}"#;
    let done = serve.call("count", &[slowly, "--stream", "--timeout", "300ms"]);
    fails(&done, 4, "allow more time with --timeout");
    assert_eq!(done.stdout, "1\n");
}

#[test]
fn an_item_that_json_cannot_say_ends_the_call() {
    let answer = |stream: &mut std::os::unix::net::UnixStream| {
        greet(stream, WELCOME);
        read_frame(stream);
        // [10, 1, 1], [10, 1, NaN], [8, 1, null]
        write_frames(
            stream,
            &[b"\x83\x0a\x01\x01", b"\x83\x0a\x01\xf9\x7e\x00", b"\x83\x08\x01\xf6"],
        );
        part(stream);
    };
    let done = Fake::new(answer).run("call", &["x", "--stream"]);
    fails(&done, 2, "JSON cannot say NaN: use --output diag");
    assert_eq!(done.stdout, "1\n");
    let done = Fake::new(answer).run("call", &["x", "--stream", "--output", "diag"]);
    prints(&done, "1\nNaN\nnull\n");
}

#[test]
fn whoever_closes_stdout_early_is_not_told_off_and_the_handler_stops() {
    let serve = Serve::demo();
    let endless = r#"{"to":1000000000000}"#;
    let arguments = ["call", &serve.address(), "count", endless, "--stream"];
    let mut child = binary(&arguments).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    let done = finish(child);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_handler_whose_caller_has_gone_gives_its_thread_back() {
    let serve = Serve::demo();
    let client = Client::connect(&serve.address()).unwrap();
    let patient = client.with(Options::new().deadline(Duration::from_secs(20)));
    for every_ms in [0, 3_600_000] {
        // More than the threads that one connection gets, for as long as anybody waits.
        let wanted = BTreeMap::from([("to", 1_000_000_000_000_u64), ("every_ms", every_ms)]);
        let mut open: Vec<_> = (0..20).map(|_| client.open("count", &wanted).unwrap()).collect();
        for exchange in &mut open[..8] {
            assert_eq!(exchange.next::<u64>(), Some(Ok(1)), "it runs");
        }
        drop(open);
        patient.request::<()>("sleep", &BTreeMap::from([("ms", 1)])).unwrap();
    }
}
