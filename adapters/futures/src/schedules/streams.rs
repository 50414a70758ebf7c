//! Items: credit that one task gives while another sends, and streams that end early. Part of `schedules`.

use std::sync::Arc;

use futures_util::StreamExt;
use shuttle::future::block_on;
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::spawn;
use switchboard::{CallError, Config, Failure};
use switchboard_testkit::schedules::explore;

use super::{Client, Server, join};
use crate::Context;

/// An item is under way, or not taken, and no more.
fn narrow() -> Config {
    let mut config = Config::default();
    config.stream_window = 1;
    config
}

async fn echo(cx: Context, (): ()) -> Result<u32, Failure> {
    let (sender, mut items, mut count) = (cx.sender()?, cx.items::<u32>(), 0);
    while let Some(number) = items.next().await {
        sender.send(&number?).await?;
        count += 1;
    }
    Ok(count)
}

/// Whether something was dropped.
#[derive(Clone, Default)]
struct Dropped(Arc<(Mutex<bool>, Condvar)>);

impl Dropped {
    fn wait(&self) {
        let Self(dropped) = self;
        drop(dropped.1.wait_while(dropped.0.lock().unwrap(), |dropped| !*dropped).unwrap());
    }
}

struct Tells(Dropped);

impl Drop for Tells {
    fn drop(&mut self) {
        let Self(Dropped(dropped)) = self;
        *dropped.0.lock().unwrap() = true;
        dropped.1.notify_one();
    }
}

#[test]
fn streams_both_ways_go_on_as_each_side_takes_items() {
    explore(|| {
        let server = Server::builder().config(narrow()).handle("echo", echo).start().unwrap();
        let client = join(&server, Client::builder().config(narrow()));
        let (sender, mut receiver) = block_on(client.open("echo", &())).unwrap().split();
        let sends = spawn(move || {
            block_on(async {
                for number in 0..3 {
                    sender.send(&number).await.unwrap();
                }
            });
            sender.finish().unwrap();
        });
        let asks = client.clone();
        let asks = spawn(move || block_on(asks.ping()).map(drop));
        let got: Vec<u32> = block_on(receiver.items::<u32>().map(Result::unwrap).collect());
        assert_eq!(got, [0, 1, 2]);
        assert_eq!(block_on(receiver.answer::<u32>()), Ok(3));
        sends.join().unwrap();
        assert_eq!(asks.join().unwrap(), Ok(()));
    });
}

#[test]
fn an_exchange_that_is_dropped_ends_the_handler_that_sends_to_it() {
    explore(|| {
        let ended = Dropped::default();
        let ends = ended.clone();
        let floods = move |cx: Context, ()| {
            let tells = Tells(ends.clone());
            async move {
                let (sender, _tells) = (cx.sender()?, tells);
                loop {
                    sender.send(&0).await?;
                }
            }
        };
        let server = Server::builder().config(narrow()).handle::<_, (), _, _>("floods", floods);
        let server = server.start().unwrap();
        let client = join(&server, Client::builder().config(narrow()));
        let (sender, mut receiver) = block_on(client.open("floods", &())).unwrap().split();
        let drops = spawn(move || drop(sender));
        assert_eq!(block_on(receiver.next::<u32>()), Some(Ok(0)));
        drop(receiver);
        drops.join().unwrap();
        // Before the connection ends.
        ended.wait();
    });
}

#[test]
fn whoever_sends_to_a_handler_that_has_answered_is_told() {
    explore(|| {
        let first =
            |cx: Context, ()| async move { Ok(cx.items::<u32>().next().await.transpose()?) };
        let server = Server::builder().config(narrow()).handle("first", first).start().unwrap();
        let client = join(&server, Client::builder().config(narrow()));
        let (sender, receiver) = block_on(client.open("first", &())).unwrap().split();
        let sends = spawn(move || {
            loop {
                if let Err(error) = block_on(sender.send(&7)) {
                    return error;
                }
            }
        });
        assert_eq!(block_on(receiver.answer::<Option<u32>>()), Ok(Some(7)));
        let told = sends.join().unwrap();
        assert!(matches!(told, CallError::Rejected(_)), "{told:?}");
    });
}

#[test]
fn a_task_that_streams_for_a_handler_is_told_that_this_has_answered() {
    explore(|| {
        let ended = Dropped::default();
        let ends = ended.clone();
        let floods = move |cx: Context, ()| {
            let tells = Tells(ends.clone());
            async move {
                let sender = cx.sender()?;
                spawn(move || {
                    while block_on(sender.send(&0)).is_ok() {}
                    drop(tells);
                });
                Ok(())
            }
        };
        let server = Server::builder().config(narrow()).handle("floods", floods).start().unwrap();
        let client = join(&server, Client::builder().config(narrow()));
        let exchange = block_on(client.open("floods", &())).unwrap();
        // Nobody takes its items.
        ended.wait();
        drop(exchange);
    });
}

#[test]
fn whoever_takes_an_item_gives_credit_for_it_though_it_takes_no_other() {
    explore(|| {
        let sent = Dropped::default();
        let sends = sent.clone();
        let two = move |cx: Context, ()| {
            let tells = Tells(sends.clone());
            async move {
                let (sender, _tells) = (cx.sender()?, tells);
                sender.send(&0).await?;
                Ok(sender.send(&1).await?)
            }
        };
        let server = Server::builder().config(narrow()).handle("two", two).start().unwrap();
        let client = join(&server, Client::builder().config(narrow()));
        let mut exchange = block_on(client.open("two", &())).unwrap();
        assert_eq!(block_on(exchange.next::<u32>()), Some(Ok(0)));
        sent.wait();
        assert_eq!(block_on(exchange.answer::<()>()), Ok(()));
    });
}
