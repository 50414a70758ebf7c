//! `switchboard status`: what a server tells of itself, for people and for scripts.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use ciborium::{Value, cbor};
use common::{Done, Fake, Serve, WELCOME, greet, part, read_frame, response, run, write_frame};

/// Runs it against a server that answers this.
fn status(answer: Value, arguments: &[&str]) -> Done {
    let fake = Fake::new(move |stream| {
        greet(stream, WELCOME);
        // [7, 1, "switchboard.status", {0: 30000}, null]
        let request = read_frame(stream);
        assert!(request.starts_with(b"\x85\x07\x01\x72switchboard.status"), "{request:?}");
        write_frame(stream, &response(&answer));
        part(stream);
    });
    fake.run("status", arguments)
}

fn editor() -> Value {
    cbor!({
        "program" => "editor",
        "pid" => 4242,
        "version" => "0.1.0",
        "protocol" => [1],
        "uptime-ms" => 3_723_004,
        "connections" => [
            {
                "id" => 7, "uid" => 1000, "pid" => 99_999,
                "frames-in" => 12, "frames-out" => 3, "bytes-in" => 1_234_567, "bytes-out" => 80,
                "open-made" => 0, "open-served" => 1,
                "unsent" => 0, "dropped" => 2, "strikes" => 3
            },
            {
                "id" => 12, "uid" => null, "pid" => null,
                "frames-in" => 1, "frames-out" => 1, "bytes-in" => 20, "bytes-out" => 19,
                "open-made" => 0, "open-served" => 0,
                "unsent" => 65_536, "dropped" => 0, "strikes" => 0
            },
        ],
        "handlers" => ["open", "save"],
        "listeners" => [],
        "moon" => "new"
    })
    .unwrap()
}

#[test]
fn people_get_a_table() {
    let done = status(editor(), &[]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let table = "\
program      editor, pid 4242
version      0.1.0, protocol 1
up           1 h 2 min
handlers     open, save
listeners    none
connections  2
id   uid    pid  frames-in  frames-out  bytes-in  bytes-out  open-made  open-served  unsent  dropped  strikes
 7  1000  99999         12           3   1234567         80          0            1       0        2        3
12     -      -          1           1        20         19          0            0   65536        0        0
";
    assert_eq!(done.stdout, table, "{}", done.stdout);
}

#[test]
fn scripts_get_all_that_was_told_on_one_line() {
    let done = status(editor(), &["--output", "json"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let start = r#"{"program":"editor","pid":4242,"version":"0.1.0","protocol":[1],"#;
    assert!(done.stdout.starts_with(start), "{}", done.stdout);
    assert!(done.stdout.ends_with("\"listeners\":[],\"moon\":\"new\"}\n"), "{}", done.stdout);
    assert_eq!(done.stdout.lines().count(), 1);
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(told["connections"][1]["uid"], serde_json::Value::Null);
    let diag = status(editor(), &["--output=diag"]);
    assert!(diag.stdout.starts_with("{\"program\": \"editor\", "), "{}", diag.stdout);
}

#[test]
fn what_another_version_leaves_out_is_no_obstacle() {
    let least = || {
        cbor!({ "program" => "x\u{1b}[2J", "pid" => 1, "version" => "9", "connections" => [{}] })
            .unwrap()
    };
    let done = status(least(), &["--timeout", "20s"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines[0], r"program      x\u{1b}[2J, pid 1", "nothing moves the cursor");
    assert_eq!(lines[2], "up           0 s");
    assert_eq!(lines[7].split_whitespace().collect::<Vec<_>>()[..4], ["0", "-", "-", "0"]);
}

#[test]
fn a_server_of_ours_tells_of_itself() {
    let serve = Serve::demo();
    let done = run(&["status", &serve.address(), "--output", "json"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(told["protocol"], serde_json::json!([1]));
    let names = |key: &str| told[key].as_array().unwrap().clone();
    for handler in ["echo", "fail", "panic", "sleep", "whoami"] {
        assert!(names("handlers").contains(&handler.into()), "{told}");
    }
    assert!(names("listeners").contains(&"log".into()), "{told}");
    // Whoever asks is the one who is connected.
    assert_eq!(names("connections").len(), 1);
    let connection = &told["connections"][0];
    assert_eq!(connection["uid"], rustix::process::geteuid().as_raw());
    assert_eq!(connection["open-served"], 1);
    assert!(connection["bytes-in"].as_u64().unwrap() > 0);

    let table = run(&["status", &serve.address()]).stdout;
    assert!(table.contains("\nversion      0.1.0, protocol 1\n"), "{table}");
    assert!(table.contains("\nconnections  1\n"), "{table}");
}
