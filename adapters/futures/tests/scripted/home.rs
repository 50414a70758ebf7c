//! A server and its client in one world, the same served by both, and what every test asks of them at its
//! end: that all that was dropped cost nobody else anything. Called by the cases; knows the world.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard::{Config, Failure, Options, Restart};
use switchboard_futures::{Client, Context, ItemSender, Items, Peer, Server, Stream, Subscription};

use crate::world::{self, Scripted, finish};

/// What the handlers of one side saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Handlers of `hang` and `lend` that began, and those that were dropped since.
    pub(crate) began: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
    /// What came on `n`, in its order.
    pub(crate) messages: Mutex<Vec<u32>>,
    /// What the last call of `collect` brought.
    pub(crate) collected: Mutex<Vec<u32>>,
    /// The streams of the last call of `lend`.
    pub(crate) lent: Mutex<Option<(Items<u32>, Option<ItemSender>)>>,
}

/// A handler that runs.
struct Running(Arc<Seen>);

impl Running {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.began.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Seen {
    pub(crate) fn running(&self) -> usize {
        self.began.load(Ordering::SeqCst) - self.dropped.load(Ordering::SeqCst)
    }

    /// A handler that runs until it is dropped.
    pub(crate) fn hang(self: &Arc<Self>) -> impl Future<Output = Result<(), Failure>> + use<> {
        let running = Running::new(self);
        async move {
            let () = pending().await;
            drop(running);
            Ok(())
        }
    }

    /// The same, and the test has its streams.
    pub(crate) fn lend(
        self: &Arc<Self>,
        cx: Context,
    ) -> impl Future<Output = Result<(), Failure>> + use<> {
        *self.lent.lock().unwrap() = Some((cx.items(), cx.sender().ok()));
        self.hang()
    }

    /// Takes all items.
    pub(crate) fn collect(
        self: &Arc<Self>,
        cx: Context,
    ) -> impl Future<Output = Result<(), Failure>> + use<> {
        let (seen, mut items) = (Arc::clone(self), cx.items::<u32>());
        seen.collected.lock().unwrap().clear();
        async move {
            while let Some(item) = items.next().await {
                let item = item?;
                seen.collected.lock().unwrap().push(item);
            }
            Ok(())
        }
    }

    pub(crate) fn messages(&self) -> Vec<u32> {
        self.messages.lock().unwrap().clone()
    }

    pub(crate) fn collected(&self) -> Vec<u32> {
        self.collected.lock().unwrap().clone()
    }
}

pub(crate) async fn add(_: Context, (a, b): (u32, u32)) -> Result<u32, Failure> {
    Ok(a + b)
}

/// Sends `0..n`.
pub(crate) async fn count(cx: Context, n: u32) -> Result<u32, Failure> {
    let sender = cx.sender()?;
    for item in 0..n {
        sender.send(&item).await?;
    }
    Ok(n)
}

/// What both sides serve.
macro_rules! serving {
    ($builder:expr, $seen:expr) => {{
        let [hang, lend, collect, note] = [(); 4].map(|()| std::sync::Arc::clone($seen));
        $builder
            .handle("add", $crate::home::add)
            .handle("count", $crate::home::count)
            .handle("hang", move |_, ()| $crate::home::Seen::hang(&hang))
            .handle("lend", move |cx, ()| $crate::home::Seen::lend(&lend, cx))
            .handle("collect", move |cx, ()| $crate::home::Seen::collect(&collect, cx))
            .on("n", move |_, n: u32| {
                note.messages.lock().unwrap().push(n);
                async {}
            })
    }};
}

pub(crate) use serving;

/// So patient that only steps count.
pub(crate) fn patient() -> Config {
    let mut config = Config::default();
    let hour = Duration::from_secs(3600);
    (config.handshake_timeout, config.write_stall, config.drain) = (hour, hour, hour);
    (config.linger, config.call_deadline) = (hour, None);
    config
}

/// With so little room that whoever asks a second thing waits until the first has been written, or has ended.
pub(crate) fn narrow() -> Config {
    let mut config = patient();
    (config.max_unsent, config.stream_window, config.max_calls) = (1, 1, 1);
    config
}

pub(crate) struct Home {
    pub(crate) server: Server<Scripted>,
    pub(crate) client: Client<Scripted>,
    /// The client, as the server knows it.
    pub(crate) peer: Peer,
    /// What the server's handlers saw, and the client's.
    pub(crate) served: Arc<Seen>,
    pub(crate) called: Arc<Seen>,
}

pub(crate) fn server(config: Config, seen: &Arc<Seen>) -> Server<Scripted> {
    serving!(Server::builder().config(config), seen).start().unwrap()
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with(patient())
    }

    /// With this for both sides.
    pub(crate) fn with(config: Config) -> Self {
        let (served, called) = (Arc::<Seen>::default(), Arc::<Seen>::default());
        let server = server(config.clone(), &served);
        let (ours, theirs) = Stream::pair().unwrap();
        server.attach(theirs).unwrap();
        let builder = serving!(Client::builder().config(config), &called);
        let client = finish(builder.attach(ours)).unwrap();
        world::settle();
        let peer = server.peers().remove(0);
        Self { server, client, peer, served, called }
    }

    /// A client that serves nothing: its only call drives the connection itself.
    pub(crate) fn alone() -> Self {
        let served = Arc::<Seen>::default();
        let server = server(patient(), &served);
        let (ours, theirs) = Stream::pair().unwrap();
        server.attach(theirs).unwrap();
        let client = finish(Client::builder().config(patient()).attach(ours)).unwrap();
        world::settle();
        let peer = server.peers().remove(0);
        Self { server, client, peer, served, called: Arc::default() }
    }

    /// Nothing is open any more on either side, and all goes on as before.
    pub(crate) fn is_as_before(&self) {
        world::settle();
        for (side, counters) in
            [("client", self.client.counters()), ("server", self.peer.counters().unwrap())]
        {
            assert_eq!((counters.open_made, counters.open_served), (0, 0), "open at the {side}");
            assert_eq!(counters.unsent, 0, "unsent at the {side}");
            assert_eq!((counters.dropped, counters.strikes), (0, 0), "wrong at the {side}");
        }
        assert_eq!((self.served.running(), self.called.running()), (0, 0), "handlers");
        assert_eq!(finish(self.client.request::<u32>("add", &(1, 2))), Ok(3));
        finish(self.client.ping()).unwrap();
        finish(self.client.send("n", &99)).unwrap();
        world::settle();
        assert_eq!(self.served.messages().last(), Some(&99));
        let mut subscription: Subscription<u32> = finish(self.client.subscribe("after.*")).unwrap();
        assert_eq!(self.server.publish("after.all", &7, &Options::new()), Ok(1));
        assert_eq!(finish(subscription.next()).unwrap().unwrap().value, 7);
        drop(subscription);
        world::settle();
        assert_eq!(self.peer.counters().unwrap().subscriptions, 0);
        let items = finish(self.client.open("count", &3)).unwrap();
        assert_eq!(drain(items), ([0, 1, 2].to_vec(), 3));
    }

    /// As [`is_as_before`](Self::is_as_before), also for what the server asks.
    pub(crate) fn both_are_as_before(&self) {
        self.is_as_before();
        assert_eq!(finish(self.peer.request::<u32>("add", &(1, 2))), Ok(3));
        finish(self.peer.ping()).unwrap();
        let items = finish(self.peer.open("count", &3)).unwrap();
        assert_eq!(drain(items), ([0, 1, 2].to_vec(), 3));
    }

    /// The end: no task and no transport stays.
    pub(crate) fn ends(self) {
        let Self { server, client, .. } = self;
        drop(client);
        world::settle();
        assert!(server.peers().is_empty(), "the client has gone");
        finish(server.close(Restart::never()));
        drop(server);
        world::settle();
        assert_eq!(world::census(), (0, 0), "tasks and transports that are left");
    }
}

/// All items of an exchange that are still to come, and its answer.
pub(crate) fn drain(mut exchange: switchboard_futures::Exchange) -> (Vec<u32>, u32) {
    let mut items = Vec::new();
    while let Some(item) = finish(exchange.next::<u32>()) {
        items.push(item.unwrap());
    }
    (items, finish(exchange.answer()).unwrap())
}
