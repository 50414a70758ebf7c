//! `Scope`: a server's clients of one scope, all at once. Called by programs; knows the host, peers and the
//! topics.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::join_all;
use switchboard::{CallError, EncodeError, FromPayload, Options, ToPayload};

use crate::call::Call;
use crate::host::Host;
use crate::peer::Peer;
use crate::server::Outcomes;

/// The clients of a server that live in one scope: of [`Server::scope`](crate::Server::scope). What is
/// published and sent here does not exist for others.
///
/// ```
/// use switchboard::{Options, Welcome};
/// use switchboard_smol::{Client, Context, Credentials, Server};
///
/// # smol::block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let address = folder.path().join("app.sock");
/// # let address = address.to_str().ok_or("a path that is no text")?;
/// let server = Server::builder()
///     // Whoever chooses who may come in also says which scopes there are.
///     .authorize(|_, _: Option<Credentials>| async { Ok(Welcome::new()) })
///     .bind(address)
///     .await?;
/// let builder = Client::builder().handle("load", |_: Context, ()| async { Ok(0.5) });
/// let _client = builder.scope("lab").connect(address).await?;
///
/// let lab = server.scope("lab");
/// let loads = lab.survey::<f64>("load", &(), &Options::new()).await?;
/// assert!(matches!(&loads[..], [(_, Ok(load))] if *load == 0.5));
/// assert_eq!(server.peers().len() - lab.peers().len(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
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

    /// Calls `channel` of every peer at once, with one deadline for all; ready when each has
    /// answered or failed. As with [`broadcast`](Self::broadcast), a peer that reads too slowly is not
    /// waited for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the calls that are not answered.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]: the arguments are no CBOR, and nobody was called.
    pub fn survey<R: FromPayload + Send>(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> impl Future<Output = Result<Outcomes<R>, EncodeError>> + Send {
        let args = args.to_payload();
        async move {
            let args = args?;
            let call = |peer: Peer| {
                let call = Call::new(peer.link(), channel, Ok(args.clone()), options);
                let call = call.without_waiting();
                async move { (peer, call.await) }
            };
            // All of them are made before the first is waited for.
            let calls: Vec<_> = self.peers().into_iter().map(call).collect();
            Ok(join_all(calls).await)
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("name", &self.name).finish_non_exhaustive()
    }
}
