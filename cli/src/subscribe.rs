//! `switchboard subscribe`: what is published, a line each, until a signal comes or there were enough.

use std::io::{self, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use switchboard::{Delivery, DeliveryError, HeaderValue, Options, Payload};
use switchboard_blocking::Subscription;

use crate::item::Item;
use crate::output::{Notation, Printing, print_line};
use crate::problem::{Exit, Problem, tell};
use crate::session::{Session, Target};
use crate::signals;
use crate::text::plain;

const LINES: &str = "\
In a pattern * is any one name and > at the end one or more:

  switchboard subscribe ./app.sock 'sensors.*.temp'

prints {\"topic\":\"sensors.kitchen.temp\",\"headers\":{},\"payload\":21.5} and the like, each line at once.
A value that cannot be printed has \"error\" in place of \"payload\". Where this program was too slow to
get all, the line is {\"lagged\":5}, and stderr tells the same; lines of that kind do not count for -n.
Each pattern is a subscription of its own: what two of them match comes twice, and in order with what
the same one matches.

On stderr it says when the subscriptions are there: what is published from then on comes. SIGINT, SIGTERM
and SIGHUP end it well; when whoever reads its output has gone, the next line does. With --timeout it
ends with exit code 4 if -n is not reached by then.";

#[derive(clap::Args)]
#[command(after_help = LINES)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// What to subscribe to; several may be given
    #[arg(required = true, value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Share the work with all who name this group: each value goes to one of them
    #[arg(long, value_name = "NAME", conflicts_with = "retained")]
    group: Option<String>,
    /// Begin with the values that were kept
    #[arg(long)]
    retained: bool,
    /// End after so many values
    #[arg(short = 'n', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    printing: Printing,
}

/// Why it ends; a signal is no problem.
type End = Result<(), Problem>;

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    let session = Session::open(&args.target)?;
    let mut options = Options::new();
    if let Some(group) = &args.group {
        options = options.group(group.as_str());
    }
    if args.retained {
        options = options.retained();
    }
    let client = session.client_with(options);
    let subscriptions: Vec<Subscription<Payload>> =
        args.patterns.iter().map(|pattern| client.subscribe(pattern)).collect::<Result<_, _>>()?;

    let (ended, end) = mpsc::channel::<End>();
    let signalled = ended.clone();
    signals::first(move || {
        // Nobody listens when it has ended already.
        let _ = signalled.send(Ok(()));
    })?;
    let _ = writeln!(io::stderr(), "subscribed to {}", plain(&args.patterns.join(", ")));
    let printer = Printer { notation: args.printing.output, left: Mutex::new(args.count) };
    let printer = Arc::new(printer);
    for subscription in subscriptions {
        let (printer, ended) = (Arc::clone(&printer), ended.clone());
        // Behind the first end, nobody needs another one.
        thread::spawn(move || drop(ended.send(printer.follow(subscription))));
    }
    let end = match session.left() {
        Some(left) => end.recv_timeout(left),
        None => end.recv().map_err(RecvTimeoutError::from),
    };
    let late =
        |_| Err(Problem::new(Exit::Deadline, "the time is up", "allow more time with --timeout"));
    let end = end.unwrap_or_else(late);
    session.close("done");
    end
}

/// Prints the lines of all subscriptions.
struct Printer {
    notation: Notation,
    /// How many more values are wanted, if not all. Whoever prints holds it.
    left: Mutex<Option<u64>>,
}

impl Printer {
    /// Prints what comes until there were enough, or nothing more comes.
    fn follow(&self, subscription: Subscription<Payload>) -> End {
        for delivery in subscription {
            let (line, counts) = match delivery {
                Ok(delivery) => (self.value(&delivery)?, true),
                Err(DeliveryError::Decode { topic, error }) => {
                    (self.unprintable(&topic, &error.to_string())?, true)
                }
                Err(error @ DeliveryError::Lagged(count)) => {
                    tell(&error.to_string());
                    (self.notation.line(&map([("lagged", Item::Unsigned(count))]))?, false)
                }
                Err(error) => return Err(error.into()),
            };
            if self.print(&line, counts)? {
                break;
            }
        }
        Ok(())
    }

    /// The line of a value.
    fn value(
        &self,
        Delivery { topic, headers, value, .. }: &Delivery<Payload>,
    ) -> Result<String, Problem> {
        let payload = match Item::read(value) {
            Ok(payload) => payload,
            Err(error) => return self.unprintable(topic, &error.to_string()),
        };
        let line = map([
            ("topic", Item::Text(topic.clone())),
            ("headers", Item::Map(headers.iter().map(header).collect())),
            ("payload", payload),
        ]);
        self.notation.line(&line).or_else(|error| {
            self.unprintable(topic, &format!("{error}: use --output diag, which can"))
        })
    }

    /// The line in place of that of a value, which nobody else has to do without.
    fn unprintable(&self, topic: &str, error: &str) -> Result<String, Problem> {
        tell(&format!("the value of {topic}: {error}"));
        let texts = [("topic", topic), ("error", error)];
        Ok(self.notation.line(&map(texts.map(|(key, text)| (key, Item::Text(text.into())))))?)
    }

    /// Prints a line, if it is still wanted; says whether there were enough.
    fn print(&self, line: &str, counts: bool) -> Result<bool, Problem> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if *left == Some(0) {
            return Ok(true);
        }
        print_line(line)?;
        if counts {
            *left = left.map(|left| left - 1);
        }
        Ok(*left == Some(0))
    }
}

fn header((name, value): (&str, HeaderValue<'_>)) -> (Item, Item) {
    let value = match value {
        HeaderValue::Uint(number) => Item::Unsigned(number),
        HeaderValue::Bool(value) => Item::Bool(value),
        HeaderValue::Text(text) => Item::Text(text.into()),
        HeaderValue::Bytes(bytes) => Item::Bytes(bytes.into()),
        // Of a kind that this program does not know yet.
        _ => Item::Undefined,
    };
    (Item::Text(name.into()), value)
}

fn map<const N: usize>(entries: [(&str, Item); N]) -> Item {
    Item::Map(entries.map(|(key, value)| (Item::Text(key.into()), value)).into())
}
