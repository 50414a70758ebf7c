//! `Hello` and `Welcome`: what the two applications say in the handshake (`docs/protocol.md` section
//! 3). Made by adapters and programs, sent by the handshake.

use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;

use crate::payload::Payload;

/// What a client says of itself: the application's part of `hello`.
///
/// It goes to whoever listens at the address, so check who serves before it holds a secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hello {
    pub(super) payload: Payload,
    pub(super) scope: String,
}

impl Hello {
    /// Null, in the default scope.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whatever the server wants to know, such as a token. With the rest of `hello` at most 16 KiB.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// The scope to live in: at most 255 bytes. Channels and topics of others do not exist in it.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }
}

/// What a server says when it accepts: the application's part of `welcome`.
#[derive(Clone, Default)]
pub struct Welcome {
    pub(super) payload: Payload,
    state: Option<State>,
}

/// Whatever the application keeps for a connection.
type State = Arc<dyn Any + Send + Sync>;

impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome").field("payload", &self.payload).finish_non_exhaustive()
    }
}

impl Welcome {
    /// Null.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the application keeps for this connection, such as the user that it found: adapters hand
    /// it to handlers as `Context::state`. It does not travel.
    #[must_use]
    pub fn state(mut self, state: impl Any + Send + Sync) -> Self {
        self.state = Some(Arc::new(state));
        self
    }

    /// Takes what [`state`](Self::state) was given: for adapters.
    pub fn take_state(&mut self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.state.take()
    }

    /// Whatever the client wants to know. With the rest of `welcome` at most 16 KiB.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }
}
