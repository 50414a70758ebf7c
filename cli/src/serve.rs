//! `switchboard serve`: a server until a signal comes.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use switchboard::Restart;
use switchboard_blocking::Server;

use crate::channels;
use crate::problem::{Exit, Problem, tell};
use crate::text::plain;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to serve
    address: String,
    /// Offer the channels echo, sleep, fail, whoami and panic, and take messages on log
    #[arg(long)]
    demo: bool,
}

/// What a shell reports for a program that SIGINT has ended.
const ENDED_AT_ONCE: i32 = 130;

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    // Before anybody is told that the server listens, so that a signal always finds its handler.
    let signal = signals()?;
    let mut builder = Server::builder();
    if args.demo {
        builder = channels::add(builder);
    }
    let server = builder.bind(&args.address)?;
    if !args.demo {
        tell("no channels are served, every call is answered UNIMPLEMENTED: add --demo");
    }
    let _ = writeln!(io::stderr(), "listening on {}", plain(&args.address));
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

/// Tells the first SIGINT, SIGTERM or SIGHUP; the second one ends the program.
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
