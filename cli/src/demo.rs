//! `switchboard demo`: a server and its clients at work, step by step. Meant to be read as an
//! example, too: this is all that a program needs, but for what it prints.
//!
//! The server and its clients are threads of one program here. As three programs they would be
//! written the same way: all that they share is the address.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchboard::{
    CallError, Failure, Fate, Options, PayloadLimits, PeerHello, Restart, Status, Welcome,
    from_payload,
};
use switchboard_blocking::{Client, ClientBuilder, Context, Credentials, OpenError, Server};

use crate::output::print_line;
use crate::problem::{Exit, Problem};

mod stuck;
mod topics;

/// What the server wants to hear before it lets anybody in.
const TOKEN: &str = "open sesame";

/// No step takes so long, on whatever machine.
const LONG: Duration = Duration::from_secs(20);

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
fn serve(address: &str, tell: Sender<String>) -> Result<Server, OpenError> {
    let (heard, brewing) = (tell.clone(), tell);
    Server::builder()
        .authorize(let_in)
        .on("log", move |cx: Context, text: String| {
            // Nobody listens any more: then there is nothing to do about it.
            let _ = heard.send(format!("{} says {text:?}", name(&cx)));
        })
        .handle("divide", |_: Context, Division { dividend, divisor }: Division| {
            let by_zero = || Failure::new(Status::INVALID_ARGUMENT, "the divisor is 0");
            dividend.checked_div(divisor).ok_or_else(by_zero)
        })
        .handle("brew", move |cx: Context, (): ()| brew(&cx, &brewing))
        .handle("greet", |cx: Context, (): ()| {
            // The caller waits for this handler, and can be asked all the same.
            let city: String = cx.peer().request("city", &())?;
            Ok(format!("hello {} in {city}", name(&cx)))
        })
        .handle("tally", |cx: Context, (): ()| {
            let (mut total, totals) = (0, cx.sender()?);
            for number in cx.items::<i64>() {
                total += number?;
                totals.send(&total)?;
            }
            Ok(total)
        })
        .bind(address)
}

fn name(cx: &Context) -> &str {
    cx.state::<String>().map_or("somebody", |name| name.as_str())
}

/// Takes as long as somebody waits for it.
fn brew(cx: &Context, tell: &Sender<String>) -> Result<(), Failure> {
    let _ = tell.send("begins".into());
    while !cx.is_cancelled() {
        thread::sleep(Duration::from_millis(5));
    }
    let _ = tell.send("stops".into());
    // Nobody gets this any more.
    Err(Failure::new(Status::CANCELLED, ""))
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
fn visitor(name: &str, token: &str) -> ClientBuilder {
    Client::builder().hello(&Visitor { name: name.into(), token: token.into() })
}

fn connect(address: &str, name: &str, token: &str) -> Result<Client, OpenError> {
    visitor(name, token).connect(address)
}

fn show(path: &Path) -> Result<(), Problem> {
    let address = path.to_str().ok_or_else(|| unexpected("a temporary folder without a name"))?;
    let (tell, told) = mpsc::channel();

    let server = serve(address, tell)?;
    step("1. Server", "serves at a socket file that no other user may open", &[])?;

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

    message(&ada, &told)?;
    call(&ada)?;
    failing_call(&ada)?;
    cancelled_call(&ada, &told)?;
    deadline(&ada, &told)?;
    call_back(&ada)?;
    stream(&ada)?;
    topics::show(address, &ada)?;
    stuck::show(&server, &ada, connect(address, "Bob", TOKEN)?)?;
    refused_client(address)?;

    let end = ada.close("that was all");
    step(
        "15. Graceful close",
        &format!("Ada leaves: {end}"),
        &[("Ada", "goodbye: that was all"), ("server", "goodbye")],
    )?;

    server.close(Restart::never());
    let file = if path.exists() { "still there" } else { "gone" };
    step("16. End", &format!("the server has closed; its socket file is {file}"), &[])
}

fn message(ada: &Client, told: &Receiver<String>) -> Result<(), Problem> {
    ada.send("log", "hello, world")?;
    let heard = next(told)?;
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

fn cancelled_call(ada: &Client, told: &Receiver<String>) -> Result<(), Problem> {
    let call = ada.start::<()>("brew", &())?;
    let begins = next(told)?;
    // From another thread, as a rule, while this one waits.
    call.canceller().cancel();
    let cancelled = match call.wait() {
        Err(error @ CallError::Cancelled(Fate::MayHaveRun)) => error,
        Err(other) => return Err(other.into()),
        Ok(()) => return Err(unexpected("a cancelled call has an answer")),
    };
    let stops = next(told)?;
    step(
        "6. Cancelled call",
        &format!("the handler {begins}, Ada cancels, the handler {stops}; Ada knows: {cancelled}"),
        &[
            ("Ada", "request 5 to brew: null"),
            ("Ada", "cancel 5"),
            ("server", "failure 5: CANCELLED: cancelled"),
        ],
    )
}

fn deadline(ada: &Client, told: &Receiver<String>) -> Result<(), Problem> {
    let hasty = ada.with(Options::new().deadline(Duration::from_millis(500)));
    let late = match hasty.request::<()>("brew", &()) {
        Err(error @ CallError::Deadline(_)) => error,
        Err(other) => return Err(other.into()),
        Ok(()) => return Err(unexpected("what takes for ever has an answer")),
    };
    let (begins, stops) = (next(told)?, next(told)?);
    step(
        "7. Deadline",
        &format!("the handler {begins}, 500 ms pass, it {stops} by itself; Ada knows: {late}"),
        &[
            ("Ada", "request 7 to brew, 500 ms left: null"),
            ("both", "(each counts for itself; Ada also says cancel 7)"),
        ],
    )
}

fn call_back(ada: &Client) -> Result<(), Problem> {
    // Ada serves this channel until the guard is dropped.
    let _guard = ada
        .handle("city", |_: Context, (): ()| Ok("London"))
        .map_err(|error| unexpected(&error.to_string()))?;
    let greeting: String = ada.request("greet", &())?;
    step(
        "8. The server calls the client",
        &format!("to answer Ada, the server asks Ada; she hears {greeting:?}"),
        &[
            ("Ada", "request 9 to greet: null"),
            ("server", "request 2 to city: null"),
            ("Ada", "response 2: \"London\""),
            ("server", &format!("response 9: {greeting:?}")),
        ],
    )
}

fn stream(ada: &Client) -> Result<(), Problem> {
    let mut tally = ada.open("tally", &())?;
    let mut totals = Vec::new();
    for number in [3, 4] {
        tally.send(&number)?;
        let total = tally.next::<i64>().ok_or_else(|| unexpected("a total is missing"))?;
        totals.push(total?);
    }
    tally.finish()?;
    let total: i64 = tally.answer()?;
    step(
        "9. Stream",
        &format!("Ada sends 3, then 4; each time she hears the sum so far, {totals:?}"),
        &[
            ("Ada", "request 11 to tally, with items both ways: null"),
            ("Ada", "item of 11: 3"),
            ("server", &format!("item of 11: {}", totals[0])),
            ("Ada", "item of 11: 4"),
            ("server", &format!("item of 11: {}", totals[1])),
            ("Ada", "end of 11: that was all"),
            ("server", &format!("response 11: {total}")),
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
        "14. Refused client",
        "Mallory has no token that opens anything; Ada notices nothing of it",
        &[
            ("Mallory", "hello: I speak version 1, my name is ..., my token is ..."),
            ("server", &format!("reject: {failure}")),
        ],
    )
}

/// What a handler or listener tells next.
fn next<T>(told: &Receiver<T>) -> Result<T, Problem> {
    told.recv_timeout(LONG).map_err(|_| unexpected("what must happen has not happened"))
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
