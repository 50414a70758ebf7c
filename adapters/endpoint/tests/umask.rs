//! The socket file is 0600 whatever the umask, and never wider, not for an instant. A test binary
//! of its own, because the umask is the process's.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::Mode;
use rustix::process::umask;
use switchboard_endpoint::{Address, Listener};
use tempfile::tempdir;

#[test]
fn the_file_is_never_wider_than_its_owner() {
    let folder = tempdir().unwrap();
    let address = Address::from(folder.path().join("app.sock"));
    let path = address.path().unwrap();
    let before = umask(Mode::empty());

    // While one thread makes the file again and again, the other one looks at it all the time.
    let done = AtomicBool::new(false);
    let (seen, widest) = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let (mut seen, mut widest) = (0_u32, 0);
            while !done.load(Ordering::Relaxed) {
                if let Ok(found) = fs::symlink_metadata(&path) {
                    seen += 1;
                    widest |= found.mode() & 0o7777;
                }
            }
            (seen, widest)
        });
        for _ in 0..3000 {
            let listener = Listener::bind(&address).unwrap();
            assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o7777, 0o600);
            drop(listener);
        }
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(seen == 0 || widest == 0o600, "seen {seen} times, at the widest {widest:o}");

    // A umask that takes even the owner's bits does not keep the owner out.
    umask(Mode::from_raw_mode(0o777));
    let listener = Listener::bind(&address).unwrap();
    assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o7777, 0o600);
    drop(listener);
    umask(before);
}
