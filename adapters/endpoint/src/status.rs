//! What a server tells of itself (`docs/protocol.md` section 4.6), and to whom. Called by adapters; knows
//! credentials and the core's status.

use std::path::Path;
use std::time::Duration;

use switchboard::service::{ConnectionStatus, ServerStatus};
use switchboard::{ConnectionId, Counters, Failure, Status};

use crate::credentials::Credentials;

/// Whether this client may know the server's status: the user that runs the server and root may.
///
/// # Errors
///
/// A failure of status [`PERMISSION_DENIED`](Status::PERMISSION_DENIED) for everybody else.
pub fn may_ask_status(who: Option<&Credentials>) -> Result<(), Failure> {
    let text = match who {
        Some(who) if who.same_user_or_root() => return Ok(()),
        Some(_) => "only the user that runs the server may ask for its status",
        None => {
            "only the user that runs the server may ask for its status, and nothing tells who asks over \
             this connection, as over TCP"
        }
    };
    Err(Failure::new(Status::PERMISSION_DENIED, text))
}

/// The status of a server of this process that has run for `uptime`, has these connections, and handlers and
/// listeners for these channels.
pub fn server_status<'a>(
    uptime: Duration,
    connections: impl Iterator<Item = (ConnectionId, Option<&'a Credentials>, Counters)>,
    (handlers, listeners): (Vec<String>, Vec<String>),
) -> ServerStatus {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(Path::file_name).unwrap_or_default();
    let connection = |(id, who, counters): (_, Option<&Credentials>, _)| {
        let (uid, pid) = who.map_or((None, None), |who| (Some(who.uid), who.pid));
        ConnectionStatus { id, uid, pid, counters }
    };
    ServerStatus {
        program: program.to_string_lossy().into_owned(),
        pid: std::process::id(),
        uptime,
        connections: connections.map(connection).collect(),
        handlers,
        listeners,
    }
}
