//! Standard input and output: every adapter's server as a child of every adapter's client. It is a program of
//! its own, for a harness would write between the frames; it starts itself as the child.

use std::env;
use std::process::Command;

use async_std::task;
use switchboard::Failure;
use switchboard_async_std as async_std_adapter;
use switchboard_blocking as blocking;
use switchboard_endpoint::Stream;
use switchboard_smol as smol_adapter;
use switchboard_tokio as tokio_adapter;
use tokio::runtime::{Builder, Runtime};

const ADAPTERS: [&str; 4] = ["async-std", "blocking", "smol", "tokio"];

fn main() {
    match env::args().nth(1) {
        Some(adapter) if ADAPTERS.contains(&&*adapter) => return child(&adapter),
        // A filter, or a flag of the harness that this test does not have.
        _ => {}
    }
    if !cfg!(unix) {
        return;
    }
    for server in ADAPTERS {
        for client in ADAPTERS {
            let mut command = Command::new(env::current_exe().expect("a program"));
            let (stream, mut child) = Stream::spawn(command.arg(server)).expect("a child");
            assert_eq!(parent(client, stream), 5, "{client} asks {server}");
            assert!(child.wait().expect("a child").success(), "{server} ends with its client");
            println!("{client} is the parent of {server}: ok");
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Asks the child for a sum, and closes.
fn parent(adapter: &str, stream: Stream) -> u64 {
    match adapter {
        "async-std" => task::block_on(async {
            let client =
                async_std_adapter::Client::builder().attach(stream).await.expect("it serves");
            let sum = client.request("add", &(2, 3)).await.expect("an answer");
            client.close("done").await;
            sum
        }),
        "blocking" => {
            let client = blocking::Client::builder().attach(stream).expect("it serves");
            let sum = client.request("add", &(2, 3)).expect("an answer");
            client.close("done");
            sum
        }
        "smol" => smol::block_on(async {
            let client = smol_adapter::Client::builder().attach(stream).await.expect("it serves");
            let sum = client.request("add", &(2, 3)).await.expect("an answer");
            client.close("done").await;
            sum
        }),
        _ => runtime().block_on(async {
            let client = tokio_adapter::Client::builder().attach(stream).await.expect("it serves");
            let sum = client.request("add", &(2, 3)).await.expect("an answer");
            client.close("done").await;
            sum
        }),
    }
}

/// Serves the parent until it has gone.
fn child(adapter: &str) {
    let add = |(a, b): (u64, u64)| Ok::<_, Failure>(a + b);
    match adapter {
        "async-std" => task::block_on(async {
            let server = async_std_adapter::Server::builder()
                .handle("add", move |_, args| async move { add(args) });
            server.bind("stdio").await.expect("a parent").closed().await;
        }),
        "blocking" => {
            let server = blocking::Server::builder().handle("add", move |_, args| add(args));
            server.bind("stdio").expect("a parent").closed();
        }
        "smol" => smol::block_on(async {
            let server = smol_adapter::Server::builder()
                .handle("add", move |_, args| async move { add(args) });
            server.bind("stdio").await.expect("a parent").closed().await;
        }),
        _ => runtime().block_on(async {
            let server = tokio_adapter::Server::builder()
                .handle("add", move |_, args| async move { add(args) });
            server.bind("stdio").await.expect("a parent").closed().await;
        }),
    }
}
