//! Style that is a test does not decay: sizes, heads, import direction, purity, the paths that
//! ARCHITECTURE.md names, and the tests that docs/threats.md names.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MOST_LINES: usize = 400;
const MOST_LINES_OF_A_FACADE: usize = 150;
const MOST_COLUMNS: usize = 110;

/// A source file: its path from the root, with `/`, and its text.
struct File {
    path: String,
    text: String,
}

fn files_below(folder: &str) -> Vec<File> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap().replace('\\', "/");
                files.push(File { path: name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has no source files");
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// What users get: no tests.
fn shipped() -> Vec<File> {
    let mut files = files_below("src");
    files.extend(files_below("adapters"));
    files.extend(files_below("cli"));
    files.retain(|file| !file.path.contains("/tests/") && !file.path.ends_with("/tests.rs"));
    files
}

fn complain(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let mut found = Vec::new();
    for File { path, text } in shipped() {
        let lines = text.lines().count();
        if lines > MOST_LINES {
            found.push(format!("{path} has {lines} lines; at most {MOST_LINES}: split the noun"));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > MOST_COLUMNS {
                found.push(format!("{path}:{} is longer than {MOST_COLUMNS} columns", number + 1));
            }
        }
    }
    complain(&found);
}

#[test]
fn a_facade_stays_thin() {
    let mut found = Vec::new();
    for folder in ["adapters/async-std/src", "adapters/smol/src", "adapters/tokio/src"] {
        let files = files_below(folder);
        let lines = files.iter().flat_map(|file| file.text.lines()).map(str::trim);
        let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        if code > MOST_LINES_OF_A_FACADE {
            found.push(format!(
                "{folder} has {code} lines of code; at most {MOST_LINES_OF_A_FACADE}: what two \
                 facades need is the driver's, what all adapters need the core's"
            ));
        }
    }
    complain(&found);
}

/// It is discontinued: whoever does not use it already shall not come to have it through us.
#[test]
fn nothing_but_its_own_adapter_depends_on_async_std() {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(ROOT)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name == "Cargo.toml" && !path.ends_with("adapters/async-std/Cargo.toml") {
                let text = fs::read_to_string(&path).unwrap();
                // Its conformance is tested, and the versions of all are in one place.
                let may: &[&str] = if path.ends_with("adapters/conformance/Cargo.toml") {
                    &["[dev-dependencies]"]
                } else {
                    &["[workspace]", "[workspace.dependencies]"]
                };
                let mut table = "";
                for line in text.lines() {
                    if line.starts_with('[') {
                        table = line;
                    }
                    let told = table != "[package]" && line.contains("async-std");
                    if told && !may.contains(&table) {
                        found.push(format!("{} has under {table}: {line}", path.display()));
                    }
                }
            }
        }
    }
    complain(&found);
}

#[test]
fn every_file_says_at_its_head_what_it_is_for() {
    let mut found = Vec::new();
    for folder in ["src", "adapters", "benches", "cli", "fuzz", "tests", "examples"] {
        for File { path, text } in files_below(folder) {
            if !text.starts_with("//! ") {
                found.push(format!("{path} does not begin with `//! ` and what it is for"));
            }
        }
    }
    complain(&found);
}

#[test]
fn nothing_is_left_undone_and_the_core_prints_and_awaits_nothing() {
    let mut found = Vec::new();
    for File { path, text } in shipped() {
        let mut words = vec!["TODO", "FIXME", "todo!(", "unimplemented!(", "dbg!("];
        if path.starts_with("src/") {
            words.extend(["println!(", "async fn", ".await", "std::"]);
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            let prose = code.starts_with("//");
            let told = |word: &&&str| code.contains(**word) && !(prose && **word == "std::");
            if let Some(word) = words.iter().find(told) {
                found.push(format!("{path}:{} contains {word:?}", number + 1));
            }
        }
    }
    complain(&found);
}

/// The files of each layer of the core, lowest first, and the modules that they use. Every file is in
/// one. The small nouns look down where they carry a payload or its errors, and where one names the
/// versions of `wire`.
const LAYERS: &[(&str, &str)] = &[
    (
        "src/counters.rs src/id.rs src/instant.rs src/policy.rs src/restart.rs src/status.rs src/topic.rs",
        "",
    ),
    (
        "src/close_reason.rs src/error.rs src/failure.rs",
        "close_reason error failure payload status wire",
    ),
    ("src/wire/", "wire error id status"),
    ("src/payload/", "payload status"),
    (
        "src/backlog.rs src/command.rs src/config.rs src/delivery.rs src/event.rs src/options.rs \
         src/publication.rs",
        "close_reason config error failure id instant options payload policy publication status topic wire",
    ),
    (
        "src/connection/",
        "backlog command connection close_reason config counters error event failure id instant options payload \
         policy publication status topic wire",
    ),
    ("src/pump.rs", "command connection close_reason error event id instant publication wire"),
    (
        "src/session/",
        "close_reason command config connection error event failure id instant options payload pump session status topic \
         wire",
    ),
    (
        "src/inbox/",
        "backlog close_reason command config delivery error event failure id instant options payload publication \
         session status",
    ),
    ("src/hub/", "hub id"),
    (
        "src/broker/",
        "broker command config event failure hub id options payload publication status",
    ),
    ("src/service/", "service counters failure id payload status wire"),
];

#[test]
fn imports_go_from_higher_layers_to_lower_ones() {
    let mut found = Vec::new();
    for File { path, text } in files_below("src") {
        if path == "src/lib.rs" || path.contains("/tests") {
            continue;
        }
        let of = |files: &str| files.split(' ').any(|start| path.starts_with(start));
        let Some((_, may)) = LAYERS.iter().find(|(files, _)| of(files)) else {
            found.push(format!("{path} is in no layer: add it to one"));
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            if code.starts_with("//") {
                continue;
            }
            for used in code.split("crate::").skip(1) {
                let end = used.find(|c: char| !c.is_alphanumeric() && c != '_');
                let module = &used[..end.unwrap_or(used.len())];
                if module.starts_with(char::is_lowercase)
                    && !may.split(' ').any(|one| one == module)
                {
                    found.push(format!("{path}:{} may not use crate::{module}", number + 1));
                }
            }
        }
    }
    complain(&found);
}

#[test]
fn every_path_in_architecture_exists() {
    let text = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap();
    let mut paths = Vec::new();
    for quoted in text.split('`').skip(1).step_by(2) {
        if let Some((folder, names)) = quoted.split_once('{') {
            let (names, rest) = names.split_once('}').unwrap();
            paths.extend(names.split(',').map(|name| format!("{folder}{name}{rest}")));
        } else if quoted.contains('/') || quoted.ends_with(".rs") || quoted.ends_with(".md") {
            paths.push(quoted.to_string());
        }
    }
    assert!(paths.len() > 20, "found only {} paths: is the page read rightly?", paths.len());
    let missing: Vec<_> = paths
        .iter()
        .filter(|path| !Path::new(ROOT).join(path).exists())
        .map(|path| format!("ARCHITECTURE.md names {path}, which is not there"))
        .collect();
    complain(&missing);
}

/// The tests whose comment says that they show a case of docs/threats.md: number, test, where.
fn shown_threats() -> Vec<(u32, String, String)> {
    let mut shown = Vec::new();
    let folders = ["src", "tests", "adapters", "testkit", "cli"];
    for File { path, text } in folders.into_iter().flat_map(files_below) {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(numbers) = line.strip_prefix("// Threat") else { continue };
            let place = format!("{path}:{}", at + 1);
            assert_eq!(lines.get(at + 1), Some(&"#[test]"), "{place} stands above no test");
            let named = lines[at..].iter().find_map(|line| line.strip_prefix("fn "));
            let test = named.and_then(|named| named.split('(').next()).unwrap();
            for number in numbers.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()) {
                shown.push((number.parse().unwrap(), test.to_string(), place.clone()));
            }
        }
    }
    shown
}

#[test]
fn every_threat_has_a_test_that_says_so() {
    let shown = shown_threats();
    let page = fs::read_to_string(Path::new(ROOT).join("docs/threats.md")).unwrap();
    let (mut numbers, mut found) = (Vec::new(), Vec::new());
    for row in page.lines().filter_map(|line| line.strip_prefix("| ")) {
        let Some(number) = row.split(' ').next().and_then(|number| number.parse::<u32>().ok())
        else {
            continue;
        };
        numbers.push(number);
        let tests: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        if !shown.iter().any(|(other, ..)| *other == number) {
            found.push(format!("no test has the comment `// Threat {number}.`"));
        }
        for test in tests {
            if !shown.iter().any(|(other, name, _)| *other == number && name == test) {
                found.push(format!("no test {test} has the comment `// Threat {number}.`"));
            }
        }
    }
    assert!(numbers.len() > 20, "found only {} rows: is the page read rightly?", numbers.len());
    assert!(numbers.is_sorted_by(|a, b| a < b), "the numbers ascend: {numbers:?}");
    for (number, test, place) in shown {
        if !numbers.contains(&number) {
            found.push(format!("{place}: {test} shows {number}, which docs/threats.md lacks"));
        }
    }
    complain(&found);
}
