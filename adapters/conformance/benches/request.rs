//! P2 and P3: calls over a Unix socket between two processes, on each runtime, beside the runtime's own
//! socket that only carries the same bytes (the floor) and beside a protocol of a length and a number
//! without any state ("bare"). All in one run, in turns, told as ratios.
//!
//! `cargo bench -p switchboard-conformance --bench request` pins everything to one processor, which is what
//! repeats; with `-- --free` the system places the processes as it likes.

#[path = "../../../benches/common/mod.rs"]
mod common;
mod runtimes;

use std::cell::RefCell;
use std::hint::black_box;

use common::{candidate, table};
use futures_util::future::join_all;
use runtimes::{
    HEAD, OnAsyncStd, OnSmol, OneThread, Process, Raw, Small, Socket, Threads, message,
};
use switchboard::Payload;
use switchboard_futures::Client;

/// What goes there and back.
const SIZE: usize = 64;

fn main() {
    if runtimes::serves() {
        return;
    }
    runtimes::pin();
    measure::<OnSmol>();
    measure::<OnAsyncStd>();
    measure::<OneThread>();
    measure::<Threads>();
}

fn measure<R: Raw>() {
    let [floor, bare, ours] = ["floor", "bare", "ours"].map(Process::start::<R>);
    let sockets = RefCell::new(R::block_on(async {
        (R::connect(&floor.path).await, R::connect(&bare.path).await)
    }));
    let client = R::block_on(Client::<R::Adapter>::connect(&ours.path)).expect("it serves");
    let raw = Payload::bytes(&[7; SIZE]);
    let small = Small::new();
    let echo = |many: usize| {
        let bytes = vec![7; SIZE * many];
        R::block_on(there_and_back(&mut sockets.borrow_mut().0, &bytes));
    };
    let bare = |many: usize| {
        let mut bytes = Vec::with_capacity((HEAD + SIZE) * many);
        (0..many as u64).for_each(|number| message(number, &[7; SIZE], &mut bytes));
        R::block_on(there_and_back(&mut sockets.borrow_mut().1, &bytes));
    };
    let one = candidate("raw payload", || {
        R::block_on(client.request::<Payload>("raw", &raw)).expect("an answer")
    });
    let typed = candidate("a small struct", || {
        R::block_on(client.request::<Small>("typed", &small)).expect("an answer")
    });
    table(
        &format!("P2, {}: one call at a time, 64 bytes (a call)", R::NAME),
        1,
        vec![
            candidate("floor: the bytes alone", || echo(1)),
            candidate("bare: a length and a number", || bare(1)),
            one,
            typed,
        ],
    );
    for many in [64, 256] {
        let calls = |client: &Client<R::Adapter>| {
            join_all((0..many).map(|_| client.request::<Payload>("raw", &raw)))
        };
        let joined = R::block_on(async {
            let client = Client::<R::Adapter>::builder().connect_with_driver(&ours.path).await;
            RefCell::new(client.expect("it serves"))
        });
        table(
            &format!("P3, {}: {many} calls in flight, 64 bytes (a call)", R::NAME),
            many,
            vec![
                candidate("floor: the bytes alone, at once", || echo(many)),
                candidate("bare: a length and a number", || bare(many)),
                candidate("raw payload", || black_box(R::block_on(calls(&client)))),
                candidate("a small struct", || {
                    let calls = (0..many).map(|_| client.request::<Small>("typed", &small));
                    black_box(R::block_on(join_all(calls)))
                }),
                candidate("raw payload, the driver in the caller's task", || {
                    let (client, driver) = &mut *joined.borrow_mut();
                    R::block_on(async {
                        let calls = std::pin::pin!(calls(client));
                        drop(futures_util::future::select(calls, driver).await);
                    });
                }),
            ],
        );
    }
}

/// Sends so many bytes and waits for as many.
async fn there_and_back(socket: &mut impl Socket, bytes: &[u8]) {
    let mut buffer = vec![0; bytes.len()];
    socket.write_all(bytes).await;
    let mut came = 0;
    while came < bytes.len() {
        match socket.read(&mut buffer).await {
            0 => panic!("the server has gone"),
            count => came += count,
        }
    }
}
