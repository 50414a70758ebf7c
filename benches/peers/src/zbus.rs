//! zbus, peer to peer without a bus, on tokio with one thread.

use futures_util::future::join_all;
use serde_bytes::{ByteBuf, Bytes};
use tokio::net::{UnixListener, UnixStream};
use zbus::connection::Builder;
use zbus::{Guid, interface, proxy};

use crate::peer::{MANY, PAYLOAD, Peer, ready, version};
use crate::runtimes::{Executor, OneThread};

struct Server;

#[interface(name = "org.example.Echo")]
impl Server {
    async fn echo(&self, payload: ByteBuf) -> ByteBuf {
        payload
    }
}

#[proxy(
    interface = "org.example.Echo",
    default_service = "org.example.Echo",
    default_path = "/echo"
)]
trait Echo {
    fn echo(&self, payload: &Bytes) -> zbus::Result<ByteBuf>;
}

pub(crate) struct Zbus {
    executor: OneThread,
    client: EchoProxy<'static>,
}

impl Zbus {
    async fn request(client: &EchoProxy<'_>) {
        let answer = client.echo(Bytes::new(PAYLOAD)).await.expect("an answer");
        assert_eq!(answer, PAYLOAD);
    }
}

impl Peer for Zbus {
    fn name() -> String {
        format!("zbus {}, peer to peer: {}", version("zbus"), OneThread::NAME)
    }

    fn serve(path: &str) {
        OneThread::new().block_on(async {
            let listener = UnixListener::bind(path).expect("a free place");
            ready();
            let (stream, _) = listener.accept().await.expect("a client");
            let stream = stream.into_std().expect("a socket");
            let builder = Builder::unix_stream(stream).server(Guid::generate()).p2p();
            let connection = builder.serve_at("/echo", Server).build().await.expect("a client");
            std::future::pending::<()>().await;
            drop(connection);
        });
    }

    fn connect(path: &str) -> Self {
        let executor = OneThread::new();
        let client = executor.block_on(async {
            let stream = UnixStream::connect(path).await.expect("it serves");
            let stream = stream.into_std().expect("a socket");
            let builder = Builder::unix_stream(stream).p2p();
            let connection = builder.build().await.expect("it serves");
            EchoProxy::new(&connection).await.expect("a proxy")
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
