//! `--token`: a secret that a server asks every client for. It stands in a file and never on the
//! command line, where `ps` would show it to everybody.

use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use switchboard::{Payload, PayloadLimits, from_payload};

use crate::problem::{Exit, Problem};

/// The longest token in bytes: it must fit a hello.
const LONGEST: u64 = 8 << 10;

/// The option of commands that show or ask for a token.
#[derive(clap::Args)]
pub(crate) struct TokenFile {
    /// The token that the server asks for stands in this file; line ends behind it do not count
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
}

impl TokenFile {
    pub(crate) fn read(&self) -> Result<Option<Token>, Problem> {
        self.token.as_deref().map(Token::read).transpose()
    }
}

/// A secret. It is never printed.
pub(crate) struct Token(String);

impl Token {
    fn read(file: &Path) -> Result<Self, Problem> {
        let usage = |what: &dyn fmt::Display| {
            let what = format!("cannot use {} as a token: {what}", file.display());
            Problem::new(Exit::Usage, what, "give a file with some text that is hard to guess")
        };
        let mut text = String::new();
        File::open(file)
            .and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
            .map_err(|error| usage(&error))?;
        if text.len() as u64 > LONGEST {
            return Err(usage(&format_args!("it is longer than {LONGEST} bytes")));
        }
        let token = text.trim_end_matches(['\r', '\n']);
        if token.is_empty() {
            return Err(usage(&"it is empty"));
        }
        Ok(Self(token.into()))
    }

    /// What a client says in its hello.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether this is what a client said in its hello.
    pub(crate) fn is(&self, said: &Payload) -> bool {
        let said: Result<String, _> = from_payload(said, &PayloadLimits::default());
        said.is_ok_and(|said| same(self.0.as_bytes(), said.as_bytes()))
    }
}

/// Whether two secrets are the same. How long it takes tells how long they are, and nothing of where
/// they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |sum, (one, other)| black_box(sum | one ^ other));
    one.len() == other.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_the_same_or_not() {
        for (one, other, is) in [
            ("open sesame", "open sesame", true),
            ("open sesame", "Open sesame", false),
            ("open sesame", "open sesam", false),
            ("open", "open sesame", false),
            ("open", "", false),
        ] {
            assert_eq!(same(one.as_bytes(), other.as_bytes()), is, "{one} {other}");
        }
    }
}
