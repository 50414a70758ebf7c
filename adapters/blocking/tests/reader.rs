//! A client that serves: it reads also while nobody waits, and loses nothing when callers come and go.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use common::{Gate, Home, Tell, no_hurry, patient, wait_until, within};
use switchboard::{CallError, CloseReason, Config, Fate, Restart, Timer};
use switchboard_blocking::{Client, Context, Server};

fn closed(message: &str) -> CloseReason {
    CloseReason::Closed { message: message.into() }
}

#[test]
fn messages_and_calls_reach_an_idle_client() {
    let home = Home::of(Server::builder());
    let (sender, came) = channel();
    let builder = Client::builder().on("n", move |_, n: u32| sender.send(n).unwrap());
    let _client = home.connect(builder.handle("double", |_, n: u32| Ok(2 * n)));
    let peer = home.peer();
    for n in 0..1000 {
        peer.send("n", &n).unwrap();
        if n % 10 == 0 {
            assert_eq!(peer.request::<u32>("double", &n).unwrap(), 2 * n);
        }
    }
    assert!(came.iter().take(1000).eq(0..1000));
}

#[test]
fn a_client_that_was_idle_for_long_hears_what_comes_after_it_listens() {
    let home = Home::of(Server::builder().handle("works", |_, ()| Ok(true)));
    let client = home.client();
    assert!(client.request::<bool>("works", &()).unwrap());
    let (sender, came) = channel();
    client.on("n", move |_, n: u32| sender.send(n).unwrap()).unwrap().detach();
    (0..100).for_each(|n| home.peer().send("n", &n).unwrap());
    assert!(came.iter().take(100).eq(0..100));
    client.handle("double", |_, n: u32| Ok(2 * n)).unwrap().detach();
    assert_eq!(home.peer().request::<u32>("double", &4).unwrap(), 8);
}

#[test]
fn calls_of_several_threads_while_messages_stream_in_lose_nothing_and_keep_order() {
    let home = Home::of(
        Server::builder()
            .handle("pool", |_, n: u64| Ok(n))
            .handle_inline("inline", |_, n: u64| Ok(n)),
    );
    let (sender, came) = channel();
    let builder = Client::builder().on("n", move |_, n: u32| sender.send(n).unwrap());
    let client = home.connect(builder.handle("double", |_, n: u64| Ok(2 * n))).with(patient());
    let peer = home.peer().with(patient());
    thread::scope(|scope| {
        for thread in 0..6 {
            let client = &client;
            scope.spawn(move || {
                for call in 0..200 {
                    let (n, channel) =
                        (thread * 1000 + call, ["pool", "inline"][call as usize % 2]);
                    assert_eq!(client.request::<u64>(channel, &n).unwrap(), n);
                    if call % 50 == 0 {
                        // The reader has time to come back.
                        thread::yield_now();
                        client.ping().unwrap();
                    }
                }
            });
        }
        scope.spawn(|| (0..5000).for_each(|n| peer.send("n", &n).unwrap()));
        scope.spawn(|| {
            (0..200).for_each(|n| assert_eq!(peer.request::<u64>("double", &n).unwrap(), 2 * n));
        });
    });
    assert!(came.iter().take(5000).eq(0..5000));
}

#[test]
fn one_call_after_the_other_while_the_reader_comes_and_goes() {
    let home = Home::of(Server::builder().handle("n", |_, n: u32| Ok(n)));
    let client = home.connect(Client::builder().on("n", |_, ()| {})).with(patient());
    for n in 0..3000 {
        assert_eq!(client.request::<u32>("n", &n).unwrap(), n);
        if n % 7 == 0 {
            client.send("nobody", &n).unwrap();
        }
        if n % 300 == 0 {
            // Long enough to be idle; without it the test says less, but does not fail.
            (0..500).for_each(|_| thread::yield_now());
        }
    }
}

#[test]
fn a_clients_slow_listener_stops_the_server_and_loses_nothing() {
    let gate = Arc::new(Gate::default());
    let (held, (sender, came)) = (Arc::clone(&gate), channel());
    let mut config = no_hurry();
    (config.max_untaken, config.max_unsent) = (64 << 10, 64 << 10);
    let home = Home::of(Server::builder().config(config.clone()));
    let builder = Client::builder().config(config).on("n", move |_, (n, _): (usize, String)| {
        held.pass();
        sender.send(n).unwrap();
    });
    let _client = home.connect(builder);
    let message = |n: usize| (n, "x".repeat(10_000));
    let hasty = home.peer().with(within(100));
    let (mut sent, most) = (0, 800);
    while sent < most && hasty.send("n", &message(sent)).is_ok() {
        sent += 1;
    }
    assert!(sent < most, "reading does not stop");
    gate.open();
    let patient = hasty.with(patient());
    (sent..most).for_each(|n| patient.send("n", &message(n)).unwrap());
    assert!(came.iter().take(most).eq(0..most));
}

#[test]
fn a_server_that_closes_need_not_wait_for_idle_clients_that_read() {
    let gone = Restart::after(Duration::from_secs(2)).message("update");
    let home = Home::of(Server::builder().config(no_hurry()));
    let listening = || Client::builder().config(no_hurry()).on("n", |_, ()| {});
    let clients: Vec<_> = (0..10).map(|_| home.connect(listening())).collect();
    let peers = home.server.peers();
    home.server.close(gone);
    for client in clients {
        let reconnect_after = Some(Duration::from_secs(2));
        let reason = CloseReason::PeerClosed { message: "update".into(), reconnect_after };
        wait_until(|| client.closed().is_some());
        assert_eq!(client.closed(), Some(reason.clone()));
        assert_eq!(client.close("me, too"), reason);
    }
    for peer in peers {
        assert_eq!(peer.closed(), Some(closed("update")));
    }
}

#[test]
fn an_idle_client_that_reads_learns_of_a_loss_at_once() {
    let home = Home::of(Server::builder());
    let client = home.connect(Client::builder().on("n", |_, ()| {}));
    assert_eq!(client.closed(), None);
    home.peer().abort("");
    wait_until(|| client.closed().is_some());
    assert_eq!(client.closed(), Some(CloseReason::Lost));
    let lost = CallError::Disconnected(CloseReason::Lost, Fate::NeverSent);
    assert_eq!(client.send("n", &()), Err(lost));
}

#[test]
fn a_client_closes_while_messages_stream_in() {
    for by_abort in [false, true] {
        let home = Home::of(Server::builder().config(no_hurry()));
        let (sender, came) = channel();
        let builder = Client::builder().config(no_hurry());
        let client = home.connect(builder.on("n", move |_, n: u32| sender.send(n).unwrap()));
        let peer = home.peer();
        thread::scope(|scope| {
            let sends =
                scope.spawn(move || (0..).take_while(|n| peer.send("n", n).is_ok()).count());
            assert_eq!(came.recv().unwrap(), 0);
            if by_abort {
                client.abort("now");
                wait_until(|| client.closed().is_some());
            } else {
                assert_eq!(client.close("now"), closed("now"));
            }
            sends.join().unwrap();
        });
        drop(client);
        // What came was in order, without a gap.
        assert!(came.iter().enumerate().all(|(at, n)| n == at as u32 + 1));
    }
}

#[test]
fn a_listener_may_close_or_abort_its_own_client() {
    for by_abort in [false, true] {
        let home = Home::of(Server::builder().config(no_hurry()));
        let own: Arc<OnceLock<Client>> = Arc::default();
        let (held, (sender, ended)) = (Arc::clone(&own), channel());
        let client = home.connect(Client::builder().config(no_hurry()).on("end", move |_, ()| {
            let client: &Client = held.wait_for_it();
            if by_abort {
                client.abort("over");
            }
            sender.send(client.close("over")).unwrap();
        }));
        own.set(client.clone()).unwrap();
        home.peer().send("end", &()).unwrap();
        let aborted = CloseReason::Aborted { message: "over".into() };
        assert_eq!(ended.recv().unwrap(), if by_abort { aborted } else { closed("over") });
        wait_until(|| home.server.peers().is_empty());
    }
}

trait WaitForIt<T> {
    fn wait_for_it(&self) -> &T;
}

impl<T> WaitForIt<T> for OnceLock<T> {
    fn wait_for_it(&self) -> &T {
        wait_until(|| self.get().is_some());
        self.get().unwrap()
    }
}

#[test]
fn a_handler_that_closes_its_own_client_waits_for_itself_until_drain() {
    let mut config = Config::default();
    config.drain = Duration::from_millis(50);
    let home = Home::of(Server::builder());
    let own: Arc<OnceLock<Client>> = Arc::default();
    let (held, (sender, ended)) = (Arc::clone(&own), channel());
    let client = home.connect(Client::builder().config(config).handle("end", move |_, ()| {
        sender.send(held.wait_for_it().close("over"))?;
        Ok(())
    }));
    own.set(client).unwrap();
    home.peer().request::<()>("end", &()).unwrap_err();
    assert_eq!(ended.recv().unwrap(), CloseReason::Timeout(Timer::Drain));
}

#[test]
fn a_handler_may_drop_the_last_handle_of_its_client() {
    let home = Home::of(Server::builder().config(no_hurry()));
    let own: Arc<Mutex<Option<Client>>> = Arc::default();
    let held = Arc::clone(&own);
    let (tell, gone) = Tell::new();
    let builder = Client::builder().config(no_hurry()).handle("leave", move |_: Context, ()| {
        let _tell = &tell;
        let client = std::mem::take(&mut *held.lock().unwrap());
        let last = client.is_some();
        drop(client);
        Ok(last)
    });
    let client = home.connect(builder);
    *own.lock().unwrap() = Some(client);
    let peer = home.peer();
    // Open calls go on, and this is one.
    assert!(peer.request::<bool>("leave", &()).unwrap());
    wait_until(|| peer.closed().is_some());
    let reason = CloseReason::PeerClosed { message: String::new(), reconnect_after: None };
    assert_eq!(peer.closed(), Some(reason));
    gone.recv().unwrap();
}

// Threat 77.
#[test]
fn clones_come_and_go_while_the_reader_reads() {
    // An answer waits behind all messages before it: as many as this.
    let mut config = Config::default();
    (config.max_unsent, config.max_untaken) = (16 << 10, 16 << 10);
    let home = Home::of(Server::builder().config(config.clone()).handle("n", |_, n: u32| Ok(n)));
    let (sender, came) = channel();
    let builder = Client::builder().on("n", move |_, n: u32| sender.send(n).unwrap());
    let client = home.connect(builder.config(config));
    let (peer, over) = (home.peer().with(patient()), AtomicBool::new(false));
    thread::scope(|scope| {
        let threads = [1, 2, 3].map(|thread| {
            let client = client.clone();
            scope.spawn(move || {
                for n in 0..100 {
                    let twin = client.clone();
                    let other = thread::spawn(move || twin.request::<u32>("n", &n).unwrap());
                    let twin = client.with(within(60_000));
                    drop(twin.on("other", |_, ()| {}).unwrap());
                    assert_eq!(twin.request::<u32>("n", &(thread * n)).unwrap(), thread * n);
                    drop(twin);
                    assert_eq!(other.join().unwrap(), n);
                }
            })
        });
        let sends = scope.spawn(|| {
            let mut sent = 0;
            while !over.load(Ordering::Relaxed) {
                peer.send("n", &sent).unwrap();
                sent += 1;
            }
            sent
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        over.store(true, Ordering::Relaxed);
        let sent = sends.join().unwrap();
        assert!(came.iter().take(sent as usize).eq(0..sent));
    });
}
