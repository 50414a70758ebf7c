//! The handshake, on both sides (`docs/protocol.md` section 3). Part of the connection.

use alloc::boxed::Box;
use alloc::string::ToString;
use core::time::Duration;

use super::greetings::{Hello, Welcome};
use super::interfaces::mismatch;
use super::keepalive::Keepalive;
use super::outbox::Counted;
use super::phase::Phase;
use super::{Connection, Role, cut, milliseconds};
use crate::close_reason::CloseReason;
use crate::error::{ProtocolError, Rejected};
use crate::event::{Event, PeerHello, PeerWelcome};
use crate::failure::Failure;
use crate::instant::Instant;
use crate::payload::Payload;
use crate::status::Status;
use crate::wire::{Decoder, Frame, LEAST_MAX_FRAME, Magic, Settings, VERSIONS};

impl Connection {
    /// Client: queues the first frame.
    pub(super) fn send_hello(&mut self, hello: &Hello) -> Result<(), Rejected> {
        let frame = Frame::Hello {
            magic: Magic,
            versions: VERSIONS.to_vec(),
            settings: self.config.settings(&hello.scope),
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
            settings: self.config.settings(""),
            payload: &[],
        };
        self.outbox
            .push(&frame, Some(&welcome.payload), LEAST_MAX_FRAME, Counted::No)
            .map_err(|_| Rejected::TooLarge)?;
        self.open(now);
        self.note_unsent(now);
        Ok(())
    }

    /// The handshake is complete.
    fn open(&mut self, now: Instant) {
        self.phase = Phase::Open;
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.start(now);
        }
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
        if let Some(reason) = mismatch(&self.config.requires, &settings.interfaces) {
            let failure = Failure::new(Status::FAILED_PRECONDITION, reason.to_string());
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
                self.open(now);
                if let Err(error) = payload.check(&self.config.payload) {
                    let text = alloc::format!("welcome's payload: {error}");
                    let failure = Failure::new(error.status(), text);
                    return self.refuse_welcome(now, CloseReason::Rejected { failure });
                }
                if let Some(reason) = mismatch(&self.config.requires, &settings.interfaces) {
                    return self.refuse_welcome(now, reason);
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

    /// Client: what the server said cannot be used.
    fn refuse_welcome(&mut self, now: Instant, reason: CloseReason) {
        let status = reason.status().unwrap_or(Status::FAILED_PRECONDITION);
        let words = match &reason {
            CloseReason::Rejected { failure } => failure.message.clone(),
            other => other.to_string(),
        };
        self.last_words(now, status, &words, reason);
    }

    /// Keeps of the peer's settings what this side must keep to.
    fn adopt(&mut self, settings: &Settings) {
        self.peer_max_frame = settings.max_frame;
        self.peer_max_calls = settings.max_calls;
        self.peer_stream_window = settings.stream_window;
        self.keepalive = Keepalive::new(self.config.settings("").keepalive, settings.keepalive);
    }
}
