//! `Server`: accepts clients and serves each on a thread of its own. Called by programs; what its threads
//! do stands in `host`.

use std::fmt;
use std::io;
use std::sync::Arc;

use switchboard::service::{RegisterError, Registration, STATUS};
use switchboard::{
    CallError, ConnectionId, EncodeError, Failure, FromPayload, Options, Restart, ToPayload,
};
use switchboard_endpoint::{Address, Listener, Stop, Stream, may_ask_status};

use crate::context::Context;
use crate::guard::Guard;
use crate::host::Host;
use crate::peer::Peer;
use crate::scope::Scope;
use crate::server_builder::ServerBuilder;

/// What became of what was sent to each peer, in the order in which they came.
pub type Outcomes<R> = Vec<(Peer, Result<R, CallError>)>;

/// A server. A clone is the same one. Dropping the last clone ends it at once; to let open calls end
/// and clients know, [`close`](Self::close) it. A handler that keeps a clone of its own server keeps it
/// alive, until that is closed.
///
/// ```no_run
/// use switchboard_blocking::{Context, Server};
///
/// let server = Server::builder()
///     .handle("add", |_: Context, (a, b): (u64, u64)| Ok(a + b))
///     .on("log", |_: Context, line: String| eprintln!("{line}"))
///     .bind("app")?;
/// server.closed();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Server(Arc<Handle>);

/// What the last clone drops.
struct Handle {
    host: Arc<Host>,
    address: Option<Address>,
}

impl Server {
    /// Says what a server serves, then binds it.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Runs a host, and tells of it on [`STATUS`], where the program does not do that itself.
    pub(crate) fn start(host: Host, listener: Option<Listener>) -> io::Result<Self> {
        let host = Arc::new(host);
        let told = Arc::downgrade(&host);
        let _ = host.services.handle(STATUS, true, move |cx: Context, ()| {
            may_ask_status(cx.peer().credentials())?;
            Ok(told.upgrade().map(|host| host.status()))
        });
        let address = listener.as_ref().map(|listener| listener.address().clone());
        if let Some(listener) = listener {
            host.listen(listener)?;
        }
        Ok(Self(Arc::new(Handle { host, address })))
    }

    /// The address that it is bound to, if it is: what clients connect to. Of `tcp:127.0.0.1:0` it tells
    /// the port that the system chose.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.0.address.as_ref()
    }

    /// Serves over a stream that is connected already: to a child process, or within this one. See
    /// [`ClientBuilder::attach`](crate::ClientBuilder::attach). It does not count for the
    /// [limits](ServerBuilder::limits).
    ///
    /// # Errors
    ///
    /// What the operating system says, as a rule that there are no descriptors or threads left.
    pub fn attach(&self, stream: Stream) -> io::Result<ConnectionId> {
        self.0.host.attach(stream)
    }

    /// Calls on `channel` go to this handler from now on, until the guard is dropped; see
    /// [`ServerBuilder::handle`].
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the channel has a handler already, or its name is none.
    pub fn handle<A: FromPayload, R: ToPayload>(
        &self,
        channel: &str,
        handler: impl Fn(Context, A) -> Result<R, Failure> + Send + Sync + 'static,
    ) -> Result<Guard, RegisterError> {
        Ok(self.guard(self.0.host.services.handle(channel, false, handler)?))
    }

    /// Messages on `channel` go to this listener, too, until the guard is dropped; see
    /// [`ServerBuilder::on`].
    ///
    /// # Errors
    ///
    /// [`RegisterError::BadChannel`].
    pub fn on<M: FromPayload>(
        &self,
        channel: &str,
        listener: impl Fn(Context, M) + Send + Sync + 'static,
    ) -> Result<Guard, RegisterError> {
        Ok(self.guard(self.0.host.services.listen(channel, false, listener)?))
    }

    /// As [`on`](Self::on), for the next message only, whoever sends it.
    ///
    /// # Errors
    ///
    /// [`RegisterError::BadChannel`].
    pub fn once<M: FromPayload>(
        &self,
        channel: &str,
        listener: impl Fn(Context, M) + Send + Sync + 'static,
    ) -> Result<Guard, RegisterError> {
        Ok(self.guard(self.0.host.services.listen(channel, true, listener)?))
    }

    fn guard(&self, registration: Registration) -> Guard {
        Guard::new(Arc::downgrade(&self.0.host.services), registration)
    }

    /// Who is connected and let in, in the order in which they came.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.0.host.peers()
    }

    /// The clients that live in this scope, which `authorize` has let in with it. "" is that of the others.
    #[must_use]
    pub fn scope(&self, name: &str) -> Scope {
        Scope::new(&self.0.host, name)
    }

    /// [`Scope::publish`] for the clients without a scope.
    ///
    /// # Errors
    ///
    /// Those of [`Scope::publish`].
    pub fn publish(
        &self,
        topic: &str,
        value: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<u64, CallError> {
        self.scope("").publish(topic, value, options)
    }

    /// [`Scope::broadcast`] for the clients without a scope.
    ///
    /// # Errors
    ///
    /// Those of [`Scope::broadcast`].
    pub fn broadcast(
        &self,
        channel: &str,
        message: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<Outcomes<()>, EncodeError> {
        self.scope("").broadcast(channel, message, options)
    }

    /// [`Scope::survey`] for the clients without a scope.
    ///
    /// # Errors
    ///
    /// Those of [`Scope::survey`].
    pub fn survey<R: FromPayload>(
        &self,
        channel: &str,
        args: &(impl ToPayload + ?Sized),
        options: &Options,
    ) -> Result<Outcomes<R>, EncodeError> {
        self.scope("").survey(channel, args, options)
    }

    /// Asks [`ServerBuilder::check`] again for every subscription that is live, because a permission was
    /// taken back, and ends those that it refuses now, with what is queued for them.
    pub fn check_again(&self) {
        self.0.host.check_again();
    }

    /// Closes the server: no more clients, a goodbye to each connection, open calls go on for at most
    /// [`Config::drain`](switchboard::Config::drain), and so do listeners with the messages that have come.
    /// Waits until all have ended (a client that just now reads nothing, as an idle blocking one does, is
    /// waited for as long), and the socket file is gone. From a handler it would wait for itself, until
    /// `drain` has passed; from a listener it waits for no listener. Closing twice does nothing more.
    pub fn close(&self, how: Restart) {
        self.0.host.stop(&Stop::Close(how));
        self.closed();
    }

    /// Waits until the server has ended. One on `stdio` ends by itself when its client has gone.
    pub fn closed(&self) {
        self.0.host.wait_until_stopped();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.host.stop(&Stop::Abort);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.0.address).finish_non_exhaustive()
    }
}
