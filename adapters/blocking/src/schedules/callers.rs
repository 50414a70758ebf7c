//! Callers of one client, each of whom gets its own answer. Part of `schedules`.

use switchboard::{Config, Payload};
use switchboard_testkit::schedules::{Echo, explore};

use super::{connect, spawn};
use crate::Client;

fn ask(client: &Client, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        assert_eq!(client.request::<u32>("echo", &number).unwrap(), number);
    }
}

#[test]
fn each_of_several_callers_gets_its_own_answer_and_none_waits_for_ever() {
    explore(|| {
        let (client, server) = connect(Client::builder(), Echo::new(Config::default()));
        let callers = [10, 20, 30].map(|first| {
            let client = client.clone();
            spawn(move || ask(&client, first..first + 2))
        });
        drop(client);
        for caller in callers {
            caller.join().unwrap();
        }
        server.join().unwrap();
    });
}

#[test]
fn a_caller_that_has_its_answer_leaves_its_seat_to_one_that_waits() {
    explore(|| {
        let (client, server) = connect(Client::builder(), Echo::new(Config::default()));
        // Both are under way before either is waited for: one reads for both, and then leaves.
        let (one, other) = (client.start("echo", &1).unwrap(), client.start("echo", &2).unwrap());
        let waits = spawn(move || one.wait());
        assert_eq!(other.wait(), Ok(2));
        assert_eq!(waits.join().unwrap(), Ok(1));
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn those_who_have_their_answers_go_while_another_waits_on() {
    explore(|| {
        let (client, server) = connect(Client::builder(), Echo::new(Config::default()));
        let unanswered = client.start::<u32>("never", &0).unwrap();
        let canceller = unanswered.canceller();
        let waits = spawn(move || unanswered.wait());
        let callers = [10, 20].map(|first| {
            let client = client.clone();
            spawn(move || ask(&client, first..first + 2))
        });
        for caller in callers {
            caller.join().unwrap();
        }
        canceller.cancel();
        assert!(waits.join().unwrap().is_err());
        drop((client, canceller));
        server.join().unwrap();
    });
}

#[test]
fn what_does_not_fit_into_the_socket_is_written_as_the_server_reads() {
    explore(|| {
        let mut config = Config::default();
        config.max_unsent = 4096;
        let mut server = Echo::new(Config::default());
        server.takes_little = true;
        let (client, server) = connect(Client::builder().config(config), server);
        let unanswered = client.start::<u32>("never", &0).unwrap();
        let canceller = unanswered.canceller();
        let waits = spawn(move || unanswered.wait());
        let senders = [client.clone(), client.clone()].map(|client| {
            spawn(move || {
                for _ in 0..3 {
                    client.send("big", &Payload::bytes(&[0; 3000])).unwrap();
                }
            })
        });
        for sender in senders {
            sender.join().unwrap();
        }
        canceller.cancel();
        assert!(waits.join().unwrap().is_err());
        drop(canceller);
        drop(client.close("done"));
        drop(client);
        assert_eq!(server.join().unwrap(), 6);
    });
}

#[test]
fn what_does_not_fit_into_the_socket_is_written_though_nobody_waits() {
    explore(|| {
        let mut server = Echo::new(Config::default());
        (server.takes_little, server.leaves_after) = (true, Some(4));
        let (client, server) = connect(Client::builder(), server);
        let sends = client.clone();
        let sends = spawn(move || {
            for _ in 0..3 {
                sends.send("big", &Payload::bytes(&[0; 3000])).unwrap();
            }
        });
        client.send("big", &Payload::bytes(&[0; 3000])).unwrap();
        sends.join().unwrap();
        assert_eq!(server.join().unwrap(), 4);
    });
}

#[test]
fn what_a_caller_has_left_unwritten_that_has_its_answer_is_written_though_nobody_waits() {
    explore(|| {
        let mut server = Echo::new(Config::default());
        (server.takes_little, server.leaves_after) = (true, Some(4));
        let (client, server) = connect(Client::builder(), server);
        let asks = client.start("echo", &1).unwrap();
        let waits = spawn(move || asks.wait());
        for _ in 0..3 {
            client.send("big", &Payload::bytes(&[0; 3000])).unwrap();
        }
        assert_eq!(waits.join().unwrap(), Ok(1));
        // Nobody else comes who would write.
        assert_eq!(server.join().unwrap(), 3);
    });
}

#[test]
fn a_caller_who_waits_for_room_has_it_as_soon_as_another_has_its_answer() {
    explore(|| {
        let mut config = Config::default();
        config.max_calls = 1;
        let (client, server) = connect(Client::builder(), Echo::new(config));
        let callers = [10, 20, 30].map(|number| {
            let client = client.clone();
            spawn(move || ask(&client, [number]))
        });
        for caller in callers {
            caller.join().unwrap();
        }
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn pings_and_calls_wait_beside_each_other() {
    explore(|| {
        let (client, server) = connect(Client::builder(), Echo::new(Config::default()));
        let (pings, asks) = (client.clone(), client.clone());
        let pings = spawn(move || pings.ping().map(drop));
        let asks = spawn(move || ask(&asks, [1, 2]));
        assert_eq!(client.ping().map(drop), Ok(()));
        assert_eq!(pings.join().unwrap(), Ok(()));
        asks.join().unwrap();
        drop(client);
        server.join().unwrap();
    });
}
