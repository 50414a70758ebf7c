//! `Guard`: keeps a handler or listener registered. Called by programs; knows services.

use std::fmt;
use std::sync::Weak;

use switchboard::service::Registration;

use crate::services::Services;

/// Keeps a handler or listener registered: dropping it takes that one back. Calls that are under way
/// go on.
///
/// An owner that drops all of its registrations at once keeps their guards in one `Vec`.
#[must_use = "dropping a guard takes its handler or listener back; `detach` keeps it for good"]
pub struct Guard {
    services: Weak<Services>,
    registration: Registration,
}

impl Guard {
    pub(crate) const fn new(services: Weak<Services>, registration: Registration) -> Self {
        Self { services, registration }
    }

    /// Keeps it registered for as long as the connection or server lives.
    pub fn detach(mut self) {
        self.services = Weak::new();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(services) = self.services.upgrade() {
            services.offers.unregister(self.registration);
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("registration", &self.registration).finish_non_exhaustive()
    }
}
