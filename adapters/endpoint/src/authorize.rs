//! Who may come in where the program has no rule of its own: the same verdict and the same words in
//! every adapter. Called by adapters; knows credentials and the core's nouns.

use switchboard::{Connection, Failure, Instant, PeerHello, Rejected, Status, Welcome};

use crate::credentials::{self, Credentials};
use crate::error::OpenError;

/// The default authorisation: the user that the server runs as and root may come in, and nobody has
/// a scope.
///
/// Nobody comes in without credentials either: over TCP nothing tells who the client is, so that a
/// server there has a rule of its own ([`Address::needs_authorize`](crate::Address::needs_authorize)
/// tells an adapter before it serves). But for systems that tell of nobody (none of Linux, macOS
/// and the BSDs): there the mode of the socket file has decided who could connect.
///
/// # Errors
///
/// A failure of status [`PERMISSION_DENIED`](Status::PERMISSION_DENIED) for another user or nobody,
/// [`NOT_FOUND`](Status::NOT_FOUND) for a scope: a program that has scopes says so in an
/// authorisation of its own.
pub fn default_authorize(
    hello: &PeerHello,
    credentials: Option<&Credentials>,
) -> Result<Welcome, Failure> {
    // First, so that a stranger learns nothing about scopes.
    let stranger = match credentials {
        Some(who) if who.same_user_or_root() => None,
        Some(_) => Some("only the user that runs the server may connect"),
        None if credentials::TOLD => Some("nothing tells the server who this client is"),
        None => None,
    };
    if let Some(text) = stranger {
        return Err(Failure::new(Status::PERMISSION_DENIED, text));
    }
    let scope = &hello.settings.scope;
    if !scope.is_empty() {
        return Err(Failure::new(
            Status::NOT_FOUND,
            format!("scope {scope:?} does not exist here"),
        ));
    }
    Ok(Welcome::new())
}

/// Lets a client in or refuses it, as the authorisation has said; whether it is in. It may also have gone
/// meanwhile, and then nobody is told.
pub fn answer_hello(
    connection: &mut Connection,
    now: Instant,
    verdict: Result<Welcome, Failure>,
) -> bool {
    let failure = match verdict.map(|welcome| connection.accept(now, &welcome)) {
        Ok(Ok(())) => return true,
        Ok(Err(Rejected::TooLarge)) => {
            Failure::new(Status::INTERNAL, "the server's welcome is larger than 16 KiB")
        }
        Ok(Err(_)) => return false,
        Err(failure) => failure,
    };
    // A client that has gone needs no refusal.
    let _ = connection.refuse(now, failure, None);
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Arc;

    use switchboard::{Config, ConnectionId, Event, Hello, Next, Pump};

    use super::*;

    /// A client's hello, as a server gets it.
    fn hello(scope: &str) -> PeerHello {
        let config = Arc::new(Config::default());
        let hello = Hello::new().scope(scope);
        let mut client = Connection::client(Arc::clone(&config), &hello, Instant::ZERO)
            .expect("a short scope is no obstacle");
        let id = ConnectionId::new(1).expect("1 is an id");
        let mut server = Pump::new(Connection::server(config, id, Instant::ZERO));
        loop {
            match server.next(Instant::ZERO) {
                Next::Event(Event::Hello(hello)) => return *hello,
                Next::Io { read: true, .. } => {
                    let mut chunk = [&[][..]; 1];
                    assert_eq!(client.chunks(&mut chunk), 1);
                    let space = server.space();
                    let count = chunk[0].len().min(space.len());
                    space[..count].copy_from_slice(&chunk[0][..count]);
                    client.wrote(Instant::ZERO, count);
                    server.filled(Instant::ZERO, count);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn user(uid: u32) -> Credentials {
        Credentials { uid, gid: 0, pid: None }
    }

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn the_same_user_and_root_come_in() {
        for who in [user(me()), user(0)] {
            assert_eq!(default_authorize(&hello(""), Some(&who)).map(drop), Ok(()));
        }
    }

    #[test]
    fn whoever_is_not_told_comes_in_only_where_nobody_is() {
        let verdict = default_authorize(&hello(""), None).map(drop);
        if credentials::TOLD {
            let failure = verdict.unwrap_err();
            assert_eq!(failure.status, Status::PERMISSION_DENIED);
            assert_eq!(failure.message, "nothing tells the server who this client is");
        } else {
            assert_eq!(verdict, Ok(()));
        }
    }

    #[test]
    fn another_user_is_refused_whatever_the_scope() {
        for scope in ["", "x"] {
            let failure = default_authorize(&hello(scope), Some(&user(me() + 1))).unwrap_err();
            assert_eq!(failure.status, Status::PERMISSION_DENIED);
            assert_eq!(failure.message, "only the user that runs the server may connect");
        }
    }

    #[test]
    fn nobody_has_a_scope() {
        let failure = default_authorize(&hello("x"), Some(&user(me()))).unwrap_err();
        assert_eq!(failure.status, Status::NOT_FOUND);
        assert_eq!(failure.message, "scope \"x\" does not exist here");
    }
}
/// A client's own rule for whether this is the right server, by what the kernel says of it.
pub type VerifyServer = dyn Fn(Option<&Credentials>) -> bool + Send + Sync;

/// Whether a client may trust the server at `address`, before anything is sent to it. By default it must
/// run as the same user or as root, so that a hello with a secret does not go to a stranger who was first
/// there.
///
/// # Errors
///
/// [`OpenError::NotPermitted`] says who serves there.
pub fn verify_server(
    credentials: Option<&Credentials>,
    address: &str,
    verify: Option<&VerifyServer>,
) -> Result<(), OpenError> {
    let good = match verify {
        Some(verify) => verify(credentials),
        None => credentials.is_none_or(Credentials::same_user_or_root),
    };
    if good {
        return Ok(());
    }
    let who = credentials.map_or_else(|| "nobody known".into(), |who| format!("uid {}", who.uid));
    Err(OpenError::NotPermitted(format!(
        "{address} is served by {who}, which this client does not trust; nothing was sent. If that is \
         the right server, say so with `ClientBuilder::verify_server`"
    )))
}
