//! The demonstration, as a newcomer runs it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{binary, finish};

#[test]
fn it_shows_every_step_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    // Whatever the machine, and however often it is run.
    for _ in 0..2 {
        let done = finish(binary(&["demo"]).env("TMPDIR", folder.path()).spawn().unwrap());
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        assert_eq!(done.stdout, include_str!("demo.txt"), "{}", done.stdout);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn it_is_shown_step_by_step_to_whoever_reads_only_some() {
    let mut child = binary(&["demo"]).spawn().unwrap();
    drop(child.stdout.take());
    let done = finish(child);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}
