//! Data on stdout, one line a value, in the notation that was asked for.

use std::io::{self, Write as _};

use clap::ValueEnum;
use switchboard::Payload;

use crate::item::Item;
use crate::problem::Problem;
use crate::{diag, json};

/// The option of commands that print values.
#[derive(clap::Args)]
pub(crate) struct Printing {
    /// How values are printed
    #[arg(long, value_enum, value_name = "NOTATION", default_value = "json")]
    pub(crate) output: Notation,
}

/// How values are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Notation {
    /// JSON on one line, which `call` and `send` read again
    Json,
    /// CBOR's diagnostic notation, for whatever JSON cannot say
    Diag,
}

impl Notation {
    /// Prints what came from a peer.
    pub(crate) fn print(self, payload: &Payload) -> Result<(), Problem> {
        self.print_item(&Item::read(payload)?)
    }

    pub(crate) fn print_item(self, item: &Item) -> Result<(), Problem> {
        print_line(&self.line(item)?)
    }

    /// A value, as it is printed.
    pub(crate) fn line(self, item: &Item) -> Result<String, json::Unwritable> {
        match self {
            Self::Json => json::print(item),
            Self::Diag => Ok(diag::print(item)),
        }
    }
}

/// Prints a line at once, also into a pipe.
pub(crate) fn print_line(line: &str) -> Result<(), Problem> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Problem::stdout(&error))
}
