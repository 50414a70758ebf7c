//! `BindOptions`: how a socket file is made. Called by adapters; `listener` does it.

use crate::Listener;
use crate::address::Address;
use crate::error::OpenError;

/// How a server's place is made. The default is that of [`Listener::bind`]: a socket file that this
/// user alone can connect to.
///
/// A wider file lets others connect; whether they come in is for the server's authorisation to say,
/// and the [default one](crate::default_authorize) lets in this user and root only.
///
/// ```no_run
/// use switchboard_endpoint::BindOptions;
///
/// let address = "/run/app/app.sock".parse()?;
/// let listener = BindOptions::new().mode(0o660).group("editors").bind(&address)?;
/// # Ok::<(), switchboard_endpoint::OpenError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindOptions {
    pub(crate) mode: Option<u32>,
    pub(crate) group: Option<String>,
}

impl BindOptions {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The mode of the socket file: 0o600 to 0o666, reading and writing for the owner and for whom
    /// you like. Whoever may write may connect. Default 0o600. The umask does not change it.
    #[must_use]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The group of the socket file: its name, or its number in digits. By default the system
    /// chooses, as a rule this process's. The mode says what the group may do: by default nothing.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// As [`Listener::bind`], with these options. The file is never wider than they say, not for an
    /// instant, and nobody can connect before it is as they say.
    ///
    /// # Errors
    ///
    /// As of [`Listener::bind`], and
    /// - [`OpenError::BadConfig`]: the mode is none of those; there is no such group; or the address
    ///   has no file that could have a mode or group.
    /// - [`OpenError::NotPermitted`]: this user is not in the group.
    pub fn bind(&self, address: &Address) -> Result<Listener, OpenError> {
        self.check()?;
        Listener::bind_with(address, self)
    }

    fn check(&self) -> Result<(), OpenError> {
        match self.mode {
            Some(mode) if mode & 0o600 != 0o600 || mode & !0o666 != 0 => {
                Err(OpenError::BadConfig(format!(
                    "the mode {mode:#o} is none for a socket file: it must have 0o600 and nothing \
                     beyond 0o666, such as 0o660"
                )))
            }
            _ => Ok(()),
        }
    }

    /// For an address without a file.
    #[cfg(unix)]
    pub(crate) fn check_absent(&self, address: &Address) -> Result<(), OpenError> {
        if self.mode.is_none() && self.group.is_none() {
            return Ok(());
        }
        Err(OpenError::BadConfig(format!(
            "{address} has no file, so it can have no mode and no group; leave them out, or use a \
             path or a name"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_reading_and_writing_with_the_owners_own() {
        for mode in [0o600, 0o620, 0o660, 0o606, 0o666, 0o640] {
            assert!(BindOptions::new().mode(mode).check().is_ok(), "{mode:o}");
        }
        for mode in [0, 0o066, 0o200, 0o400, 0o577, 0o610, 0o667, 0o700, 0o1600, 0o4600, 0o100_600]
        {
            let error = BindOptions::new().mode(mode).check().unwrap_err();
            assert!(matches!(error, OpenError::BadConfig(_)), "{mode:o}: {error}");
        }
    }
}
