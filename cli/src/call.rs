//! `switchboard call`: one call, its answer on stdout.

use switchboard::Payload;

use crate::argument;
use crate::output::Printing;
use crate::problem::Problem;
use crate::session::{Session, Target};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Whom to call there
    channel: String,
    /// The arguments; `-`: from stdin; null if there are none
    #[arg(allow_negative_numbers = true)]
    json: Option<String>,
    #[command(flatten)]
    printing: Printing,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    let arguments = argument::read(args.json.as_deref(), &args.target.address)?;
    let session = Session::open(&args.target)?;
    let answer: Payload = session.client().request(&args.channel, &arguments)?;
    args.printing.output.print(&answer)?;
    // The answer is here; how the connection ends no longer matters.
    session.close("done");
    Ok(())
}
