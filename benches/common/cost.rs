//! What a call costs where no time is taken: allocations, counted by an allocator of the program's own, and
//! system calls, counted by strace where it is installed. The program starts itself once more for each kind.

use std::process::{Command, Stdio};

/// Prints a line for each kind, by its name and what it is called. `run` makes so many calls of a kind within
/// this process and gives the allocations of that.
pub(crate) fn tell(kinds: &[(&str, &str)], calls: usize, run: impl Fn(&str, usize) -> usize) {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--run") {
        let calls = args[at + 2].parse().expect("a number");
        return println!("{}", run(&args[at + 1], calls));
    }
    println!("{:<46}{:>14}{:>14}", "a call, both ends together", "allocations", "system calls");
    for (kind, name) in kinds {
        let allocations = output(Command::new(program()).args(["--run", kind, &calls.to_string()]));
        let allocations: f64 = allocations.trim().parse().expect("a number");
        let once = system_calls(kind, calls);
        let twice = system_calls(kind, 2 * calls);
        let per_call = |count: f64| format!("{:.2}", count / calls as f64);
        let made =
            once.zip(twice).map_or_else(|| "no strace".into(), |(one, two)| per_call(two - one));
        println!("{name:<46}{:>14}{made:>14}", per_call(allocations));
    }
}

fn program() -> std::path::PathBuf {
    std::env::current_exe().expect("a program")
}

fn output(command: &mut Command) -> String {
    let done = command.output().expect("it runs");
    String::from_utf8(done.stdout).expect("text")
}

/// How many system calls a whole process makes that calls so often; `None` without strace.
fn system_calls(kind: &str, calls: usize) -> Option<f64> {
    let mut strace = Command::new("strace");
    let strace = strace.args(["-f", "-c", "-U", "calls,name", "-o", "/dev/stderr"]);
    let strace = strace.arg(program()).args(["--run", kind, &calls.to_string()]);
    let done = strace.stdout(Stdio::null()).stderr(Stdio::piped()).output().ok()?;
    let table = String::from_utf8(done.stderr).ok()?;
    let total = table.lines().find(|line| line.trim_end().ends_with("total"))?;
    total.split_whitespace().next()?.parse().ok()
}
