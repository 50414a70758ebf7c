//! Calls that go back and forth, each from the handler of the one before, where there is room for next to
//! nothing; and large ones that pass each other.

use std::sync::{Arc, Mutex};

use futures_util::future::{join, join_all};
use switchboard::{Config, Failure, Payload};
use switchboard_futures::{Client, Context, Peer, Server, Stream};

use crate::home::patient;
use crate::world::{self, Scripted, finish};

/// How deep it is from here on: asks the other side, until `n` is 0.
async fn down(cx: Context, n: u32) -> Result<u32, Failure> {
    Ok(if n == 0 { 0 } else { 1 + cx.peer().request::<u32>("down", &(n - 1)).await? })
}

struct Both {
    server: Server<Scripted>,
    client: Client<Scripted>,
    peer: Peer,
    /// What listeners got when they called back.
    back: Arc<Mutex<Vec<u32>>>,
    /// Bytes that came with messages.
    bytes: Arc<Mutex<usize>>,
}

impl Both {
    /// Where so many calls and handlers go at once, and a queue is full with its first byte.
    fn narrow(calls: u32, handlers: usize) -> Self {
        let mut config = patient();
        (config.max_unsent, config.max_untaken, config.max_calls) = (1, 1, calls);
        config.stream_window = 1;
        Self::new(config, handlers)
    }

    fn new(config: Config, handlers: usize) -> Self {
        let (back, bytes) = (Arc::<Mutex<Vec<u32>>>::default(), Arc::<Mutex<usize>>::default());
        let calls_back = |back: &Arc<Mutex<Vec<u32>>>| {
            let back = Arc::clone(back);
            move |cx: Context, n: u32| {
                let back = Arc::clone(&back);
                async move {
                    let depth = cx.peer().request::<u32>("down", &n).await.unwrap();
                    back.lock().unwrap().push(depth);
                }
            }
        };
        let counts = |bytes: &Arc<Mutex<usize>>| {
            let bytes = Arc::clone(bytes);
            move |_: Context, large: Payload| {
                *bytes.lock().unwrap() += large.len();
                async {}
            }
        };
        let server = Server::builder().config(config.clone()).handlers(handlers);
        let server = server.handle("down", down).on("back", calls_back(&back));
        let server = server.on("large", counts(&bytes)).start().unwrap();
        let client = Client::builder().config(config).handlers(handlers);
        let client = client.handle("down", down).on("back", calls_back(&back));
        let client = client.on("large", counts(&bytes));
        let (ours, theirs) = Stream::pair().unwrap();
        server.attach(theirs).unwrap();
        let client = finish(client.attach(ours)).unwrap();
        world::settle();
        let peer = server.peers().remove(0);
        Self { server, client, peer, back, bytes }
    }

    /// Calls so deep from both sides at once, so often.
    fn go_down(&self, depth: u32, times: usize) {
        for seed in 0..8 {
            world::set(false, seed);
            let ours = (0..times).map(|_| self.client.request::<u32>("down", &depth));
            let theirs = (0..times).map(|_| self.peer.request::<u32>("down", &depth));
            let all =
                join(join_all(ours.collect::<Vec<_>>()), join_all(theirs.collect::<Vec<_>>()));
            let (ours, theirs) = finish(all);
            assert!(ours.into_iter().chain(theirs).all(|answer| answer == Ok(depth)));
        }
    }
}

// Threat 27.
#[test]
fn three_deep_on_each_side_completes_with_queues_of_one_byte() {
    Both::narrow(6, 256).go_down(5, 1);
    Both::narrow(64, 256).go_down(5, 10);
}

// Threat 27.
#[test]
fn a_call_and_one_back_complete_where_each_side_has_one_call_and_one_handler() {
    let both = Both::narrow(1, 1);
    for seed in 0..8 {
        world::set(false, seed);
        assert_eq!(finish(both.client.request::<u32>("down", &1)), Ok(1));
        assert_eq!(finish(both.peer.request::<u32>("down", &1)), Ok(1));
    }
}

#[test]
fn many_wait_for_the_one_call() {
    // None goes back: both sides' only call may be one that waits for the other's.
    Both::narrow(1, 1).go_down(0, 20);
}

#[test]
fn a_listener_calls_its_sender_back() {
    // Three of the calls of the two run on each side.
    let both = Both::narrow(3, 3);
    for n in 0..20 {
        finish(join(both.client.send("back", &(n % 3)), both.peer.send("back", &(n % 3))))
            .0
            .unwrap();
        world::settle();
        assert_eq!(both.back.lock().unwrap().drain(..).collect::<Vec<_>>(), [n % 3; 2]);
    }
}

#[test]
fn ten_mebibytes_each_way_pass_each_other() {
    let large = Payload::bytes(&vec![7; 1 << 20]);
    for both in [Both::new(patient(), 1), Both::narrow(1, 1)] {
        let send = async || {
            for _ in 0..10 {
                both.client.send("large", &large).await.unwrap();
            }
        };
        let back = async || {
            for _ in 0..10 {
                both.peer.send("large", &large).await.unwrap();
            }
        };
        finish(join(send(), back()));
        world::settle();
        assert_eq!(*both.bytes.lock().unwrap(), 20 * large.len());
        assert_eq!(both.server.peers().len(), 1);
    }
}
