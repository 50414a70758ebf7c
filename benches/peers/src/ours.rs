//! switchboard: its blocking adapter, and the async ones on their executors. Payloads are raw.

use futures_util::future::join_all;
use switchboard::{Failure, Payload};
use switchboard_blocking as blocking;
use switchboard_futures as futures;

use crate::peer::{MANY, PAYLOAD, Peer, ready};
use crate::runtimes::Executor;

/// The channel that is served.
const ECHO: &str = "echo";

fn check(answer: &Payload) {
    assert_eq!(answer.as_bytes(), Some(&PAYLOAD[..]));
}

pub(crate) struct Blocking(blocking::Client, Payload);

impl Peer for Blocking {
    fn name() -> String {
        "switchboard: blocking".into()
    }

    fn serve(path: &str) {
        let echo = |_: blocking::Context, payload: Payload| Ok(payload);
        let server = blocking::Server::builder().handle_inline(ECHO, echo).bind(path);
        ready();
        server.expect("a free place").closed();
    }

    fn connect(path: &str) -> Self {
        Self(blocking::Client::connect(path).expect("it serves"), Payload::bytes(PAYLOAD))
    }

    fn one_by_one(&mut self, times: usize) {
        for _ in 0..times {
            check(&self.0.request(ECHO, &self.1).expect("an answer"));
        }
    }

    fn together(&mut self, times: usize) {
        for _ in 0..times {
            let calls: Vec<_> = (0..MANY).map(|_| self.0.start(ECHO, &self.1)).collect();
            for call in calls {
                check(&call.expect("sent").wait().expect("an answer"));
            }
        }
    }
}

pub(crate) struct Async<E: Executor> {
    executor: E,
    client: futures::Client<E::Adapter>,
    payload: Payload,
}

impl<E: Executor> Peer for Async<E> {
    fn name() -> String {
        format!("switchboard: {}", E::NAME)
    }

    fn serve(path: &str) {
        E::new().block_on(async {
            let echo = async |_: futures::Context, payload: Payload| Ok::<_, Failure>(payload);
            let server = futures::Server::<E::Adapter>::builder().handle(ECHO, echo).bind(path);
            let server = server.await.expect("a free place");
            ready();
            server.closed().await;
        });
    }

    fn connect(path: &str) -> Self {
        let executor = E::new();
        let client = executor.block_on(futures::Client::connect(path)).expect("it serves");
        Self { executor, client, payload: Payload::bytes(PAYLOAD) }
    }

    fn one_by_one(&mut self, times: usize) {
        self.executor.block_on(async {
            for _ in 0..times {
                check(&self.client.request(ECHO, &self.payload).await.expect("an answer"));
            }
        });
    }

    fn together(&mut self, times: usize) {
        self.executor.block_on(async {
            for _ in 0..times {
                let calls = (0..MANY).map(|_| self.client.request(ECHO, &self.payload));
                for answer in join_all(calls).await {
                    check(&answer.expect("an answer"));
                }
            }
        });
    }
}
