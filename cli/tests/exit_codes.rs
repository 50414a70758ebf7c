//! Every exit code but 0 and those of signals, and that its reason stands on stderr alone.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use ciborium::cbor;
use common::{
    Done, Fake, GOODBYE, Serve, WELCOME, binary, failure, feed, finish, greet, hang_on, part,
    read_frame, response, run, write_frame,
};

/// One line on stderr, nothing on stdout.
#[track_caller]
fn ends(done: &Done, code: i32, reason: &str) {
    assert_eq!((done.code, done.stdout.as_str()), (Some(code), ""), "{done:?}");
    assert!(done.stderr.starts_with("switchboard: "), "{done:?}");
    assert!(done.stderr.contains(reason), "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
}

/// `[2, status, "\x1b[2Jno", [version], null, null]`.
fn reject(status: u8, version: u8) -> Vec<u8> {
    [b"\x86\x02", &[status][..], b"\x66\x1b[2Jno\x81", &[version], b"\xf6\xf6"].concat()
}

#[test]
fn code_1_the_peer_answered_an_error() {
    let serve = Serve::start(&[]);
    ends(&serve.call("nobody", &[]), 1, "UNIMPLEMENTED: no handler for channel \"nobody\": check");
    let status = |status| {
        let answer = move |stream: &mut UnixStream| {
            greet(stream, WELCOME);
            read_frame(stream);
            write_frame(stream, &failure(status));
            part(stream);
        };
        Fake::new(answer).run("status", &[])
    };
    ends(&status(12), 1, "runs, but does not tell its status: it is older, or not of this project");
    ends(&status(7), 1, "PERMISSION_DENIED: no: ask as a user who may");
    // The handler's own lack of time is an answer, and no option of ours helps.
    let serve = Serve::demo();
    let late = serve.call("fail", &[r#"{"status":4,"message":"late"}"#, "--timeout", "20s"]);
    ends(&late, 1, "DEADLINE_EXCEEDED: late: try again later");
}

#[test]
fn code_1_data_of_the_failure_is_shown() {
    let fake = Fake::new(|stream| {
        greet(stream, WELCOME);
        read_frame(stream);
        // [9, 1, 5, "no", {"id": 7}]
        write_frame(stream, b"\x85\x09\x01\x05\x62no\xa1\x62id\x07");
        hang_on(stream);
    });
    let done = fake.run("call", &["x"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    let lines: Vec<_> = done.stderr.lines().collect();
    assert_eq!(lines[0], "switchboard: NOT_FOUND: no: check the name of what was asked for");
    assert_eq!(lines[1..], [r#"switchboard: data of the failure: {"id":7}"#]);
}

#[test]
fn code_2_usage() {
    for arguments in [
        &[][..],
        &["dance"],
        &["call"],
        &["call", "./x.sock"],
        &["call", "./x.sock", "echo", "1", "2"],
        &["call", "./x.sock", "echo", "--timeout", "0"],
        &["call", "./x.sock", "echo", "--timeout", "soon"],
        &["call", "./x.sock", "echo", "--output", "xml"],
        &["ping", "./x.sock", "-c", "0"],
        &["ping", "./x.sock", "-c", "-1"],
        &["serve"],
        &["status"],
        &["status", "./x.sock", "extra"],
        &["status", "./x.sock", "--output", "table"],
        &["completions"],
        &["completions", "cmd"],
        &["call", "./x.sock", "echo", "--token"],
        // Options that would change nothing.
        &["serve", "./x.sock", "--timeout", "1s"],
        &["serve", "./x.sock", "--output", "diag"],
        &["demo", "--timeout", "1s"],
        &["send", "./x.sock", "log", "--output", "diag"],
        &["--timeout", "1s", "ping", "./x.sock"],
    ] {
        let done = run(arguments);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!done.stderr.is_empty(), "{arguments:?}");
    }
    ends(&run(&["call", "./x.sock", "echo", "hello"]), 2, "is no JSON");
    ends(&run(&["send", "./x.sock", "log", r#"{"$bytes": 1}"#]), 2, "is no text");
    ends(&run(&["call", "tcp:192.0.2.1:1", "echo"]), 2, "this machine only");
    ends(&run(&["serve", "no name"]), 2, "is no name");
    ends(&run(&["serve", "tcp:127.0.0.1:0"]), 2, "give a file with one: --token FILE");
    ends(&run(&["ping", "stdio"]), 2, "stdio is for a program that another one starts");
}

#[test]
fn code_2_what_comes_on_stdin() {
    let call = |bytes: &[u8]| feed(bytes, &["call", "./x.sock", "echo", "-"]);
    ends(&call(b""), 2, "nothing came on stdin");
    ends(&call(b"\n"), 2, "nothing came on stdin");
    ends(&call(b"1 2"), 2, "is no JSON");
    ends(&call(b"\"\xff\""), 2, "what came on stdin is no UTF-8");
    ends(&feed(b"hello", &["send", "./x.sock", "log", "-"]), 2, "is no JSON");
    ends(&feed(b"1", &["call", "stdio", "echo", "-"]), 2, "stdin cannot be the connection and");
}

#[test]
fn code_2_what_is_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let token = path.to_str().unwrap();
    let call = || run(&["call", "./x.sock", "echo", "--token", token]);
    ends(&call(), 2, &format!("cannot use {token} as a token: No such file"));
    for (text, reason) in [
        (&b"\n"[..], "it is empty"),
        (&[b'x'; 8193], "it is longer than 8192 bytes"),
        (b"\xff", "valid UTF-8"),
    ] {
        std::fs::write(&path, text).unwrap();
        ends(&call(), 2, reason);
    }
    ends(&run(&["serve", "./x.sock", "--token", token]), 2, "valid UTF-8");
}

#[test]
fn code_2_the_advice_is_one_advice() {
    let done = run(&["call", "./x.sock", "echo", r#"{"$bytes": "?"}"#]);
    ends(
        &done,
        2,
        r#"is no base64: give base64; a key that is really called so is written "$$bytes""#,
    );
    ends(&run(&["call", "./x.sock", "echo", r#"{"a":1,"a":2}"#]), 2, r#"the key "a" comes twice"#);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.log");
    std::fs::write(&file, "precious").unwrap();
    let done = run(&["serve", file.to_str().unwrap()]);
    ends(&done, 2, "was not touched; choose another path, or remove it\n");
    let done = run(&["call", file.to_str().unwrap(), "echo"]);
    ends(&done, 2, "is a file and no socket; check the address\n");
}

#[test]
fn a_file_beside_a_name_is_pointed_to() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tempfile::tempdir().unwrap();
    std::fs::set_permissions(runtime.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let hint = ": `x.sock` is a name in the runtime folder; for a file here write `./x.sock`\n";
    let go = |arguments: &[&str], runtime: &Path| {
        let mut command = binary(arguments);
        command.current_dir(folder.path()).env("XDG_RUNTIME_DIR", runtime);
        finish(command.spawn().unwrap())
    };
    let none = runtime.path().join("none");
    let before = go(&["call", "x.sock", "echo"], &none);
    ends(&before, 2, "cannot be used");
    assert!(!before.stderr.contains(hint), "{before:?}");
    ends(&go(&["call", "x.sock", "echo"], runtime.path()), 3, "nobody serves x.sock: start");

    std::fs::write(folder.path().join("x.sock"), "").unwrap();
    ends(&go(&["call", "x.sock", "echo"], &none), 2, hint);
    ends(&go(&["serve", "x.sock"], &none), 2, hint);
    ends(&go(&["call", "x.sock", "echo"], runtime.path()), 3, hint);
}

#[test]
fn code_2_a_channel_that_cannot_be() {
    let serve = Serve::demo();
    ends(&serve.call("", &[]), 2, "a channel is 1 to 255 bytes");
    ends(&serve.call(&"x".repeat(256), &[]), 2, "a channel is 1 to 255 bytes");
}

#[test]
fn code_2_an_answer_that_json_cannot_say() {
    let answer = |stream: &mut UnixStream| {
        greet(stream, WELCOME);
        read_frame(stream);
        // [8, 1, [NaN, undefined]]
        write_frame(stream, b"\x83\x08\x01\x82\xf9\x7e\x00\xf7");
        part(stream);
    };
    ends(&Fake::new(answer).run("call", &["x"]), 2, "JSON cannot say NaN: use --output diag");
    let done = Fake::new(answer).run("call", &["x", "--output", "diag"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "[NaN, undefined]\n"), "{done:?}");
}

#[test]
fn code_3_not_running() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("s.sock");
    let address = address.to_str().unwrap();
    for command in ["call", "send", "publish", "subscribe", "ping", "status"] {
        let rest = if ["ping", "status"].contains(&command) { &[][..] } else { &["x"] };
        let done = run(&[&[command, address], rest].concat());
        ends(&done, 3, &format!("nobody serves {address}: start the server"));
    }
}

#[test]
fn code_3_refused() {
    let fake = Fake::new(|stream| greet(stream, &reject(7, 1)));
    ends(&fake.run("ping", &[]), 3, "the server refused: PERMISSION_DENIED: \\u{1b}[2Jno: ask");
    let fake = Fake::new(|stream| greet(stream, &reject(8, 1)));
    ends(&fake.run("ping", &[]), 3, "try again later");
    // [2, status, "soon", [1], 2000, null]
    for status in [8, 14] {
        let frame = [b"\x86\x02", &[status][..], b"\x64soon\x81\x01\x19\x07\xd0\xf6"].concat();
        let fake = Fake::new(move |stream| greet(stream, &frame));
        ends(&fake.run("ping", &[]), 3, ": soon: try again in 2s\n");
    }
}

#[test]
fn code_3_another_server_is_there() {
    let serve = Serve::demo();
    ends(&run(&["serve", &serve.address(), "--demo"]), 3, "another server serves");
    assert_eq!(serve.call("echo", &["1"]).stdout, "1\n");
}

#[test]
fn code_4_no_answer_in_time() {
    let serve = Serve::demo();
    let done = serve.call("sleep", &[r#"{"ms":600000}"#, "--timeout", "100ms"]);
    ends(&done, 4, "allow more time with --timeout");
}

#[test]
fn code_4_no_handshake_in_time() {
    let fake = Fake::new(hang_on);
    ends(&fake.run("call", &["x", "--timeout", "100ms"]), 4, "the handshake took too long");
}

#[test]
fn code_4_no_pong_in_time() {
    let deaf = |stream: &mut UnixStream| {
        greet(stream, WELCOME);
        hang_on(stream);
    };
    ends(
        &Fake::new(deaf).run("ping", &["--timeout", "100ms"]),
        4,
        "allow more time with --timeout",
    );
    ends(
        &Fake::new(deaf).run("status", &["--timeout", "100ms"]),
        4,
        "allow more time with --timeout",
    );
    ends(
        &Fake::new(deaf).run("send", &["x", "--timeout", "100ms"]),
        4,
        "allow more time with --timeout",
    );
}

#[test]
fn code_5_versions_do_not_fit() {
    let fake = Fake::new(|stream| greet(stream, &reject(9, 2)));
    ends(&fake.run("call", &["x"]), 5, "versions [2]: update this program");
    let fake = Fake::new(|stream| greet(stream, &reject(9, 2)));
    ends(&fake.run("status", &[]), 5, "versions [2]: update this program");
}

#[test]
fn code_6_the_connection_is_lost() {
    let fake = Fake::new(|stream| drop(read_frame(stream)));
    ends(&fake.run("call", &["x"]), 6, "the connection was lost");
    let fake = Fake::new(|stream| {
        greet(stream, WELCOME);
        read_frame(stream);
    });
    ends(&fake.run("call", &["x"]), 6, "the connection was lost; the call may have run");
    // The message is sent, but nobody says that it was read.
    let fake = Fake::new(|stream| {
        greet(stream, WELCOME);
        read_frame(stream);
    });
    ends(&fake.run("send", &["x"]), 6, "the connection was lost");
}

#[test]
fn code_6_the_peer_breaks_the_protocol() {
    let fake = Fake::new(|stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        hang_on(stream);
    });
    ends(&fake.run("call", &["x"]), 6, "the peer broke the protocol");
    let fake = Fake::new(|stream| {
        greet(stream, WELCOME);
        read_frame(stream);
        stream.write_all(&[0; 4]).unwrap();
        hang_on(stream);
    });
    ends(&fake.run("call", &["x"]), 6, "frame-empty");
    // [8, 1] without a payload: what answers does not say a value.
    let fake = Fake::new(|stream| {
        greet(stream, WELCOME);
        read_frame(stream);
        write_frame(stream, b"\x83\x08\x01");
        hang_on(stream);
    });
    ends(&fake.run("call", &["x"]), 6, "the answer is unusable");
    // What answers to `status` is no status.
    let fake = Fake::new(|stream| {
        greet(stream, WELCOME);
        read_frame(stream);
        write_frame(stream, &response(&cbor!({ "pid" => "none" }).unwrap()));
        part(stream);
    });
    ends(&fake.run("status", &[]), 6, "the answer is unusable");
}

#[test]
fn code_6_stdout_is_full() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let serve = Serve::demo();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for command in [&["call", &serve.address(), "echo"][..], &["completions", "bash"], &["demo"]] {
        let full = full.try_clone().unwrap();
        let child = binary(command).stdout(full).spawn().unwrap();
        ends(&finish(child), 6, "cannot write to stdout");
    }
}

#[test]
fn code_6_stdin_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = std::fs::File::open(folder.path()).unwrap();
    let child = binary(&["call", "./x.sock", "echo", "-"]).stdin(folder).spawn().unwrap();
    ends(&finish(child), 6, "cannot read stdin");
}

#[test]
fn code_0_the_server_leaves_first() {
    let fake = Fake::new(|stream| {
        greet(stream, WELCOME);
        read_frame(stream);
        // [8, 1, 3], then goodbye
        write_frame(stream, b"\x83\x08\x01\x03");
        write_frame(stream, GOODBYE);
        hang_on(stream);
    });
    let done = fake.run("call", &["x"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "3\n", ""));
}

#[test]
fn code_0_the_server_never_says_goodbye() {
    let fake = Fake::new(|stream| {
        greet(stream, WELCOME);
        read_frame(stream);
        write_frame(stream, b"\x83\x08\x01\x03");
        hang_on(stream);
    });
    let start = Instant::now();
    let done = fake.run("call", &["x", "--timeout", "60s"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "3\n", ""));
    // The connection itself would wait for 5 s.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}
