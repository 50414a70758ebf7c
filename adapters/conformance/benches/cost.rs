//! What a call costs on each runtime, client and server together: allocations, counted by an allocator of
//! this program's own, and system calls, counted by strace where it is installed. No times: run it anywhere,
//! on any load. Both ends are in one process, and with smol and async-std on its one reactor, which two
//! processes would not share.
//!
//! `cargo bench -p switchboard-conformance --bench cost`

#[path = "../../../benches/common/cost.rs"]
mod cost;
#[path = "../../blocking/tests/counting/mod.rs"]
mod counting;
#[allow(dead_code, reason = "`request` uses the rest of it")]
mod runtimes;

use futures_util::future::join_all;
use runtimes::{OnAsyncStd, OnSmol, OneThread, Raw, Small, ours};
use switchboard::Payload;
use switchboard_futures::{Client, Stream};

/// Calls until everything has reached its size.
const WARM: usize = 200;
/// Calls that are counted.
const CALLS: usize = 6_400;
/// Calls in flight, where there are many.
const MANY: usize = 64;

const KINDS: [(&str, &str); 9] = [
    ("smol raw", "smol, raw payload"),
    ("smol typed", "smol, a small struct"),
    ("smol many", "smol, 64 in flight, raw payload"),
    ("async-std raw", "async-std, raw payload"),
    ("async-std typed", "async-std, a small struct"),
    ("async-std many", "async-std, 64 in flight, raw payload"),
    ("tokio raw", "tokio, raw payload"),
    ("tokio typed", "tokio, a small struct"),
    ("tokio many", "tokio, 64 in flight, raw payload"),
];

fn main() {
    cost::tell(&KINDS, CALLS, |kind, calls| match kind.split_once(' ') {
        Some(("smol", kind)) => run::<OnSmol>(kind, calls),
        Some(("async-std", kind)) => run::<OnAsyncStd>(kind, calls),
        Some((_, kind)) => run::<OneThread>(kind, calls),
        None => unreachable!("each kind has two words"),
    });
}

/// Calls so often within this process; gives the allocations of that.
fn run<R: Raw>(kind: &str, calls: usize) -> usize {
    R::block_on(async {
        let server = ours::<R::Adapter>().start().expect("a server");
        let (one, other) = Stream::pair().expect("two sockets");
        server.attach(one).expect("it serves");
        let client = Client::<R::Adapter>::builder().attach(other).await.expect("it serves");
        let (raw, small) = (Payload::bytes(&[7; 64]), Small::new());
        let call = async |count: usize| match kind {
            "raw" => {
                for _ in 0..count {
                    client.request::<Payload>("raw", &raw).await.expect("an answer");
                }
            }
            "typed" => {
                for _ in 0..count {
                    client.request::<Small>("typed", &small).await.expect("an answer");
                }
            }
            _ => {
                for _ in 0..count.div_ceil(MANY) {
                    let calls = (0..MANY).map(|_| client.request::<Payload>("raw", &raw));
                    join_all(calls).await.into_iter().for_each(|answer| {
                        answer.expect("an answer");
                    });
                }
            }
        };
        call(WARM).await;
        let before = counting::made();
        call(calls).await;
        counting::made() - before
    })
}
