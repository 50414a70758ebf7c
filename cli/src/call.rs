//! `switchboard call`: one call, its answer on stdout.

use switchboard::Payload;

use crate::json;
use crate::output::Printing;
use crate::problem::Problem;
use crate::session::Session;
use crate::timeout::Patience;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the server is met
    address: String,
    /// Whom to call there
    channel: String,
    /// The arguments; null if there are none
    #[arg(allow_negative_numbers = true)]
    json: Option<String>,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    printing: Printing,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    let arguments = json::parse(args.json.as_deref().unwrap_or("null"))?;
    let session = Session::open(&args.address, args.patience.timeout)?;
    let answer: Payload = session.client().request(&args.channel, &arguments)?;
    args.printing.output.print(&answer)?;
    // The answer is here; how the connection ends no longer matters.
    session.close("done");
    Ok(())
}
