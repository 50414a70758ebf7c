//! `Stream` and `Listener` of a system on which no address is served yet: neither can be made, so
//! that adapters compile and every attempt says why. Same names and errors as on Unix,
//! but for what takes or gives descriptors of that system (`Stream::from_pipes`, `Stream::write_fd`).

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use std::process::{Child, Command};

use crate::{Address, BindOptions, Credentials, OpenError};

fn unserved<T>(address: &Address) -> Result<T, OpenError> {
    Err(OpenError::BadAddress(format!("{address} is not served on this system yet")))
}

impl Address {
    /// The path of the socket file: none on this system.
    ///
    /// # Errors
    ///
    /// Always [`OpenError::BadAddress`].
    pub fn path(&self) -> Result<PathBuf, OpenError> {
        unserved(self)
    }
}

/// A connection. None can be made on this system yet.
#[derive(Debug)]
pub struct Stream(Infallible);

#[allow(missing_docs, clippy::missing_errors_doc, reason = "never called; documented on Unix")]
impl Stream {
    /// Connects to a server.
    ///
    /// # Errors
    ///
    /// Always [`OpenError::BadAddress`].
    pub fn connect(address: &Address) -> Result<Self, OpenError> {
        unserved(address)
    }

    /// Connects to a server.
    ///
    /// # Errors
    ///
    /// Always [`OpenError::BadAddress`].
    pub fn connect_now(address: &Address) -> Result<Self, OpenError> {
        unserved(address)
    }

    /// Makes standard input and output a stream.
    ///
    /// # Errors
    ///
    /// Always [`OpenError::BadAddress`].
    pub fn stdio() -> Result<Self, OpenError> {
        Err(OpenError::BadAddress("stdio is not served on this system yet".into()))
    }

    pub fn spawn(_: &mut Command) -> io::Result<(Self, Child)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn pair() -> io::Result<(Self, Self)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn try_read(&self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn try_write_vectored(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn shutdown_write(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub fn hang_up(&self) {
        match self.0 {}
    }

    pub fn credentials(&self) -> io::Result<Option<Credentials>> {
        match self.0 {}
    }
}

/// A server's place. None can be made on this system yet.
#[derive(Debug)]
pub struct Listener(Infallible);

#[allow(missing_docs, clippy::missing_errors_doc, reason = "never called; documented on Unix")]
impl Listener {
    /// Makes the place and listens there.
    ///
    /// # Errors
    ///
    /// Always [`OpenError::BadAddress`].
    pub fn bind(address: &Address) -> Result<Self, OpenError> {
        unserved(address)
    }

    pub(crate) fn bind_with(address: &Address, _: &BindOptions) -> Result<Self, OpenError> {
        unserved(address)
    }

    pub fn accept(&self) -> io::Result<(Stream, Option<Credentials>)> {
        match self.0 {}
    }

    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        match self.0 {}
    }

    #[must_use]
    pub fn address(&self) -> &Address {
        match self.0 {}
    }

    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self.0 {}
    }
}
