//! What the fuzz targets do with their bytes, as plain functions: the fuzzer calls them, and plain
//! `cargo test` replays the corpus through them. Public API of `switchboard` only.
//!
//! | target | the bytes are |
//! | --- | --- |
//! | `broker` | what three clients of a pub/sub server do, beside lists of what each is due |
//! | `frame` | a stream of frames, split in two ways |
//! | `connection` | what a peer, an application and time do to one side, in any role and phase |
//! | `hub` | operations on a hub, beside a list that does the same slowly |
//! | `pair_ops` | operations on a client and a server that are joined in memory |
//! | `payload` | CBOR, or nearly so |
//! | `streams` | operations on the streams and subscriptions of a client and a server, likewise joined |
//!
//! From the root of the repository, with a nightly compiler and `cargo-fuzz`:
//!
//! ```text
//! cargo +nightly fuzz run connection -- -max_total_time=300 -rss_limit_mb=2048
//! cargo +nightly fuzz cmin connection         keeps of the corpus what adds anything
//! cargo run -p switchboard-fuzz --bin connection -- FILE    looks at one input, without the fuzzer
//! ```
//!
//! For `pair_ops`, `streams`, `hub` and `broker` add `-len_control=0 -max_len=600`: lists of some length
//! from the start. A crash becomes a named test in `tests/`; its input joins the corpus.

mod broker;
mod connection;
mod frame;
mod hub;
mod ledger;
mod pair_ops;
mod payload;
mod script;
mod streams;
mod written;

pub use broker::broker;
pub use connection::connection;
pub use frame::frame;
pub use hub::hub;
pub use pair_ops::pair_ops;
pub use payload::payload;
pub use streams::streams;

/// Runs a target on the files that the command line names: to look at one input.
///
/// # Errors
///
/// A file that cannot be read.
pub fn run_files(target: fn(&[u8])) -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        println!("{path:?}");
        target(&std::fs::read(path)?);
    }
    Ok(())
}
