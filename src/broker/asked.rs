//! `Asked`: what a central check is asked. Made of events; called by whoever carries them to a broker.

use crate::event::{Event, Received};
use crate::publication::Publication;

/// What a connection asks for, to be allowed or refused before anything comes of it. It borrows the
/// event and is never kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Asked<'a> {
    /// A call.
    Request(&'a Received),
    /// A one-way message.
    Message(&'a Received),
    /// A value under a topic.
    Publish(&'a Publication),
    /// To get what is published from now on, or still to get it.
    Subscribe {
        /// Which topics.
        pattern: &'a str,
        /// The group.
        group: Option<&'a str>,
    },
}

impl<'a> Asked<'a> {
    /// What this event asks for; `None` if it is none of these.
    #[must_use]
    pub fn of(event: &'a Event) -> Option<Self> {
        match event {
            Event::Request { request, .. } => Some(Self::Request(request)),
            Event::Message(message) => Some(Self::Message(message)),
            Event::Publish { publication, .. } => Some(Self::Publish(publication)),
            Event::Subscribe(asked) => {
                Some(Self::Subscribe { pattern: &asked.pattern, group: asked.group.as_deref() })
            }
            _ => None,
        }
    }
}
