//! Who serves what: channels to handlers and listeners, and the answers that every adapter gives
//! alike. Called by adapters; knows payloads and the small nouns, no connection, no IO, no async.

mod answer;
mod registry;
mod status;

pub use answer::{decode_arguments, encode_answer, never_answered, no_handler, panicked};
pub use registry::{RegisterError, Registered, Registration, Registry};
pub use status::{ConnectionStatus, STATUS, ServerStatus};
