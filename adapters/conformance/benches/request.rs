//! P2 and P3: calls over a Unix socket between two processes, on each runtime, beside the runtime's own
//! socket that only carries the same bytes (the floor) and beside a protocol of a length and a number
//! without any state ("bare"). All in one run, in turns, told as ratios.
//!
//! `cargo bench -p switchboard-conformance --bench request` pins everything to one processor, which is what
//! repeats; with `-- --free` the system places the processes as it likes.

#[path = "../../../benches/common/mod.rs"]
mod common;
#[path = "../../../benches/common/pin.rs"]
mod pin;
mod runtimes;

use std::cell::RefCell;
use std::fmt::Debug;
use std::hint::black_box;

use common::{Candidate, repeated, table};
use futures_util::future::{Either, join_all, select};
use runtimes::{
    HEAD, Messages, OnAsyncStd, OnSmol, OneThread, Process, Raw, Small, Socket, Threads, message,
};
use switchboard::Payload;
use switchboard_futures::Client;

/// What goes there and back.
const SIZE: usize = 64;

fn main() {
    if runtimes::serves() {
        return;
    }
    pin::pin();
    measure::<OnSmol>();
    measure::<OnAsyncStd>();
    measure::<OneThread>();
    measure::<Threads>();
}

fn measure<R: Raw>() {
    let [floor, bare, ours] = ["floor", "bare", "ours"].map(Process::start::<R>);
    let sockets =
        R::block_on(async { (R::connect(&floor.path).await, R::connect(&bare.path).await) });
    let (floor, bare) = (RefCell::new(sockets.0), RefCell::new(sockets.1));
    let client = R::block_on(Client::<R::Adapter>::connect(&ours.path)).expect("it serves");
    let joined = Client::<R::Adapter>::builder().connect_with_driver(&ours.path);
    let joined = RefCell::new(R::block_on(joined).expect("it serves"));
    let raw = Payload::bytes(&[7; SIZE]);
    let small = Small::new();
    let raws = |client: &Client<R::Adapter>, many| {
        join_all((0..many).map(|_| client.request::<Payload>("raw", &raw)))
    };
    let smalls = |many| join_all((0..many).map(|_| client.request::<Small>("typed", &small)));
    let echo = |many| {
        let floor = &floor;
        repeated("floor: the bytes alone", move |times| {
            R::block_on(echo(&mut *floor.borrow_mut(), many, times));
        })
    };
    let exchange = |many| {
        let bare = &bare;
        repeated("bare: a length and a number", move |times| {
            R::block_on(exchange(&mut *bare.borrow_mut(), many, times));
        })
    };
    table(
        &format!("P2, {}: one call at a time, 64 bytes (a call)", R::NAME),
        1,
        vec![
            echo(1),
            exchange(1),
            again::<R, _>("raw payload", async || {
                client.request::<Payload>("raw", &raw).await.expect("an answer")
            }),
            again::<R, _>("a small struct", async || {
                client.request::<Small>("typed", &small).await.expect("an answer")
            }),
        ],
    );
    for many in [64, 256] {
        table(
            &format!("P3, {}: {many} calls in flight, 64 bytes (a call)", R::NAME),
            many,
            vec![
                echo(many),
                exchange(many),
                again::<R, _>("raw payload", async || all_well(raws(&client, many).await)),
                again::<R, _>("a small struct", async || all_well(smalls(many).await)),
                repeated("raw payload, the driver in the caller's task", |times| {
                    let (client, driver) = &mut *joined.borrow_mut();
                    R::block_on(async {
                        for _ in 0..times {
                            match select(raws(client, many), &mut *driver).await {
                                Either::Left((answers, _)) => all_well(answers),
                                Either::Right(_) => panic!("the server has gone"),
                            }
                        }
                    });
                }),
            ],
        );
    }
}

/// What is done again and again within one `block_on`: with smol and async-std the end of each wakes the
/// reactor's own thread, which is no part of a call.
fn again<'a, R: Raw, T>(
    name: &'static str,
    mut call: impl AsyncFnMut() -> T + 'a,
) -> Candidate<'a> {
    repeated(name, move |times| {
        R::block_on(async {
            for _ in 0..times {
                black_box(call().await);
            }
        });
    })
}

fn all_well<T, E: Debug>(answers: Vec<Result<T, E>>) {
    answers.into_iter().for_each(|answer| drop(black_box(answer.expect("an answer"))));
}

/// Sends the bytes of so many messages and waits for as many, and that as often.
async fn echo(socket: &mut impl Socket, many: usize, times: u32) {
    let bytes = vec![7; SIZE * many];
    let mut buffer = vec![0; bytes.len()];
    for _ in 0..times {
        socket.write_all(&bytes).await;
        let mut came = 0;
        while came < bytes.len() {
            came += some(socket, &mut buffer).await;
        }
    }
}

/// The same with the bare protocol, which looks at every answer.
async fn exchange(socket: &mut impl Socket, many: usize, times: u32) {
    let (mut messages, mut number) = (Messages::default(), 0);
    let mut bytes = Vec::new();
    let mut buffer = vec![0; (HEAD + SIZE) * many];
    for _ in 0..times {
        bytes.clear();
        for _ in 0..many {
            number += 1;
            message(number, &[7; SIZE], &mut bytes);
        }
        socket.write_all(&bytes).await;
        let mut answers = 0;
        while answers < many {
            let count = some(socket, &mut buffer).await;
            messages.each(&buffer[..count], |number, payload| {
                black_box((number, payload));
                answers += 1;
            });
        }
    }
}

async fn some(socket: &mut impl Socket, buffer: &mut [u8]) -> usize {
    let count = socket.read(buffer).await;
    assert!(count > 0, "the server has gone");
    count
}
