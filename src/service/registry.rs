//! `Registry`: one handler a channel for calls, any number of listeners a channel for messages. Called
//! by adapters; generic over what a handler is, so that it knows neither threads nor futures.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// Names one registration, to take it back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registration(u64);

/// What was registered, when it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there is nothing else to register")]
pub enum Registered<H, L> {
    /// It answered calls.
    Handler(H),
    /// It took messages.
    Listener(L),
}

/// Why a handler or listener was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// A channel is 1 to 255 bytes of text: choose another name.
    BadChannel,
    /// The channel has a handler: take that one back first. Listeners may share a channel.
    Taken,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadChannel => "a channel is 1 to 255 bytes of text",
            Self::Taken => "the channel has a handler already; take that one back first",
        })
    }
}

impl core::error::Error for RegisterError {}

/// Channels, each with at most one handler `H` and any number of listeners `L`.
///
/// A channel's handler and its listeners have nothing to do with each other: calls go to the one,
/// messages to the others, in the order in which they were registered.
///
/// ```
/// use switchboard::service::{RegisterError, Registry};
///
/// let mut registry: Registry<fn() -> u32, ()> = Registry::new();
/// let answer = registry.handle("answer", || 42)?;
/// assert_eq!(registry.handler("answer").map(|handler| handler()), Some(42));
/// assert_eq!(registry.handle("answer", || 43), Err(RegisterError::Taken));
/// assert!(registry.unregister(answer).is_some());
/// assert!(registry.handler("answer").is_none());
/// # Ok::<(), RegisterError>(())
/// ```
pub struct Registry<H, L> {
    handlers: BTreeMap<Box<str>, (Registration, H)>,
    listeners: BTreeMap<Box<str>, Vec<(Registration, L)>>,
    /// Where each registration is.
    channels: BTreeMap<Registration, Box<str>>,
    next: u64,
}

impl<H, L> Registry<H, L> {
    /// No handlers, no listeners.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            handlers: BTreeMap::new(),
            listeners: BTreeMap::new(),
            channels: BTreeMap::new(),
            next: 0,
        }
    }

    /// Calls on `channel` go to this handler.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] if the name is no channel or has a handler.
    pub fn handle(&mut self, channel: &str, handler: H) -> Result<Registration, RegisterError> {
        if self.handlers.contains_key(channel) {
            return Err(RegisterError::Taken);
        }
        let registration = self.register(channel)?;
        self.handlers.insert(channel.into(), (registration, handler));
        Ok(registration)
    }

    /// Messages on `channel` go to this listener, too.
    ///
    /// # Errors
    ///
    /// [`RegisterError::BadChannel`].
    pub fn listen(&mut self, channel: &str, listener: L) -> Result<Registration, RegisterError> {
        let registration = self.register(channel)?;
        self.listeners.entry(channel.into()).or_default().push((registration, listener));
        Ok(registration)
    }

    fn register(&mut self, channel: &str) -> Result<Registration, RegisterError> {
        if channel.is_empty() || channel.len() > crate::wire::LONGEST_CHANNEL {
            return Err(RegisterError::BadChannel);
        }
        self.next += 1;
        let registration = Registration(self.next);
        self.channels.insert(registration, channel.into());
        Ok(registration)
    }

    /// Takes a registration back. What was registered is handed out, so that whoever holds a lock
    /// around the registry can drop it behind that; `None` if it was taken back before.
    pub fn unregister(&mut self, registration: Registration) -> Option<Registered<H, L>> {
        let channel = self.channels.remove(&registration)?;
        if self.handlers.get(&channel).is_some_and(|(other, _)| *other == registration) {
            return self.handlers.remove(&channel).map(|(_, handler)| Registered::Handler(handler));
        }
        let listeners = self.listeners.get_mut(&channel)?;
        let at = listeners.iter().position(|(other, _)| *other == registration)?;
        let (_, listener) = listeners.remove(at);
        if listeners.is_empty() {
            self.listeners.remove(&channel);
        }
        Some(Registered::Listener(listener))
    }

    /// Whether it has not been taken back: to be asked before each of several listeners is called, one
    /// of which may take another one back.
    #[must_use]
    pub fn is_registered(&self, registration: Registration) -> bool {
        self.channels.contains_key(&registration)
    }

    /// Who answers calls on `channel`.
    #[must_use]
    pub fn handler(&self, channel: &str) -> Option<&H> {
        self.handlers.get(channel).map(|(_, handler)| handler)
    }

    /// The channels that have a handler, in the order of their names.
    pub fn handled(&self) -> impl Iterator<Item = &str> {
        self.handlers.keys().map(AsRef::as_ref)
    }

    /// The channels that have a listener, in the order of their names.
    pub fn listened(&self) -> impl Iterator<Item = &str> {
        self.listeners.keys().map(AsRef::as_ref)
    }

    /// Who gets messages on `channel`, in the order in which they were registered.
    pub fn listeners(&self, channel: &str) -> impl Iterator<Item = (Registration, &L)> {
        self.listeners
            .get(channel)
            .into_iter()
            .flatten()
            .map(|(registration, listener)| (*registration, listener))
    }
}

impl<H, L> Default for Registry<H, L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H, L> fmt::Debug for Registry<H, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("handlers", &self.handlers.keys())
            .field("listeners", &self.listeners.keys())
            .finish_non_exhaustive()
    }
}
