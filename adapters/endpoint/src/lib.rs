//! What every transport of `switchboard` needs of the operating system: addresses, names, socket
//! files, TCP, standard input and output, credentials, who may come in by default, and how many.
//! For adapters; a program uses one of those.
//!
//! There is no protocol in here, no thread and no async: every function returns at once, but for
//! [`Listener::bind`], which may wait up to two seconds for another program that starts in the
//! same folder, and [`Stream::connect`], which may wait up to four for a TCP server whose queue is
//! full ([`Stream::connect_now`] does not). Streams and listeners are non-blocking; whoever drives
//! them waits for them.
//!
//! Who may call whom: `error`, `credentials`, `listening`, `offers`, `pause`, `stop` and `topics` know
//! nobody; `status` knows `credentials`; `authorize` knows `credentials` and `error`; `admission`, `address`
//! (spelling), `resolve` (from a spelling to a file) and `folder` know `error`; `stream` knows `pipes` (and
//! that `sigpipe`); `connect`, `tcp` and `stdio` open streams; `dial` uses `connect` and `authorize`; `file`
//! makes the socket file; `listener` and `options` use them all but `dial`, `authorize` and `admission`;
//! `client_settings` and `server_settings` are above all.
//!
//! Served on Unix. Elsewhere the package has the same types, and opening anything says
//! [`OpenError::BadAddress`].

#![forbid(unsafe_code)]

mod address;
mod admission;
mod authorize;
mod client_settings;
mod credentials;
mod dial;
mod error;
mod listening;
mod offers;
mod options;
mod pause;
mod server_settings;
mod status;
mod stop;
mod sync;
mod topics;

#[cfg(unix)]
mod connect;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod folder;
#[cfg(unix)]
mod listener;
#[cfg(unix)]
mod pipes;
#[cfg(unix)]
mod resolve;
#[cfg(unix)]
mod sigpipe;
#[cfg(unix)]
mod stdio;
#[cfg(unix)]
mod stream;
#[cfg(unix)]
mod tcp;
#[cfg(not(unix))]
mod unserved;

pub use address::Address;
pub use admission::{Admission, AdmissionLimits, Arrival, COME_BACK, next_connection, seed};
pub use authorize::{VerifyServer, answer_hello, default_authorize, verify_server};
pub use client_settings::{ClientSettings, Dialled};
pub use credentials::Credentials;
pub use dial::{Unopened, dial};
pub use error::OpenError;
pub use listening::{listen_for, listens_for};
pub use offers::{Listening, Offers};
pub use options::BindOptions;
pub use pause::AcceptPause;
pub use server_settings::ServerSettings;
pub use status::{may_ask_status, server_status};
pub use stop::Stop;
pub use topics::{HOLD, Topics};
#[cfg(unix)]
pub use {listener::Listener, stream::Stream};
#[cfg(not(unix))]
pub use {unserved::Listener, unserved::Stream};
