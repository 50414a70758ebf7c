//! What `switchboard serve --demo` offers: something to try each way a call can go. Its streams are in
//! `streams`.

use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use switchboard::{Failure, Payload, Status};
use switchboard_blocking::{Context, ServerBuilder};

use crate::problem::shown;

mod streams;

/// Between two looks at whether anybody still waits for a `sleep`: too short to be felt when a
/// server stops, too long to cost anything.
const NAP: Duration = Duration::from_millis(25);

#[derive(Deserialize)]
struct Sleep {
    ms: u64,
}

#[derive(Deserialize)]
struct Fail {
    status: u32,
    #[serde(default)]
    message: String,
}

/// The caller, as the operating system knows it.
#[derive(Serialize)]
struct Caller {
    uid: u32,
    gid: u32,
    pid: Option<u32>,
}

/// Adds the channels to a server.
pub(crate) fn add(server: ServerBuilder) -> ServerBuilder {
    streams::add(server)
        .handle_inline("echo", |_: Context, payload: Payload| Ok(payload))
        .handle_inline("fail", |_: Context, wanted: Fail| fail(wanted))
        .handle_inline("whoami", |cx: Context, (): ()| whoami(&cx))
        .handle("sleep", |cx: Context, wanted: Sleep| sleep(&cx, wanted.ms))
        .handle("panic", |_: Context, _: Payload| panic())
        .on("log", |_: Context, message: Payload| log(&message))
}

fn fail(wanted: Fail) -> Result<(), Failure> {
    let status = Status::new(wanted.status);
    let none = || Failure::new(Status::INVALID_ARGUMENT, "status 0 is no failure; give another");
    Err(Failure::new(status.ok_or_else(none)?, wanted.message))
}

fn whoami(cx: &Context) -> Result<Caller, Failure> {
    let unknown =
        || Failure::new(Status::FAILED_PRECONDITION, "nothing tells who calls, as over TCP");
    let caller = cx.peer().credentials().ok_or_else(unknown)?;
    Ok(Caller { uid: caller.uid, gid: caller.gid, pid: caller.pid })
}

/// Sleeps while somebody waits for the call. A thread of the pool is all that it holds meanwhile.
fn sleep(cx: &Context, ms: u64) -> Result<(), Failure> {
    let start = Instant::now();
    let whole = Duration::from_millis(ms);
    loop {
        let left = whole.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        if cx.is_cancelled() {
            return Err(Failure::new(Status::CANCELLED, "nobody waits any more"));
        }
        thread::sleep(left.min(NAP));
    }
}

#[allow(clippy::panic, reason = "this is what the channel is for")]
fn panic() -> Result<(), Failure> {
    panic!("as the channel `panic` was asked to")
}

fn log(message: &Payload) {
    // If nobody can read it, nobody can be told that either.
    let _ = writeln!(io::stderr(), "log: {}", shown(message));
}
