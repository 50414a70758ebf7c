//! `switchboard send`: one message, and the certainty that the server has read it.

use crate::argument;
use crate::problem::Problem;
use crate::session::{Session, Target};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Where it goes there
    channel: String,
    /// The message; `-`: from stdin; null if there is none
    #[arg(allow_negative_numbers = true)]
    json: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    let message = argument::read(args.json.as_deref(), &args.target.address)?;
    let session = Session::open(&args.target)?;
    session.client().send(&args.channel, &message)?;
    // A message has no answer. A ping has, and travels behind it: whoever answers has read both.
    session.client().ping()?;
    session.close("done");
    Ok(())
}
