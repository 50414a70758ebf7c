//! `Command`: what a broker, or whoever else decides for several connections, wants one of them to do.
//! Made by brokers, applied by connections; knows the small nouns, payloads and publications.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::failure::Failure;
use crate::id::CallId;
use crate::options::Options;
use crate::payload::Payload;
use crate::publication::Publication;

/// What was decided for one connection: as a value, so that it can be carried to whatever thread or task
/// has that connection, which [applies](crate::Connection::apply) it. A clone is cheap.
///
/// It is applied later than it was decided, and the peer may have gone on meanwhile. What then cannot be
/// done any more is refused with a [`Rejected`](crate::Rejected) that says so, and is forgotten.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Accepts a `subscribe` of the peer ([`Event::Subscribe`](crate::Event::Subscribe)): from here on
    /// it is live and gets what is delivered.
    Subscribe {
        /// The id of the call, which names the subscription from now on.
        subscription: CallId,
        /// The retained values that it asked for, which come first, in byte order of topic. While none
        /// of an earlier subscription wait to be written, all of them are queued, whatever the limits
        /// of its queue.
        retained: Vec<Publication>,
    },
    /// Queues a publication for a subscription that is live. Never refused for want of room: the
    /// subscription's policy decides.
    Deliver {
        /// Which one.
        subscription: CallId,
        /// What it gets.
        publication: Publication,
    },
    /// The same for several, oldest first. What is to be written at once anyway, because nothing else waits
    /// to be, does not count for the limits of the subscription's queue.
    DeliverAll {
        /// Which one.
        subscription: CallId,
        /// What it gets.
        publications: Arc<Vec<Publication>>,
    },
    /// Ends a subscription of the peer. What is queued for it is dropped.
    EndSubscription {
        /// Which one.
        subscription: CallId,
        /// What the subscriber is told.
        failure: Failure,
    },
    /// Answers a `publish` of the peer that asked for it.
    Published {
        /// The id of the call.
        call: CallId,
        /// How many subscriptions it was queued for.
        count: u64,
    },
    /// Refuses a `subscribe`, a `publish` that asked for an answer, or a request of the peer.
    Refuse {
        /// The id of the call.
        call: CallId,
        /// Why.
        failure: Failure,
    },
    /// Sends a message, as [`Connection::send`](crate::Connection::send) does.
    Send {
        /// Where to.
        channel: Arc<str>,
        /// What.
        payload: Payload,
        /// Its headers.
        options: Arc<Options>,
    },
    /// Makes a call, as [`Connection::request`](crate::Connection::request) does.
    Request {
        /// Where to.
        channel: Arc<str>,
        /// The arguments.
        payload: Payload,
        /// Its deadline and headers.
        options: Arc<Options>,
        /// What comes back with its answer.
        token: u64,
    },
    /// Ends the connection with an error: see [`Connection::fail_with`](crate::Connection::fail_with).
    Fail(Failure),
}
