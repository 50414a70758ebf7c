//! Many schedules of the same scenario, for adapters whose locks and threads are shuttle's. Called by their
//! tests; there with `--cfg shuttle` only.

mod echo;

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{MaxSteps, Runner};

pub use echo::{Echo, Wire};

/// Schedules of each scenario, unless `SWITCHBOARD_SCHEDULES` says otherwise.
const SCHEDULES: usize = 1000;
/// No scenario has so many steps but one that does not end: threads that wait for a socket go round.
const STEPS: usize = 20_000;
/// Of both halves, so that a failure comes again. `SHUTTLE_RANDOM_SEED` has shuttle try others.
const SEED: u64 = 8;

std::thread_local! {
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Runs a scenario in many schedules: half of them any, half such as have few changes of threads at moments
/// that matter.
///
/// # Panics
///
/// If the scenario does, or has no end: with the schedule that led to it.
pub fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let count = std::env::var("SWITCHBOARD_SCHEDULES").ok();
    let count = count.map_or(SCHEDULES, |count| count.parse().expect("a number of schedules"));
    let scenario = Arc::new(scenario);
    let run = |scheduler: Box<dyn Scheduler + Send>| {
        let mut config = shuttle::Config::new();
        config.stack_size = 256 * 1024;
        config.max_steps = MaxSteps::FailAfter(STEPS);
        let scenario = Arc::clone(&scenario);
        Runner::new(scheduler, config).run(move || {
            set_time(Duration::ZERO);
            scenario();
        });
    };
    let seed = std::env::var("SHUTTLE_RANDOM_SEED").ok();
    let seed = seed.map_or(SEED, |seed| seed.parse().expect("a seed"));
    run(Box::new(RandomScheduler::new_from_seed(seed, count.div_ceil(2))));
    run(Box::new(PctScheduler::new_from_seed(seed, 3, count / 2)));
}

/// The time, which stands still: nobody is rescued by a timer from a wake-up that was lost.
#[must_use]
pub fn now() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now) + PASSED.get()
}

/// So much time has passed since the schedule began. No timer is told that is set already.
pub fn set_time(passed: Duration) {
    PASSED.set(passed);
}
