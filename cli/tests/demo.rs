//! The demonstration, as a newcomer runs it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{binary, finish};

#[test]
fn it_shows_every_step_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let done = finish(binary(&["demo"]).env("TMPDIR", folder.path()).spawn().unwrap());
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    for step in [
        "1. Server: ",
        "2. Handshake: ",
        "server > welcome: we speak version 1, you are #1",
        "3. Message: it has no answer; the server heard: Ada says \"hello, world\"",
        "4. Call: 42 / 6 is 7",
        "server > failure 3: INVALID_ARGUMENT: the divisor is 0",
        "server > reject: UNAUTHENTICATED: that is not the token",
        "7. Graceful close: ",
        "its socket file is gone",
    ] {
        assert!(done.stdout.contains(step), "{step}: {}", done.stdout);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
