//! What must come of what, whatever the adapter. Each scenario panics if it does not. Called by the macro of
//! the tests; knows its topics.

#![allow(clippy::unwrap_used, reason = "what fails here fails the scenario")]
#![allow(clippy::missing_panics_doc, reason = "that is how they fail")]

mod calls;
mod ending;
mod everybody;
mod home;
mod returning;
mod slow;
mod streams;
mod topics;

pub use calls::*;
pub use ending::*;
pub use everybody::*;
pub use returning::*;
pub use slow::*;
pub use streams::*;
pub use topics::*;
