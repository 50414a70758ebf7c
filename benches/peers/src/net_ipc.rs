//! net-ipc on node, which is not Rust: its server and client are the scripts in `net-ipc/`, where npm has
//! installed it.

use std::process::Command;

use crate::table::Candidate;

pub(crate) fn candidate() -> Candidate {
    let package = include_str!("../net-ipc/package.json");
    let (_, version) = package.split_once("\"net-ipc\": \"").expect("it depends on it");
    let version = version.split('"').next().expect("a version");
    let script = |script| {
        let mut command = Command::new("node");
        command.arg(format!("{}/net-ipc/{script}", env!("CARGO_MANIFEST_DIR")));
        command
    };
    Candidate::new(&format!("net-ipc {version}: node"), script("server.js"), script("client.js"))
}
