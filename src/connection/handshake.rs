//! The handshake, on both sides (`docs/protocol.md` section 3). Part of the connection.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::time::Duration;

use super::outbox::Counted;
use super::phase::Phase;
use super::{Connection, Role, cut, milliseconds};
use crate::error::{CloseReason, ProtocolError, Rejected};
use crate::event::{Event, PeerHello, PeerWelcome};
use crate::failure::Failure;
use crate::instant::Instant;
use crate::payload::Payload;
use crate::status::Status;
use crate::wire::{Decoder, Frame, LEAST_MAX_FRAME, Magic, Settings, VERSIONS};

/// What a client says of itself: the application's part of `hello`.
///
/// It goes to whoever listens at the address, so check who serves before it holds a secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hello {
    payload: Payload,
    scope: String,
    interfaces: BTreeMap<String, String>,
}

impl Hello {
    /// Null, in the default scope, without interfaces.
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

    /// An interface that this side serves, and its version.
    #[must_use]
    pub fn interface(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.interfaces.insert(name.into(), version.into());
        self
    }
}

/// What a server says when it accepts: the application's part of `welcome`.
#[derive(Clone, Default)]
pub struct Welcome {
    payload: Payload,
    interfaces: BTreeMap<String, String>,
    state: Option<State>,
}

/// Whatever the application keeps for a connection.
type State = Arc<dyn Any + Send + Sync>;

impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("payload", &self.payload)
            .field("interfaces", &self.interfaces)
            .finish_non_exhaustive()
    }
}

impl Welcome {
    /// Null, without interfaces.
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

    /// An interface that this side serves, and its version.
    #[must_use]
    pub fn interface(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.interfaces.insert(name.into(), version.into());
        self
    }
}

impl Connection {
    /// Client: queues the first frame.
    pub(super) fn send_hello(&mut self, hello: &Hello) -> Result<(), Rejected> {
        let frame = Frame::Hello {
            magic: Magic,
            versions: VERSIONS.to_vec(),
            settings: self.config.settings(&hello.scope, &hello.interfaces),
            payload: &[],
        };
        if hello.scope.len() > 255 {
            return Err(Rejected::TooLarge);
        }
        self.outbox
            .push(&frame, Some(&hello.payload), LEAST_MAX_FRAME, Counted::No)
            .map_err(|_| Rejected::TooLarge)?;
        Ok(())
    }

    /// Server: accepts the client that said `hello`.
    ///
    /// # Errors
    ///
    /// [`Rejected::NotReady`] before [`Event::Hello`], [`Rejected::Closed`] if the client has gone or
    /// was answered, [`Rejected::TooLarge`] if the welcome takes more than 16 KiB.
    pub fn accept(&mut self, now: Instant, welcome: &Welcome) -> Result<(), Rejected> {
        let version = match self.phase {
            Phase::Deciding { version, .. } => version,
            Phase::Greeting { .. } => return Err(Rejected::NotReady),
            _ => return Err(Rejected::Closed),
        };
        let frame = Frame::Welcome {
            version,
            connection: self.id.ok_or(Rejected::NotReady)?,
            settings: self.config.settings("", &welcome.interfaces),
            payload: &[],
        };
        self.outbox
            .push(&frame, Some(&welcome.payload), LEAST_MAX_FRAME, Counted::No)
            .map_err(|_| Rejected::TooLarge)?;
        self.phase = Phase::Open;
        self.note_unsent(now);
        Ok(())
    }

    /// Server: refuses the client, after its `hello` or even before; the connection ends.
    ///
    /// `reconnect_after` asks the client to come back then; `None` asks it not to. The failure's
    /// message is cut at 1,024 bytes; data that does not fit a `reject` of 16 KiB is left out.
    ///
    /// # Errors
    ///
    /// [`Rejected::Closed`] if the client was answered or has gone.
    pub fn refuse(
        &mut self,
        now: Instant,
        failure: Failure,
        reconnect_after: Option<Duration>,
    ) -> Result<(), Rejected> {
        let waiting = matches!(self.phase, Phase::Greeting { .. } | Phase::Deciding { .. });
        if !waiting || self.role == Role::Client {
            return Err(Rejected::Closed);
        }
        self.reject(
            now,
            &failure,
            reconnect_after,
            CloseReason::Rejected { failure: failure.clone() },
        );
        Ok(())
    }

    /// Says `reject` and ends.
    pub(super) fn reject(
        &mut self,
        now: Instant,
        failure: &Failure,
        reconnect_after: Option<Duration>,
        reason: CloseReason,
    ) {
        let frame = Frame::Reject {
            error: failure.status,
            reason: cut(&failure.message),
            versions: VERSIONS.to_vec(),
            reconnect_after_ms: milliseconds(reconnect_after),
            payload: &[],
        };
        let data = [&failure.data, &Payload::null()];
        for data in data {
            if self.outbox.push(&frame, Some(data), LEAST_MAX_FRAME, Counted::No).is_ok() {
                break;
            }
        }
        self.end_after_last_words(now, reason);
    }

    /// Takes the peer's first frame; whether it came.
    pub(super) fn greet(&mut self, now: Instant, input: &mut Decoder) -> bool {
        input.set_max_frame(LEAST_MAX_FRAME);
        let length = match input.peek() {
            // HTTP, TLS or noise: not worth an answer.
            Err(error) => {
                self.close_at_once(CloseReason::Protocol(error));
                return true;
            }
            Ok(frame) => frame.map(<[u8]>::len),
        };
        // What stands behind a whole frame is none of its bytes.
        let came = input.peek_partial();
        let came = &came[..length.unwrap_or(came.len())];
        let prefix = &Magic::PREFIX[..came.len().min(Magic::PREFIX.len())];
        if self.role == Role::Server && !came.starts_with(prefix) {
            self.fail(now, ProtocolError::NotSwitchboard);
            return true;
        }
        if length.is_none() {
            return false;
        }
        match Frame::decode(came) {
            Ok(frame) => match self.role {
                Role::Server => self.greet_client(now, frame),
                Role::Client => self.greet_server(now, frame),
            },
            Err(error) => self.fail(now, error),
        }
        input.skip();
        true
    }

    fn greet_client(&mut self, now: Instant, frame: Frame<'_>) {
        let Frame::Hello { versions, settings, payload, .. } = frame else {
            return self.fail(now, ProtocolError::UnexpectedFrame);
        };
        let common = VERSIONS.iter().filter(|version| versions.contains(version)).max();
        let Some(&version) = common else {
            let text = "no protocol version in common; update the older program";
            let failure = Failure::new(Status::FAILED_PRECONDITION, text);
            return self.reject(now, &failure, None, CloseReason::Versions { theirs: versions });
        };
        let payload = Payload::from_peer(bytes::Bytes::copy_from_slice(payload));
        if let Err(error) = payload.check(&self.config.payload) {
            let failure = Failure::new(error.status(), alloc::format!("hello's payload: {error}"));
            let reason = CloseReason::Rejected { failure: failure.clone() };
            return self.reject(now, &failure, None, reason);
        }
        self.adopt(&settings);
        if let Phase::Greeting { until } = self.phase {
            self.phase = Phase::Deciding { until, version };
        }
        self.events.push_back(Event::Hello(Box::new(PeerHello { versions, settings, payload })));
    }

    fn greet_server(&mut self, now: Instant, frame: Frame<'_>) {
        match frame {
            Frame::Welcome { version, connection, settings, payload }
                if VERSIONS.contains(&version) =>
            {
                let payload = Payload::from_peer(bytes::Bytes::copy_from_slice(payload));
                self.adopt(&settings);
                self.id = Some(connection);
                self.phase = Phase::Open;
                if payload.check(&self.config.payload).is_err() {
                    return self.fail(now, ProtocolError::MalformedFrame);
                }
                let welcome = PeerWelcome { version, connection, settings, payload };
                self.events.push_back(Event::Welcome(Box::new(welcome)));
            }
            Frame::Reject { error, reason, versions, reconnect_after_ms, payload } => {
                let fits = VERSIONS.iter().any(|version| versions.contains(version));
                let data = Payload::from_peer(bytes::Bytes::copy_from_slice(payload));
                let failure = Failure::new(error, cut(reason)).with_data(data);
                let reconnect_after = reconnect_after_ms.map(super::duration);
                self.close_at_once(if fits || error != Status::FAILED_PRECONDITION {
                    CloseReason::Refused { failure, versions, reconnect_after }
                } else {
                    CloseReason::Versions { theirs: versions }
                });
            }
            _ => self.fail(now, ProtocolError::UnexpectedFrame),
        }
    }

    /// Keeps of the peer's settings what this side must keep to.
    fn adopt(&mut self, settings: &Settings) {
        self.peer_max_frame = settings.max_frame;
        self.peer_max_calls = settings.max_calls;
    }
}
