//! `Offers`: the handlers and listeners of a client or a server behind a lock. Called by adapters, which know
//! what a handler is; knows the core's registry.

use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use switchboard::service::{RegisterError, Registration, Registry};

/// Handlers `H` and listeners `L`, which are cheap to clone. None of them is dropped under the lock: what
/// they hold is the user's.
pub struct Offers<H, L> {
    registry: RwLock<Registry<H, Once<L>>>,
}

/// A listener, and whether it takes one message and is gone.
struct Once<L> {
    once: bool,
    listener: L,
}

/// One listener of a message. Before it is called, [`Offers::takes`] is to be asked.
#[derive(Debug)]
pub struct Listening<L> {
    registration: Registration,
    once: bool,
    /// What is to be called.
    pub listener: L,
}

impl<H: Clone, L: Clone> Offers<H, L> {
    /// Calls on `channel` go to this handler.
    ///
    /// # Errors
    ///
    /// As of [`Registry::handle`].
    pub fn handle(&self, channel: &str, handler: H) -> Result<Registration, RegisterError> {
        let kept = handler.clone();
        let registered = self.write().handle(channel, handler);
        // One that was refused goes here, behind the lock.
        drop(kept);
        registered
    }

    /// Messages on `channel` go to this listener, too.
    ///
    /// # Errors
    ///
    /// As of [`Registry::listen`].
    pub fn listen(
        &self,
        channel: &str,
        once: bool,
        listener: L,
    ) -> Result<Registration, RegisterError> {
        let kept = listener.clone();
        let registered = self.write().listen(channel, Once { once, listener });
        drop(kept);
        registered
    }

    /// Takes a registration back; whether it was still there.
    pub fn unregister(&self, registration: Registration) -> bool {
        let gone = self.write().unregister(registration);
        // Dropped behind the lock.
        gone.is_some()
    }

    /// The handler of a channel.
    #[must_use]
    pub fn handler(&self, channel: &str) -> Option<H> {
        self.read().handler(channel).cloned()
    }

    /// Whether a channel has listeners.
    #[must_use]
    pub fn listens(&self, channel: &str) -> bool {
        self.read().listeners(channel).next().is_some()
    }

    /// The listeners of now, in the order in which they were registered.
    #[must_use]
    pub fn listeners(&self, channel: &str) -> Vec<Listening<L>> {
        let of = |(registration, once): (Registration, &Once<L>)| Listening {
            registration,
            once: once.once,
            listener: once.listener.clone(),
        };
        self.read().listeners(channel).map(of).collect()
    }

    /// Whether it still takes messages: another listener may have taken it back meanwhile. One that takes a
    /// single message is taken back by this.
    pub fn takes(&self, listening: &Listening<L>) -> bool {
        if listening.once {
            self.unregister(listening.registration)
        } else {
            self.read().is_registered(listening.registration)
        }
    }

    /// The channels with a handler, and those with a listener.
    #[must_use]
    pub fn channels(&self) -> (Vec<String>, Vec<String>) {
        let registry = self.read();
        let owned = |name: &str| name.to_owned();
        (registry.handled().map(owned).collect(), registry.listened().map(owned).collect())
    }

    // Nothing that could panic runs under these.
    fn read(&self) -> RwLockReadGuard<'_, Registry<H, Once<L>>> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Registry<H, Once<L>>> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H, L> Default for Offers<H, L> {
    fn default() -> Self {
        Self { registry: RwLock::new(Registry::default()) }
    }
}

impl<H: Clone, L: Clone> fmt::Debug for Offers<H, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offers").field("registry", &*self.read()).finish()
    }
}
