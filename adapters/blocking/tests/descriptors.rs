//! A server without descriptors survives and serves again. A test binary of its own, because the
//! limit is the process's.
#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::os::unix::net::UnixStream;

use common::{HELLO, Home, Raw, wait_until};
use rustix::process::{Resource, getrlimit, setrlimit};
use switchboard_blocking::Server;

// Threat 65.
#[test]
fn a_server_that_ran_out_of_descriptors_serves_again() {
    let home = Home::of(Server::builder().handle("works", |_, ()| Ok(true)));
    let early = home.client();
    assert!(early.request::<bool>("works", &()).unwrap());

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(64);
    setrlimit(Resource::Nofile, limit).unwrap();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for left in 0..6 {
        let mut hoard = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            hoard.push(file);
        }
        // So many for one client's end, and the server's end of it: from none to nearly enough.
        hoard.truncate(hoard.len() - 1 - left);
        let mut waiting = Raw(UnixStream::connect(&home.address).unwrap());
        waiting.say(HELLO);
        // Those who came in earlier are served all the time.
        for _ in 0..100 {
            assert!(early.request::<bool>("works", &()).unwrap());
        }
        drop(hoard);
        // Whoever waited in the queue comes in now, and so does who comes now.
        assert_eq!(waiting.hear().unwrap()[..2], [0x85, 1], "a welcome, with {left} left");
        let late = home.client();
        assert!(late.request::<bool>("works", &()).unwrap());
        drop((waiting, late));
        // Else the next round has more than it is to have.
        wait_until(|| open() == before);
    }
}
