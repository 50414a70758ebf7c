//! `switchboard publish`: one value under a topic, for whoever has subscribed.

use switchboard::Options;

use crate::argument;
use crate::output::print_line;
use crate::problem::Problem;
use crate::session::{Session, Target};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// What it is published under: 1 to 16 names joined by dots
    topic: String,
    /// The value; `-`: from stdin; null if there is none
    #[arg(allow_negative_numbers = true)]
    json: Option<String>,
    /// Keep it as the topic's value, for those who subscribe later
    #[arg(long)]
    retain: bool,
    /// Forget the value that was kept for the topic; this one is published all the same
    #[arg(long, conflicts_with = "retain")]
    forget: bool,
    /// Print for how many subscriptions it was queued
    #[arg(long)]
    count: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    let value = argument::read(args.json.as_deref(), &args.target.address)?;
    let options = match (args.retain, args.forget) {
        (true, _) => Options::new().retain(),
        (_, true) => Options::new().forget(),
        _ => Options::new(),
    };
    let session = Session::open(&args.target)?;
    // Counted also where nobody asks: so it is certain that the server has it, and why it does not.
    let count = session.client_with(options).publish_counted(&args.topic, &value)?;
    if args.count {
        print_line(&count.to_string())?;
    }
    session.close("done");
    Ok(())
}
