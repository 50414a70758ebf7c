//! The same commands over each transport: they are told apart by the address alone.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};

use common::{binary, finish, run};
use rustix::process::{Pid, Signal, kill_process};
use switchboard_blocking::{Client, Stream};

/// `switchboard serve ADDRESS --demo ...`.
struct Serving {
    /// Until it is to end.
    child: Option<Child>,
    /// Where it says that it listens.
    address: String,
}

impl Serving {
    fn start(address: &str, rest: &[&str]) -> Self {
        let mut child = binary(&[&["serve", address, "--demo"], rest].concat()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        child.stderr = Some(stderr.into_inner());
        let mut serving = Self { child: Some(child), address: String::new() };
        let bound = line.trim_end().strip_prefix("listening on ");
        serving.address = bound.unwrap_or_else(|| panic!("{line}")).into();
        serving
    }

    fn ends_at_a_signal(mut self) {
        let child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(finish(child).code, Some(0));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn an_abstract_name_has_no_file() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let name = format!("@switchboard-cli-test-{}", std::process::id());
    let serving = Serving::start(&name, &[]);
    assert_eq!(serving.address, name);
    let done = run(&["call", &name, "echo", "[1]"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "[1]\n", ""));
    assert_eq!(run(&["serve", &name]).code, Some(3), "it is taken");
    serving.ends_at_a_signal();
    assert_eq!(run(&["ping", &name]).code, Some(3));
}

#[test]
fn over_tcp_the_token_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let token = path.to_str().unwrap();
    std::fs::write(&path, "open sesame\n").unwrap();
    let serving = Serving::start("tcp:127.0.0.1:0", &["--token", token]);
    let address = serving.address.clone();
    assert!(address.starts_with("tcp:127.0.0.1:") && !address.ends_with(":0"), "{address}");
    let done = run(&["call", &address, "echo", "[1]", "--token", token]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "[1]\n", ""));
    let done = run(&["call", &address, "echo", "[1]"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(3), ""));
    assert!(done.stderr.contains("UNAUTHENTICATED"), "{done:?}");
    let done = run(&["call", &address, "whoami", "--token", token]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.contains("FAILED_PRECONDITION: nothing tells who calls"), "{done:?}");
    let done = run(&["status", &address, "--token", token]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.contains("nothing tells who asks"), "{done:?}");
    serving.ends_at_a_signal();
}

#[test]
fn a_child_serves_its_parent_and_ends_with_it() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["serve", "stdio", "--demo"]).stderr(std::process::Stdio::piped());
    let (stream, child) = Stream::spawn(&mut command).unwrap();
    let client = Client::builder().attach(stream).unwrap();
    assert_eq!(client.request::<Vec<u32>>("echo", &[1, 2]).unwrap(), [1, 2]);
    client.close("done");
    assert_eq!(finish(child).code, Some(0));
}
