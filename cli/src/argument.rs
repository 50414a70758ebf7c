//! The argument or message of `call` and `send`: JSON on the command line, or from stdin. Knows
//! `json`.

use std::io::{self, Read as _};

use switchboard::Payload;

use crate::json;
use crate::problem::{Exit, Problem};

/// The longest text that is read from stdin: eight times what most servers take in one frame, since
/// JSON says the same with more letters.
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
        Some("-") => stdin()?,
        Some(json) => json.into(),
    };
    Ok(json::parse(&text)?)
}

fn stdin() -> Result<String, Problem> {
    let mut text = String::new();
    match io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > LONGEST => {
            let what = format!("what came on stdin is longer than {} MiB", LONGEST >> 20);
            Err(Problem::new(Exit::Usage, what, "send less at a time"))
        }
        Ok(_) if text.trim().is_empty() => {
            let what = "nothing came on stdin";
            Err(Problem::new(Exit::Usage, what, "write JSON there, such as null"))
        }
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let what = "what came on stdin is no UTF-8";
            Err(Problem::new(Exit::Usage, what, r#"write bytes as {"$bytes": "<base64>"}"#))
        }
        Err(error) => {
            let what = format!("cannot read stdin: {error}");
            Err(Problem::new(Exit::Lost, what, "check where the input comes from"))
        }
    }
}
