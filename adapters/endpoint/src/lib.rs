//! What every transport of `switchboard` needs of the operating system: addresses, names, socket
//! files, credentials, and who may come in by default. For adapters; a program uses one of those.
//!
//! There is no protocol in here, no thread and no async: every function returns at once, but for
//! [`Listener::bind`], which may wait up to two seconds for another program that starts in the
//! same folder. Streams and listeners are non-blocking; whoever drives them waits for them.
//!
//! Who may call whom: `error` and `credentials` know nobody; `authorize` knows `credentials`;
//! `address` (spelling) and `resolve` (from a spelling to a file) know `error`; `folder` knows
//! `error`; `stream` and `listener` use them all but `authorize`.
//!
//! Served on Unix. Elsewhere the package has the same types, and opening anything says
//! [`OpenError::BadAddress`].

#![forbid(unsafe_code)]

mod address;
mod authorize;
mod credentials;
mod error;

#[cfg(unix)]
mod folder;
#[cfg(unix)]
mod listener;
#[cfg(unix)]
mod resolve;
#[cfg(unix)]
mod stream;
#[cfg(not(unix))]
mod unserved;

pub use address::Address;
pub use authorize::default_authorize;
pub use credentials::Credentials;
pub use error::OpenError;
#[cfg(unix)]
pub use {listener::Listener, stream::Stream};
#[cfg(not(unix))]
pub use {unserved::Listener, unserved::Stream};
