//! The files of `tests/vectors/` as values. What the README there does not tell is refused.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// An application asks for it.
    Commanded,
    ByItself,
    ReadOnly,
}

/// A frame, or bytes that are none.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) from: Role,
    pub(crate) notation: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) note: Note,
    place: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Line(Line),
    /// So much time passes, on one side alone if there is a role.
    Pass(Duration, Option<Role>),
    /// So many of the next lines cross.
    Cross(usize),
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    pub(crate) title: String,
    /// The sides that are this crate.
    pub(crate) ours: Vec<Role>,
    pub(crate) steps: Vec<Step>,
}

impl Conversation {
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.steps.iter().filter_map(|step| match step {
            Step::Line(line) => Some(line),
            _ => None,
        })
    }
}

impl Line {
    /// The number that the notation begins with.
    pub(crate) fn kind(&self) -> Option<u16> {
        let rest = self.notation.strip_prefix('[')?;
        let end = rest.find([',', ']']).expect("an array");
        Some(rest[..end].parse().expect("a kind"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} says {}", self.place, self.from, self.notation)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The names of the files that are there.
pub(crate) fn files() -> BTreeSet<String> {
    let names = fs::read_dir(folder()).expect("tests/vectors is there");
    let names = names.map(|entry| entry.expect("an entry").file_name().into_string());
    names.map(|name| name.expect("plain names")).filter(|name| name.ends_with(".txt")).collect()
}

pub(crate) fn read(file: &str) -> Vec<Conversation> {
    let text = fs::read_to_string(folder().join(file));
    let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut all: Vec<Conversation> = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let place = format!("{file}:{number}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("== ") {
            let ours = lines.next().and_then(|(_, line)| sides(line));
            let ours = ours.unwrap_or_else(|| panic!("{place}: whose sides are this crate?"));
            all.push(Conversation { title: title.into(), ours, steps: Vec::new() });
            continue;
        }
        let conversation = all.last_mut().unwrap_or_else(|| panic!("{place}: no title before it"));
        conversation.steps.push(match line.strip_prefix("* ") {
            Some(text) => directive(text).unwrap_or_else(|| panic!("{place}: {text}?")),
            None => Step::Line(frame(line, place)),
        });
    }
    all
}

fn sides(line: &str) -> Option<Vec<Role>> {
    match line {
        "* both sides are this crate" => Some(vec![Role::Client, Role::Server]),
        "* the client is this crate" => Some(vec![Role::Client]),
        "* the server is this crate" => Some(vec![Role::Server]),
        "* bytes only" => Some(vec![]),
        _ => None,
    }
}

fn directive(text: &str) -> Option<Step> {
    match text {
        "the next two cross" => Some(Step::Cross(2)),
        "the next five cross" => Some(Step::Cross(5)),
        "the connection ends" => Some(Step::End),
        _ => {
            let (number, side) = text.split_once(" ms pass")?;
            let role = match side {
                "" => None,
                " at the client" => Some(Role::Client),
                " at the server" => Some(Role::Server),
                _ => return None,
            };
            Some(Step::Pass(Duration::from_millis(number.parse().ok()?), role))
        }
    }
}

fn frame(line: &str, place: String) -> Line {
    let from = match line.get(..3) {
        Some("c> ") => Role::Client,
        Some("s> ") => Role::Server,
        _ => panic!("{place}: neither side says it"),
    };
    let parts: Vec<&str> = line[3..].split(" | ").collect();
    let (notation, hex, note) = match parts[..] {
        [notation, hex] => (notation, hex, Note::Commanded),
        [notation, hex, "by itself"] => (notation, hex, Note::ByItself),
        [notation, hex, "read only"] => (notation, hex, Note::ReadOnly),
        _ => panic!("{place}: not notation, bytes and a note"),
    };
    let digits: Vec<u8> = hex.bytes().filter(|digit| *digit != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = digits.chunks(2).map(|pair| byte(pair).filter(|_| pair.len() == 2)).collect();
    let bytes: Option<Vec<u8>> = bytes;
    let bytes = bytes.unwrap_or_else(|| panic!("{place}: {hex} is not hex"));
    Line { from, notation: notation.trim().into(), bytes, note, place }
}
