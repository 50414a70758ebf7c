//! The `switchboard` program: the command line, and what each exit code means.
//!
//! ```text
//! main -> demo, serve (-> channels), call, send, ping, status, inspect, completions
//! call, send -> argument -> json
//! call, send, ping, status -> session -> switchboard-blocking
//! session, serve -> token
//! inspect -> switchboard::wire
//! output, problem, inspect -> json, diag -> item, text
//! ```
//!
//! Data goes to stdout, one value a line; everything else goes to stderr. Nothing here knows the
//! protocol, but for `inspect`, which looks at frames: that is `switchboard`'s, and its transport is
//! `switchboard-blocking`'s.

#![forbid(unsafe_code)]

mod argument;
mod call;
mod channels;
mod completions;
mod demo;
mod diag;
mod door;
mod inspect;
mod item;
mod json;
mod output;
mod ping;
mod problem;
mod publish;
mod send;
mod serve;
mod session;
mod signals;
mod status;
mod subscribe;
mod text;
mod timeout;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use problem::Exit;

const EXAMPLES: &str = r#"Examples:
  switchboard demo                                     see everything at once
  switchboard serve ./app.sock --demo                  a server to try things on
  switchboard call ./app.sock echo '{"n": 21.0}'
  switchboard call ./app.sock sleep '{"ms": 5000}' --timeout 500ms
  switchboard call ./app.sock echo '{"$bytes": "AP8="}' --output diag
  seq 100000 | switchboard call ./app.sock sum --stdin          an item a line
  switchboard call ./app.sock count '{"to": 3}' --stream        items, then the answer
  switchboard send ./app.sock log '"started"'
  switchboard subscribe ./app.sock 'sensors.*.temp'             a line a value
  switchboard publish ./app.sock sensors.kitchen.temp 21.5
  echo '{"n": 1}' | switchboard call ./app.sock echo -
  switchboard ping ./app.sock -c 3
  switchboard status ./app.sock                        who serves, and its connections
  switchboard inspect recorded.bin                     the frames that one side sent
  switchboard inspect - --output json < recorded.bin

Addresses: a path with a '/' in it; a name in the user's runtime folder; @NAME, which has no file
(Linux); tcp:HOST:PORT on this machine, where `serve` asks for a token; stdio, for a program that
another one starts and talks to.

--token FILE: `serve` lets in only who shows the text of this file, the others show it. A file,
because `ps` shows command lines; one that only you can read. Over TCP nothing tells who serves:
whoever took the port first gets the token.

--scope NAME: topics, groups and kept values of one scope do not exist in another. A server refuses
names that it does not know; `serve` has those that it is given, by --scope, too.

Values are JSON; none is null. Integers stay integers, up to 128 bits; 21.0 stays a float. Bytes
are {"$bytes": "<base64>"}; a map with keys that are no text is {"$map": [[key, value], ...]}. An
object whose only key is really called so takes a '$' more: {"$$bytes": ...}. What JSON cannot
say (NaN, tags, ...) is printed with --output diag.

inspect prints offset, length, kind and the frame in CBOR's diagnostic notation. A bad payload
costs its message only: it is shown as "...", with what is wrong, and all goes on. Behind broken
bytes nothing is guessed.

Exit codes: 0 ok, 1 the peer answered an error, 2 usage (also: the answer needs --output diag),
3 not running or refused, 4 deadline, 5 versions do not fit, 6 connection lost or protocol error
(also: the system failed, or what `inspect` read is broken or ends too soon); 130 if a second
signal ended `serve` or `subscribe` at once.
Without --timeout a handshake may take 10 s and a call 30 s; one that streams, and a subscription, as
long as they like."#;

/// Serve, call, message, publish and subscribe over local sockets
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show a server and its clients at work, step by step
    Demo,
    /// Serve until SIGINT, SIGTERM or SIGHUP, then close gracefully
    Serve(serve::Args),
    /// Call a channel and print its answer
    Call(call::Args),
    /// Send a one-way message to a channel
    Send(send::Args),
    /// Publish a value under a topic
    Publish(publish::Args),
    /// Print what is published under topics, as it comes
    Subscribe(subscribe::Args),
    /// Measure round trips
    Ping(ping::Args),
    /// Show who serves there, and what passes over its connections
    Status(status::Args),
    /// Show the frames of a recorded byte stream
    Inspect(inspect::Args),
    /// Print what a shell needs to complete this command line
    Completions(completions::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo => demo::run(),
        Command::Serve(args) => serve::run(&args),
        Command::Call(args) => call::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Subscribe(args) => subscribe::run(&args),
        Command::Ping(args) => ping::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    done.map_or_else(|problem| problem.report(), |()| Exit::Ok).into()
}
