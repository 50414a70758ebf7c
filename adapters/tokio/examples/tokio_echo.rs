//! Calls both ways: a server that gives back what it is called with, and asks its client something
//! first. Both are in one program here; each would do the same in a process of its own.
//!
//! Run it with `cargo run -p switchboard-tokio --example tokio_echo`. It prints
//!
//! ```text
//! #1 calls echo; it is called Ada
//! the answer is "hello"
//! a call that fails: UNIMPLEMENTED: no handler for channel "ehco"
//! ```
//!
//! The same on other adapters: `adapters/{async-std,blocking,smol,tokio}/examples`.

use std::error::Error;

use switchboard::{CallError, Failure, Payload, Restart};
use switchboard_tokio::{Client, Context, Server};

/// A `Payload` passes as it is, unread.
async fn echo(cx: Context, payload: Payload) -> Result<Payload, Failure> {
    // Both sides call; the client waits for its own answer meanwhile.
    let name: String = cx.peer().request("name", &()).await?;
    println!("{} calls echo; it is called {name}", cx.peer().id());
    Ok(payload)
}

async fn name(_: Context, (): ()) -> Result<&'static str, Failure> {
    Ok("Ada")
}

async fn program() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let address = folder.path().join("echo.sock");
    let address = address.to_str().ok_or("a path that is no text")?;
    let server = Server::builder().handle("echo", echo).bind(address).await?;

    let client = Client::builder().handle("name", name).connect(address).await?;
    let answer: String = client.request("echo", "hello").await?;
    println!("the answer is {answer:?}");

    match client.request::<String>("ehco", "hello").await {
        Err(CallError::Failed(failure)) => println!("a call that fails: {failure}"),
        other => return Err(format!("nobody serves this, and the answer is {other:?}").into()),
    }

    client.close("done").await;
    server.close(Restart::never()).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    program().await
}
