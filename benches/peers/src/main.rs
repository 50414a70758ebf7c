//! Other libraries beside ours: the same 64 bytes there and back over a Unix socket between two processes,
//! each library in turns with all others in one run, told in µs and as ratios to a bare socket (the floor).
//!
//! `bash benches/peers/run` builds what this machine can build, and pins everything to one processor, which
//! is what repeats; with `--free` the system places the processes as it likes.

mod floor;
mod net_ipc;
mod ours;
mod peer;
#[path = "../../common/pin.rs"]
mod pin;
mod runtimes;
mod table;
#[cfg(feature = "tarpc")]
mod tarpc;
#[cfg(feature = "zbus")]
mod zbus;
#[cfg(feature = "zmq")]
mod zmq;

use std::env::{args, current_exe};
use std::process::Command;

use peer::Kind;
use runtimes::{OneThread, Smol, Threads};
use table::Candidate;

/// The features: what may be left out where it cannot be built.
const OPTIONAL: [(&str, bool); 3] = [
    ("tarpc", cfg!(feature = "tarpc")),
    ("zbus", cfg!(feature = "zbus")),
    ("zmq", cfg!(feature = "zmq")),
];

/// All that are built in.
fn kinds() -> Vec<Kind> {
    vec![
        Kind::of::<floor::Floor>(),
        Kind::of::<ours::Blocking>(),
        Kind::of::<ours::Async<Smol>>(),
        Kind::of::<ours::Async<OneThread>>(),
        Kind::of::<ours::Async<Threads>>(),
        #[cfg(feature = "tarpc")]
        Kind::of::<tarpc::Tarpc<OneThread>>(),
        #[cfg(feature = "tarpc")]
        Kind::of::<tarpc::Tarpc<Threads>>(),
        #[cfg(feature = "zmq")]
        Kind::of::<zmq::Dealer<false>>(),
        #[cfg(feature = "zmq")]
        Kind::of::<zmq::Dealer<true>>(),
        #[cfg(feature = "zbus")]
        Kind::of::<zbus::Zbus>(),
    ]
}

fn main() {
    let args: Vec<String> = args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let kinds = kinds();
    let kind = |name| kinds.iter().find(|kind| kind.name == name).expect("the name of a peer");
    match args[..] {
        ["--serve", name, path] => return (kind(name).serve)(path),
        ["--ask", name, path] => return (kind(name).ask)(path),
        _ => pin::pin(),
    }
    let this = |side: &str, name: &str| {
        let mut command = Command::new(current_exe().expect("a program"));
        command.args([side, name]);
        command
    };
    let mut candidates: Vec<Candidate> = kinds
        .iter()
        .map(|Kind { name, .. }| Candidate::new(name, this("--serve", name), this("--ask", name)))
        .collect();
    candidates.push(net_ipc::candidate());
    let missing = OPTIONAL.iter().filter(|(_, built)| !built);
    table::print(
        candidates,
        missing.map(|(name, _)| format!("{name}: it is not built in")).collect(),
    );
}
