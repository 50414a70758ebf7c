//! `switchboard serve`: a server until a signal comes.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use switchboard::Restart;
use switchboard_blocking::{Address, Server};

use crate::channels;
use crate::problem::{Exit, Problem, tell};
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
    /// Offer the channels echo, sleep, fail, whoami and panic, and take messages on log
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    token: TokenFile,
}

/// What a shell reports for a program that SIGINT has ended.
const ENDED_AT_ONCE: i32 = 130;

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    // Before anybody is told that the server listens, so that a signal always finds its handler.
    let signal = signals()?;
    let mut builder = Server::builder();
    match args.token.read()? {
        Some(token) => {
            builder = builder.authorize(move |hello, who| token.authorize(hello, who));
        }
        None if needs_token(&args.address) => {
            let what = "over TCP nothing tells who the clients are, so they must show a token";
            return Err(Problem::new(Exit::Usage, what, "give a file with one: --token FILE"));
        }
        None => {}
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

/// Tells the first SIGINT, SIGTERM or SIGHUP; the second one ends the program. A signal that was
/// ignored is not any more: ctrlc catches all three or none.
fn signals() -> Result<Receiver<()>, Problem> {
    let (sender, receiver) = mpsc::channel();
    let told = AtomicBool::new(false);
    let handler = move || {
        if told.swap(true, Ordering::Relaxed) {
            std::process::exit(ENDED_AT_ONCE);
        }
        // Nobody listens when the server has ended already.
        let _ = sender.send(());
    };
    ctrlc::set_handler(handler).map_err(|error| {
        Problem::new(Exit::Lost, format!("cannot wait for signals: {error}"), "try again")
    })?;
    Ok(receiver)
}
