//! What the benchmarks share: candidates measured in turns, in one run, and told as ratios. Absolute
//! times move with the machine; the ratios are what counts.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rounds of every candidate; the median of them counts.
const ROUNDS: usize = 31;
/// How long one candidate runs in one round: longer than any timer's grain, short beside a change of
/// the processor's speed.
const SLICE: Duration = Duration::from_millis(10);

/// Something to measure. The first one of a table is its floor.
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'static str,
    /// Runs it as often as that.
    pub(crate) run: Box<dyn FnMut(u32) + 'a>,
}

/// A candidate whose result is not thrown away by the compiler.
#[allow(dead_code, reason = "a benchmark has what runs by itself, or what is told how often")]
pub(crate) fn candidate<'a, T>(
    name: &'static str,
    mut run: impl FnMut() -> T + 'a,
) -> Candidate<'a> {
    repeated(name, move |times| (0..times).for_each(|_| drop(black_box(run()))))
}

/// A candidate that is told how often it runs, because to begin and to end is not what is measured.
#[allow(dead_code, reason = "likewise")]
pub(crate) fn repeated<'a>(name: &'static str, run: impl FnMut(u32) + 'a) -> Candidate<'a> {
    Candidate { name, run: Box::new(run) }
}

/// Measures the candidates in turns and prints a line for each: its time for one of `units`, and how many
/// times that of the first it is.
pub(crate) fn table(title: &str, units: usize, mut candidates: Vec<Candidate<'_>>) {
    let counts: Vec<u32> = candidates.iter_mut().map(calibrate).collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); candidates.len()];
    for _ in 0..ROUNDS {
        for (index, candidate) in candidates.iter_mut().enumerate() {
            let start = Instant::now();
            (candidate.run)(counts[index]);
            let one = start.elapsed().as_secs_f64() * 1e9 / f64::from(counts[index]);
            times[index].push(one / units as f64);
        }
    }
    println!("\n{title}");
    let mut floor = None;
    for (candidate, times) in candidates.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let median = times[ROUNDS / 2];
        let floor = *floor.get_or_insert(median);
        let (time, unit) = if median < 1000.0 { (median, "ns") } else { (median / 1000.0, "µs") };
        println!("  {:<48} {time:>9.2} {unit}   x {:.2}", candidate.name, median / floor);
    }
}

/// How often a candidate must run to fill a slice.
fn calibrate(candidate: &mut Candidate<'_>) -> u32 {
    let mut count = 1u32;
    loop {
        let start = Instant::now();
        (candidate.run)(count);
        if start.elapsed() >= SLICE || count > u32::MAX / 2 {
            return count;
        }
        count *= 2;
    }
}
