//! The least server: it gives back what it is called with, whatever that is.
//!
//! Run it with `cargo run -p switchboard-blocking --example echo_server -- ./echo.sock`. It prints
//! `serving at ./echo.sock` and, for each message on the channel `log`, `#1 says "hello"`; it serves
//! until Ctrl-C ends it. The other side is `echo_client.rs`.

use std::env;
use std::error::Error;

use switchboard::Payload;
use switchboard_blocking::{Context, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "./echo.sock".into());
    let server = Server::builder()
        // A `Payload` passes as it is, unread. Short handlers may run on the connection's own thread.
        .handle_inline("echo", |_: Context, payload: Payload| Ok(payload))
        .on("log", |cx: Context, line: String| println!("{} says {line:?}", cx.peer().id()))
        .bind(&address)?;
    println!("serving at {address}");
    server.closed();
    Ok(())
}
