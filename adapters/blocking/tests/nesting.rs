//! Calls that go back and forth, each from the handler of the one before: no deadlock as long as there is
//! a thread for each, and an end by the deadline where there is none.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::{Home, patient};
use switchboard::{CallError, Config, Failure, Fate, Options};
use switchboard_blocking::{Client, ClientBuilder, Context, Server, ServerBuilder};

/// How deep it is from here on: asks the other side, until `n` is 0.
fn down(cx: Context, n: u32) -> Result<u32, Failure> {
    Ok(if n == 0 { 0 } else { 1 + cx.peer().request::<u32>("down", &(n - 1))? })
}

fn server(threads: usize) -> ServerBuilder {
    Server::builder().threads(threads).handle("down", down).handle_inline("inline", down)
}

fn client(threads: usize) -> ClientBuilder {
    Client::builder().threads(threads).handle("down", down)
}

// Threat 27.
#[test]
fn three_calls_deep_on_each_side_need_three_threads_on_each() {
    // A connection has half of a server's threads.
    let home = Home::of(server(5));
    let client = home.connect(client(3));
    for _ in 0..50 {
        assert_eq!(client.request::<u32>("down", &5).unwrap(), 5);
        assert_eq!(home.peer().request::<u32>("down", &5).unwrap(), 5);
    }
}

// Threat 27.
#[test]
fn as_many_threads_as_calls_are_deep_are_enough() {
    // Threads of the server, of the client, and how deep a call of the client goes then.
    for (servers, clients, channel, depth) in [
        (1, 1, "down", 1),
        (1, 1, "inline", 2),
        (2, 1, "down", 1),
        (3, 1, "down", 2),
        (3, 2, "down", 3),
        // One that is inline has the connection's own thread.
        (3, 3, "inline", 5),
        // As both are by default.
        (16, 16, "down", 15),
    ] {
        let home = Home::of(server(servers));
        let client = home.connect(client(clients));
        for _ in 0..20 {
            assert_eq!(client.request::<u32>(channel, &depth).unwrap(), depth);
        }
    }
}

// Threat 27.
#[test]
fn three_deep_completes_with_queues_of_one_byte_and_three_calls() {
    let mut config = Config::default();
    (config.max_unsent, config.max_untaken, config.max_calls) = (1, 1, 3);
    let home = Home::of(server(5).config(config.clone()));
    let client = home.connect(client(3).config(config));
    for _ in 0..50 {
        assert_eq!(client.request::<u32>("down", &5).unwrap(), 5);
        assert_eq!(client.request::<u32>("inline", &5).unwrap(), 5);
        assert_eq!(home.peer().request::<u32>("down", &5).unwrap(), 5);
    }
}

// Threat 27.
#[test]
fn a_call_and_one_back_complete_where_each_side_takes_one_call() {
    let mut config = Config::default();
    (config.max_unsent, config.max_untaken, config.max_calls) = (1, 1, 1);
    let home = Home::of(server(1).config(config.clone()));
    let client = home.connect(client(1).config(config)).with(patient());
    thread::scope(|scope| {
        for channel in ["down", "inline"] {
            // Several threads share the one call.
            for _ in 0..4 {
                let client = &client;
                scope.spawn(move || {
                    for _ in 0..20 {
                        assert_eq!(client.request::<u32>(channel, &1).unwrap(), 1);
                    }
                });
            }
        }
    });
}

// Threat 27.
#[test]
fn calls_that_find_no_thread_or_no_room_end_at_their_deadlines_and_the_connection_goes_on() {
    let mut config = Config::default();
    config.call_deadline = Some(Duration::from_millis(100));
    let mut one_call = config.clone();
    one_call.max_calls = 1;
    for config in [config, one_call] {
        let home = Home::of(server(1).config(config.clone()));
        let client = home.connect(client(1).config(config));
        client.request::<u32>("down", &5).unwrap_err();
        // Whose callers have gone let go of their threads one after the other.
        while client.request::<u32>("down", &1) != Ok(1) {}
        while home.peer().request::<u32>("down", &1) != Ok(1) {}
    }
}

#[test]
fn six_threads_go_three_deep_at_once() {
    let home = Home::of(server(64));
    let client = home.connect(client(64)).with(patient());
    let peer = home.peer().with(patient());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..30 {
                    assert_eq!(client.request::<u32>("down", &5).unwrap(), 5);
                    assert_eq!(client.request::<u32>("inline", &5).unwrap(), 5);
                }
            });
            scope.spawn(|| {
                for _ in 0..30 {
                    assert_eq!(peer.request::<u32>("down", &5).unwrap(), 5);
                }
            });
        }
    });
}

#[test]
fn a_listener_calls_its_sender_back() {
    let (sender, came) = channel();
    let back = move |cx: Context, n: u32| {
        sender.send((n, cx.peer().request::<u32>("down", &3).unwrap())).unwrap();
    };
    let home = Home::of(server(5).on("n", back.clone()));
    let client = home.connect(client(5).on("n", back));
    for n in 0..100 {
        client.send("n", &n).unwrap();
        assert_eq!(came.recv().unwrap(), (n, 3));
        home.peer().send("n", &n).unwrap();
        assert_eq!(came.recv().unwrap(), (n, 3));
    }
}

// Threat 27.
#[test]
fn a_listener_that_calls_its_sender_back_behind_too_many_messages_ends_at_its_deadline() {
    let mut config = Config::default();
    config.max_untaken = 1;
    let (sender, came) = channel();
    let back = move |cx: Context, n: u32| {
        let short = cx.peer().with(Options::new().deadline(Duration::from_millis(50)));
        sender.send(short.request::<u32>("double", &n)).unwrap();
    };
    let home = Home::of(Server::builder().config(config).on("n", back));
    let client = home.connect(Client::builder().handle("double", |_, n: u32| Ok(2 * n)));
    let client = client.with(patient());
    (0..3).for_each(|n| client.send("n", &n).unwrap());
    let answers: Vec<_> = (0..3).map(|_| came.recv().unwrap()).collect();
    assert!(answers.contains(&Err(CallError::Deadline(Fate::MayHaveRun))), "{answers:?}");
    assert_eq!(answers[2], Ok(4), "nothing is lost but time");
}
