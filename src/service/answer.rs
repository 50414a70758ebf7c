//! From a payload to a handler's arguments and from its result to an answer, with the failures that
//! tell what went wrong on the way (`docs/protocol.md` section 6). Called by adapters.

use alloc::format;

use crate::failure::Failure;
use crate::payload::{FromPayload, Payload, PayloadLimits, ToPayload};
use crate::status::Status;

/// A handler's arguments, checked.
///
/// # Errors
///
/// A failure [`Status::INVALID_ARGUMENT`], or [`Status::RESOURCE_EXHAUSTED`] for a limit, that names
/// what does not fit: the answer to the call.
pub fn decode_arguments<A: FromPayload>(
    payload: Payload,
    limits: &PayloadLimits,
) -> Result<A, Failure> {
    A::from_payload(payload, limits)
        .map_err(|error| Failure::new(error.status(), format!("bad arguments: {error}")))
}

/// What a handler returned, as an answer.
///
/// # Errors
///
/// The handler's own failure, or [`Status::INTERNAL`] if its value cannot be written as CBOR.
pub fn encode_answer<R: ToPayload>(result: Result<R, Failure>) -> Result<Payload, Failure> {
    result?
        .into_payload()
        .map_err(|error| Failure::new(Status::INTERNAL, format!("the handler's value: {error}")))
}

/// The answer to a call on a channel that nobody serves.
#[must_use]
pub fn no_handler(channel: &str) -> Failure {
    Failure::new(Status::UNIMPLEMENTED, format!("no handler for channel {channel:?}"))
}

/// The answer of a handler that panicked. What the panic said stays here: it may hold secrets.
#[must_use]
pub fn panicked() -> Failure {
    Failure::new(Status::INTERNAL, "the handler panicked")
}

/// The answer of a handler that let go of its call without one.
#[must_use]
pub fn never_answered() -> Failure {
    Failure::new(Status::INTERNAL, "the handler never answered")
}
