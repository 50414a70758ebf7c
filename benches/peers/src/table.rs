//! The table: starts every candidate's server and client, has the clients work in turns, and prints what a
//! request took. Called by `main`; knows of a candidate only its two commands.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::peer::MANY;

/// Rounds of every candidate whose median counts, and rounds before them: compilers at run time get warm.
const ROUNDS: usize = 31;
const WARM_UP: usize = 40;
/// How long one candidate runs in one round, in ns: longer than any timer's grain, short beside a change of
/// the processor's speed.
const SLICE: f64 = 10e6;

/// Requests in flight: the two columns.
const FLIGHTS: [usize; 2] = [1, MANY];

/// Something to measure. The first one of a table is its floor.
pub(crate) struct Candidate {
    name: String,
    server: Command,
    client: Command,
}

impl Candidate {
    /// Both commands are given the path to meet at.
    pub(crate) fn new(name: &str, server: Command, client: Command) -> Self {
        Self { name: name.into(), server, client }
    }
}

/// Measures the candidates in turns and prints a line for each, and one for each that is missing.
pub(crate) fn print(candidates: Vec<Candidate>, mut missing: Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let floor = candidates[0].name.clone();
    let mut running = Vec::new();
    for (number, candidate) in candidates.into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        let name = candidate.name.clone();
        match Running::start(candidate, path.to_str().expect("text")) {
            Ok(one) => running.push(one),
            Err(why) => missing.push(format!("{name}: {why}")),
        }
    }
    for round in 0..WARM_UP + ROUNDS {
        running.retain_mut(|one| match one.round(round >= WARM_UP) {
            Ok(()) => true,
            Err(why) => {
                missing.push(format!("{}: {why}", one.name));
                false
            }
        });
    }
    assert!(running.first().is_some_and(|one| one.name == floor), "no floor: {missing:?}");
    println!(
        "64 bytes there and back over a Unix socket, two processes: µs a request, and times the floor"
    );
    println!("{:<46}{:>18}{:>20}", "", "one at a time", format!("{MANY} in flight"));
    let floor = running[0].medians();
    for one in &mut running {
        let [single, many] = one.medians();
        println!(
            "{:<46}{single:>9.2}  x{:>6.2} {many:>11.3}  x{:>6.1}",
            one.name,
            single / floor[0],
            many / floor[1],
        );
    }
    for what in missing {
        println!("!!! NOT MEASURED: {what}");
    }
}

/// A candidate whose processes run.
struct Running {
    name: String,
    client: Process,
    answers: BufReader<ChildStdout>,
    /// For each of [`FLIGHTS`], how often it runs in a round, and the ns of one request in each.
    counts: [usize; 2],
    times: [Vec<f64>; 2],
    _server: Process,
}

impl Running {
    fn start(mut candidate: Candidate, path: &str) -> Result<Self, String> {
        let server = candidate.server.arg(path).stdout(Stdio::piped()).spawn();
        let mut server = Process(server.map_err(|error| format!("its server: {error}"))?);
        let mut says = server.0.stdout.take().expect("piped");
        says.read_exact(&mut [0]).map_err(|_| "its server ended; it has said why")?;
        let client = candidate.client.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = Process(client.spawn().map_err(|error| format!("its client: {error}"))?);
        let answers = BufReader::new(client.0.stdout.take().expect("piped"));
        let (counts, times) = ([1; 2], [const { Vec::new() }; 2]);
        let name = candidate.name;
        Ok(Self { name, client, answers, counts, times, _server: server })
    }

    /// A round that counts, or one that only finds out how much fills a slice.
    fn round(&mut self, counts: bool) -> Result<(), String> {
        for (at, flight) in FLIGHTS.into_iter().enumerate() {
            let time = self.ask(flight, self.counts[at])?;
            if counts {
                self.times[at].push(time / (self.counts[at] * flight) as f64);
            } else if time < SLICE {
                self.counts[at] *= 2;
            }
        }
        Ok(())
    }

    /// The ns that its client took.
    fn ask(&mut self, flight: usize, times: usize) -> Result<f64, String> {
        let ended = "its client ended; it has said why";
        let to = self.client.0.stdin.as_mut().expect("piped");
        writeln!(to, "{flight} {times}").map_err(|_| ended)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(|_| ended)?;
        answer.trim().parse().map_err(|_| ended.into())
    }

    /// The µs of a request, for each of [`FLIGHTS`].
    fn medians(&mut self) -> [f64; 2] {
        self.times.each_mut().map(|times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2] / 1000.0
        })
    }
}

/// A process that ends with this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
