//! Servers and clients that serve: futures of handlers, how many run at once, and what takes them back.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard::{CallError, Failure, Restart, Status};
use switchboard_futures::{Client, Context, Server, Stream};

use super::common::{no_hurry, watchdog};
use super::{Harness, until};

/// Counts those that are alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn a_handlers_future_is_dropped_with_its_call_and_others_have_its_place<H: Harness>() {
    let _watchdog = watchdog();
    let (alive, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (lives, begins) = (Arc::clone(&alive), Arc::clone(&begun));
    H::run(async move {
        let server = Server::<H::Runtime>::builder()
            .handlers(2)
            .handle("never", move |_: Context, ()| {
                begins.fetch_add(1, Ordering::SeqCst);
                let held = Alive::new(&lives);
                async move {
                    pending::<()>().await;
                    drop(held);
                    Ok::<(), Failure>(())
                }
            })
            .start()
            .unwrap();
        let (one, other) = Stream::pair().unwrap();
        server.attach(one).unwrap();
        let client = Client::<H::Runtime>::builder().attach(other).await.unwrap();
        let mut calls: Vec<_> = (0..3).map(|_| client.request::<()>("never", &())).collect();
        // Its answer comes behind what was asked before it.
        client.ping().await.unwrap();
        until(|| begun.load(Ordering::SeqCst) == 2).await;
        assert_eq!(alive.load(Ordering::SeqCst), 2, "two run at once, the third one waits");
        drop(calls.remove(0));
        until(|| begun.load(Ordering::SeqCst) == 3).await;
        assert_eq!(alive.load(Ordering::SeqCst), 2, "the first one is gone");
        drop(calls);
        until(|| alive.load(Ordering::SeqCst) == 0).await;
        client.close("").await;
        server.close(Restart::never()).await;
    });
}

pub(crate) fn guards_take_back_and_once_is_once<H: Harness>() {
    let _watchdog = watchdog();
    H::run(async move {
        let server = Server::<H::Runtime>::builder().start().unwrap();
        let (one, other) = Stream::pair().unwrap();
        server.attach(one).unwrap();
        let client = Client::<H::Runtime>::builder().attach(other).await.unwrap();
        let guard = server.handle("name", |_: Context, ()| async { Ok("Ada") }).unwrap();
        assert_eq!(client.request::<String>("name", &()).await.unwrap(), "Ada");
        assert!(server.handle("name", |_: Context, ()| async { Ok(()) }).is_err(), "it has one");
        drop(guard);
        let gone = client.request::<String>("name", &()).await.unwrap_err();
        assert_eq!(gone.status(), Status::UNIMPLEMENTED);

        let (first, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = |count: &Arc<AtomicUsize>| {
            let count = Arc::clone(count);
            move |_: Context, ()| {
                count.fetch_add(1, Ordering::SeqCst);
                async {}
            }
        };
        server.once("event", count(&first)).unwrap().detach();
        let heard = server.on("event", count(&all)).unwrap();
        for _ in 0..3 {
            client.send("event", &()).await.unwrap();
        }
        until(|| all.load(Ordering::SeqCst) == 3).await;
        assert_eq!(first.load(Ordering::SeqCst), 1);
        drop(heard);
        client.send("event", &()).await.unwrap();
        client.ping().await.unwrap();
        client.close("").await;
        server.close(Restart::never()).await;
        assert_eq!(all.load(Ordering::SeqCst), 3, "nobody listens any more");
        let ended = client.request::<()>("name", &()).await;
        assert!(matches!(ended, Err(CallError::Disconnected(..))), "{ended:?}");
    });
}

pub(crate) fn a_listener_that_closes_its_own_server_does_not_wait_for_itself<H: Harness>() {
    let _watchdog = watchdog();
    H::run(async move {
        let server = Server::<H::Runtime>::builder().config(no_hurry()).start().unwrap();
        let (closes, closed) = (server.clone(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&closed);
        let listener = move |_: Context, ()| {
            let (server, count) = (closes.clone(), Arc::clone(&count));
            async move {
                server.close(Restart::never()).await;
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        server.on("close", listener).unwrap().detach();
        let (one, other) = Stream::pair().unwrap();
        server.attach(one).unwrap();
        let client = Client::<H::Runtime>::builder().attach(other).await.unwrap();
        client.send("close", &()).await.unwrap();
        server.closed().await;
        assert_eq!(closed.load(Ordering::SeqCst), 1, "it was waited for");
    });
}
