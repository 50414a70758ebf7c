//! `switchboard call`: one call, its answer on stdout; with streams, its items before that.

use std::sync::mpsc;
use std::thread;

use switchboard::{CallError, Options, Payload};
use switchboard_blocking::ExchangeSender;

use crate::argument::{self, Lines};
use crate::output::Printing;
use crate::problem::Problem;
use crate::session::{Session, Target};

const STREAMS: &str = "\
With --stream each item that comes is printed at once, on a line of its own, and the answer behind the
last one. With --stdin each line of stdin is an item, sent when it comes; empty lines are left out, and
the end of stdin ends the items. Such a call may take as long as it likes, unless --timeout is given.

  switchboard call ./app.sock count '{\"to\": 3, \"every_ms\": 500}' --stream
  seq 100000 | switchboard call ./app.sock sum --stdin
  printf '%s\\n' '\"one\"' '\"two\"' | switchboard call ./app.sock upper --stdin";

#[derive(clap::Args)]
#[command(after_help = STREAMS)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Whom to call there
    channel: String,
    /// The arguments; `-`: from stdin; null if there are none
    #[arg(allow_negative_numbers = true)]
    json: Option<String>,
    /// Print the items that are streamed back, one a line, then the answer
    #[arg(long)]
    stream: bool,
    /// Stream the lines of stdin, each a value in JSON; also does what --stream does
    #[arg(long)]
    stdin: bool,
    #[command(flatten)]
    printing: Printing,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    let lines = if args.stdin {
        Some(argument::lines(args.json.as_deref(), &args.target.address)?)
    } else {
        None
    };
    let arguments = argument::read(args.json.as_deref(), &args.target.address)?;
    let session = Session::open(&args.target)?;
    let answer: Payload = if args.stream || args.stdin {
        stream(args, &session, &arguments, lines)?
    } else {
        session.client().request(&args.channel, &arguments)?
    };
    args.printing.output.print(&answer)?;
    // The answer is here; how the connection ends no longer matters.
    session.close("done");
    Ok(())
}

/// Sends the lines while it prints what comes; gives the answer.
fn stream(
    args: &Args,
    session: &Session,
    arguments: &Payload,
    lines: Option<Lines>,
) -> Result<Payload, Problem> {
    let client = session.client_with(Options::new().no_deadline());
    let exchange = client.open(&args.channel, arguments)?;
    let canceller = exchange.canceller();
    let (sender, mut items) = exchange.split();
    let (tell, wrong) = mpsc::channel();
    match lines {
        Some(lines) => {
            // When the call has ended it may wait for a line still, and ends with the program.
            thread::spawn(move || {
                if let Err(problem) = send(lines, &sender) {
                    // Before it is cancelled, so that whoever is told that finds this.
                    let _ = tell.send(problem);
                    canceller.cancel();
                }
            });
        }
        None => drop(sender.finish()),
    }
    for item in items.items::<Payload>() {
        args.printing.output.print(&item?)?;
    }
    items.answer().map_err(|error| match (error, wrong.try_recv()) {
        (CallError::Cancelled(_), Ok(problem)) => problem,
        (error, _) => error.into(),
    })
}

/// Sends each line as an item.
fn send(lines: Lines, items: &ExchangeSender) -> Result<(), Problem> {
    for line in lines {
        match items.send(&line?) {
            Ok(()) => {}
            // Of a larger item the call knows nothing.
            Err(error @ CallError::Rejected(switchboard::Rejected::TooLarge)) => {
                return Err(error.into());
            }
            // The call has ended, and its answer says how.
            Err(_) => return Ok(()),
        }
    }
    // Likewise.
    let _ = items.finish();
    Ok(())
}
