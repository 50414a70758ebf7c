//! `Server`: accepts clients and serves each on a thread of its own. Called by programs; knows
//! endpoints, what a connection serves, and the pool.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use switchboard::service::{RegisterError, Registration};
use switchboard::{
    CallError, Config, Connection, ConnectionId, EncodeError, Failure, FromPayload, Instant,
    Options, Pump, Restart, ToPayload,
};
use switchboard_endpoint::{Address, Credentials, Listener, Stream};

use crate::call::Call;
use crate::context::Context;
use crate::guard::Guard;
use crate::link::Link;
use crate::peer::Peer;
use crate::pool::Pool;
use crate::server_builder::ServerBuilder;
use crate::services::Services;
use crate::serving::Serving;
use crate::timer::Timer;
use crate::wait::{Wake, wait};

/// The number of the next connection: unique in this process, whatever servers it runs.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// After an `accept` that failed, as it does without descriptors, the next try waits so long, then
/// twice as long, up to a second: a server without descriptors goes on, and does not spin.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What became of what was sent to each peer, in the order in which they came.
pub type Outcomes<R> = Vec<(Peer, Result<R, CallError>)>;

/// A server. A clone is the same one. Dropping the last clone ends it at once; to let open calls end
/// and clients know, [`close`](Self::close) it.
///
/// ```no_run
/// use switchboard::Failure;
/// use switchboard_blocking::{Context, Server};
///
/// let server = Server::builder()
///     .handle("add", |_: Context, (a, b): (u64, u64)| Ok::<_, Failure>(a + b))
///     .on("log", |_: Context, line: String| eprintln!("{line}"))
///     .bind("app")?;
/// server.closed();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Server(Arc<Handle>);

/// What the last clone drops.
struct Handle {
    shared: Arc<Shared>,
    address: Option<Address>,
}

/// What the server's threads share.
pub(crate) struct Shared {
    services: Arc<Services>,
    config: Arc<Config>,
    pool: Arc<Pool>,
    timer: Arc<Timer>,
    /// Ends the acceptor's wait.
    wake: Wake,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    connections: BTreeMap<ConnectionId, Served>,
    accepts: bool,
    /// How the server closes, once it does.
    closing: Option<Restart>,
}

/// A connection that is served.
#[derive(Clone)]
struct Served {
    link: Arc<Link>,
    serving: Arc<Serving>,
}

impl Server {
    /// Says what a server serves, then binds it.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Serves without an address, for [`attach`](Self::attach).
    pub(crate) fn start(services: Services, config: Config, threads: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            services: Arc::new(services),
            config: Arc::new(config),
            pool: Arc::new(Pool::new(threads)),
            timer: Arc::default(),
            wake: Wake::new()?,
            state: Mutex::new(State {
                connections: BTreeMap::new(),
                accepts: false,
                closing: None,
            }),
            changed: Condvar::new(),
        });
        Ok(Self(Arc::new(Handle { shared, address: None })))
    }

    /// Serves those who come to a listener, too.
    pub(crate) fn listen(mut self, listener: Listener, address: Address) -> io::Result<Self> {
        let acceptor = Arc::clone(&self.0.shared);
        acceptor.lock().accepts = true;
        thread::Builder::new().name("switchboard-acceptor".into()).spawn(move || {
            acceptor.accept(&listener);
            // The socket file goes before whoever waits for the end is told.
            drop(listener);
            acceptor.lock().accepts = false;
            acceptor.changed.notify_all();
        })?;
        if let Some(handle) = Arc::get_mut(&mut self.0) {
            handle.address = Some(address);
        }
        Ok(self)
    }

    /// The address that it is bound to, if it is.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.0.address.as_ref()
    }

    /// Serves over a stream that is connected already: to a child process, or within this one. See
    /// [`ClientBuilder::attach`](crate::ClientBuilder::attach).
    ///
    /// # Errors
    ///
    /// What the operating system says, as a rule that there are no descriptors or threads left.
    pub fn attach(&self, stream: Stream) -> io::Result<ConnectionId> {
        let credentials = stream.credentials()?;
        self.0.shared.serve(stream, credentials)
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
        Ok(self.guard(self.0.shared.services.handle(channel, false, handler)?))
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
        Ok(self.guard(self.0.shared.services.listen(channel, false, listener)?))
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
        Ok(self.guard(self.0.shared.services.listen(channel, true, listener)?))
    }

    fn guard(&self, registration: Registration) -> Guard {
        Guard::new(Arc::downgrade(&self.0.shared.services), registration)
    }

    /// Who is connected and let in, in the order in which they came.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        let served = self.0.shared.served();
        served.iter().filter_map(|served| served.serving.peer()).collect()
    }

    /// Sends a one-way message to every peer, encoded once, and says what became of each. It waits for
    /// nobody: a peer that reads too slowly gets [`Rejected::Full`](switchboard::Rejected::Full), and
    /// no message. To wait for one, [`Peer::send`].
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

    /// Closes the server: no more clients, a goodbye to each connection, open calls go on for at most
    /// [`Config::drain`]. Waits until all have ended (a client that just now reads nothing, as an idle
    /// blocking one does, is waited for as long), and the socket file is gone. From a handler it
    /// would wait for itself, until `drain` has passed. Closing twice does nothing more.
    pub fn close(&self, how: Restart) {
        self.0.shared.stop(&how, |connection, now| {
            connection.close(now, how.text(), how.reconnect_after());
        });
        self.closed();
    }

    /// Waits until the server has ended.
    pub fn closed(&self) {
        let shared = &self.0.shared;
        let links: Vec<Arc<Link>> = {
            let mut state = shared.lock();
            while state.accepts {
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.connections.values().map(|served| Arc::clone(&served.link)).collect()
        };
        // Not for their threads: they may be with a handler that never ends, or with this one.
        for link in links {
            link.wait_until_done();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop(&Restart::never(), |connection, _| {
            connection.abort("the server was dropped");
        });
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.0.address).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn served(&self) -> Vec<Served> {
        self.lock().connections.values().cloned().collect()
    }

    /// Stops accepting, and gives each connection a command.
    fn stop(&self, how: &Restart, command: impl Fn(&mut Connection, Instant)) {
        let links: Vec<Arc<Link>> = {
            let mut state = self.lock();
            state.closing.get_or_insert_with(|| how.clone());
            state.connections.values().map(|served| Arc::clone(&served.link)).collect()
        };
        self.wake.wake();
        for link in links {
            let mut state = link.lock();
            command(state.pump.connection(), link.now());
            link.nudge(&mut state);
        }
    }

    /// The acceptor's whole life.
    fn accept(self: &Arc<Self>, listener: &Listener) {
        let mut pause = None;
        while self.lock().closing.is_none() {
            let ready = wait(listener, &self.wake, pause.is_none(), false, pause);
            if ready.woken {
                self.wake.clear();
            }
            match listener.accept() {
                Ok((stream, credentials)) => {
                    pause = None;
                    // Without a descriptor or thread for it the client sees its stream end.
                    let _ = self.serve(stream, credentials);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => pause = None,
                Err(_) => pause = Some(pause.map_or(FIRST_PAUSE, longer)),
            }
        }
    }

    /// Serves a new connection on a thread of its own.
    fn serve(
        self: &Arc<Self>,
        stream: Stream,
        credentials: Option<Credentials>,
    ) -> io::Result<ConnectionId> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = ConnectionId::new(number).ok_or(io::ErrorKind::QuotaExceeded)?;
        let connection = Connection::server(Arc::clone(&self.config), id, Instant::ZERO);
        let (services, pool) = (Arc::clone(&self.services), Arc::clone(&self.pool));
        let serving = Arc::new(Serving::new(services, pool, number, self.config.payload));
        let dispatch = Arc::clone(&serving);
        let link = Link::new(stream, Arc::clone(&self.timer), Pump::new(connection), dispatch)?;
        {
            let mut state = self.lock();
            if let Some(how) = &state.closing {
                link.close(how.text(), how.reconnect_after());
            }
            let (link, serving) = (Arc::clone(&link), Arc::clone(&serving));
            state.connections.insert(id, Served { link, serving });
        }
        let this = Arc::clone(self);
        let thread = thread::Builder::new().name("switchboard-serving".into());
        let spawned = thread.spawn(move || {
            // What unwinds in here is the destructor of something of the user's.
            let _ = catch_unwind(AssertUnwindSafe(|| serving.run(&link, id, credentials, || {})));
            drop(this.gone(id));
        });
        spawned.map(|_| id).inspect_err(|_| drop(self.gone(id)))
    }

    /// What was served is the caller's to drop, behind the lock: some of it is the user's.
    fn gone(&self, id: ConnectionId) -> Option<Served> {
        self.lock().connections.remove(&id)
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}
