//! tarpc with bincode, its server as its documentation shows it: a task for each connection and request.

use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_bytes::ByteBuf;
use tarpc::context::{self, Context};
use tarpc::serde_transport::unix;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;

use crate::peer::{MANY, PAYLOAD, Peer, ready, version};
use crate::runtimes::Executor;

#[tarpc::service]
trait Echo {
    async fn echo(payload: ByteBuf) -> ByteBuf;
}

#[derive(Clone)]
struct Server;

impl Echo for Server {
    async fn echo(self, _: Context, payload: ByteBuf) -> ByteBuf {
        payload
    }
}

pub(crate) struct Tarpc<E> {
    executor: E,
    client: EchoClient,
}

impl<E> Tarpc<E> {
    async fn request(client: &EchoClient) {
        let answer = client.echo(context::current(), ByteBuf::from(*PAYLOAD)).await;
        assert_eq!(answer.expect("an answer"), PAYLOAD);
    }
}

impl<E: Executor> Peer for Tarpc<E> {
    fn name() -> String {
        format!("tarpc {}, bincode: {}", version("tarpc"), E::NAME)
    }

    fn serve(path: &str) {
        E::new().block_on(async {
            let mut clients = unix::listen(path, Bincode::default).await.expect("a free place");
            ready();
            while let Some(client) = clients.next().await {
                let requests =
                    BaseChannel::with_defaults(client.expect("a client")).execute(Server.serve());
                tokio::spawn(requests.for_each(|request| async {
                    tokio::spawn(request);
                }));
            }
        });
    }

    fn connect(path: &str) -> Self {
        let executor = E::new();
        let client = executor.block_on(async {
            let transport = unix::connect(path, Bincode::default).await.expect("it serves");
            EchoClient::new(tarpc::client::Config::default(), transport).spawn()
        });
        Self { executor, client }
    }

    fn one_by_one(&mut self, times: usize) {
        self.executor.block_on(async {
            for _ in 0..times {
                Self::request(&self.client).await;
            }
        });
    }

    fn together(&mut self, times: usize) {
        self.executor.block_on(async {
            for _ in 0..times {
                join_all((0..MANY).map(|_| Self::request(&self.client))).await;
            }
        });
    }
}
