//! Calls with streams of items: both ways, stopped by whoever does not take them, ended by either side.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use common::{Home, no_hurry, patient, wait_until, within};
use switchboard::{CallError, CloseReason, Config, Failure, Fate, Payload, Rejected, Status};
use switchboard_blocking::{Client, ClientBuilder, Context, Server, ServerBuilder};

fn sum(cx: Context, (): ()) -> Result<u64, Failure> {
    let mut sum = 0;
    for number in cx.items::<u64>() {
        sum += number?;
    }
    Ok(sum)
}

fn count(cx: Context, to: u64) -> Result<(), Failure> {
    let sender = cx.sender()?;
    for number in 1..=to {
        sender.send(&number)?;
    }
    Ok(())
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
        .handle("count", count)
        .handle("upper", upper)
        .handle_inline("inline", upper)
}

#[test]
fn a_stream_in_is_answered_when_it_is_complete() {
    let home = Home::of(server());
    let client = home.client();
    let exchange = client.open("sum", &()).unwrap();
    (1..=10_000_u64).for_each(|n| exchange.send(&n).unwrap());
    exchange.finish().unwrap();
    assert_eq!(exchange.answer::<u64>().unwrap(), 50_005_000);
}

#[test]
fn a_stream_back_comes_before_the_answer() {
    let home = Home::of(server());
    let client = home.client();
    let mut exchange = client.open("count", &10_000_u64).unwrap();
    for n in 1..=10_000_u64 {
        assert_eq!(exchange.next::<u64>(), Some(Ok(n)));
    }
    assert_eq!(exchange.next::<u64>(), None);
    exchange.answer::<()>().unwrap();
}

#[test]
fn both_sides_talk_by_turns_and_at_once() {
    let home = Home::of(server());
    for channel in ["upper", "inline"] {
        let client = home.client();
        let mut exchange = client.open(channel, &()).unwrap();
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
fn whoever_does_not_take_items_stops_their_sender_and_nobody_else() {
    let sent = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&sent);
    let home = Home::of(server().handle("endless", move |cx: Context, ()| {
        let (sender, block) = (cx.sender()?, Payload::bytes(&[0; 10_000]));
        loop {
            sender.send(&block)?;
            counts.fetch_add(1, Ordering::SeqCst);
        }
        #[allow(unreachable_code, reason = "it says what the handler gives")]
        Ok(())
    }));
    let client = home.client();
    let mut exchange = client.open("endless", &()).unwrap();
    assert!(exchange.next::<Payload>().is_some());
    // Another call's answer and another stream pass it by.
    let other = client.open("sum", &()).unwrap();
    (1..=1000_u64).for_each(|n| other.send(&n).unwrap());
    other.finish().unwrap();
    assert_eq!(other.answer::<u64>().unwrap(), 500_500);
    let window = Config::default().stream_window;
    assert!(sent.load(Ordering::SeqCst) <= window / 10_000 + 10, "bounded by credit");
    let before = sent.load(Ordering::SeqCst);
    (0..100).for_each(|_| assert!(exchange.next::<Payload>().unwrap().is_ok()));
    assert!(sent.load(Ordering::SeqCst) > before, "it goes on when they are taken");
}

#[test]
fn an_exchange_that_is_dropped_is_cancelled_at_its_handler() {
    let (told, came) = channel();
    let reads = told.clone();
    let home = Home::of(
        server()
            .handle("reads", move |cx: Context, ()| {
                reads.send(None).unwrap();
                let last = cx.items::<u64>().last();
                reads.send(last.and_then(Result::err)).unwrap();
                Ok(())
            })
            .handle("writes", move |cx: Context, ()| {
                told.send(None).unwrap();
                let sender = cx.sender()?;
                let error = loop {
                    if let Err(error) = sender.send(&1) {
                        break error;
                    }
                };
                told.send(Some(error)).unwrap();
                Ok(())
            }),
    );
    let client = home.client();
    for channel in ["reads", "writes"] {
        let exchange = client.open(channel, &()).unwrap();
        exchange.send(&1).unwrap();
        assert!(came.recv().unwrap().is_none(), "it has begun");
        let (sender, receiver) = exchange.split();
        drop(sender);
        drop(receiver);
        client.ping().unwrap();
        let error = came.recv().unwrap();
        assert_eq!(error, Some(CallError::Cancelled(Fate::MayHaveRun)), "{channel}");
    }
    // Nobody reads for an idle client; whoever asks next does.
    wait_until(|| client.ping().is_ok() && client.counters().open_made == 0);
}

#[test]
fn a_handler_that_answers_early_ends_the_stream_that_it_does_not_want() {
    let home = Home::of(
        server().handle("first", |cx: Context, ()| Ok(cx.items::<u64>().next().transpose()?)),
    );
    let client = home.client();
    let exchange = client.open("first", &()).unwrap();
    exchange.send(&7_u64).unwrap();
    let ended = loop {
        if let Err(error) = exchange.send(&8_u64) {
            break error;
        }
    };
    assert_eq!(ended, CallError::Rejected(Rejected::UnknownCall));
    assert_eq!(exchange.answer::<Option<u64>>().unwrap(), Some(7));
}

#[test]
fn a_deadline_ends_an_exchange_for_both() {
    let (told, came) = channel();
    let home = Home::of(server().handle("waits", move |cx: Context, ()| {
        told.send(None).unwrap();
        let error = cx.items::<u64>().find_map(Result::err);
        told.send(error).unwrap();
        Ok(())
    }));
    let client = home.client();
    let mut exchange = client.with(within(300)).open("waits", &()).unwrap();
    assert!(came.recv().unwrap().is_none(), "it has begun");
    assert_eq!(exchange.next::<u64>(), None);
    assert_eq!(exchange.answer::<()>(), Err(CallError::Deadline(Fate::MayHaveRun)));
    assert_eq!(came.recv().unwrap(), Some(CallError::Cancelled(Fate::MayHaveRun)));
}

#[test]
fn the_end_of_the_connection_ends_every_exchange_on_both_sides() {
    let (told, came) = channel();
    let home = Home::of(server().handle("waits", move |cx: Context, ()| {
        told.send(None).unwrap();
        told.send(cx.items::<u64>().find_map(Result::err)).unwrap();
        Ok(())
    }));
    let client = home.client();
    let mut exchange = client.open("waits", &()).unwrap();
    assert!(came.recv().unwrap().is_none());
    client.abort("enough");
    assert_eq!(exchange.next::<u64>(), None);
    assert!(matches!(exchange.send(&1), Err(CallError::Disconnected(..))));
    assert!(matches!(exchange.answer::<()>(), Err(CallError::Disconnected(..))));
    let lost = CallError::Disconnected(CloseReason::Lost, Fate::MayHaveRun);
    let error = came.recv().unwrap().unwrap();
    assert!(error == lost || error == CallError::Cancelled(Fate::MayHaveRun), "{error:?}");
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
fn a_failure_comes_behind_the_items() {
    let home = Home::of(server().handle("breaks", |cx: Context, ()| {
        cx.sender()?.send(&1)?;
        Err::<(), _>(Failure::new(Status::ABORTED, "broken"))
    }));
    let client = home.client();
    let mut exchange = client.open("breaks", &()).unwrap();
    assert_eq!(exchange.next::<u32>(), Some(Ok(1)));
    assert_eq!(exchange.next::<u32>(), None);
    let failed = CallError::Failed(Failure::new(Status::ABORTED, "broken"));
    assert_eq!(exchange.answer::<()>(), Err(failed));
}

#[test]
fn a_plain_call_has_no_streams() {
    let home = Home::of(server().handle("plain", |cx: Context, ()| {
        assert_eq!(cx.items::<u64>().next(), None);
        Ok(cx.sender()?.send(&1) == Err(CallError::Rejected(Rejected::NoStream)))
    }));
    assert!(home.client().request::<bool>("plain", &()).unwrap());
}

/// Credit is as much as memory: it is neither lost nor counted twice in a long stream with one byte of it.
#[test]
fn the_smallest_window_is_enough() {
    let mut config = no_hurry();
    config.stream_window = 1;
    let builder: ServerBuilder = server().config(config.clone());
    let home = Home::of(builder);
    let client: ClientBuilder = Client::builder().config(config);
    let client = home.connect(client);
    let exchange = client.open("sum", &()).unwrap();
    (1..=2000_u64).for_each(|n| exchange.send(&n).unwrap());
    exchange.finish().unwrap();
    assert_eq!(exchange.answer::<u64>().unwrap(), 2_001_000);
    let mut exchange = client.open("count", &2000_u64).unwrap();
    assert_eq!(core::iter::from_fn(|| exchange.next::<u64>()).count(), 2000);
}
