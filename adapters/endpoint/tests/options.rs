//! Mode and group of socket files. A test program of its own, because the umask is the process's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::unistd::{Gid, Group};
use rustix::fs::Mode;
use rustix::process::{getegid, geteuid, umask};
use switchboard_endpoint::{Address, BindOptions, OpenError, Stream};
use tempfile::{TempDir, tempdir};

fn place() -> (TempDir, Address) {
    let folder = tempdir().unwrap();
    // Whatever the umask is just now, in another test.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let address = Address::from(folder.path().join("app.sock"));
    (folder, address)
}

fn mode_and_group(path: &Path) -> Option<(u32, u32)> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.mode() & 0o7777, found.gid()))
}

/// A group that this user may give files to: any for root, else its own.
fn group() -> u32 {
    if geteuid().is_root() { 4242 } else { getegid().as_raw() }
}

/// All that counts on the umask, in one test.
#[test]
fn the_file_is_as_asked_whatever_the_umask_and_never_wider() {
    let (_folder, address) = place();
    let path = address.path().unwrap();
    let (own, group) = (getegid().as_raw(), group());
    let before = umask(Mode::empty());
    for mask in [0, 0o022, 0o077, 0o777] {
        umask(Mode::from_bits_truncate(mask));
        for mode in [0o600, 0o620, 0o660, 0o666, 0o604] {
            let listener = BindOptions::new().mode(mode).bind(&address).unwrap();
            assert_eq!(mode_and_group(&path), Some((mode, own)), "{mask:o}");
            Stream::connect(&address).unwrap();
            drop(listener);
            let options = BindOptions::new().mode(mode).group(group.to_string());
            let listener = options.bind(&address).unwrap();
            assert_eq!(mode_and_group(&path), Some((mode, group)), "{mask:o}");
            drop(listener);
            assert_eq!(mode_and_group(&path), None);
        }
    }
    if cfg!(target_os = "linux") {
        umask(Mode::empty());
        let options = BindOptions::new().mode(0o660).group(group.to_string());
        let seen = watch(&path, || drop(options.bind(&address).unwrap()));
        // Narrow, then narrow with the group, then as asked; nothing else.
        let steps = BTreeSet::from([(0o600, own), (0o600, group), (0o660, group)]);
        assert!(seen.is_subset(&steps), "{seen:?}");
        assert!(seen.len() > 1, "{seen:?}");
    }
    umask(before);
}

/// What one thread sees of the file while another one makes it again and again.
fn watch(path: &Path, make: impl Fn()) -> BTreeSet<(u32, u32)> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                // One look may read the group before a change and the mode behind it: Linux reads them one
                // after the other, without a lock.
                let (first, again) = (mode_and_group(path), mode_and_group(path));
                seen.extend(first.filter(|_| first == again));
            }
            seen
        });
        (0..3000).for_each(|_| make());
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    })
}

#[test]
fn a_group_has_a_name_or_a_number() {
    let (_folder, address) = place();
    let path = address.path().unwrap();
    let own = getegid().as_raw();
    if let Some(group) = Group::from_gid(Gid::from_raw(own)).unwrap() {
        drop(BindOptions::new().group(group.name).bind(&address).unwrap());
    }
    drop(BindOptions::new().group(own.to_string()).bind(&address).unwrap());
    for bad in ["", "no-such-group-here", "-1", "4294967295", "4294967296", "a\0b"] {
        let error = BindOptions::new().group(bad).bind(&address).unwrap_err();
        assert!(matches!(error, OpenError::BadConfig(_)), "{bad:?}: {error}");
        assert!(error.to_string().contains("there is no group"), "{error}");
        assert!(!path.exists());
    }
}

#[test]
fn a_mode_that_is_none_is_refused_before_anything_happens() {
    let (_folder, address) = place();
    for mode in [0, 0o400, 0o700, 0o667, 0o2660] {
        let error = BindOptions::new().mode(mode).bind(&address).unwrap_err();
        assert!(matches!(error, OpenError::BadConfig(_)), "{error}");
        assert!(error.to_string().contains(&format!("{mode:#o}")), "{error}");
    }
    assert!(!address.path().unwrap().exists());
}

#[test]
fn the_default_is_that_of_bind() {
    let (_folder, address) = place();
    assert_eq!(BindOptions::new(), BindOptions::default());
    let _listener = BindOptions::new().bind(&address).unwrap();
    let (mode, _) = mode_and_group(&address.path().unwrap()).unwrap();
    assert_eq!(mode, 0o600);
    let error = BindOptions::new().mode(0o666).bind(&address).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    let (mode, _) = mode_and_group(&address.path().unwrap()).unwrap();
    assert_eq!(mode, 0o600, "the file of a live server is not touched");
}
