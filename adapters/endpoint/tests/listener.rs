//! `Listener` over real socket files: who gets the place, and what is never touched.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use rustix::process::{getegid, geteuid, getpid};
use switchboard_endpoint::{Address, Listener, OpenError, Stream};
use tempfile::{TempDir, tempdir};

fn place() -> (TempDir, Address) {
    let folder = tempdir().unwrap();
    let address = Address::from(folder.path().join("app.sock"));
    (folder, address)
}

/// A socket file whose server is gone.
fn leave_stale(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_socket());
}

fn works(listener: &Listener, address: &Address) {
    let client = Stream::connect(address).unwrap();
    let (server, _) = listener.accept().unwrap();
    assert_eq!(client.try_write_vectored(&[std::io::IoSlice::new(b"hi")]).unwrap(), 2);
    let mut buffer = [0; 8];
    assert_eq!(server.try_read(&mut buffer).unwrap(), 2);
}

#[test]
fn clients_are_accepted_with_their_credentials() {
    let (_folder, address) = place();
    let listener = Listener::bind(&address).unwrap();
    assert_eq!(listener.path().unwrap(), address.path().unwrap());
    assert_eq!(listener.address(), &address);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    works(&listener, &address);

    let client = Stream::connect(&address).unwrap();
    let (server, credentials) = listener.accept().unwrap();
    assert_eq!(server.credentials().unwrap(), credentials);
    assert!(client.write_fd().is_none());
    assert!(!address.needs_authorize());
    common::talk(&client, &server);
    if cfg!(target_os = "linux") {
        let credentials = credentials.unwrap();
        assert_eq!(credentials.uid, geteuid().as_raw());
        assert_eq!(credentials.gid, getegid().as_raw());
        assert_eq!(credentials.pid, u32::try_from(getpid().as_raw_pid()).ok());
        assert!(credentials.same_user_or_root());
        assert_eq!(client.credentials().unwrap(), Some(credentials));
    }
}

#[test]
fn a_live_server_is_never_taken_over() {
    let (_folder, address) = place();
    let listener = Listener::bind(&address).unwrap();
    for _ in 0..3 {
        assert!(matches!(Listener::bind(&address), Err(OpenError::InUse { .. })));
    }
    // The probes are clients that went at once; the server goes on behind them.
    for _ in 0..3 {
        let (probe, _) = listener.accept().unwrap();
        assert_eq!(probe.try_read(&mut [0]).unwrap(), 0);
    }
    works(&listener, &address);
}

#[test]
fn a_server_whose_queue_is_full_is_alive_and_busy() {
    let (_folder, address) = place();
    let path = address.path().unwrap();
    let server = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&server, 0).unwrap();
    let mut clients = Vec::new();
    let full = loop {
        match Stream::connect(&address) {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
        assert!(clients.len() < 100, "the queue is never full");
    };
    assert!(matches!(full, OpenError::Busy { .. }), "{full}");
    assert!(matches!(Listener::bind(&address), Err(OpenError::InUse { .. })));
}

#[test]
fn a_socket_of_another_type_is_alive() {
    let (_folder, address) = place();
    let _other = UnixDatagram::bind(address.path().unwrap()).unwrap();
    assert!(matches!(Listener::bind(&address), Err(OpenError::InUse { .. })));
    assert!(matches!(Stream::connect(&address), Err(OpenError::BadAddress(_))));
}

#[test]
fn what_a_dead_server_left_is_replaced() {
    let (_folder, address) = place();
    leave_stale(&address.path().unwrap());
    let listener = Listener::bind(&address).unwrap();
    works(&listener, &address);
}

#[test]
fn a_client_is_told_that_nobody_serves() {
    let (_folder, address) = place();
    assert!(matches!(Stream::connect(&address), Err(OpenError::NotRunning { .. })));
    leave_stale(&address.path().unwrap());
    let error = Stream::connect(&address).unwrap_err();
    assert!(matches!(error, OpenError::NotRunning { .. }));
    assert!(error.to_string().contains("start the server"), "{error}");
}

#[test]
fn a_client_is_told_where_nobody_can_ever_serve() {
    let folder = tempdir().unwrap();
    let told = |path: &Path, what: &str| {
        let error = Stream::connect(&Address::from(path)).unwrap_err();
        assert!(matches!(error, OpenError::BadAddress(_)), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    };
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    told(&file, "is a file and no socket");
    let link = folder.path().join("link");
    symlink(&file, &link).unwrap();
    told(&link, "is a file and no socket");
    let inner = folder.path().join("folder");
    fs::create_dir(&inner).unwrap();
    told(&inner, "is a folder and no socket");
    told(&folder.path().join("no/app.sock"), "/no\" does not exist");
    told(&file.join("app.sock"), "goes through a file");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

// Threat 54.
#[test]
fn what_is_no_socket_is_not_touched() {
    let (folder, address) = place();
    let path = address.path().unwrap();
    let refused = || {
        let error = Listener::bind(&address).unwrap_err();
        assert!(matches!(error, OpenError::BadAddress(_)), "{error}");
        assert!(error.to_string().contains("not touched"), "{error}");
    };

    fs::write(&path, "precious").unwrap();
    refused();
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    refused();
    assert!(path.is_dir());
    fs::remove_dir(&path).unwrap();

    // Not even a symlink to a dead socket, or to nothing.
    let target = folder.path().join("target");
    for dangling in [true, false] {
        if !dangling {
            leave_stale(&target);
        }
        symlink(&target, &path).unwrap();
        refused();
        assert_eq!(fs::read_link(&path).unwrap(), target);
        assert_eq!(target.exists(), !dangling);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn the_file_goes_with_the_listener() {
    let (_folder, address) = place();
    for _ in 0..3 {
        let listener = Listener::bind(&address).unwrap();
        let path = listener.path().unwrap().to_owned();
        assert!(path.exists());
        drop(listener);
        assert!(fs::symlink_metadata(&path).is_err());
    }
}

#[test]
fn a_file_that_took_our_place_stays() {
    let (folder, address) = place();
    let path = address.path().unwrap();
    let listener = Listener::bind(&address).unwrap();
    // Kept under another name, so that its inode is not given to the next file.
    fs::rename(&path, folder.path().join("old")).unwrap();
    let other = Listener::bind(&address).unwrap();
    drop(listener);
    works(&other, &address);

    fs::rename(&path, folder.path().join("older")).unwrap();
    fs::write(&path, "precious").unwrap();
    drop(other);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn of_two_servers_that_start_at_once_one_serves() {
    let (_folder, address) = place();
    let path = address.path().unwrap();
    for round in 0..1000 {
        if round % 2 == 0 {
            leave_stale(&path);
        }
        let start = Barrier::new(2);
        let bind = || {
            start.wait();
            Listener::bind(&address)
        };
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(bind);
            let other = bind();
            (one.join().unwrap(), other)
        });
        let (winner, loser) = match (one, other) {
            (Ok(winner), Err(loser)) | (Err(loser), Ok(winner)) => (winner, loser),
            both => panic!("round {round}: {both:?}"),
        };
        assert!(matches!(loser, OpenError::InUse { .. }), "round {round}: {loser}");
        // Before ours there may be the loser's probe, in the queue.
        let _client = Stream::connect(&address).unwrap();
        assert!(winner.accept().is_ok());
        drop(winner);
        assert!(fs::symlink_metadata(&path).is_err(), "round {round}");
    }
}

#[test]
fn servers_that_stop_and_start_do_not_take_each_others_files() {
    let (_folder, address) = place();
    let turns = || {
        for _ in 0..200 {
            match Listener::bind(&address) {
                Ok(listener) => {
                    assert!(listener.path().unwrap().exists());
                    drop(Stream::connect(&address).unwrap());
                }
                Err(OpenError::InUse { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(turns);
        turns();
    });
    assert!(!address.path().unwrap().exists());
}

/// The socket is bound to the name under which it is met: a cleaner of temporary folders, which spares
/// what the system says is in use, looks for that name.
#[cfg(target_os = "linux")]
// Threat 56.
#[test]
fn the_socket_is_known_by_the_name_of_its_file() {
    let (folder, address) = place();
    let options = switchboard_endpoint::BindOptions::new();
    let listener = options.mode(0o660).bind(&address).unwrap();
    let path = listener.path().unwrap().to_str().unwrap();
    let known = fs::read_to_string("/proc/net/unix").unwrap();
    assert_eq!(known.lines().filter(|line| line.ends_with(path)).count(), 1);
    // And there is no other file, whose name it could have had before.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_must_be_there() {
    let folder = tempdir().unwrap();
    let address = Address::from(folder.path().join("no/app.sock"));
    let error = Listener::bind(&address).unwrap_err();
    assert!(matches!(error, OpenError::BadAddress(_)), "{error}");
    assert!(error.to_string().contains("does not exist"), "{error}");

    fs::write(folder.path().join("file"), "").unwrap();
    let address = Address::from(folder.path().join("file/app.sock"));
    assert!(matches!(Listener::bind(&address), Err(OpenError::BadAddress(_))));
    assert!(matches!(Stream::connect(&address), Err(OpenError::BadAddress(_))));
}

// Threat 54.
#[test]
fn a_folder_that_others_can_write_is_refused_unless_it_is_sticky() {
    let (folder, address) = place();
    let chmod = |mode| {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(0o777);
    let error = Listener::bind(&address).unwrap_err();
    assert!(matches!(error, OpenError::NotPermitted(_)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    chmod(0o1777);
    drop(Listener::bind(&address).unwrap());
    chmod(0o755);
    drop(Listener::bind(&address).unwrap());
}

// Threat 54.
#[test]
fn what_belongs_to_another_user_is_not_touched() {
    if !geteuid().is_root() {
        return; // Only root can give a file away.
    }
    let (folder, address) = place();
    let path = address.path().unwrap();
    leave_stale(&path);
    chown(&path, Some(4242), None).unwrap();
    let error = Listener::bind(&address).unwrap_err();
    assert!(matches!(error, OpenError::NotPermitted(_)), "{error}");
    assert!(error.to_string().contains("4242"), "{error}");
    assert!(path.exists());

    fs::remove_file(&path).unwrap();
    chown(folder.path(), Some(4242), None).unwrap();
    assert!(matches!(Listener::bind(&address), Err(OpenError::NotPermitted(_))));
    assert!(!path.exists());
}

#[test]
fn a_folder_that_a_stranger_keeps_locked_does_not_hang_us() {
    let (folder, address) = place();
    let stranger = fs::File::open(folder.path()).unwrap();
    let listener = Listener::bind(&address).unwrap();
    rustix::fs::flock(&stranger, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let second = Address::from(folder.path().join("second.sock"));
    assert!(matches!(Listener::bind(&second), Err(OpenError::Busy { .. })));
    // Nor at the close, which does without the lock.
    drop(listener);
    assert!(!address.path().unwrap().exists());
}
