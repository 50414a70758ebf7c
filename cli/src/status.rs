//! `switchboard status`: who serves there, and what passes over its connections. Knows the answer of
//! `switchboard.status`, the channel that every server has, and no more.

use std::time::Duration;

use serde::Deserialize;
use switchboard::service::STATUS;
use switchboard::{CallError, Payload, PayloadLimits, Status, from_payload};

use crate::output::{Notation, print_line};
use crate::problem::{Exit, Problem};
use crate::session::{Session, Target};
use crate::text::plain;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// How it is printed; a table by default
    #[arg(long, value_enum, value_name = "NOTATION")]
    output: Option<Notation>,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    let session = Session::open(&args.target)?;
    let answer: Payload =
        session.client().request(STATUS, &()).map_err(|error| problem(&args.target, error))?;
    match args.output {
        Some(notation) => notation.print(&answer)?,
        None => {
            let server: Server =
                from_payload(&answer, &PayloadLimits::default()).map_err(CallError::Decode)?;
            for line in server.table() {
                print_line(&line)?;
            }
        }
    }
    session.close("done");
    Ok(())
}

/// A server need not tell.
fn problem(target: &Target, error: CallError) -> Problem {
    match error {
        CallError::Failed(failure) if failure.status == Status::UNIMPLEMENTED => Problem::new(
            Exit::Answered,
            format!("the server at {} runs, but does not tell its status", target.address),
            "it is older, or not of this project; `switchboard ping` measures what it can do",
        ),
        error => error.into(),
    }
}

/// What the server tells. What other versions may leave out is 0 or nothing.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Server {
    program: String,
    pid: u32,
    version: String,
    #[serde(default)]
    protocol: Vec<u16>,
    #[serde(default)]
    uptime_ms: u64,
    #[serde(default)]
    connections: Vec<Connection>,
    #[serde(default)]
    handlers: Vec<String>,
    #[serde(default)]
    listeners: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Connection {
    id: u64,
    uid: Option<u32>,
    pid: Option<u32>,
    frames_in: u64,
    frames_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    open_made: u64,
    open_served: u64,
    unsent: u64,
    dropped: u64,
    strikes: u64,
}

const COLUMNS: [&str; 12] = [
    "id",
    "uid",
    "pid",
    "frames-in",
    "frames-out",
    "bytes-in",
    "bytes-out",
    "open-made",
    "open-served",
    "unsent",
    "dropped",
    "strikes",
];

impl Connection {
    /// Its cells, in the order of the columns.
    fn row(&self) -> [String; COLUMNS.len()] {
        let told = |id: Option<u32>| id.map_or_else(|| "-".into(), |id| id.to_string());
        [
            self.id.to_string(),
            told(self.uid),
            told(self.pid),
            self.frames_in.to_string(),
            self.frames_out.to_string(),
            self.bytes_in.to_string(),
            self.bytes_out.to_string(),
            self.open_made.to_string(),
            self.open_served.to_string(),
            self.unsent.to_string(),
            self.dropped.to_string(),
            self.strikes.to_string(),
        ]
    }
}

impl Server {
    /// Lines for people.
    fn table(&self) -> Vec<String> {
        let listed = |names: &[String]| match names {
            [] => "none".into(),
            names => plain(&names.join(", ")),
        };
        let protocol: Vec<String> = self.protocol.iter().map(u16::to_string).collect();
        let mut lines: Vec<String> = [
            ("program", format!("{}, pid {}", plain(&self.program), self.pid)),
            ("version", format!("{}, protocol {}", plain(&self.version), protocol.join(", "))),
            ("up", time(Duration::from_millis(self.uptime_ms))),
            ("handlers", listed(&self.handlers)),
            ("listeners", listed(&self.listeners)),
            ("connections", self.connections.len().to_string()),
        ]
        .map(|(name, value)| format!("{name:<11}  {value}"))
        .into();
        if !self.connections.is_empty() {
            let rows = self.connections.iter().map(Connection::row);
            lines.extend(aligned([COLUMNS.map(String::from)].into_iter().chain(rows).collect()));
        }
        lines
    }
}

/// Rows whose cells stand right under each other.
fn aligned<const N: usize>(rows: Vec<[String; N]>) -> impl Iterator<Item = String> {
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    rows.into_iter().map(move |row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join("  ")
    })
}

/// A time in its two largest units: `3 d 4 h`, `12 min 5 s`, `7 s`.
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (seconds, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3599, "59 min 59 s"),
            (3600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(time(Duration::from_secs(seconds)), shown);
        }
    }
}
