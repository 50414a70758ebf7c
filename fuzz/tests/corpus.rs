//! Replays the corpus of every target: what was found once is tried on every plain `cargo test`.

use std::fs;
use std::path::Path;

/// Runs the target on each file of its folder. Which file it was is printed if the target panics.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder:?} has no files: is the corpus committed?");
    for file in files {
        println!("{file:?}");
        target(&fs::read(&file).expect("a file that can be read"));
    }
}

#[test]
fn broker() {
    replay("broker", switchboard_fuzz::broker);
}

#[test]
fn frame() {
    replay("frame", switchboard_fuzz::frame);
}

#[test]
fn connection() {
    replay("connection", switchboard_fuzz::connection);
}

#[test]
fn hub() {
    replay("hub", switchboard_fuzz::hub);
}

#[test]
fn pair_ops() {
    replay("pair_ops", switchboard_fuzz::pair_ops);
}

#[test]
fn payload() {
    replay("payload", switchboard_fuzz::payload);
}

#[test]
fn streams() {
    replay("streams", switchboard_fuzz::streams);
}
