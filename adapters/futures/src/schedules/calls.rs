//! Call futures on several threads and the driver, all of which drive. Part of `schedules`.

use std::sync::Arc;

use futures_util::future::join_all;
use shuttle::future::block_on;
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::spawn;
use switchboard::{Config, Payload};
use switchboard_testkit::schedules::{Echo, explore};

use super::{Client, connect};

fn ask(client: &Client, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        assert_eq!(block_on(client.request::<u32>("echo", &number)), Ok(number));
    }
}

#[test]
fn each_of_several_calls_gets_its_own_answer_and_none_waits_for_ever() {
    explore(|| {
        let (client, server, _) = connect(Client::builder(), Echo::new(Config::default()));
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
fn a_call_that_is_alone_drives_and_so_does_the_next_one() {
    explore(|| {
        let (client, server, _) = connect(Client::builder(), Echo::new(Config::default()));
        ask(&client, 1..4);
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn calls_of_one_task_end_beside_those_of_another_and_beside_pings() {
    explore(|| {
        let (client, server, _) = connect(Client::builder(), Echo::new(Config::default()));
        let pings = client.clone();
        let pings = spawn(move || block_on(pings.ping()).map(drop));
        let asks = client.clone();
        let asks = spawn(move || ask(&asks, [7]));
        let answers = block_on(join_all((1..4).map(|n| client.request::<u32>("echo", &n))));
        assert_eq!(answers, [Ok(1), Ok(2), Ok(3)]);
        assert_eq!(pings.join().unwrap(), Ok(()));
        asks.join().unwrap();
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn a_call_that_waits_for_room_has_it_as_soon_as_another_has_its_answer() {
    explore(|| {
        let mut config = Config::default();
        config.max_calls = 1;
        let (client, server, _) = connect(Client::builder(), Echo::new(config));
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
fn what_does_not_fit_into_the_transport_is_written_as_the_server_reads() {
    explore(|| {
        let mut config = Config::default();
        config.max_unsent = 4096;
        let mut server = Echo::new(Config::default());
        server.takes_little = true;
        let (client, server, _) = connect(Client::builder().config(config), server);
        let senders = [client.clone(), client.clone()].map(|client| {
            spawn(move || {
                for _ in 0..3 {
                    block_on(client.send("big", &Payload::bytes(&[0; 3000]))).unwrap();
                }
                ask(&client, [1]);
            })
        });
        for sender in senders {
            sender.join().unwrap();
        }
        drop(block_on(client.close("done")));
        drop(client);
        assert_eq!(server.join().unwrap(), 6);
    });
}

#[test]
fn a_call_that_is_alone_leaves_what_is_too_much_for_a_turn_to_the_driver() {
    explore(|| {
        let mut config = Config::default();
        config.turn_frames = 1;
        let mut server = Echo::new(Config::default());
        // A ping is a turn of which nobody is told.
        server.pings = true;
        let (client, server, _) = connect(Client::builder().config(config), server);
        ask(&client, 1..3);
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn messages_come_though_a_call_drove_before_there_was_a_listener() {
    explore(|| {
        let mut server = Echo::new(Config::default());
        server.news = vec![1, 2];
        let heard = Arc::<(Mutex<Vec<u32>>, Condvar)>::default();
        let hears = Arc::clone(&heard);
        let builder = Client::builder().on("news", move |_, number: u32| {
            hears.0.lock().unwrap().push(number);
            hears.1.notify_one();
            async {}
        });
        let (client, server, _) = connect(builder, server);
        let asks = client.clone();
        let asks = spawn(move || ask(&asks, [1, 2]));
        let mut numbers = heard.0.lock().unwrap();
        while numbers.len() < 2 {
            numbers = heard.1.wait(numbers).unwrap();
        }
        assert_eq!(*numbers, [1, 2]);
        drop(numbers);
        asks.join().unwrap();
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn a_listener_that_is_registered_while_a_call_drives_has_the_driver_drive() {
    explore(|| {
        let (client, server, _) = connect(Client::builder(), Echo::new(Config::default()));
        let asks = client.clone();
        let asks = spawn(move || ask(&asks, [1, 2]));
        let guard = client.on("news", |_, _: u32| async {}).unwrap();
        asks.join().unwrap();
        drop((client, guard));
        server.join().unwrap();
    });
}
