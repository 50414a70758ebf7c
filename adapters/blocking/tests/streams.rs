//! Calls with streams of items, as far as only this adapter has them: typed items, inline handlers, exchanges of
//! handlers. What every adapter does with streams is shown in `adapters/conformance/`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use common::{Home, no_hurry, patient, wait_until};
use switchboard::{CallError, Failure, Rejected};
use switchboard_blocking::{Client, Context, Server, ServerBuilder};

fn sum(cx: Context, (): ()) -> Result<u64, Failure> {
    let mut sum = 0;
    for number in cx.items::<u64>() {
        sum += number?;
    }
    Ok(sum)
}

fn upper(cx: Context, (): ()) -> Result<u32, Failure> {
    let (sender, mut lines) = (cx.sender()?, 0);
    for line in cx.items::<String>() {
        sender.send(&line?.to_uppercase())?;
        lines += 1;
    }
    Ok(lines)
}

fn server() -> ServerBuilder {
    Server::builder()
        .config(no_hurry())
        .handle("sum", sum)
        .handle("upper", upper)
        .handle_inline("inline", upper)
}

#[test]
fn an_inline_handler_streams_too() {
    let home = Home::of(server());
    let client = home.client();
    let mut exchange = client.open("inline", &()).unwrap();
    for line in ["a", "b", "c"] {
        exchange.send(line).unwrap();
        assert_eq!(exchange.next::<String>(), Some(Ok(line.to_uppercase())));
    }
    let (sender, mut receiver) = exchange.split();
    // Far more than both windows: it goes on only because both halves do.
    let line = "x".repeat(20_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..200).for_each(|_| sender.send(&line).unwrap());
            sender.finish().unwrap();
        });
        let lines: Vec<String> = receiver.items().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 200);
        assert!(lines.iter().all(|came| *came == "X".repeat(20_000)));
    });
    assert_eq!(receiver.answer::<u32>().unwrap(), 203);
}

#[test]
fn a_server_streams_with_its_client() {
    let home = Home::of(server().handle("back", |cx: Context, ()| {
        let exchange = cx.peer().open("sum", &())?;
        (1..=1000_u64).try_for_each(|n| exchange.send(&n))?;
        exchange.finish()?;
        Ok(exchange.answer::<u64>()?)
    }));
    let client = home.connect(Client::builder().handle("sum", sum));
    assert_eq!(client.with(patient()).request::<u64>("back", &()).unwrap(), 500_500);
}

#[test]
fn an_item_of_another_type_is_told_and_the_next_one_comes() {
    let home = Home::of(server());
    let client = home.client();
    let mut exchange = client.open("upper", &()).unwrap();
    exchange.send("a").unwrap();
    assert!(matches!(exchange.next::<u64>(), Some(Err(CallError::Decode(_)))));
    exchange.send("b").unwrap();
    assert_eq!(exchange.next::<String>(), Some(Ok("B".into())));
    exchange.finish().unwrap();
    assert_eq!(exchange.answer::<u32>(), Ok(2));
}

#[test]
fn an_exchange_that_was_dropped_is_open_no_more() {
    let home = Home::of(server());
    let client = home.client();
    let exchange = client.open("sum", &()).unwrap();
    exchange.send(&1_u64).unwrap();
    assert_eq!(client.counters().open_made, 1);
    drop(exchange);
    // Nobody reads for an idle client; whoever asks next does.
    wait_until(|| client.ping().is_ok() && client.counters().open_made == 0);
}

#[test]
fn an_item_that_waits_for_room_ends_with_its_call() {
    let (told, tells) = channel();
    let home = Home::of(server().handle("answered", move |cx: Context, ()| {
        let (sender, sent) = (cx.sender()?, Arc::new(AtomicUsize::new(0)));
        let (told, theirs) = (told.clone(), Arc::clone(&sent));
        thread::spawn(move || {
            let refused = loop {
                match sender.send(&"x".repeat(1000)) {
                    Ok(()) => theirs.fetch_add(1, Ordering::Relaxed),
                    Err(error) => break error,
                };
            };
            told.send(refused).unwrap();
        });
        // As good as certain: it sends no more, because nobody takes anything.
        let mut still = (0, 0);
        while still.0 == 0 || still.1 < 1000 {
            thread::yield_now();
            let now = sent.load(Ordering::Relaxed);
            still = (now, if now == still.0 { still.1 + 1 } else { 0 });
        }
        Ok(())
    }));
    let mut config = no_hurry();
    config.stream_window = 10_000;
    let client = home.connect(Client::builder().config(config));
    let exchange = client.open("answered", &()).unwrap();
    assert_eq!(tells.recv(), Ok(CallError::Rejected(Rejected::UnknownCall)));
    exchange.answer::<()>().unwrap();
}
