//! The socket file is 0600 whatever the umask, and never wider, not for an instant. A test binary
//! of its own, because the umask is the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use common::{Talker, hear};
use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use switchboard_endpoint::{Address, Listener, OpenError, Stream};
use tempfile::tempdir;

/// One test at a time.
static TURN: Mutex<()> = Mutex::new(());

// Threat 52.
#[test]
fn the_file_is_never_wider_than_its_owner() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Nobody but this user gets in, whatever the umask: not between any two steps.
// Threat 52.
#[test]
fn a_stranger_who_races_never_connects() {
    if !geteuid().is_root() {
        return; // Only root can be somebody else.
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempdir().unwrap();
    let address = Address::from(folder.path().join("app.sock"));
    let everybody = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), everybody).unwrap();
    let mut command = common::myself("race");
    let Ok(mut racer) = Talker::start(command.uid(4242).gid(4242), &address) else {
        return; // This program is out of that user's reach.
    };
    assert_eq!(racer.says(), "ready");
    let before = umask(Mode::empty());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        drop(Listener::bind(&address).unwrap());
    }
    umask(before);
    racer.tell("stop");
    let said = racer.says();
    let counts: Vec<u64> = said.split(' ').map(|count| count.parse().unwrap()).collect();
    let [tries, refused, connected] = counts[..] else { panic!("{said}") };
    assert_eq!(connected, 0, "of {tries}");
    assert!(refused > 0, "it met the file: {tries} tries");
    racer.end();
}

#[test]
fn child() {
    if common::role().is_some() {
        race(&env::var("ADDRESS").unwrap().parse().unwrap());
    }
}

fn race(address: &Address) {
    eprintln!("ready");
    let (mut tries, mut refused, mut connected) = (0, 0, 0);
    while !common::readable(&io::stdin(), 0) {
        tries += 1;
        match Stream::connect(address) {
            Err(OpenError::NotRunning { .. }) => {}
            Err(OpenError::NotPermitted(_)) => refused += 1,
            // A full queue is a connection that was allowed.
            Ok(_) | Err(_) => connected += 1,
        }
    }
    hear();
    eprintln!("{tries} {refused} {connected}");
    assert_eq!(hear(), None);
}
