//! `switchboard demo`: a server and two clients at work, step by step. Meant to be read as an
//! example, too: this is all that a program needs, but for what it prints.
//!
//! The server and its clients are threads of one program here. As three programs they would be
//! written the same way: all that they share is the address.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchboard::{
    CallError, Failure, PayloadLimits, PeerHello, Restart, Status, Welcome, from_payload,
};
use switchboard_blocking::{Client, Context, Credentials, OpenError, Server};

use crate::output::print_line;
use crate::problem::{Exit, Problem};

/// What the server wants to hear before it lets anybody in.
const TOKEN: &str = "open sesame";

/// What a client says of itself when it connects. Any type of serde's will do.
#[derive(Serialize, Deserialize)]
struct Visitor {
    name: String,
    token: String,
}

/// The arguments of the channel `divide`.
#[derive(Serialize, Deserialize)]
struct Division {
    dividend: i64,
    divisor: i64,
}

/// Prints the demonstration; its socket lives in a folder that is removed behind it.
pub(crate) fn run() -> Result<(), Problem> {
    let folder = tempfile::Builder::new()
        .prefix("switchboard-demo-")
        .tempdir()
        .map_err(|error| no_folder(&error))?;
    let shown = show(&folder.path().join("demo.sock"));
    let removed = folder.close().map_err(|error| no_folder(&error));
    shown.and(removed)
}

/// The server: who may come in, and what it does for those who may.
fn serve(address: &str, heard: Sender<String>) -> Result<Server, OpenError> {
    Server::builder()
        .authorize(let_in)
        .on("log", move |cx: Context, text: String| {
            let name = cx.state::<String>().map_or("somebody", |name| name.as_str());
            // Nobody listens any more: then there is nothing to do about it.
            let _ = heard.send(format!("{name} says {text:?}"));
        })
        .handle("divide", |_: Context, Division { dividend, divisor }: Division| {
            let by_zero = || Failure::new(Status::INVALID_ARGUMENT, "the divisor is 0");
            dividend.checked_div(divisor).ok_or_else(by_zero)
        })
        .bind(address)
}

/// Decides about each client, before it can do anything else.
fn let_in(hello: &PeerHello, _: Option<&Credentials>) -> Result<Welcome, Failure> {
    let visitor: Visitor = from_payload(&hello.payload, &PayloadLimits::default())?;
    if visitor.token != TOKEN {
        return Err(Failure::new(Status::UNAUTHENTICATED, "that is not the token"));
    }
    // Handlers find this again as `cx.state::<String>()`.
    Ok(Welcome::new().state(visitor.name))
}

/// A client that says who it is.
fn connect(address: &str, name: &str, token: &str) -> Result<Client, OpenError> {
    Client::builder().hello(&Visitor { name: name.into(), token: token.into() }).connect(address)
}

fn show(path: &Path) -> Result<(), Problem> {
    let address = path.to_str().ok_or_else(|| unexpected("a temporary folder without a name"))?;
    let (heard, hears) = mpsc::channel();

    let server = serve(address, heard)?;
    step("1. Server", &format!("serves at {address}"), &[])?;

    let ada = connect(address, "Ada", TOKEN)?;
    let welcome = ada.welcome();
    let (version, number) = (welcome.version, welcome.connection);
    step(
        "2. Handshake",
        "Ada connects, the server looks at her token and lets her in",
        &[
            ("Ada", "hello: I speak version 1, my name is ..., my token is ..."),
            ("server", &format!("welcome: we speak version {version}, you are {number}")),
        ],
    )?;

    message(&ada, &hears)?;
    call(&ada)?;
    failing_call(&ada)?;
    refused_client(address)?;

    let end = ada.close("that was all");
    step(
        "7. Graceful close",
        &format!("Ada leaves: {end}"),
        &[("Ada", "goodbye: that was all"), ("server", "goodbye")],
    )?;

    server.close(Restart::never());
    let file = if path.exists() { "still there" } else { "gone" };
    step("8. End", &format!("the server has closed; its socket file is {file}"), &[])
}

fn message(ada: &Client, hears: &Receiver<String>) -> Result<(), Problem> {
    ada.send("log", "hello, world")?;
    let heard = hears
        .recv_timeout(Duration::from_secs(5))
        .map_err(|_| unexpected("the server has not heard the message"))?;
    step(
        "3. Message",
        &format!("it has no answer; the server heard: {heard}"),
        &[("Ada", "message to log: \"hello, world\"")],
    )
}

fn call(ada: &Client) -> Result<(), Problem> {
    let quotient: i64 = ada.request("divide", &Division { dividend: 42, divisor: 6 })?;
    step(
        "4. Call",
        &format!("42 / 6 is {quotient}"),
        &[
            ("Ada", "request 1 to divide: {\"dividend\": 42, \"divisor\": 6}"),
            ("server", &format!("response 1: {quotient}")),
        ],
    )
}

fn failing_call(ada: &Client) -> Result<(), Problem> {
    let failure = match ada.request::<i64>("divide", &Division { dividend: 42, divisor: 0 }) {
        Err(CallError::Failed(failure)) => failure,
        Err(other) => return Err(other.into()),
        Ok(_) => return Err(unexpected("42 / 0 has a result")),
    };
    step(
        "5. Failing call",
        "42 / 0 fails; the connection lives on",
        &[
            ("Ada", "request 3 to divide: {\"dividend\": 42, \"divisor\": 0}"),
            ("server", &format!("failure 3: {failure}")),
        ],
    )
}

fn refused_client(address: &str) -> Result<(), Problem> {
    let failure = match connect(address, "Mallory", "let me in") {
        Err(OpenError::Refused { failure, .. }) => failure,
        Err(other) => return Err(other.into()),
        Ok(_) => return Err(unexpected("a client with a wrong token was let in")),
    };
    step(
        "6. Refused client",
        "Mallory has no token that opens anything; Ada notices nothing of it",
        &[
            ("Mallory", "hello: I speak version 1, my name is ..., my token is ..."),
            ("server", &format!("reject: {failure}")),
        ],
    )
}

/// Prints a step: what happens, and who says what on the wire.
fn step(title: &str, what: &str, wire: &[(&str, &str)]) -> Result<(), Problem> {
    print_line(&format!("{title}: {what}."))?;
    for (who, says) in wire {
        print_line(&format!("{who:>12} > {says}"))?;
    }
    Ok(())
}

fn no_folder(error: &std::io::Error) -> Problem {
    let what = format!("cannot use a temporary folder: {error}");
    Problem::new(Exit::Lost, what, "set TMPDIR to a folder that is yours")
}

fn unexpected(what: &str) -> Problem {
    Problem::new(Exit::Lost, what, "please report this as a fault of switchboard")
}
