//! Items: credit that one thread gives while another sends, and streams that end early. Part of `schedules`.

use std::sync::Arc;

use switchboard::{CallError, Config, Failure};
use switchboard_testkit::schedules::{Echo, explore};

use super::{connect, join, spawn};
use crate::sync::{Condvar, Mutex};
use crate::{Client, Context, Server};

/// An item is under way, or not taken, and no more.
fn narrow() -> Config {
    let mut config = Config::default();
    config.stream_window = 1;
    config
}

#[derive(Default)]
struct Signal(Mutex<bool>, Condvar);

impl Signal {
    fn give(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }

    fn wait(&self) {
        drop(self.1.wait_while(self.0.lock().unwrap(), |given| !*given).unwrap());
    }
}

fn echo(cx: Context, (): ()) -> Result<u32, Failure> {
    let (sender, mut count) = (cx.sender()?, 0);
    for number in cx.items::<u32>() {
        sender.send(&number?)?;
        count += 1;
    }
    Ok(count)
}

#[test]
fn streams_both_ways_go_on_as_each_side_takes_items() {
    explore(|| {
        let server = Server::builder().config(narrow()).handle("echo", echo).start().unwrap();
        let client = join(&server, Client::builder().config(narrow()));
        let (sender, mut receiver) = client.open("echo", &()).unwrap().split();
        let sends = spawn(move || {
            (0..3).for_each(|number| sender.send(&number).unwrap());
            sender.finish().unwrap();
        });
        let asks = client.clone();
        let asks = spawn(move || asks.ping().map(drop));
        let got: Vec<u32> = receiver.items().map(Result::unwrap).collect();
        assert_eq!(got, [0, 1, 2]);
        assert_eq!(receiver.answer::<u32>(), Ok(3));
        sends.join().unwrap();
        assert_eq!(asks.join().unwrap(), Ok(()));
    });
}

#[test]
fn an_exchange_that_is_dropped_ends_the_handler_that_sends_to_it() {
    explore(|| {
        let ended = Arc::<Signal>::default();
        let ends = Arc::clone(&ended);
        let floods = move |cx: Context, ()| {
            let sender = cx.sender()?;
            while sender.send(&0).is_ok() {}
            ends.give();
            Ok(())
        };
        let server = Server::builder().config(narrow()).handle("floods", floods).start().unwrap();
        let client = join(&server, Client::builder().config(narrow()));
        let (sender, mut receiver) = client.open("floods", &()).unwrap().split();
        let drops = spawn(move || drop(sender));
        assert_eq!(receiver.next::<u32>(), Some(Ok(0)));
        drop(receiver);
        drops.join().unwrap();
        // Before the connection ends.
        ended.wait();
    });
}

#[test]
fn whoever_sends_to_a_handler_that_has_answered_is_told() {
    explore(|| {
        let first = |cx: Context, ()| Ok(cx.items::<u32>().next().transpose()?);
        let server = Server::builder().config(narrow()).handle("first", first).start().unwrap();
        let client = join(&server, Client::builder().config(narrow()));
        let (sender, receiver) = client.open("first", &()).unwrap().split();
        let sends = spawn(move || {
            loop {
                if let Err(error) = sender.send(&7) {
                    return error;
                }
            }
        });
        assert_eq!(receiver.answer::<Option<u32>>(), Ok(Some(7)));
        let told = sends.join().unwrap();
        assert!(matches!(told, CallError::Rejected(_)), "{told:?}");
    });
}

#[test]
fn whoever_takes_an_item_gives_credit_for_it_though_it_takes_no_other() {
    explore(|| {
        let sent = Arc::<Signal>::default();
        let sends = Arc::clone(&sent);
        let two = move |cx: Context, ()| {
            let sender = cx.sender()?;
            (0..2).try_for_each(|number| sender.send(&number))?;
            sends.give();
            Ok(())
        };
        let server = Server::builder().config(narrow()).handle("two", two).handle("echo", echo);
        let server = server.start().unwrap();
        let client = join(&server, Client::builder().config(narrow()));
        // Another waits for the socket, who has nothing to write.
        let (sender, receiver) = client.open("echo", &()).unwrap().split();
        let waits = spawn(move || receiver.answer::<u32>());
        let mut exchange = client.open("two", &()).unwrap();
        assert_eq!(exchange.next::<u32>(), Some(Ok(0)));
        sent.wait();
        assert_eq!(exchange.answer::<()>(), Ok(()));
        sender.finish().unwrap();
        assert_eq!(waits.join().unwrap(), Ok(0));
    });
}

#[test]
fn whoever_sends_to_a_call_that_is_cancelled_goes_while_another_waits_on() {
    explore(|| {
        let mut config = narrow();
        config.takes_items = true;
        let (client, server) = connect(Client::builder(), Echo::new(config));
        let never = client.start::<()>("never", &()).unwrap();
        let canceller = never.canceller();
        let waits = spawn(move || never.wait());
        let exchange = client.open("ignored", &()).unwrap();
        let cancels = exchange.canceller();
        let (sender, receiver) = exchange.split();
        let sends = spawn(move || while sender.send(&7).is_ok() {});
        cancels.cancel();
        sends.join().unwrap();
        drop(receiver);
        canceller.cancel();
        assert!(waits.join().unwrap().is_err());
        drop((client, canceller, cancels));
        server.join().unwrap();
    });
}

#[test]
fn a_thread_that_streams_for_a_handler_is_told_that_this_has_answered() {
    explore(|| {
        let ended = Arc::<Signal>::default();
        let ends = Arc::clone(&ended);
        let floods = move |cx: Context, ()| {
            let (sender, ends) = (cx.sender()?, Arc::clone(&ends));
            let _beside = spawn(move || {
                while sender.send(&0).is_ok() {}
                ends.give();
            });
            Ok(())
        };
        let server = Server::builder().config(narrow()).handle("floods", floods).start().unwrap();
        let client = join(&server, Client::builder().config(narrow()));
        let exchange = client.open("floods", &()).unwrap();
        // Nobody takes its items.
        ended.wait();
        drop(exchange);
    });
}
