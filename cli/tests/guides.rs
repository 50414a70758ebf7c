//! The guides in `docs/` and the sources: every error has its row, every limit is named with its
//! default, every link leads somewhere.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use switchboard::hub::RetainedSize;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines between `head` and the brace that closes what it opens.
fn body<'a>(source: &'a str, head: &str) -> Vec<&'a str> {
    let lines = source.lines().skip_while(|line| *line != head).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| *line != "}").collect();
    assert!(!lines.is_empty(), "{head}");
    lines
}

/// The names that stand at the first level of a body: variants, fields.
fn names(source: &str, head: &str, before: &str) -> Vec<String> {
    let lines = body(source, head).into_iter().filter_map(|line| line.strip_prefix("    "));
    let named = lines.filter_map(|line| line.strip_prefix(before));
    let named = named.filter(|line| line.starts_with(|c: char| c.is_alphabetic()));
    named
        .map(|line| line.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

/// The first cell of each row of all tables.
fn rows(guide: &str) -> Vec<&str> {
    guide.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn every_error_has_a_row_and_every_row_an_error() {
    let guide = read("docs/errors.md");
    let mut wanted = Vec::new();
    for (path, kind) in [
        ("src/error.rs", "CallError"),
        ("src/error.rs", "Rejected"),
        ("adapters/endpoint/src/error.rs", "OpenError"),
        ("src/close_reason.rs", "CloseReason"),
    ] {
        let variants = names(&read(path), &format!("pub enum {kind} {{"), "");
        wanted.extend(variants.into_iter().map(|variant| format!("{kind}::{variant}")));
    }
    let source = read("src/status.rs");
    let statuses = body(&source, "statuses! {").into_iter();
    let statuses = statuses.filter_map(|line| line.trim().split_once(" = "));
    wanted.extend(statuses.map(|(name, _)| format!("Status::{name}")));
    assert!(wanted.len() > 50, "{wanted:?}");

    let mut found = rows(&guide);
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}

#[test]
fn every_limit_has_a_row_and_every_row_a_limit() {
    let guide = read("docs/limits.md");
    let mut wanted = Vec::new();
    for (path, head) in [
        ("src/config.rs", "pub struct Config {"),
        ("adapters/endpoint/src/admission.rs", "pub struct AdmissionLimits {"),
        ("src/broker/limits.rs", "pub struct BrokerLimits {"),
    ] {
        wanted.extend(names(&read(path), head, "pub "));
    }
    assert!(wanted.len() >= 20, "{wanted:?}");
    for of in ["ServerBuilder", "ClientBuilder"] {
        wanted.extend([format!("{of}::threads"), format!("{of}::handlers")]);
    }
    // What the protocol fixes has no name of its own.
    let settable = guide.split("## Fixed by the protocol").next().unwrap();
    let mut found = rows(settable);
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    for name in names(&read("src/payload/limits.rs"), "pub struct PayloadLimits {", "pub ") {
        assert!(guide.contains(&format!("`{name}`")), "{name}");
    }
}

/// The row of a limit says the default that the code has.
#[test]
fn the_defaults_are_true() {
    let guide = read("docs/limits.md");
    let default = |name: &str| {
        let row = guide.lines().find_map(|line| line.strip_prefix(&format!("| `{name}` | ")));
        row.unwrap().split(" | ").next().unwrap().to_string()
    };
    let config = switchboard::Config::default();
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs());
    let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
    for (name, is) in [
        ("max_frame", mib(config.max_frame as usize)),
        ("max_calls", "1,024".into()),
        ("handshake_timeout", seconds(config.handshake_timeout)),
        ("drain", seconds(config.drain)),
        ("linger", seconds(config.linger)),
        ("write_stall", seconds(config.write_stall)),
        ("call_deadline", seconds(config.call_deadline.unwrap())),
        ("max_unsent", mib(config.max_unsent)),
        ("max_untaken", mib(config.max_untaken)),
        ("max_unanswered", mib(config.max_unanswered)),
        ("payload", format!("`max_depth` {}", config.payload.max_depth)),
        ("turn_frames", config.turn_frames.to_string()),
        ("turn_bytes", format!("{} KiB", config.turn_bytes >> 10)),
    ] {
        assert!(default(name).starts_with(&is), "{name}: {} and not {is}", default(name));
    }
    assert_eq!((config.max_calls, config.payload.max_items), (1024, 1_048_576));
    assert!(config.keepalive.is_none() && default("keepalive").starts_with("none"));
    assert!(config.interfaces.is_empty() && config.requires.is_empty());
    let bound = config.memory_bound() >> 20;
    assert!((285..300).contains(&bound), "about 290 MiB: {bound}");

    let broker = switchboard::BrokerLimits::default();
    let RetainedSize { values, bytes } = broker.owner_retained;
    assert_eq!((broker.owner_subscriptions, values, bytes >> 20), (4096, 2048, 8));
    let RetainedSize { values, bytes } = broker.scope_retained;
    assert_eq!((values, bytes >> 20), (4096, 16));

    let admission = read("adapters/endpoint/src/admission.rs");
    for name in names(&admission, "pub struct AdmissionLimits {", "pub ") {
        let is = default(&name).replace(',', "");
        let is = is.split(' ').next().unwrap();
        let line = format!("            {name}: {is},");
        assert!(admission.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn every_link_leads_to_a_file() {
    let guides = fs::read_dir(root().join("docs")).unwrap();
    let guides = guides.map(|guide| guide.unwrap().path());
    let guides = guides.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut links = 0;
    for guide in guides.chain([root().join("README.md")]) {
        for link in fs::read_to_string(&guide).unwrap().split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if !target.is_empty() && !target.starts_with("http") {
                links += 1;
                let path = guide.parent().unwrap().join(target);
                assert!(path.exists(), "{} links to {target}", guide.display());
            }
        }
    }
    assert!(links > 15, "{links}");
}
