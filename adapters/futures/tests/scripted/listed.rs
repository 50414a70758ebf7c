//! Every public future has a case here, and its docs say what dropping it does. Called by nobody; reads the
//! crate's source.

use std::fs;
use std::path::Path;

use crate::COVERED;

/// What the docs of every public future say under.
const HEADING: &str = "/// # Cancel safety";

/// A public function that gives a future or a stream, or a type that is one.
struct Listed {
    name: String,
    documented: bool,
}

/// The name behind `word`, as far as it goes.
fn name_behind<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let name = line.split_once(word)?.1;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The type that an `impl` is for, and whether it makes that a future or a stream.
fn implemented(line: &str) -> Option<(&str, bool)> {
    let line = line.strip_prefix("impl")?;
    let line = if line.starts_with('<') { line.split_once("> ")?.1 } else { line.trim_start() };
    let (of, is_one) = match line.split_once(" for ") {
        Some((what, of)) => (of, matches!(what, "Future" | "Stream")),
        None => (line, false),
    };
    Some((of.split(|c: char| !c.is_alphanumeric()).next()?, is_one))
}

/// Whether the doc comment that ends above this line has the heading.
fn is_documented(lines: &[&str]) -> bool {
    let docs = lines.iter().rev().map(|line| line.trim());
    let mut docs = docs.take_while(|line| line.starts_with("///") || line.starts_with("#["));
    docs.any(|line| line == HEADING)
}

/// The public futures of a file.
fn futures_of(text: &str) -> Vec<Listed> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut of, mut found) = ("", Vec::new());
    for (at, line) in lines.iter().enumerate() {
        if let Some((type_, is_one)) = implemented(line) {
            of = type_;
            let public = [format!("pub struct {of} "), format!("pub struct {of}<")];
            let declared = |line: &str| public.iter().any(|public| line.starts_with(public));
            if let Some(place) = lines.iter().position(|line| is_one && declared(line)) {
                let documented = is_documented(&lines[..place]);
                found.push(Listed { name: of.to_owned(), documented });
            }
        }
        let Some(name) = line.strip_prefix("    pub ").and_then(|line| name_behind(line, "fn "))
        else {
            continue;
        };
        let end = lines[at..].iter().position(|line| line.ends_with('{') || line.ends_with(';'));
        let head = lines[at..=at + end.unwrap_or(0)].concat();
        let gives = ["async fn", "-> impl Future", "-> impl Stream", "-> Call<"];
        if gives.iter().any(|gives| head.contains(gives)) {
            let documented = is_documented(&lines[..at]);
            found.push(Listed { name: format!("{of}::{name}"), documented });
        }
    }
    found
}

fn every_future() -> Vec<Listed> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.extend(futures_of(&fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 20, "found only {}: is the source read rightly?", found.len());
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

#[test]
fn every_public_future_has_a_case() {
    let found = every_future();
    let missing: Vec<&str> = found
        .iter()
        .map(|listed| listed.name.as_str())
        .filter(|name| !COVERED.contains(name))
        .collect();
    assert!(missing.is_empty(), "without a case in main.rs: {missing:#?}");
    let gone = COVERED.iter().find(|name| !found.iter().any(|listed| listed.name == **name));
    assert_eq!(gone, None, "no public future");
}

#[test]
fn every_public_future_says_what_dropping_it_does() {
    let found = every_future();
    let silent: Vec<&str> =
        found.iter().filter(|listed| !listed.documented).map(|listed| &*listed.name).collect();
    assert!(silent.is_empty(), "without {HEADING:?} in its docs: {silent:#?}");
}
