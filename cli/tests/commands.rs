//! What each command does when all is well, and what the channels of `serve --demo` answer.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Serve, binary, feed, finish, run};

/// One line on stdout, nothing on stderr.
fn prints(serve: &Serve, channel: &str, rest: &[&str]) -> String {
    let done = serve.call(channel, rest);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stderr, "");
    let line = done.stdout.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'));
    line.into()
}

#[test]
fn echo_gives_the_same_json() {
    let serve = Serve::demo();
    for json in [
        "null",
        "-5",
        "21",
        "21.0",
        "340282366920938463463374607431768211455",
        r#"{"z":[1,2.5,true],"a":{"$bytes":"wP/u"}}"#,
        r#"{"$map":[[1,"one"]]}"#,
        r#""\u001b[2J ü""#,
    ] {
        assert_eq!(prints(&serve, "echo", &[json]), json);
    }
    assert_eq!(prints(&serve, "echo", &[]), "null");
    assert_eq!(prints(&serve, "echo", &["--", "-1.5"]), "-1.5");
}

#[test]
fn an_argument_may_come_from_stdin() {
    let serve = Serve::demo();
    let address = serve.address();
    let call = |json: &[u8]| feed(json, &["call", &address, "echo", "-"]);
    for json in ["1\n", " {\"a\": [21.0]}\n\n", "-5"] {
        let done = call(json.as_bytes());
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{json}");
        let spaceless: String = json.chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(done.stdout, format!("{spaceless}\n"));
    }
    // More than a pipe holds, and than a command line may be.
    let long = format!("\"{}\"\n", "x".repeat(300_000));
    assert!(call(long.as_bytes()).stdout == long);

    let done = feed(b"\"from stdin\"", &["send", &address, "log", "-"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(serve.line(), "log: \"from stdin\"");
}

#[test]
fn who_shows_the_token_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    };
    // With and without a line's end, as an editor and `printf` leave it.
    let (token, same) = (file("token", "open sesame\n"), file("same", "open sesame"));
    let serve = Serve::start(&["--demo", "--token", &token]);
    let address = serve.address();
    for token in [&token, &same] {
        assert_eq!(prints(&serve, "echo", &["1", "--token", token]), "1");
        for rest in [&["ping"][..], &["send", "log"]] {
            let command = [&rest[..1], &[&address, "--token", token], &rest[1..]].concat();
            let done = run(&command);
            assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{rest:?}");
        }
    }
    let wrong = file("wrong", "open sesam");
    for (shown, why) in
        [(&["--token", wrong.as_str()][..], "this is not it"), (&[], "none was shown")]
    {
        let done = serve.call("echo", shown);
        assert_eq!((done.code, done.stdout.as_str()), (Some(3), ""));
        let line = format!(
            "switchboard: the server refused: UNAUTHENTICATED: the server asks for a token, and {why}: \
             show who you are, as by --token\n"
        );
        assert_eq!(done.stderr, line);
    }
}

#[test]
fn who_names_a_scope_that_exists_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let token = path.to_str().unwrap();
    std::fs::write(&path, "open sesame").unwrap();
    for more in [&[][..], &["--token", token]] {
        let serve =
            Serve::start(&[&["--demo", "--scope", "red", "--scope", "blue"], more].concat());
        let address = serve.address();
        for scope in [&["--scope", "red"][..], &["--scope", "blue"], &["--scope", ""], &[]] {
            for command in ["ping", "status"] {
                let done = run(&[&[command, &address], scope, more].concat());
                assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{scope:?}");
            }
            assert_eq!(prints(&serve, "echo", &[&["1"], scope, more].concat()), "1");
            let done = run(&[&["send", &address, "log"], scope, more].concat());
            assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{scope:?}");
        }
        let done = run(&[&["ping", &address, "--scope", "green"], more].concat());
        assert_eq!((done.code, done.stdout.as_str()), (Some(3), ""));
        let line = "switchboard: the server refused: NOT_FOUND: scope \"green\" does not exist \
                    here: check the name of what was asked for\n";
        assert_eq!(done.stderr, line);
    }
    let done = Serve::demo().call("echo", &["--scope", "red"]);
    assert_eq!(done.code, Some(3), "{done:?}");
}

#[test]
fn diagnostic_notation_says_more() {
    let serve = Serve::demo();
    let json = r#"{"a":{"$bytes":"wP/u"},"b":[1,21.0]}"#;
    let shown = r#"{"a": h'c0ffee', "b": [1, 21.0]}"#;
    assert_eq!(prints(&serve, "echo", &[json, "--output", "diag"]), shown);
    let before = run(&["call", "--output=diag", &serve.address(), "echo", "[]"]);
    assert_eq!(before.stdout, "[]\n");
}

#[test]
fn sleep_answers_null() {
    let serve = Serve::demo();
    assert_eq!(prints(&serve, "sleep", &[r#"{"ms":1}"#, "--timeout", "20s"]), "null");
}

#[test]
fn whoami_tells_the_caller() {
    let serve = Serve::demo();
    let child = binary(&["call", &serve.address(), "whoami"]).spawn().unwrap();
    let pid = child.id();
    let done = finish(child);
    assert_eq!(done.code, Some(0), "{done:?}");
    let caller: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(caller["uid"], rustix::process::geteuid().as_raw());
    assert_eq!(caller["gid"], rustix::process::getegid().as_raw());
    if cfg!(target_os = "linux") {
        assert_eq!(caller["pid"], pid);
    }
}

#[test]
fn messages_are_logged_on_one_line() {
    let serve = Serve::demo();
    for (json, line) in
        [(r#"{"b":1,"a":"x\ny\u001b"}"#, r#"log: {"b":1,"a":"x\ny\u001b"}"#), ("21.0", "log: 21.0")]
    {
        let done = run(&["send", &serve.address(), "log", json]);
        assert_eq!((done.code, done.stdout, done.stderr), (Some(0), String::new(), String::new()));
        assert_eq!(serve.line(), line);
    }
    let done = run(&["send", &serve.address(), "log"]);
    assert_eq!(done.code, Some(0));
    assert_eq!(serve.line(), "log: null");
}

#[test]
fn a_message_that_nobody_takes_is_no_error() {
    let serve = Serve::start(&[]);
    assert_eq!(run(&["send", &serve.address(), "nobody", "1"]).code, Some(0));
}

#[test]
fn ping_prints_each_round_trip_and_a_sum() {
    let serve = Serve::demo();
    let done = run(&["ping", &serve.address()]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(done.stdout.lines().count(), 1);
    assert!(done.stdout.starts_with(r#"{"ping":1,"ms":"#));

    let done = run(&["ping", &serve.address(), "-c", "3", "--timeout", "20"]);
    assert_eq!(done.code, Some(0));
    let lines: Vec<serde_json::Value> =
        done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[2]["ping"], 3);
    let of = |key: &str| lines[3][key].as_f64().unwrap();
    assert_eq!(lines[3]["pings"], 3);
    assert!(of("min_ms") <= of("avg_ms") && of("avg_ms") <= of("max_ms"));
}

#[test]
fn failures_come_on_stderr_with_status_and_message() {
    let serve = Serve::demo();
    let done = serve.call("fail", &[r#"{"status":5,"message":"no \u001b[31msuch\nuser"}"#]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    let line =
        "switchboard: NOT_FOUND: no \\u{1b}[31msuch\\nuser: check the name of what was asked for\n";
    assert_eq!(done.stderr, line);

    let done = serve.call("fail", &[r#"{"status":100}"#]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.starts_with("switchboard: status 100: "), "{}", done.stderr);

    let done = serve.call("fail", &[r#"{"status":"x"}"#]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.starts_with("switchboard: INVALID_ARGUMENT: "), "{}", done.stderr);
}

#[test]
fn a_panic_is_answered_and_the_server_lives() {
    let serve = Serve::demo();
    let done = serve.call("panic", &[]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.starts_with("switchboard: INTERNAL: "), "{}", done.stderr);
    assert_eq!(prints(&serve, "echo", &["1"]), "1");
}

#[test]
fn whoever_closes_stdout_early_is_not_told_off() {
    let serve = Serve::demo();
    let mut child = binary(&["ping", &serve.address(), "-c", "50"]).spawn().unwrap();
    drop(child.stdout.take());
    let done = finish(child);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

#[test]
fn help_has_examples_and_goes_to_stdout() {
    let done = run(&["--help"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    for part in ["Examples:", "switchboard demo", "$bytes", "Exit codes: 0 ok", "--timeout"] {
        assert!(done.stdout.contains(part), "{part}");
    }
    for part in ["SIGINT", "SIGTERM", "SIGHUP", "nohup"] {
        assert!(run(&["serve", "--help"]).stdout.contains(part), "{part}");
    }
}
