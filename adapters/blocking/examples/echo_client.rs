//! The least client: one message, one call, many calls at once, and a call that fails.
//!
//! Start `echo_server.rs` first, then run this with
//! `cargo run -p switchboard-blocking --example echo_client -- ./echo.sock`. It prints
//!
//! ```text
//! one call: "hello"
//! a hundred calls at once: the sum is 4950
//! a call that fails: UNIMPLEMENTED: no handler for channel "ehco"
//! ```

use std::env;
use std::error::Error;

use switchboard::CallError;
use switchboard_blocking::{Call, Client};

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "./echo.sock".into());
    let client = Client::connect(&address)?;

    // It has no answer.
    client.send("log", "hello")?;

    let answer: String = client.request("echo", "hello")?;
    println!("one call: {answer:?}");

    let calls: Vec<Call<u32>> =
        (0..100).map(|n| client.start("echo", &n)).collect::<Result<_, _>>()?;
    let answers: Vec<u32> = calls.into_iter().map(Call::wait).collect::<Result<_, _>>()?;
    println!("a hundred calls at once: the sum is {}", answers.iter().sum::<u32>());

    match client.request::<String>("ehco", "hello") {
        Err(CallError::Failed(failure)) => println!("a call that fails: {failure}"),
        other => return Err(format!("nobody serves this, and the answer is {other:?}").into()),
    }

    client.close("done");
    Ok(())
}
