//! Where a benchmark of several processes runs: all of them on one processor, which is what repeats, unless
//! its command line says `--free`.

use std::env::args;
use std::process::exit;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Reads the command line, pins this process and those that it starts from now on, and says so. Anything
/// else on the command line ends it.
pub(crate) fn pin() {
    let mut free = false;
    for arg in args().skip(1) {
        match arg.as_str() {
            "--free" => free = true,
            // What `cargo bench` says to every benchmark.
            "--bench" => {}
            _ => {
                eprintln!("{arg:?} is unknown here. All there is to say is --free: not pinned");
                exit(2);
            }
        }
    }
    if !free {
        let allowed = sched_getaffinity(None).expect("a process may ask");
        let first = (0..CpuSet::MAX_CPU).find(|at| allowed.is_set(*at)).expect("it runs on one");
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).expect("a process may choose among its processors");
    }
    println!("{}", if free { "free" } else { "pinned to one processor" });
}
