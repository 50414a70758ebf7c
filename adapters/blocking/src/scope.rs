//! `Scope`: a server's clients of one scope, all at once. Called by programs; knows the host, peers and the
//! topics.

use std::fmt;
use std::sync::Arc;

use switchboard::{CallError, EncodeError, FromPayload, Options, ToPayload};

use crate::call::Call;
use crate::host::Host;
use crate::peer::Peer;
use crate::server::Outcomes;

/// The clients of a server that live in one scope: of [`Server::scope`](crate::Server::scope). What is
/// published and sent here does not exist for others.
#[derive(Clone)]
pub struct Scope {
    host: Arc<Host>,
    name: Box<str>,
}

impl Scope {
    pub(crate) fn new(host: &Arc<Host>, name: &str) -> Self {
        Self { host: Arc::clone(host), name: name.into() }
    }

    /// Who is connected and let in, in the order in which they came.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        let mut peers = self.host.peers();
        peers.retain(|peer| peer.scope() == &*self.name);
        peers
    }

    /// Publishes a value under a topic to all who have subscribed, encoded once, and says for how many
    /// subscriptions it was queued. It waits for nobody. Of the options `retain`, `forget` and the headers
    /// count.
    ///
    /// # Errors
    ///
    /// [`CallError::Encode`]; [`CallError::Rejected`]: `BadTopic`, `BadHeaders`. [`CallError::Failed`] with
    /// RESOURCE_EXHAUSTED: it is to be retained, and as many values are as the server's limits allow.
    pub fn publish(
        &self,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<u64, CallError> {
        self.host.topics.publish(&self.name, topic, value, options)
    }

    /// Sends a one-way message to every peer, encoded once, and says what became of each. It waits for
    /// nobody: a peer that reads too slowly gets [`Rejected::Full`](switchboard::Rejected::Full), and no
    /// message. To wait for one, [`Peer::send`].
    ///
    /// # Errors
    ///
    /// [`EncodeError`]: the message is no CBOR, and nobody got it.
    pub fn broadcast(
        &self,
        channel: &str,
        message: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<Outcomes<()>, EncodeError> {
        let payload = message.to_payload()?;
        let sent = self.peers().into_iter().map(|peer| {
            let sent = peer.link().and_then(|link| link.send_now(channel, &payload, options));
            (peer, sent)
        });
        Ok(sent.collect())
    }

    /// Calls `channel` of every peer at once, with one deadline for all, and waits until each has
    /// answered or failed. As with [`broadcast`](Self::broadcast), a peer that reads too slowly is not
    /// waited for.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]: the arguments are no CBOR, and nobody was called.
    pub fn survey<R: FromPayload>(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<Outcomes<R>, EncodeError> {
        let payload = args.to_payload()?;
        let started: Vec<(Peer, Result<Call<R>, CallError>)> = self
            .peers()
            .into_iter()
            .map(|peer| {
                let call = peer.link().and_then(|link| link.start_now(channel, &payload, options));
                (peer, call)
            })
            .collect();
        Ok(started.into_iter().map(|(peer, call)| (peer, call.and_then(Call::wait))).collect())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("name", &self.name).finish_non_exhaustive()
    }
}
