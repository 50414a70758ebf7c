//! P4: one publisher, a hundred subscribers, with the server of each runtime, beside a task of that runtime
//! that writes what it reads to a hundred sockets without looking at it (the floor).
//!
//! `cargo bench -p switchboard-conformance --bench fanout` pins everything to one processor, which is what
//! repeats; with `-- --free` the system places the processes as it likes.

#[path = "../../../benches/common/fanout.rs"]
mod fanout;
#[path = "../../../benches/common/pin.rs"]
mod pin;
#[allow(dead_code, reason = "`request` uses the rest of it")]
mod runtimes;

use runtimes::{OnAsyncStd, OnSmol, OneThread, Raw, Threads};

fn main() {
    if runtimes::serves() {
        return;
    }
    pin::pin();
    measure::<OnSmol>();
    measure::<OnAsyncStd>();
    measure::<OneThread>();
    measure::<Threads>();
}

fn measure<R: Raw>() {
    fanout::tell(R::NAME, false, |kind, place| {
        runtimes::command::<R>(if kind == "floor" { "fan-out" } else { kind }, place)
    });
}
