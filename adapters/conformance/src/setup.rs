//! `Setup`: whose server and whose client a scenario runs with, and over what. Made by the macro of the
//! tests; knows adapters.

use std::fmt;
use std::path::Path;

use crate::Adapter;

/// Whose server a scenario runs with, whose client, and over what.
#[derive(Clone, Copy)]
pub struct Setup {
    pub(crate) server: &'static dyn Adapter,
    pub(crate) client: &'static dyn Adapter,
    pub(crate) transport: Transport,
}

impl Setup {
    /// One of these.
    #[must_use]
    pub fn new(
        server: &'static dyn Adapter,
        client: &'static dyn Adapter,
        transport: Transport,
    ) -> Self {
        Self { server, client, transport }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// How client and server meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A socket in a folder.
    Path,
    /// A port of this machine. Nothing tells who connects.
    Tcp,
}

impl Transport {
    /// What a server of its own binds, if it has this folder for itself.
    pub(crate) fn address(self, folder: &Path) -> String {
        match self {
            Self::Path => folder.join("s").display().to_string(),
            Self::Tcp => "tcp:127.0.0.1:0".into(),
        }
    }
}
