//! `switchboard ping`: round trips, one line each.

use std::time::Duration;

use crate::item::Item;
use crate::output::Printing;
use crate::problem::Problem;
use crate::session::{Session, Target};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// How many, one after the other; above 1, a last line sums them up
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    #[command(flatten)]
    printing: Printing,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    let session = Session::open(&args.target)?;
    let (mut least, mut most, mut sum) = (Duration::MAX, Duration::ZERO, Duration::ZERO);
    for number in 1..=args.count {
        let time = session.client().ping()?;
        (least, most, sum) = (least.min(time), most.max(time), sum + time);
        args.printing.output.print_item(&line([("ping", number.into()), ("ms", ms(time))]))?;
    }
    if args.count > 1 {
        let average = sum / args.count;
        args.printing.output.print_item(&line([
            ("pings", args.count.into()),
            ("min_ms", ms(least)),
            ("avg_ms", ms(average)),
            ("max_ms", ms(most)),
        ]))?;
    }
    session.close("done");
    Ok(())
}

fn line<const N: usize>(entries: [(&str, Item); N]) -> Item {
    Item::Map(entries.map(|(key, value)| (Item::Text(key.into()), value)).into())
}

/// Milliseconds with three digits behind the point.
fn ms(time: Duration) -> Item {
    Item::Float((time.as_secs_f64() * 1e6).round() / 1e3)
}
