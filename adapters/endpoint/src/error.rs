//! `OpenError`: why a client could not connect or a server could not bind. Adapters make it; it
//! knows the core's nouns and nothing of this package.

use std::fmt;
use std::io;
use std::time::Duration;

use switchboard::wire::VERSIONS;
use switchboard::{CloseReason, Failure, Status};

/// Why a connection or a server could not be opened: what a program can match on. The text says
/// what was wrong and what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Client: nobody serves there. The socket file is missing, or was left by a server that is
    /// gone. Start the server, or try again when it has had time to start.
    NotRunning {
        /// The address as it was given.
        address: String,
    },
    /// Client: the server answered and refused. What to do stands in its failure.
    Refused {
        /// What the server said.
        failure: Failure,
        /// When the server wants its client back; `None`: not at all.
        reconnect_after: Option<Duration>,
    },
    /// The other side has no room now: a server that takes no more clients, a full queue of
    /// clients that wait to be accepted, or (server) a folder that another program keeps locked.
    /// Try again later.
    Busy {
        /// Who has no room, and what for.
        what: String,
        /// When the server wants its client back, if it said so.
        reconnect_after: Option<Duration>,
    },
    /// Client: this program is too old for the server. Update this program.
    TooOld {
        /// The versions that the other side speaks, all newer than ours.
        theirs: Vec<u16>,
    },
    /// Client: this program is too new for the server. Update the server, or restart it if it has
    /// been updated since it started.
    TooNew {
        /// The versions that the other side speaks, all older than ours.
        theirs: Vec<u16>,
    },
    /// The operating system or this package does not allow it: a socket file of another user, a
    /// folder in which others could replace it, a group that this user is not in, a port below 1024.
    /// Choose another place, or run as the right user.
    NotPermitted(String),
    /// Server: another one serves there and was left alone. Stop it, or use it.
    InUse {
        /// The address as it was given.
        address: String,
    },
    /// The address cannot be used, whoever runs: misspelled, too long, a missing folder, a file that
    /// is no socket, TCP beyond this machine, `stdio` at a terminal, or a form that this system does
    /// not have. Correct the address.
    BadAddress(String),
    /// What the program asked for makes no sense, before anything was opened: a limit, a channel's name
    /// given twice, a hello that is too large, a mode or group that a socket file cannot have, `stdio`
    /// a second time. Correct the program.
    BadConfig(String),
    /// Client: the connection ended before the handshake was complete, for a reason that has no
    /// name of its own here: a time-out, a peer that speaks something else, a lost stream.
    Closed(CloseReason),
    /// The operating system failed in another way.
    Io(io::Error),
}

impl OpenError {
    /// No room here, on this side of the connection.
    #[cfg(unix)]
    pub(crate) const fn busy(what: String) -> Self {
        Self::Busy { what, reconnect_after: None }
    }

    /// An error of the operating system, with what was being done when it came.
    #[cfg(unix)]
    pub(crate) fn io(doing: impl fmt::Display, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        Self::Io(io::Error::new(error.kind(), format!("{doing}: {error}")))
    }

    /// No version in common: who has to update?
    fn versions(theirs: Vec<u16>) -> Self {
        let newest = VERSIONS.iter().max();
        let oldest = VERSIONS.iter().min();
        if theirs.is_empty() {
            Self::Closed(CloseReason::Versions { theirs })
        } else if theirs.iter().min() > newest {
            Self::TooOld { theirs }
        } else if theirs.iter().max() < oldest {
            Self::TooNew { theirs }
        } else {
            Self::Closed(CloseReason::Versions { theirs })
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning { address } => {
                write!(f, "nobody serves {address}; start the server, or check the address")
            }
            Self::Refused { failure, reconnect_after: None } => {
                write!(f, "the server refused: {failure}")
            }
            Self::Refused { failure, reconnect_after: Some(after) } => {
                write!(f, "the server refused: {failure}; try again in {after:?}")
            }
            Self::Busy { what, reconnect_after: None } => write!(f, "{what}; try again later"),
            Self::Busy { what, reconnect_after: Some(after) } => {
                write!(f, "{what}; try again in {after:?}")
            }
            Self::TooOld { theirs } => write!(
                f,
                "this program is too old: it speaks protocol versions {VERSIONS:?}, the other side \
                 {theirs:?}; update this program"
            ),
            Self::TooNew { theirs } => write!(
                f,
                "the other side is too old: it speaks protocol versions {theirs:?}, this program \
                 {VERSIONS:?}; update it, or restart it if it has been updated"
            ),
            Self::InUse { address } => {
                write!(f, "another server serves {address}; stop it, or use it")
            }
            Self::NotPermitted(what) | Self::BadAddress(what) | Self::BadConfig(what) => {
                f.write_str(what)
            }
            Self::Closed(reason) => write!(f, "{reason}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CloseReason> for OpenError {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Refused { failure, reconnect_after, .. } => {
                if failure.status == Status::RESOURCE_EXHAUSTED {
                    let what = format!("the server refused: {failure}");
                    Self::Busy { what, reconnect_after }
                } else {
                    Self::Refused { failure, reconnect_after }
                }
            }
            CloseReason::Versions { theirs } => Self::versions(theirs),
            other => Self::Closed(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Option<Duration> = Some(Duration::from_secs(2));

    fn refused(status: Status, reconnect_after: Option<Duration>) -> OpenError {
        let failure = Failure::new(status, "no");
        CloseReason::Refused { failure, versions: vec![1], reconnect_after }.into()
    }

    #[test]
    fn a_refusal_is_told_from_a_lack_of_room() {
        let error = refused(Status::PERMISSION_DENIED, None);
        assert_eq!(error.to_string(), "the server refused: PERMISSION_DENIED: no");
        assert!(matches!(error, OpenError::Refused { failure, .. } if failure.message == "no"));
        let error = refused(Status::RESOURCE_EXHAUSTED, None);
        assert!(error.to_string().ends_with("no; try again later"), "{error}");
        assert!(matches!(error, OpenError::Busy { .. }));
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let error = refused(Status::UNAVAILABLE, SOON);
        assert!(error.to_string().ends_with("no; try again in 2s"), "{error}");
        assert!(matches!(error, OpenError::Refused { reconnect_after: SOON, .. }));
        let error = refused(Status::RESOURCE_EXHAUSTED, SOON);
        assert!(error.to_string().ends_with("no; try again in 2s"), "{error}");
        assert!(matches!(error, OpenError::Busy { reconnect_after: SOON, .. }));
    }

    #[test]
    fn versions_say_who_is_too_old() {
        let newest = *VERSIONS.iter().max().unwrap();
        let of = |theirs: &[u16]| OpenError::from(CloseReason::Versions { theirs: theirs.into() });
        assert!(matches!(of(&[newest + 1, newest + 2]), OpenError::TooOld { .. }));
        assert!(matches!(of(&[0]), OpenError::TooNew { .. }));
        assert!(matches!(of(&[]), OpenError::Closed(_)));
        assert!(matches!(of(&[0, newest + 1]), OpenError::Closed(_)));
    }

    #[test]
    fn what_has_no_name_here_keeps_its_own() {
        let error = OpenError::from(CloseReason::Lost);
        assert!(matches!(error, OpenError::Closed(CloseReason::Lost)));
    }
}
