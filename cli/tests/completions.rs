//! `switchboard completions`: scripts that the shells take.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::process::Command;

use common::{binary, finish, run};

#[test]
fn each_shell_gets_a_script_of_its_own_that_names_every_command() {
    let mut scripts = Vec::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = run(&["completions", shell]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["status", "publish", "subscribe", "inspect", "--token", "--scope", "--retain"]
        {
            let word = if shell == "fish" { word.trim_start_matches('-') } else { word };
            assert!(done.stdout.contains(word), "{shell}: {word}");
        }
        scripts.push(done.stdout);
    }
    scripts.sort();
    scripts.dedup();
    assert_eq!(scripts.len(), 5);
}

#[test]
fn bash_completes_with_it() {
    let complete = |typed: &str| {
        let script = format!(
            "source <({} completions bash)\n\
             COMP_WORDS=({typed} '') COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             _switchboard switchboard '' \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
             echo \"${{COMPREPLY[@]}}\"",
            env!("CARGO_BIN_EXE_switchboard")
        );
        Command::new("bash").args(["--norc", "-c", &script]).output()
    };
    // Not every system has it.
    let Ok(output) = complete("switchboard") else { return };
    assert!(output.stderr.is_empty(), "{output:?}");
    let words = String::from_utf8(output.stdout).unwrap();
    for command in [
        "demo",
        "serve",
        "call",
        "send",
        "publish",
        "subscribe",
        "ping",
        "status",
        "inspect",
        "completions",
    ] {
        assert!(words.split_whitespace().any(|word| word == command), "{command}: {words}");
    }
    let output = complete("switchboard completions").unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(words.contains("powershell"), "{words}");
}

#[test]
fn whoever_closes_stdout_early_is_not_told_off() {
    let mut child = binary(&["completions", "bash"]).spawn().unwrap();
    drop(child.stdout.take());
    let done = finish(child);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}
