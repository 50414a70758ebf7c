//! A daemon: it lets in its own user with the right token, keeps something for each connection, and
//! ends gracefully on SIGTERM, SIGINT and SIGHUP. Run it, and then the rest in another terminal:
//!
//! ```text
//! echo 'open sesame' > token
//! cargo run -p switchboard-blocking --example daemon -- ./daemon.sock token
//!                                                         prints serving at ./daemon.sock
//! switchboard call ./daemon.sock count --token token      prints {"visitor":1,"calls":1}
//! switchboard call ./daemon.sock count                    is refused
//! kill -TERM $(pidof daemon)                              the daemon prints closing and closed
//! ```

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, sync::mpsc};

use serde::Serialize;
use switchboard::{Failure, PayloadLimits, PeerHello, Restart, Status, Welcome, from_payload};
use switchboard_blocking::{Context, Credentials, Server};

/// What the daemon keeps for a connection, from its first moment to its last.
struct Visitor {
    number: u64,
    calls: AtomicU64,
}

/// The answer of `count`.
#[derive(Serialize)]
struct Count {
    visitor: u64,
    calls: u64,
}

static VISITORS: AtomicU64 = AtomicU64::new(0);

/// Decides by who the kernel says it is, then by what the client knows.
fn let_in(token: &str, hello: &PeerHello, who: Option<&Credentials>) -> Result<Welcome, Failure> {
    if !who.is_some_and(Credentials::same_user_or_root) {
        return Err(Failure::new(
            Status::PERMISSION_DENIED,
            "only the daemon's own user may connect",
        ));
    }
    let said: Option<String> = from_payload(&hello.payload, &PayloadLimits::default())?;
    if said.as_deref() != Some(token) {
        return Err(Failure::new(Status::UNAUTHENTICATED, "say hello with the token"));
    }
    let number = VISITORS.fetch_add(1, Ordering::Relaxed) + 1;
    Ok(Welcome::new().state(Visitor { number, calls: AtomicU64::new(0) }))
}

fn count(cx: &Context) -> Result<Count, Failure> {
    let visitor: &Visitor = cx.state().ok_or_else(|| Failure::new(Status::INTERNAL, "no state"))?;
    let calls = visitor.calls.fetch_add(1, Ordering::Relaxed) + 1;
    Ok(Count { visitor: visitor.number, calls })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("give an address, and a file with a token".into());
    };
    let token = fs::read_to_string(file)?.trim_end().to_string();
    // Before anybody can connect, so that no signal is missed.
    let (signal, signals) = mpsc::channel();
    ctrlc::set_handler(move || signal.send(()).unwrap_or_default())?;

    let server = Server::builder()
        .authorize(move |hello, who| let_in(&token, hello, who))
        .handle("count", |cx: Context, (): ()| count(&cx))
        .bind(&address)?;
    println!("serving at {address}");
    signals.recv()?;
    println!("closing");
    // Calls under way may end; clients are told not to come back.
    server.close(Restart::never().message("the daemon was stopped"));
    println!("closed");
    Ok(())
}
