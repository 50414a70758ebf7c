//! `dial`: from an address to a stream to the right server, for a session that tries again where that helps.
//! Called by adapters; knows streams, errors and whom to trust.

use switchboard::CloseReason;

use crate::authorize::{VerifyServer, verify_server};
use crate::{Address, Credentials, OpenError, Stream};

/// Why an attempt to reach a server came to nothing.
#[derive(Debug)]
pub struct Unopened {
    /// For the user.
    pub error: OpenError,
    /// Whether it helps to try again.
    pub passes: bool,
}

impl Unopened {
    /// The same for a [`Session`](switchboard::Session).
    #[must_use]
    pub fn reason(&self) -> CloseReason {
        let message = self.error.to_string();
        if self.passes {
            CloseReason::Unreachable { message }
        } else {
            CloseReason::Aborted { message }
        }
    }
}

impl From<std::io::Error> for Unopened {
    /// The operating system fails, and may be better soon.
    fn from(error: std::io::Error) -> Self {
        Self { error: error.into(), passes: true }
    }
}

/// A stream to the server at `address`, if that is [the right one](verify_server), and who it is. It does not
/// wait, as [`Stream::connect_now`].
///
/// `known`: there has been a connection to that address before. Then it is none that is misspelled or not
/// this user's; that its folder is missing, or that the file is not for everybody yet, is a server's that
/// starts.
///
/// # Errors
///
/// Those of [`Stream::connect`] and [`verify_server`].
pub fn dial(
    address: &Address,
    verify: Option<&VerifyServer>,
    known: bool,
) -> Result<(Stream, Option<Credentials>), Unopened> {
    let stream = Stream::connect_now(address).map_err(|error| {
        let passes = match &error {
            OpenError::NotRunning { .. } | OpenError::Busy { .. } | OpenError::Io(_) => true,
            OpenError::NotPermitted(_) | OpenError::BadAddress(_) => known,
            _ => false,
        };
        Unopened { error, passes }
    })?;
    let server = stream.credentials()?;
    verify_server(server.as_ref(), &address.to_string(), verify)
        .map_err(|error| Unopened { error, passes: false })?;
    Ok((stream, server))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::Listener;

    #[test]
    fn what_is_missing_passes_once_it_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("folder");
        let address: Address = inside.join("s").display().to_string().parse().unwrap();
        for known in [false, true] {
            let unopened = dial(&address, None, known).unwrap_err();
            assert!(matches!(unopened.error, OpenError::BadAddress(_)));
            assert_eq!(unopened.passes, known);
        }
        std::fs::create_dir(&inside).unwrap();
        let unopened = dial(&address, None, false).unwrap_err();
        assert!(matches!(unopened.error, OpenError::NotRunning { .. }));
        assert!(matches!(unopened.reason(), CloseReason::Unreachable { .. }));
    }

    #[test]
    fn a_server_that_is_not_trusted_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let address: Address = folder.path().join("s").display().to_string().parse().unwrap();
        let _listener = Listener::bind(&address).unwrap();
        dial(&address, Some(&|_| true), false).unwrap();
        let unopened = dial(&address, Some(&|_| false), true).unwrap_err();
        assert!(matches!(unopened.error, OpenError::NotPermitted(_)));
        assert!(matches!(unopened.reason(), CloseReason::Aborted { .. }));
    }
}
