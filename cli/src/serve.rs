//! `switchboard serve`: a server until a signal comes.

use std::io::{self, Write as _};
use std::sync::mpsc;
use std::thread;

use switchboard::Restart;
use switchboard_blocking::{Address, Server};

use crate::channels;
use crate::door::Door;
use crate::problem::{Exit, Problem, tell};
use crate::signals;
use crate::text::plain;
use crate::token::TokenFile;

const SIGNALS: &str = "\
SIGINT, SIGTERM and SIGHUP close gracefully, also where they were ignored before, as by nohup: to
outlive its terminal, start it with setsid or as a service. A second signal ends it at once.";

#[derive(clap::Args)]
#[command(after_help = SIGNALS)]
pub(crate) struct Args {
    /// Where to serve
    address: String,
    /// Offer the channels echo, sleep, fail, whoami and panic, and with streams count, sum and upper;
    /// take messages on log
    #[arg(long)]
    demo: bool,
    /// A scope that clients may live in, apart from the others; may be given several times
    #[arg(long = "scope", value_name = "NAME")]
    scopes: Vec<String>,
    #[command(flatten)]
    token: TokenFile,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    // Before anybody is told that the server listens, so that a signal always finds its handler.
    let (sender, signal) = mpsc::channel();
    signals::first(move || {
        // Nobody listens when the server has ended already.
        let _ = sender.send(());
    })?;
    let door = Door { token: args.token.read()?, scopes: args.scopes.clone() };
    if door.token.is_none() && needs_token(&args.address) {
        let what = "over TCP nothing tells who the clients are, so they must show a token";
        return Err(Problem::new(Exit::Usage, what, "give a file with one: --token FILE"));
    }
    let mut builder = Server::builder();
    if door.token.is_some() || !door.scopes.is_empty() {
        builder = builder.authorize(move |hello, who| door.authorize(hello, who));
    }
    if args.demo {
        builder = channels::add(builder);
    }
    let server =
        builder.bind(&args.address).map_err(|error| Problem::opening(&args.address, error))?;
    if !args.demo {
        tell("no channels are served, every call is answered UNIMPLEMENTED: add --demo");
    }
    // Of TCP with the port that the system has chosen, where 0 was asked for.
    let address = server.address().map_or_else(|| args.address.clone(), ToString::to_string);
    let _ = writeln!(io::stderr(), "listening on {}", plain(&address));
    let closing = server.clone();
    thread::spawn(move || {
        if signal.recv().is_ok() {
            tell("closing, open calls may end: signal again to end at once");
            closing.close(Restart::never().message("the server was stopped"));
        }
    });
    server.closed();
    Ok(())
}

/// What is no address is told when it is bound.
fn needs_token(address: &str) -> bool {
    address.parse::<Address>().is_ok_and(|address| address.needs_authorize())
}
