//! A server of every adapter whose process has no descriptors left. A test binary of its own, because it takes
//! all those of the process.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "matrix/async_std.rs"]
mod async_std;
#[path = "matrix/blocking.rs"]
mod blocking;
#[path = "matrix/futures.rs"]
mod futures;
#[path = "matrix/smol.rs"]
mod smol;
#[path = "matrix/tokio.rs"]
mod tokio;

use std::fs::File;
use std::io::{Read, Write};
use std::iter;
use std::os::unix::net::UnixStream;

use rustix::process::{Resource, getrlimit, setrlimit};
use switchboard::{Options, Payload};
use switchboard_conformance::{Adapter, Serves, Watchdog};

static ADAPTERS: [&dyn Adapter; 5] =
    [&async_std::ASYNC_STD, &blocking::Blocking, &smol::SMOL, &tokio::ONE_THREAD, &tokio::THREADS];

/// `[0, "switchboard", [1], {}, null]`
const HELLO: &[u8] = b"\0\0\0\x12\x85\0kswitchboard\x81\x01\xa0\xf6";

/// The client waits in the queue, those that are there are served on, and it is let in when there is room.
// Threat 65.
#[test]
fn a_server_that_has_run_out_of_descriptors_serves_on_and_accepts_when_it_has_some() {
    let _watchdog = Watchdog::of("descriptors");
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(256);
    setrlimit(Resource::Nofile, limit).unwrap();
    // What ends gives its descriptors back when it comes to it: not to the next adapter.
    let mut kept = Vec::new();
    for adapter in ADAPTERS {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("s").display().to_string();
        let serves = Serves::default().handle("echo", |_, args| Ok(args));
        let server = adapter.serve(&address, serves).unwrap();
        let client = adapter.connect(&address, &Payload::null(), Serves::default()).unwrap();
        let echo = || client.request("echo", &Payload::null(), &Options::new());
        assert_eq!(echo(), Ok(Payload::null()));
        // The last descriptor is the newcomer's, and none is left for its server.
        let mut taken: Vec<File> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
        taken.pop();
        let mut newcomer = UnixStream::connect(&address).unwrap();
        newcomer.write_all(HELLO).unwrap();
        for _ in 0..100 {
            assert_eq!(echo(), Ok(Payload::null()));
        }
        assert_eq!(server.peers().len(), 1, "nobody could be accepted");
        drop(taken);
        let mut welcome = [0; 6];
        newcomer.read_exact(&mut welcome).unwrap();
        assert_eq!(welcome[4..], [0x85, 1], "a welcome");
        kept.push((folder, newcomer, server, client));
    }
}
