//! Handlers and listeners that come and go at either end: their order, their guards, and what happens while
//! messages are on their way.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use common::{Gate, Home, Place, Raw, Tell, WELCOME, failure, silent_panic, wait_until, watchdog};
use switchboard::service::RegisterError;
use switchboard::{Failure, Status, Welcome};
use switchboard_blocking::{Client, Context, Guard, OpenError, Server};

/// Sends `n` on "n" from the server to its only client.
fn send(home: &Home, n: u32) {
    home.peer().send("n", &n).unwrap();
}

/// A client that serves nothing yet.
fn pair() -> (Home, Client) {
    let home = Home::of(Server::builder());
    let client = home.client();
    (home, client)
}

#[test]
fn listeners_of_a_client_hear_in_the_order_in_which_they_were_registered() {
    let (home, client) = pair();
    let (sender, came) = channel();
    let guards: Vec<_> = (0..4)
        .map(|listener| {
            let sender = sender.clone();
            client.on("n", move |_, n: u32| sender.send((n, listener)).unwrap()).unwrap()
        })
        .collect();
    (0..100).for_each(|n| send(&home, n));
    let expected = (0..100).flat_map(|n| (0..4).map(move |listener| (n, listener)));
    assert!(came.iter().take(400).eq(expected));
    drop(guards);
}

#[test]
fn a_listener_hears_nothing_more_once_its_guard_is_gone() {
    let (home, client) = pair();
    let (first, firsts) = channel();
    let (second, seconds) = channel();
    let guard = client.on("n", move |_, n: u32| first.send(n).unwrap()).unwrap();
    let _kept = client.on("n", move |_, n: u32| second.send(n).unwrap()).unwrap();
    send(&home, 1);
    assert_eq!(seconds.recv().unwrap(), 1);
    drop(guard);
    send(&home, 2);
    assert_eq!(seconds.recv().unwrap(), 2);
    assert_eq!(firsts.iter().collect::<Vec<u32>>(), [1], "and what it held is dropped");
}

#[test]
fn a_guard_of_one_that_has_gone_by_itself_takes_no_other_one_back() {
    let (home, client) = pair();
    let (sender, came) = channel();
    let once = client.once("n", |_, _: u32| {}).unwrap();
    let _kept = client.on("n", move |_, n: u32| sender.send(n).unwrap()).unwrap();
    send(&home, 1);
    assert_eq!(came.recv().unwrap(), 1);
    drop(once);
    send(&home, 2);
    assert_eq!(came.recv().unwrap(), 2);
}

// Threat 40.
#[test]
fn a_listener_may_take_others_and_itself_back_and_register_more_amid_a_message() {
    let home = Home::of(Server::builder());
    let server = home.server.clone();
    let guards: Arc<Mutex<Vec<Guard>>> = Arc::default();
    let (sender, came) = channel();
    let tell = |name: &'static str| {
        let sender = sender.clone();
        move |_: Context, n: u32| sender.send((name, n)).unwrap()
    };
    let (own, first, late) = (Arc::clone(&guards), tell("first"), tell("late"));
    let removes = home.server.on("n", move |cx, n: u32| {
        first(cx, n);
        // All guards, its own and the next one's.
        let gone = std::mem::take(&mut *own.lock().unwrap());
        if !gone.is_empty() {
            drop(gone);
            server.on("n", late.clone()).unwrap().detach();
        }
    });
    guards.lock().unwrap().push(removes.unwrap());
    let second = home.server.on("n", tell("second")).unwrap();
    let third = home.server.on("n", tell("third")).unwrap();
    guards.lock().unwrap().push(second);
    let client = home.client();
    (1..3).for_each(|n| client.send("n", &n).unwrap());
    let heard: Vec<_> = came.iter().take(4).collect();
    // Whoever was there when the message came, less those who were taken back; then who is there now.
    assert_eq!(heard, [("first", 1), ("third", 1), ("third", 2), ("late", 2)]);
    drop(third);
}

#[test]
fn a_listener_may_be_taken_back_while_it_runs() {
    let (home, client) = pair();
    let gate = Arc::new(Gate::default());
    let (held, (sender, came)) = (Arc::clone(&gate), channel());
    let guard = client.on("n", move |_, n: u32| {
        held.pass();
        sender.send(n).unwrap();
    });
    let guard = guard.unwrap();
    (1..3).for_each(|n| send(&home, n));
    gate.wait_for(1);
    drop(guard);
    gate.open();
    // It ends what it has begun, and gets nothing more.
    assert_eq!(came.iter().collect::<Vec<u32>>(), [1]);
}

#[test]
fn once_is_once_though_many_connections_send_at_the_same_time() {
    let home = Home::of(Server::builder());
    let clients: Vec<_> = (0..8).map(|_| home.client()).collect();
    for _ in 0..50 {
        let (once, all) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (first, each) = (Arc::clone(&once), Arc::clone(&all));
        let add = |count: &AtomicU32| {
            count.fetch_add(1, Ordering::SeqCst);
        };
        let guard = home.server.once("n", move |_, ()| add(&first)).unwrap();
        let counts = home.server.on("n", move |_, ()| add(&each)).unwrap();
        let together = Barrier::new(clients.len());
        thread::scope(|scope| {
            for client in &clients {
                scope.spawn(|| {
                    together.wait();
                    client.send("n", &()).unwrap();
                });
            }
        });
        // Whoever counts a message runs behind the one that takes the first.
        wait_until(|| all.load(Ordering::SeqCst) == 8);
        assert_eq!(once.load(Ordering::SeqCst), 1);
        drop((guard, counts));
    }
}

// Threat 73.
#[test]
fn a_listener_that_panics_stops_neither_the_others_nor_its_own_next_message() {
    let (home, client) = pair();
    let (sender, came) = channel();
    let tries = Arc::new(AtomicU32::new(0));
    let tried = Arc::clone(&tries);
    let panics = client.on("n", move |_, _: u32| {
        tried.fetch_add(1, Ordering::SeqCst);
        silent_panic()
    });
    let tells = client.on("n", move |_, n: u32| sender.send(n).unwrap());
    // More than a client has threads.
    (0..40).for_each(|n| send(&home, n));
    assert!(came.iter().take(40).eq(0..40));
    assert_eq!(tries.load(Ordering::SeqCst), 40);
    drop((panics, tells));
}

#[test]
fn messages_of_one_connection_are_taken_one_at_a_time_and_in_order_whatever_their_channels() {
    let inside = |_: &_, _: Option<&_>| Ok(Welcome::new().state(AtomicBool::new(false)));
    let home = Home::of(Server::builder().threads(8).authorize(inside));
    let (sender, came) = channel();
    let guards: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let sender = sender.clone();
            let listener = move |cx: Context, n: u32| {
                let inside = cx.state::<AtomicBool>().unwrap();
                assert!(!inside.swap(true, Ordering::SeqCst), "two at a time");
                sender.send((cx.peer().id(), n)).unwrap();
                inside.store(false, Ordering::SeqCst);
            };
            home.server.on(name, listener).unwrap()
        })
        .collect();
    let clients = [home.client(), home.client(), home.client()];
    thread::scope(|scope| {
        for client in &clients {
            scope.spawn(|| {
                for n in 0..1500_u32 {
                    client.send(["a", "b", "c"][n as usize % 3], &n).unwrap();
                }
            });
        }
    });
    let mut next = std::collections::BTreeMap::new();
    for (id, n) in came.iter().take(3 * 1500) {
        let next: &mut u32 = next.entry(id).or_default();
        assert_eq!(n, *next, "{id}");
        *next += 1;
    }
    drop(guards);
}

#[test]
fn a_channel_has_one_handler_and_room_for_the_next_when_its_guard_is_gone() {
    let (home, client) = pair();
    let taken = Err(RegisterError::Taken);
    let number = |n: u32| move |_: Context, ()| Ok(n);
    // At the client, whose handlers the server calls.
    let first = client.handle("n", number(1)).unwrap();
    assert_eq!(client.handle("n", number(2)).map(drop), taken);
    assert_eq!(home.peer().request::<u32>("n", &()).unwrap(), 1);
    drop(first);
    let second = client.handle("n", number(2)).unwrap();
    assert_eq!(home.peer().request::<u32>("n", &()).unwrap(), 2);
    drop(second);
    let gone = home.peer().request::<u32>("n", &());
    assert_eq!(failure(gone).status, Status::UNIMPLEMENTED);
    // And at the server.
    let first = home.server.handle("n", number(3)).unwrap();
    assert_eq!(home.server.handle("n", number(4)).map(drop), taken);
    assert_eq!(client.request::<u32>("n", &()).unwrap(), 3);
    drop(first);
    assert_eq!(failure(client.request::<u32>("n", &())).status, Status::UNIMPLEMENTED);
    let fourth = home.server.handle("n", number(4)).unwrap();
    assert_eq!(client.request::<u32>("n", &()).unwrap(), 4);
    drop(fourth);
}

#[test]
fn a_bad_name_or_a_second_handler_is_told_before_anything_is_opened() {
    let (home, client) = pair();
    let long = "x".repeat(256);
    for name in ["", &long] {
        let bad = Err(RegisterError::BadChannel);
        assert_eq!(client.on(name, |_, ()| {}).map(drop), bad);
        assert_eq!(client.once(name, |_, ()| {}).map(drop), bad);
        assert_eq!(client.handle(name, |_, ()| Ok(())).map(drop), bad);
        assert_eq!(home.server.on(name, |_, ()| {}).map(drop), bad);
        assert_eq!(home.server.once(name, |_, ()| {}).map(drop), bad);
        assert_eq!(home.server.handle(name, |_, ()| Ok(())).map(drop), bad);
    }
    let ok = |_: Context, ()| Ok::<_, Failure>(());
    let twice = Client::builder().handle("a", ok).handle("a", ok);
    for builder in [twice, Client::builder().on("", |_, ()| {})] {
        let opened = builder.connect(&home.address);
        assert!(matches!(opened, Err(OpenError::BadConfig(_))), "{opened:?}");
    }
    assert_eq!(home.server.peers().len(), 1);
}

#[test]
fn a_call_under_way_goes_on_though_its_handler_is_taken_back() {
    let (home, client) = pair();
    let gate = Arc::new(Gate::default());
    let guard = home.server.handle("slow", gate.handler()).unwrap();
    let call = client.start::<()>("slow", &()).unwrap();
    gate.wait_for(1);
    drop(guard);
    let gone = client.request::<()>("slow", &());
    assert_eq!(failure(gone).status, Status::UNIMPLEMENTED);
    gate.open();
    call.wait().unwrap();
}

#[test]
fn what_is_detached_stays_as_long_as_the_connection() {
    let (home, client) = pair();
    let (tell, gone) = Tell::new();
    let holds = move |_: Context, n: u32| {
        let _held = &tell;
        Ok(n)
    };
    client.handle("n", holds).unwrap().detach();
    for n in 0..10 {
        assert_eq!(home.peer().request::<u32>("n", &n).unwrap(), n);
    }
    gone.try_recv().unwrap_err();
    client.close("");
    drop(client);
    gone.recv().unwrap();
}

/// Asks its own server and client for something when it is dropped: not under a lock of theirs.
struct Asks(Server, Client);

impl Drop for Asks {
    fn drop(&mut self) {
        self.0.on("other", |_, ()| {}).unwrap().detach();
        self.1.on("other", |_, ()| {}).unwrap().detach();
        let _ = (self.0.peers(), self.1.counters());
    }
}

#[test]
fn what_a_handler_holds_is_dropped_outside_of_locks() {
    let (home, client) = pair();
    for _ in 0..3 {
        let (asks, also) = (Asks(home.server.clone(), client.clone()), home.server.clone());
        let guard = home.server.handle("n", move |_, ()| {
            let _held = &asks;
            Ok(())
        });
        drop(guard.unwrap());
        let asks = Asks(also, client.clone());
        let once = client.once("m", move |_, ()| {
            let _held = &asks;
        });
        let (sender, came) = channel();
        let after = client.on("m", move |_, ()| sender.send(()).unwrap()).unwrap();
        home.peer().send("m", &()).unwrap();
        came.recv().unwrap();
        drop((once, after));
    }
}

#[test]
fn what_a_refused_handler_or_listener_holds_is_dropped_outside_of_locks() {
    let (_watchdog, server) = (watchdog(), Server::builder().start().unwrap());
    let _taken = server.handle("taken", |_, ()| Ok(())).unwrap();
    // Dropping a guard takes a registration back, and so needs the lock.
    let guard = server.on("n", |_, ()| {}).unwrap();
    let refused = server.handle("taken", move |_, ()| {
        let _held = &guard;
        Ok(())
    });
    assert!(matches!(refused, Err(RegisterError::Taken)), "{refused:?}");
    let guard = server.on("n", |_, ()| {}).unwrap();
    let refused = server.on("", move |_, ()| {
        let _held = &guard;
    });
    assert!(matches!(refused, Err(RegisterError::BadChannel)), "{refused:?}");
}

#[test]
fn a_guard_keeps_neither_its_client_nor_its_server() {
    let _watchdog = watchdog();
    let place = Place::new();
    let listener = place.listen();
    let address = place.address();
    let client = thread::spawn(move || Client::connect(&address).unwrap());
    let mut raw = Raw::welcomes(&listener, WELCOME);
    let client = client.join().unwrap();
    let guards = (client.on("n", |_, ()| {}), client.handle("n", |_, ()| Ok(())));
    drop(client);
    assert_eq!(raw.hear().unwrap(), common::GOODBYE[4..]);
    raw.say(common::GOODBYE);
    assert_eq!(raw.hear(), None);
    drop(guards);

    let (tell, gone): (Tell, Receiver<()>) = Tell::new();
    let server = Server::builder().start().unwrap();
    let guard = server.on("n", move |_, ()| {
        let _held = &tell;
    });
    drop(server);
    gone.recv().unwrap();
    drop(guard);
}
