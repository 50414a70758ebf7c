//! The values of the command line and of stdin, as JSON: arguments, messages, publications, items.
//! Knows `json`.

use std::io::{self, BufRead as _, Read};

use switchboard::Payload;

use crate::json;
use crate::problem::{Exit, Problem};

/// The longest text that is read from stdin, or from a line of it: eight times what most servers take
/// in one frame, since JSON says the same with more letters.
const LONGEST: u64 = 128 << 20;

/// The payload that `given` says: JSON, `-` for JSON from stdin, nothing for null. Reads all of
/// stdin, so that a server is not kept waiting by whoever writes there.
pub(crate) fn read(given: Option<&str>, address: &str) -> Result<Payload, Problem> {
    let text = match given {
        None => return Ok(Payload::null()),
        Some("-") if address == "stdio" => {
            let what = "stdin cannot be the connection and the argument at once";
            return Err(Problem::new(Exit::Usage, what, "write the argument on the command line"));
        }
        Some("-") => text(&mut io::stdin().lock())?,
        Some(json) => json.into(),
    };
    Ok(json::parse(&text)?)
}

/// All that comes, if it is text and not too long.
fn text(input: &mut impl Read) -> Result<String, Problem> {
    let mut text = String::new();
    match input.take(LONGEST + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > LONGEST => Err(too_long("what came on stdin")),
        Ok(_) if text.trim().is_empty() => {
            let what = "nothing came on stdin";
            Err(Problem::new(Exit::Usage, what, "write JSON there, such as null"))
        }
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(no_text("what came on stdin"))
        }
        Err(error) => Err(unreadable(&error)),
    }
}

/// Stdin for items, if it is not needed for anything else.
pub(crate) fn lines(given: Option<&str>, address: &str) -> Result<Lines, Problem> {
    let (what, todo) = if given == Some("-") {
        (
            "stdin cannot be the argument and the items at once",
            "write the argument on the command line",
        )
    } else if address == "stdio" {
        ("stdin cannot be the connection and the items at once", "leave --stdin out")
    } else {
        return Ok(Lines { number: 0 });
    };
    Err(Problem::new(Exit::Usage, what, todo))
}

/// The lines of stdin that are not empty, each a payload, as they come.
pub(crate) struct Lines {
    /// Of the last one.
    number: u64,
}

impl Lines {
    /// The next line; nothing at the end.
    fn line(&self) -> Result<Option<String>, Problem> {
        let mut line = Vec::new();
        let mut input = io::stdin().lock();
        match input.by_ref().take(LONGEST + 1).read_until(b'\n', &mut line) {
            Ok(0) => Ok(None),
            Ok(_) if line.len() as u64 > LONGEST => Err(too_long(&self.name())),
            Ok(_) => String::from_utf8(line).map(Some).map_err(|_| no_text(&self.name())),
            Err(error) => Err(unreadable(&error)),
        }
    }

    fn name(&self) -> String {
        format!("line {} of stdin", self.number)
    }
}

impl Iterator for Lines {
    type Item = Result<Payload, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.number += 1;
            match self.line().transpose()? {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => {
                    let payload = json::parse(&line);
                    return Some(payload.map_err(|error| Problem::json(&self.name(), error)));
                }
                Err(problem) => return Some(Err(problem)),
            }
        }
    }
}

fn too_long(what: &str) -> Problem {
    let what = format!("{what} is longer than {} MiB", LONGEST >> 20);
    Problem::new(Exit::Usage, what, "send less at a time")
}

fn no_text(what: &str) -> Problem {
    let what = format!("{what} is no UTF-8");
    Problem::new(Exit::Usage, what, r#"write bytes as {"$bytes": "<base64>"}"#)
}

fn unreadable(error: &io::Error) -> Problem {
    let what = format!("cannot read stdin: {error}");
    Problem::new(Exit::Lost, what, "check where the input comes from")
}
