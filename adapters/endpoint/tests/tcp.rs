//! TCP on this machine.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use std::{process, thread};

use common::{accept, talk};
use switchboard_endpoint::{Address, BindOptions, Listener, OpenError, Stream};

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn at(port: u16) -> Address {
    address(&format!("tcp:127.0.0.1:{port}"))
}

/// A port that no client and no `port 0` gets from the system, for those who come back to it.
fn quiet_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(process::id() % 5000).unwrap() * 2;
    let mut tries = (0..1000).map(|_| 20_000 + start + NEXT.fetch_add(1, Ordering::Relaxed));
    tries.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// A port at which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn bytes_go_both_ways_and_nobody_is_identified() {
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let asked = address(&format!("tcp:{host}:0"));
        let listener = match Listener::bind(&asked) {
            Err(OpenError::BadAddress(_)) if host == "[::1]" => continue, // No IPv6 here.
            bound => bound.unwrap(),
        };
        let told = listener.address().clone();
        assert_ne!(told, asked, "the port is the one that was chosen");
        assert_eq!(told.to_string().parse::<Address>().unwrap(), told);
        assert!(told.needs_authorize());
        assert_eq!(listener.path(), None);
        assert!(!listener.is_exhausted());

        let client = Stream::connect(&told).unwrap();
        let (server, credentials) = accept(&listener);
        assert_eq!(credentials, None);
        for end in [&client, &server] {
            assert_eq!(end.credentials().unwrap(), None);
            assert!(end.write_fd().is_none());
            assert!(rustix::net::sockopt::tcp_nodelay(end).unwrap());
            assert!(rustix::io::fcntl_getfd(end).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        }
        talk(&client, &server);
    }
}

#[test]
fn localhost_is_both_addresses_for_a_client() {
    let Ok(v6) = TcpListener::bind("[::1]:0") else { return }; // No IPv6 here.
    let port = v6.local_addr().unwrap().port();
    Stream::connect(&address(&format!("tcp:localhost:{port}"))).unwrap();
    v6.accept().unwrap();
    drop(v6);
    let error = Stream::connect(&address(&format!("tcp:localhost:{port}"))).unwrap_err();
    assert!(matches!(error, OpenError::NotRunning { .. }), "{error}");
}

#[test]
fn a_live_server_is_never_joined() {
    let listener = Listener::bind(&at(0)).unwrap();
    for _ in 0..3 {
        let error = Listener::bind(listener.address()).unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    }
    let _client = Stream::connect(listener.address()).unwrap();
    accept(&listener);
}

#[test]
fn a_server_can_come_back_at_once() {
    let address = at(quiet_port());
    let mut listener = Listener::bind(&address).unwrap();
    for _ in 0..3 {
        let client = Stream::connect(&address).unwrap();
        // The side that closes first keeps the port for a minute.
        let (server, _) = accept(&listener);
        drop(server);
        drop(listener);
        assert!(common::read(&client, 1).is_empty());
        drop(client);
        let error = Stream::connect(&address).unwrap_err();
        assert!(matches!(error, OpenError::NotRunning { .. }), "{error}");
        listener = Listener::bind(&address).unwrap();
    }
}

#[test]
fn of_two_servers_that_start_at_once_one_serves() {
    let address = at(quiet_port());
    for round in 0..200 {
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
        let _client = Stream::connect(&address).unwrap();
        accept(&winner);
    }
}

#[test]
fn a_client_is_told_that_nobody_serves() {
    let error = Stream::connect(&at(quiet_port())).unwrap_err();
    assert!(matches!(error, OpenError::NotRunning { .. }), "{error}");
    let error = Stream::connect(&at(0)).unwrap_err();
    assert!(matches!(error, OpenError::BadAddress(_)), "{error}");
    assert!(error.to_string().contains("port 0"), "{error}");
}

#[test]
fn a_client_never_connects_to_itself() {
    // Of so many attempts, on Linux, one or the other gets this very port for its own end.
    let first = free_port();
    for port in [first, first ^ 1] {
        for _ in 0..20_000 {
            match Stream::connect(&at(port)) {
                Err(OpenError::NotRunning { .. }) => {}
                Ok(stream) => {
                    let ours = rustix::net::getsockname(&stream).unwrap();
                    assert_ne!(Some(ours), rustix::net::getpeername(&stream).unwrap());
                    break; // Somebody else's server has come.
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_server_whose_queue_is_full_is_busy() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&server, 0).unwrap();
    let address = at(server.local_addr().unwrap().port());
    let mut clients = Vec::new();
    let start = Instant::now();
    let full = loop {
        match Stream::connect(&address) {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
        assert!(clients.len() < 100, "the queue is never full");
    };
    assert!(matches!(full, OpenError::Busy { .. }), "{full}");
    assert!(matches!(Stream::connect_now(&address), Err(OpenError::Busy { .. })));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn an_address_of_no_interface_is_told() {
    // All of 127/8 is this machine on Linux; elsewhere 127.0.0.1 alone.
    if let Err(error) = Listener::bind(&address("tcp:127.77.77.77:0")) {
        assert!(matches!(error, OpenError::BadAddress(_)), "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    }
}

#[test]
fn there_is_no_file_for_a_mode_or_group() {
    for options in [BindOptions::new().mode(0o660), BindOptions::new().group("0")] {
        let error = options.bind(&at(0)).unwrap_err();
        assert!(matches!(error, OpenError::BadConfig(_)), "{error}");
        assert!(error.to_string().contains("has no file"), "{error}");
    }
}

#[test]
fn a_client_that_came_and_went_is_accepted_all_the_same() {
    let listener = Listener::bind(&at(0)).unwrap();
    let client = Stream::connect(listener.address()).unwrap();
    // Closing with a linger of nothing is a reset.
    rustix::net::sockopt::set_socket_linger(client.as_fd(), Some(Duration::ZERO)).unwrap();
    drop(client);
    let (server, _) = accept(&listener);
    assert!(server.try_read(&mut [0]).is_err());
}
