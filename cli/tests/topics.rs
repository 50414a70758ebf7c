//! Publishing and subscribing from a shell.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixListener;
use std::process::{Child, ChildStderr, ChildStdout};

use common::{
    Done, Fake, GOODBYE, Serve, WELCOME, binary, failure, feed, finish, greet, hang_on, part,
    read_frame, run, write_frame, write_frames,
};
use rustix::process::{Pid, Signal, kill_process};
use switchboard::{HeaderValue, Headers, Options, Payload};
use switchboard_blocking::Client;

/// `switchboard subscribe`, subscribed.
struct Subscriber {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Subscriber {
    fn start(serve: &Serve, arguments: &[&str]) -> Self {
        let address = serve.address();
        let mut child = binary(&["subscribe", &address]).args(arguments).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.starts_with("subscribed to "), "{line}");
        Self { child, stdout, stderr }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Waits for its end.
    fn end(mut self) -> Done {
        let code = finish(self.child).code;
        let mut done = Done { code, stdout: String::new(), stderr: String::new() };
        self.stdout.read_to_string(&mut done.stdout).unwrap();
        self.stderr.read_to_string(&mut done.stderr).unwrap();
        done
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

#[track_caller]
fn publish(serve: &Serve, rest: &[&str]) -> String {
    let done = run(&[&["publish", &serve.address()], rest].concat());
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{rest:?}");
    done.stdout
}

#[track_caller]
fn prints(done: &Done, stdout: &str) {
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), stdout, ""));
}

/// One line on stderr behind those that are no error.
#[track_caller]
fn fails(done: &Done, code: i32, reason: &str) {
    assert_eq!((done.code, done.stdout.as_str()), (Some(code), ""), "{done:?}");
    let told: Vec<_> = done.stderr.lines().filter(|line| !line.starts_with("subscribed")).collect();
    assert_eq!(told.len(), 1, "{done:?}");
    assert!(told[0].starts_with("switchboard: ") && told[0].contains(reason), "{done:?}");
}

#[test]
fn what_is_published_is_printed_at_once_where_the_pattern_matches() {
    let serve = Serve::demo();
    let mut subscriber = Subscriber::start(&serve, &["sensors.*.temp"]);
    assert_eq!(publish(&serve, &["sensors.kitchen.temp", "21.5"]), "");
    let line = r#"{"topic":"sensors.kitchen.temp","headers":{},"payload":21.5}"#;
    assert_eq!(subscriber.line(), format!("{line}\n"));
    publish(&serve, &["sensors.kitchen.door", "1"]);
    publish(&serve, &["sensors.temp", "1"]);
    publish(&serve, &["sensors.ü\u{202e}.temp"]);
    let line = r#"{"topic":"sensors.ü\u202e.temp","headers":{},"payload":null}"#;
    assert_eq!(subscriber.line(), format!("{line}\n"));
}

#[test]
fn values_are_json_or_come_from_stdin() {
    let serve = Serve::demo();
    let subscriber = Subscriber::start(&serve, &["a", "-n", "4", "--output", "diag"]);
    publish(&serve, &["a", r#"{"$bytes":"wP/u"}"#]);
    publish(&serve, &["a", "-5"]);
    publish(&serve, &["a"]);
    let done = feed(b"[21.0]\n", &["publish", &serve.address(), "a", "-"]);
    prints(&done, "");
    let done = subscriber.end();
    let lines = ["h'c0ffee'", "-5", "null", "[21.0]"]
        .map(|value| format!("{{\"topic\": \"a\", \"headers\": {{}}, \"payload\": {value}}}\n"));
    prints(&done, &lines.concat());
}

#[test]
fn headers_are_shown() {
    let serve = Serve::demo();
    let subscriber = Subscriber::start(&serve, &["a", "-n", "1"]);
    let mut headers = Headers::new();
    headers.insert("n", HeaderValue::Uint(7)).unwrap();
    headers.insert("on", HeaderValue::Bool(true)).unwrap();
    headers.insert("raw", HeaderValue::Bytes(&[0xc0, 0xff, 0xee])).unwrap();
    headers.insert("text", HeaderValue::Text("x")).unwrap();
    let client = Client::connect(&serve.address()).unwrap();
    client.with(Options::new().headers(headers)).publish("a", &1).unwrap();
    let line = r#"{"topic":"a","headers":{"n":7,"on":true,"raw":{"$bytes":"wP/u"},"text":"x"},"payload":1}"#;
    prints(&subscriber.end(), &format!("{line}\n"));
}

#[test]
fn each_pattern_is_a_subscription_and_the_count_is_that_of_all() {
    let serve = Serve::demo();
    let subscriber = Subscriber::start(&serve, &["a.*", "b", "a.>", "-n", "3"]);
    assert_eq!(publish(&serve, &["c", "--count"]), "0\n");
    assert_eq!(publish(&serve, &["b", "1", "--count"]), "1\n");
    assert_eq!(publish(&serve, &["a.x", "2", "--count"]), "2\n");
    let done = subscriber.end();
    let line =
        |topic, value| format!("{{\"topic\":{topic:?},\"headers\":{{}},\"payload\":{value}}}\n");
    let mut lines: Vec<_> = done.stdout.split_inclusive('\n').collect();
    lines.sort_unstable();
    assert_eq!(lines, [line("a.x", 2), line("a.x", 2), line("b", 1)]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

#[test]
fn kept_values_come_first_until_they_are_forgotten() {
    let serve = Serve::demo();
    let line =
        |topic, value| format!("{{\"topic\":{topic:?},\"headers\":{{}},\"payload\":{value}}}\n");
    for (topic, value) in [("b", "1"), ("a", "2"), ("b", "3")] {
        publish(&serve, &[topic, value, "--retain"]);
    }
    publish(&serve, &["b", "4"]);
    let subscriber = Subscriber::start(&serve, &["*", "--retained", "-n", "3"]);
    publish(&serve, &["c", "5"]);
    prints(&subscriber.end(), &[line("a", 2), line("b", 3), line("c", 5)].concat());

    let mut subscriber = Subscriber::start(&serve, &["*"]);
    publish(&serve, &["a", "6", "--forget"]);
    assert_eq!(subscriber.line(), line("a", 6), "it was not asked for the others");
    let subscriber = Subscriber::start(&serve, &["*", "--retained", "-n", "1"]);
    prints(&subscriber.end(), &line("b", 3));
}

#[test]
fn a_group_shares_the_work() {
    let serve = Serve::demo();
    let worker = ["jobs", "--group", "workers", "-n", "2"];
    let workers = [(); 2].map(|()| Subscriber::start(&serve, &worker));
    for job in ["1", "2", "3", "4"] {
        assert_eq!(publish(&serve, &["jobs", job, "--count"]), "1\n");
    }
    let mut jobs = Vec::new();
    for worker in workers {
        let done = worker.end();
        assert_eq!(done.code, Some(0), "{done:?}");
        jobs.extend(done.stdout.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["payload"].as_u64().unwrap()
        }));
    }
    jobs.sort_unstable();
    assert_eq!(jobs, [1, 2, 3, 4]);
}

#[test]
fn scopes_hear_nothing_of_each_other() {
    let serve = Serve::start(&["--demo", "--scope", "red", "--scope", "blue"]);
    let mut red = Subscriber::start(&serve, &["a", "--scope", "red"]);
    let mut none = Subscriber::start(&serve, &["a"]);
    assert_eq!(publish(&serve, &["a", "1", "--scope", "blue", "--count"]), "0\n");
    assert_eq!(publish(&serve, &["a", "2", "--scope", "red", "--count"]), "1\n");
    assert_eq!(publish(&serve, &["a", "3", "--count"]), "1\n");
    assert!(red.line().ends_with(":2}\n"));
    assert!(none.line().ends_with(":3}\n"));
    let done = run(&["publish", &serve.address(), "a", "--scope", "green"]);
    fails(&done, 3, "scope \"green\" does not exist here");
}

/// Numbered values, to a subscriber whose output nobody reads for a while.
#[test]
fn what_was_lost_is_told_in_its_place() {
    let serve = Serve::demo();
    let mut subscriber = Subscriber::start(&serve, &["n"]);
    let client = Client::connect(&serve.address()).unwrap();
    let (last, block) = (8_000_u64, "x".repeat(1000));
    for n in 0..=last {
        assert_eq!(client.publish_counted("n", &(n, &block)).unwrap(), 1);
    }
    let (mut next, mut lost) = (0, 0);
    while next <= last {
        let line: serde_json::Value = serde_json::from_str(&subscriber.line()).unwrap();
        if let Some(missing) = line["lagged"].as_u64() {
            (next, lost) = (next + missing, lost + missing);
        } else {
            assert_eq!(line["payload"][0], next, "every gap was told");
            next += 1;
        }
    }
    assert!(lost > 0, "it was too slow");
    subscriber.signal(Signal::INT);
    let done = subscriber.end();
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""));
    let told =
        |line: &str| line.strip_prefix("switchboard: ")?.split(' ').next()?.parse::<u64>().ok();
    assert_eq!(done.stderr.lines().map(|line| told(line).unwrap()).sum::<u64>(), lost, "{done:?}");
    assert!(done.stderr.contains("missing here: this subscriber is too slow"), "{done:?}");
}

#[test]
fn a_value_that_json_cannot_say_costs_itself_only() {
    let serve = Serve::demo();
    let subscriber = Subscriber::start(&serve, &["a", "-n", "2"]);
    let diag = Subscriber::start(&serve, &["a", "-n", "2", "--output", "diag"]);
    let client = Client::connect(&serve.address()).unwrap();
    client.publish("a", &Payload::from_cbor(vec![0xf9, 0x7e, 0x00]).unwrap()).unwrap();
    client.publish("a", &1).unwrap();
    let done = subscriber.end();
    let lines = "{\"topic\":\"a\",\"error\":\"JSON cannot say NaN: use --output diag, which can\"}\n\
                 {\"topic\":\"a\",\"headers\":{},\"payload\":1}\n";
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), lines));
    let told = "switchboard: the value of a: JSON cannot say NaN: use --output diag, which can\n";
    assert_eq!(done.stderr, told);
    let lines = ["NaN", "1"]
        .map(|value| format!("{{\"topic\": \"a\", \"headers\": {{}}, \"payload\": {value}}}\n"));
    prints(&diag.end(), &lines.concat());
}

#[test]
fn a_signal_ends_it_well() {
    let serve = Serve::demo();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let subscriber = Subscriber::start(&serve, &["a"]);
        subscriber.signal(signal);
        prints(&subscriber.end(), "");
        assert_eq!(publish(&serve, &["a", "--count"]), "0\n", "the server knows");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut child = binary(&["subscribe", path.to_str().unwrap(), "a"]).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let signal = || kill_process(pid, Signal::INT).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    greet(&mut stream, WELCOME);
    read_frame(&mut stream);
    // [8, 1, 0]: it is subscribed, and says so.
    write_frame(&mut stream, b"\x83\x08\x01\x00");
    let mut told = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert_eq!(told, "subscribed to a\n");
    signal();
    // Its goodbye, which nobody answers.
    while read_frame(&mut stream)[1] != 0x03 {}
    signal();
    assert_eq!(finish(child).code, Some(130));
}

#[test]
fn whoever_closes_stdout_early_is_not_told_off() {
    let serve = Serve::demo();
    let subscriber = Subscriber::start(&serve, &["a"]);
    let Subscriber { child, stdout, mut stderr } = subscriber;
    drop(stdout);
    publish(&serve, &["a"]);
    assert_eq!(finish(child).code, Some(0));
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(told, "");
}

#[test]
fn time_ends_a_subscription() {
    let serve = Serve::demo();
    let arguments = ["subscribe", &serve.address(), "a", "--timeout", "200ms"];
    fails(&run(&arguments), 4, "the time is up: allow more time with --timeout");
    let subscriber = Subscriber::start(&serve, &["a", "--timeout", "20s", "-n", "1"]);
    publish(&serve, &["a"]);
    assert_eq!(subscriber.end().code, Some(0));
}

#[test]
fn the_end_of_the_server_is_told() {
    let mut serve = Serve::demo();
    let subscriber = Subscriber::start(&serve, &["a"]);
    serve.signal(Signal::TERM);
    fails(&subscriber.end(), 6, "the server was stopped: look whether the server still runs");
    assert_eq!(serve.end(), Some(0));
}

#[test]
fn what_cannot_be_is_a_mistake_of_the_command_line() {
    let serve = Serve::demo();
    let address = serve.address();
    for arguments in [
        &["publish", &address, "a.*"][..],
        &["publish", &address, ""],
        &["publish", &address, "$a"],
        &["subscribe", &address, "a", "a.>.b"],
        &["subscribe", &address, "a b"],
    ] {
        fails(&run(arguments), 2, "a topic is 1 to 16 tokens joined by dots");
    }
    let long = "x".repeat(256);
    fails(&run(&["subscribe", &address, "a", "--group", &long]), 2, "");
    fails(&run(&["publish", &address, "a", "--scope", &long]), 2, "");
    fails(&run(&["publish", &address, "a", "hello"]), 2, "the argument is no JSON");
    for arguments in [
        &["publish", &address][..],
        &["publish", &address, "a", "1", "2"],
        &["publish", &address, "a", "--retain", "--forget"],
        &["subscribe", &address],
        &["subscribe", &address, "a", "-n", "0"],
        &["subscribe", &address, "a", "--group", "g", "--retained"],
    ] {
        let done = run(arguments);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(done.stderr.contains("Usage:") || done.stderr.contains("invalid"), "{done:?}");
    }
}

#[test]
fn what_a_server_refuses_is_told() {
    let answers = |frame: Vec<u8>| {
        Fake::new(move |stream| {
            greet(stream, WELCOME);
            read_frame(stream);
            write_frame(stream, &frame);
            part(stream);
        })
    };
    fails(&answers(failure(7)).run("subscribe", &["a"]), 1, "PERMISSION_DENIED: no: ask as");
    fails(&answers(failure(8)).run("publish", &["a"]), 1, "RESOURCE_EXHAUSTED: no: ask for less");
    let unknown = "UNIMPLEMENTED: no: check the name, and whether the server offers it";
    fails(&answers(failure(12)).run("publish", &["a"]), 1, unknown);

    let fake = Fake::new(|stream| {
        greet(stream, WELCOME);
        read_frame(stream);
        // [8, 1, 0], and behind it the end: [9, 1, 7, "no", null]
        write_frames(stream, &[b"\x83\x08\x01\x00", &failure(7)]);
        part(stream);
    });
    fails(&fake.run("subscribe", &["a"]), 1, "the subscription was ended: PERMISSION_DENIED: no");
    let fake = Fake::new(|stream| {
        greet(stream, WELCOME);
        read_frame(stream);
        write_frames(stream, &[b"\x83\x08\x01\x00", GOODBYE]);
        hang_on(stream);
    });
    fails(&fake.run("subscribe", &["a"]), 6, "closed by the peer");
}
