//! `Problem`: why a command ends without what was asked for, as people read it on stderr and as
//! scripts read it from the exit code. Everything that can fail becomes one.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use switchboard::{
    CallError, CloseReason, DeliveryError, Failure, Payload, Rejected, Status, Timer,
};
use switchboard_blocking::OpenError;

use crate::text::plain;
use crate::{diag, item::Item, json};

/// The exit codes; `--help` lists them, scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    /// The peer answered an error.
    Answered = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Nobody serves there, or the server refused.
    Refused = 3,
    /// Time ran out.
    Deadline = 4,
    /// The two sides speak different versions of the protocol.
    Versions = 5,
    /// The connection was lost, the peer broke the protocol, or the operating system failed.
    Lost = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}

/// What was wrong, what to do about it, and the exit code that says the same.
#[derive(Debug)]
pub(crate) struct Problem {
    exit: Exit,
    what: String,
    /// `None` if that stands in `what`.
    todo: Option<String>,
    /// What the peer's failure carries for programs, printed.
    data: Option<String>,
}

impl Problem {
    pub(crate) fn new(exit: Exit, what: impl fmt::Display, todo: impl Into<String>) -> Self {
        Self { exit, what: what.to_string(), todo: Some(todo.into()), data: None }
    }

    /// One whose text says what to do, too.
    fn told(exit: Exit, what: impl fmt::Display) -> Self {
        Self { exit, what: what.to_string(), todo: None, data: None }
    }

    /// Whoever read stdout has had enough, which is no problem of anybody.
    fn quiet() -> Self {
        Self::told(Exit::Ok, "")
    }

    /// Writing to stdout failed.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::quiet();
        }
        let what = format!("cannot write to stdout: {error}");
        Self::new(Exit::Lost, what, "check where the output goes")
    }

    /// `name` is no JSON.
    pub(crate) fn json(name: &str, error: json::Unreadable) -> Self {
        let json::Unreadable { what, todo } = error;
        Self::new(Exit::Usage, format!("{name} is no JSON that can be sent: {what}"), todo)
    }

    /// `address` could not be opened. A file of that name lies near the mistake.
    pub(crate) fn opening(address: &str, error: OpenError) -> Self {
        let missed = matches!(
            error,
            OpenError::NotRunning { .. } | OpenError::BadAddress(_) | OpenError::NotPermitted(_)
        );
        let problem = Self::from(error);
        if !missed || address.contains('/') || Path::new(address).symlink_metadata().is_err() {
            return problem;
        }
        let todo = format!(
            "`{address}` is a name in the runtime folder; for a file here write `./{address}`"
        );
        Self { todo: Some(todo), ..problem }
    }

    /// Tells it on stderr, and the exit code for it.
    pub(crate) fn report(&self) -> Exit {
        if self.exit != Exit::Ok {
            match &self.todo {
                Some(todo) => tell(&format!("{}: {todo}", self.what)),
                None => tell(&self.what),
            }
            if let Some(data) = &self.data {
                tell(&format!("data of the failure: {data}"));
            }
        }
        self.exit
    }

    /// The server did not let this client in.
    fn refused(failure: &Failure, reconnect_after: Option<Duration>) -> Self {
        let problem = Self::failure(Exit::Refused, "the server refused: ", failure);
        Self { todo: Some(later(reconnect_after, remedy(failure.status))), ..problem }
    }

    /// A failure of the peer's making.
    fn failure(exit: Exit, before: &str, failure: &Failure) -> Self {
        let what = format!("{before}{failure}");
        let data = (failure.data != Payload::null()).then(|| shown(&failure.data));
        Self { data, ..Self::new(exit, what, remedy(failure.status)) }
    }
}

/// A line on stderr. If nobody can read it, nobody can be told that either.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "switchboard: {}", plain(line));
}

/// A payload for people: as JSON if it can be, else in diagnostic notation.
pub(crate) fn shown(payload: &Payload) -> String {
    match Item::read(payload) {
        Ok(item) => json::print(&item).unwrap_or_else(|_| diag::print(&item)),
        Err(error) => format!("({error})"),
    }
}

/// When the server wants its client back; if it did not say, something else is to be done.
fn later(reconnect_after: Option<Duration>, otherwise: &str) -> String {
    reconnect_after.map_or_else(|| otherwise.into(), |after| format!("try again in {after:?}"))
}

/// What to do about a status that the peer answered.
fn remedy(status: Status) -> &'static str {
    match status {
        Status::CANCELLED | Status::ABORTED => "try again if it is still wanted",
        Status::INVALID_ARGUMENT | Status::OUT_OF_RANGE => "correct the arguments",
        Status::DEADLINE_EXCEEDED => "try again later, or ask for less",
        Status::NOT_FOUND => "check the name of what was asked for",
        Status::ALREADY_EXISTS => "choose another name, or use what exists",
        Status::PERMISSION_DENIED => "ask as a user who may",
        Status::UNAUTHENTICATED => "show who you are, as by --token",
        Status::RESOURCE_EXHAUSTED => "ask for less, or try again later",
        Status::FAILED_PRECONDITION => "bring the server into the state that this needs first",
        Status::UNIMPLEMENTED => "check the name, and whether the server offers it",
        Status::UNAVAILABLE => "try again later",
        Status::INTERNAL | Status::UNKNOWN | Status::DATA_LOSS => "look at the server's own log",
        _ => "look up what the server means by this status",
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotRunning { address } => Self::new(
                Exit::Refused,
                format!("nobody serves {address}"),
                "start the server, or check the address",
            ),
            OpenError::Refused { failure, reconnect_after } => {
                Self::refused(&failure, reconnect_after)
            }
            OpenError::Busy { what, reconnect_after } => {
                Self::new(Exit::Refused, what, later(reconnect_after, "try again later"))
            }
            OpenError::TooOld { theirs } => Self::new(
                Exit::Versions,
                format!("this program is too old: the other side speaks versions {theirs:?}"),
                "update this program",
            ),
            OpenError::TooNew { theirs } => Self::new(
                Exit::Versions,
                format!("the other side is too old: it speaks versions {theirs:?}"),
                "update it, or restart it if it has been updated",
            ),
            OpenError::InUse { address } => Self::new(
                Exit::Refused,
                format!("another server serves {address}"),
                "stop it, or use it",
            ),
            OpenError::NotPermitted(what) => Self::told(Exit::Refused, what),
            OpenError::BadAddress(what) => Self::told(Exit::Usage, what),
            OpenError::BadConfig(what) => Self::new(Exit::Usage, what, "correct the command"),
            OpenError::Closed(reason) => reason.into(),
            other => Self::new(Exit::Lost, other, "check the address, then try again"),
        }
    }
}

impl From<CloseReason> for Problem {
    fn from(reason: CloseReason) -> Self {
        let (exit, todo) = match &reason {
            CloseReason::Refused { failure, reconnect_after, .. } => {
                return Self::refused(failure, *reconnect_after);
            }
            CloseReason::Versions { .. } => (Exit::Versions, "update the older program"),
            CloseReason::Timeout(Timer::Handshake) => {
                (Exit::Deadline, "allow more time with --timeout")
            }
            // No option moves these: the server stops, or does not read or speak.
            CloseReason::Timeout(Timer::Drain) => (Exit::Lost, "try again when the server is back"),
            CloseReason::Timeout(_) => (Exit::Lost, "look whether the peer still runs"),
            CloseReason::PeerError { .. } | CloseReason::Protocol(_) => {
                (Exit::Lost, "check that the peer speaks switchboard, and is up to date")
            }
            _ => (Exit::Lost, "look whether the server still runs, then try again"),
        };
        Self::new(exit, reason, todo)
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Failed(failure) => Self::failure(Exit::Answered, "", &failure),
            CallError::Rejected(
                rejected @ (Rejected::TooLarge
                | Rejected::BadChannel
                | Rejected::BadTopic
                | Rejected::BadHeaders),
            ) => Self::new(Exit::Usage, rejected, "correct the command"),
            CallError::Rejected(rejected) => Self::new(Exit::Lost, rejected, "try again later"),
            CallError::Deadline(fate) => Self::new(
                Exit::Deadline,
                format!("no answer in time; {fate}"),
                "allow more time with --timeout",
            ),
            CallError::Disconnected(reason, fate) => {
                let mut problem = Self::from(reason);
                problem.what = format!("{}; {fate}", problem.what);
                problem
            }
            CallError::Encode(error) => Self::new(Exit::Usage, error, "correct the arguments"),
            CallError::Decode(error) => {
                let what = format!("the answer is unusable: {error}");
                Self::new(Exit::Lost, what, "look for the fault in the server")
            }
            other => Self::new(Exit::Lost, other, "try again"),
        }
    }
}

impl From<DeliveryError> for Problem {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::Ended(failure) => {
                Self::failure(Exit::Answered, "the subscription was ended: ", &failure)
            }
            DeliveryError::Disconnected(reason) => reason.into(),
            other => Self::new(Exit::Lost, other, "take values faster, or subscribe to less"),
        }
    }
}

impl From<json::Unreadable> for Problem {
    fn from(error: json::Unreadable) -> Self {
        Self::json("the argument", error)
    }
}

impl From<json::Unwritable> for Problem {
    fn from(error: json::Unwritable) -> Self {
        let what = format!("the answer came, but {error}");
        Self::new(Exit::Usage, what, "use --output diag, which can")
    }
}

impl From<switchboard::ScanError> for Problem {
    fn from(error: switchboard::ScanError) -> Self {
        CallError::Decode(error.into()).into()
    }
}

#[cfg(test)]
mod tests {
    use switchboard::Fate;

    use super::*;

    #[test]
    fn the_codes_are_those_that_are_promised() {
        let code = |problem: Problem| problem.exit as u8;
        let failed = |status| CallError::Failed(Failure::new(status, "no")).into();
        assert_eq!(code(failed(Status::NOT_FOUND)), 1);
        assert_eq!(code(failed(Status::DEADLINE_EXCEEDED)), 1, "the peer's, not ours");
        assert_eq!(code(CallError::Deadline(Fate::MayHaveRun).into()), 4);
        assert_eq!(code(CallError::Rejected(Rejected::BadChannel).into()), 2);
        assert_eq!(code(OpenError::BadAddress("?".into()).into()), 2);
        assert_eq!(code(OpenError::NotRunning { address: "x".into() }.into()), 3);
        assert_eq!(code(OpenError::InUse { address: "x".into() }.into()), 3);
        assert_eq!(code(OpenError::Busy { what: "full".into(), reconnect_after: None }.into()), 3);
        assert_eq!(code(CloseReason::Timeout(Timer::Handshake).into()), 4);
        assert_eq!(code(CloseReason::Timeout(Timer::Drain).into()), 6);
        assert_eq!(code(CloseReason::Timeout(Timer::Keepalive).into()), 6);
        assert_eq!(code(OpenError::TooOld { theirs: vec![2] }.into()), 5);
        assert_eq!(code(OpenError::TooNew { theirs: vec![1] }.into()), 5);
        assert_eq!(code(CloseReason::Lost.into()), 6);
        assert_eq!(code(OpenError::Io(io::Error::other("?")).into()), 6);
        assert_eq!(code(Problem::stdout(&io::ErrorKind::BrokenPipe.into())), 0);
    }

    #[test]
    fn a_failure_shows_its_data_whatever_it_is() {
        let nan = Payload::from_cbor(vec![0xf9, 0x7e, 0x00]).unwrap();
        let failure = Failure::new(Status::NOT_FOUND, "no such user").with_data(nan);
        let problem = Problem::from(CallError::Failed(failure));
        assert_eq!(problem.what, "NOT_FOUND: no such user");
        assert_eq!(problem.data.as_deref(), Some("NaN"));
    }
}
