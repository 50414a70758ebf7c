//! Subscriptions and exchanges.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join;
use switchboard::{DeliveryError, Failure, Options};
use switchboard_blocking::Context;

use super::common::{Gate, Home};
use super::{Harness, at_home, connect, server, spawn, until};

pub(crate) fn a_subscription_is_a_stream<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        let mut values = client.subscribe::<u64>("n.*").await.unwrap();
        assert_eq!(values.retained(), 0);
        for number in 0..10 {
            // Once from the server, once from the client, and calls between them.
            home.server.publish("n.server", &number, &Options::new()).unwrap();
            let value = values.next().await.unwrap().unwrap();
            assert_eq!((value.topic.as_str(), value.value), ("n.server", number));
            assert_eq!(client.publish_counted("n.client", &number).await.unwrap(), 1);
            let value = StreamExt::next(&mut values).await.unwrap().unwrap();
            assert_eq!((value.topic.as_str(), value.value), ("n.client", number));
            assert_eq!(client.request::<u64>("add", &(number, 1)).await.unwrap(), number + 1);
        }
        assert!(values.try_next().is_none());
        drop(values);
        until(|| home.server.publish("n.server", &1, &Options::new()).unwrap() == 0).await;
        let mut values = client.subscribe::<u64>("n.*").await.unwrap();
        client.close("").await;
        let last = values.next().await;
        assert!(matches!(&last, Some(Err(error)) if error.is_last()), "{last:?}");
        assert!(values.next().await.is_none());
    });
}

pub(crate) fn a_subscription_has_all_that_was_published<H: Harness>() {
    const COUNT: u64 = 3000;
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        let mut values = client.subscribe::<u64>("n").await.unwrap();
        let publisher = connect::<H>(&home).await;
        let publishing = spawn::<H, _>(async move {
            for number in 0..COUNT {
                publisher.publish("n", &number).await.unwrap();
            }
            publisher.close("").await;
        });
        let mut next = 0;
        while next < COUNT {
            // What is lost is told.
            match values.next().await.unwrap() {
                Ok(value) => {
                    assert_eq!(value.value, next);
                    next += 1;
                }
                Err(DeliveryError::Lagged(count)) => next += count,
                Err(error) => panic!("{error}"),
            }
        }
        publishing.await;
    });
}

fn upper(cx: Context, (): ()) -> Result<u32, Failure> {
    let (sender, mut lines) = (cx.sender()?, 0);
    for line in cx.items::<String>() {
        sender.send(&line?.to_uppercase())?;
        lines += 1;
    }
    Ok(lines)
}

pub(crate) fn an_exchange_goes_both_ways<H: Harness>() {
    let home = Arc::new(Home::of(server().0.handle("upper", upper)));
    let ours = Arc::clone(&home);
    H::run(async move {
        let client = connect::<H>(&ours).await;
        let mut exchange = client.open("upper", &()).await.unwrap();
        for line in ["a", "b", "c"] {
            exchange.send(line).await.unwrap();
            assert_eq!(exchange.next::<String>().await, Some(Ok(line.to_uppercase())));
        }
        let (sender, mut receiver) = exchange.split();
        // Far more than both windows: it goes on only because both halves do.
        let line = "x".repeat(20_000);
        let sending = async move {
            for _ in 0..200 {
                sender.send(&line).await.unwrap();
            }
            sender.finish().unwrap();
        };
        let receiving = async {
            let lines: Vec<_> = receiver.items::<String>().collect().await;
            assert_eq!(lines.len(), 200);
            assert!(lines.iter().all(|came| *came == Ok("X".repeat(20_000))));
        };
        join(spawn::<H, _>(sending), receiving).await;
        assert_eq!(receiver.answer::<u32>().await.unwrap(), 203);
        assert_eq!(client.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
    });
}

pub(crate) fn a_dropped_exchange_is_cancelled<H: Harness>() {
    let (began, ended) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    began.open();
    ended.open();
    let theirs = (Arc::clone(&began), Arc::clone(&ended));
    let drain = move |cx: Context, ()| {
        theirs.0.pass();
        let last = cx.items::<u64>().last();
        theirs.1.pass();
        assert!(!matches!(last, Some(Ok(_))), "cancelled, not ended: {last:?}");
        Ok(())
    };
    let home = Arc::new(Home::of(server().0.handle("drain", drain)));
    let ours = Arc::clone(&home);
    H::run(async move {
        let client = connect::<H>(&ours).await;
        for round in 1..=20 {
            let exchange = client.open("drain", &()).await.unwrap();
            exchange.send(&1).await.unwrap();
            until(|| began.count() == round).await;
            let (sender, receiver) = exchange.split();
            drop(sender);
            drop(receiver);
            until(|| ended.count() == round).await;
            assert_eq!(client.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
        }
    });
}
