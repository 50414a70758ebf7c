//! `switchboard send`: one message, and the certainty that the server has read it.

use crate::json;
use crate::problem::Problem;
use crate::session::Session;
use crate::timeout::Patience;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the server is met
    address: String,
    /// Where it goes there
    channel: String,
    /// The message; null if there is none
    #[arg(allow_negative_numbers = true)]
    json: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    let message = json::parse(args.json.as_deref().unwrap_or("null"))?;
    let session = Session::open(&args.address, args.patience.timeout)?;
    session.client().send(&args.channel, &message)?;
    // A message has no answer. A ping has, and travels behind it: whoever answers has read both.
    session.client().ping()?;
    session.close("done");
    Ok(())
}
