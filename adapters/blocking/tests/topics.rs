//! Publish and subscribe, as far as only this adapter has it: typed values, what has come already, its own queue,
//! permissions taken back, scopes as objects, threads. The rest is shown in `adapters/conformance/`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Home, no_hurry, patient, wait_until};
use switchboard::{Asked, DeliveryError, Failure, Options, Policy, Status, Welcome};
use switchboard_blocking::{Client, Peer, Server, ServerBuilder, Subscription};

fn server() -> ServerBuilder {
    Server::builder().config(no_hurry()).handle("null", |_, ()| Ok(()))
}

fn values<T: switchboard::FromPayload>(subscription: &mut Subscription<T>, count: usize) -> Vec<T> {
    subscription.take(count).map(|delivery| delivery.unwrap().value).collect()
}

#[test]
fn what_has_come_can_be_taken_without_waiting() {
    let home = Home::of(server());
    let client = home.client();
    let mut all = client.subscribe::<u32>(">").unwrap();
    assert!(all.try_next().is_none());
    client.publish("a", &1).unwrap();
    let delivery = std::iter::repeat_with(|| all.try_next()).find_map(|next| next).unwrap();
    assert_eq!(delivery.unwrap().value, 1);
    assert!(all.try_next().is_none());
}

#[test]
fn whoever_must_not_lose_anything_is_ended_instead() {
    let mut config = no_hurry();
    config.max_deliveries = 8;
    let home = Home::of(server());
    let client = home.connect(Client::builder().config(config));
    let strict = client.with(Options::new().policy(Policy::Disconnect));
    let mut all = strict.subscribe::<u32>("n").unwrap();
    let publisher = home.client();
    for n in 0..100 {
        publisher.publish_counted("n", &n).unwrap();
    }
    // All of it comes to this side before any of it is taken.
    wait_until(|| client.counters().frames_in > 100 || client.closed().is_some());
    let values: Vec<_> =
        all.by_ref().map_while(Result::ok).map(|delivery| delivery.value).collect();
    assert_eq!(values, (0..8).collect::<Vec<_>>());
    assert!(all.next().is_none(), "the error was the last thing");
}

#[test]
fn a_value_of_another_type_is_told_with_its_topic_and_the_next_one_comes() {
    let home = Home::of(server());
    let client = home.client();
    let mut numbers = client.subscribe::<u32>(">").unwrap();
    client.publish("a.text", "no number").unwrap();
    client.publish("a.number", &7).unwrap();
    let error = numbers.next().unwrap().unwrap_err();
    assert!(matches!(&error, DeliveryError::Decode { topic, .. } if topic == "a.text"), "{error}");
    assert_eq!(values(&mut numbers, 1), [7]);
}

#[test]
fn what_a_check_takes_back_ends() {
    let open = Arc::new(AtomicBool::new(true));
    let allowed = Arc::clone(&open);
    let check = move |peer: &Peer, asked: Asked<'_>| {
        assert!(peer.credentials().is_some());
        match asked {
            Asked::Subscribe { pattern: "secret", .. } if !allowed.load(Ordering::SeqCst) => {
                Err(Failure::new(Status::PERMISSION_DENIED, "not now"))
            }
            _ => Ok(()),
        }
    };
    let home = Home::of(server().check(check));
    let client = home.client();
    let mut secret = client.subscribe::<u32>("secret").unwrap();
    let mut news = client.subscribe::<u32>("news").unwrap();
    assert_eq!(client.publish_counted("secret", &1).unwrap(), 1);
    open.store(false, Ordering::SeqCst);
    home.server.check_again();
    let denied = Failure::new(Status::PERMISSION_DENIED, "not now");
    let told: Vec<_> = secret.by_ref().collect();
    assert_eq!(told.last().unwrap(), &Err(DeliveryError::Ended(denied)));
    client.publish("news", &4).unwrap();
    assert_eq!(values(&mut news, 1), [4], "all else goes on");
}

#[test]
fn a_scope_has_its_own_peers() {
    let home = Home::of(server().authorize(|_, _| Ok(Welcome::new())));
    let scopes = ["", "red", "blue"];
    let _clients = scopes.map(|scope| home.connect(Client::builder().scope(scope)));
    for scope in scopes.map(|scope| home.server.scope(scope)) {
        assert_eq!(scope.peers().len(), 1);
        assert_eq!(scope.broadcast("m", &1, &Options::new()).unwrap().len(), 1);
    }
    assert_eq!(home.server.peers().len(), 3);
}

#[test]
fn threads_do_not_multiply_with_subscriptions() {
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let home = Home::of(server());
    let client = home.client();
    let first = client.subscribe::<u32>("a").unwrap();
    client.with(patient()).request::<()>("null", &()).unwrap();
    let before = threads();
    let more: Vec<_> =
        (0..200).map(|n| client.subscribe::<u32>(&format!("a.{n}")).unwrap()).collect();
    // Other tests of this program run at the same time.
    assert!(threads() < before + 100, "{before}, then {}", threads());
    drop((first, more));
}
