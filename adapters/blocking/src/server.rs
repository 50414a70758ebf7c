//! `Server`: accepts clients and serves each on a thread of its own. Called by programs; knows
//! endpoints, the serving of one connection, and the pool.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use switchboard::service::RegisterError;
use switchboard::{
    Config, Connection, ConnectionId, Failure, FromPayload, Instant, PeerHello, Pump, Restart,
    ToPayload, Welcome,
};
use switchboard_endpoint::{Address, Credentials, Listener, OpenError, Stream};

use crate::context::Context;
use crate::link::Link;
use crate::pool::Pool;
use crate::services::Services;
use crate::serving::{Messages, Serving};
use crate::timer::Timer;
use crate::wait::{Wake, wait};

/// The number of the next connection: unique in this process, whatever servers it runs.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// After an `accept` that failed, as it does without descriptors, the next try waits so long, then
/// twice as long, up to a second: a server without descriptors goes on, and does not spin.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
    address: Address,
}

/// What the server's threads share.
struct Shared {
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
    connections: BTreeMap<ConnectionId, Arc<Link>>,
    accepts: bool,
    /// How the server closes, once it does.
    closing: Option<Restart>,
}

impl Server {
    /// Says what a server serves, then binds it.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The address that it is bound to, as it was given.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.0.address
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
            state.connections.values().cloned().collect()
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

    /// Stops accepting, and gives each connection a command.
    fn stop(&self, how: &Restart, command: impl Fn(&mut Connection, Instant)) {
        let links: Vec<Arc<Link>> = {
            let mut state = self.lock();
            state.closing.get_or_insert_with(|| how.clone());
            state.connections.values().cloned().collect()
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
                    self.serve(stream, credentials);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => pause = None,
                Err(_) => pause = Some(pause.map_or(FIRST_PAUSE, longer)),
            }
        }
    }

    /// Serves a new connection on a thread of its own. Where there is no descriptor or thread for it the
    /// client sees its stream end.
    fn serve(self: &Arc<Self>, stream: Stream, credentials: Option<Credentials>) {
        let Some(id) = ConnectionId::new(NEXT.fetch_add(1, Ordering::Relaxed)) else { return };
        let connection = Connection::server(Arc::clone(&self.config), id, Instant::ZERO);
        let Ok(link) = Link::new(stream, Arc::clone(&self.timer), Pump::new(connection)) else {
            return;
        };
        let link = Arc::new(link);
        {
            let mut state = self.lock();
            if let Some(how) = &state.closing {
                let mut state = link.lock();
                let after = how.reconnect_after();
                state.pump.connection().close(link.now(), how.text(), after);
            }
            state.connections.insert(id, Arc::clone(&link));
        }
        let serving = Arc::new(Serving {
            link,
            id,
            credentials,
            limits: self.config.payload,
            services: Arc::clone(&self.services),
            pool: Arc::clone(&self.pool),
            messages: Mutex::new(Messages::default()),
            later: Mutex::new(Vec::new()),
        });
        let this = Arc::clone(self);
        let thread = thread::Builder::new().name("switchboard-serving".into());
        let spawned = thread.spawn(move || {
            // What unwinds here is the destructor of something of the user's.
            let _ = catch_unwind(AssertUnwindSafe(|| serving.run()));
            drop(serving);
            this.gone(id);
        });
        if spawned.is_err() {
            self.gone(id);
        }
    }

    fn gone(&self, id: ConnectionId) {
        self.lock().connections.remove(&id);
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

/// What a server serves, and how.
#[derive(Debug)]
pub struct ServerBuilder {
    services: Services,
    config: Config,
    threads: usize,
    /// The first registration that could not be, told by `bind`.
    error: Option<OpenError>,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self { services: Services::default(), config: Config::default(), threads: 16, error: None }
    }
}

impl ServerBuilder {
    /// The limits of each connection.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Most threads on which handlers run, for all connections together; they start when they are
    /// needed. One connection gets half of them at most, so that no client keeps all of them busy.
    /// Default 16: handlers may wait for files or other programs without holding each other up, and a
    /// flood of calls does not become a flood of threads.
    #[must_use]
    pub const fn threads(mut self, most: usize) -> Self {
        self.threads = most;
        self
    }

    /// Decides who may come in, by what the client says and by who the kernel says it is. It runs on
    /// the connection's own thread and may take its time, up to
    /// [`Config::handshake_timeout`]; until it has accepted, nothing of the client reaches a handler.
    ///
    /// Without it the user that runs the server and root may come in, and nobody else.
    #[must_use]
    pub fn authorize(
        mut self,
        authorize: impl Fn(&PeerHello, Option<&Credentials>) -> Result<Welcome, Failure>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.services.authorize_with(authorize);
        self
    }

    /// Calls on `channel` go to this handler, which runs on one of a few shared threads, many calls
    /// at once, and may take its time.
    #[must_use]
    pub fn handle<A: FromPayload, R: ToPayload>(
        self,
        channel: &str,
        handler: impl Fn(Context, A) -> Result<R, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.register(channel, |services| services.handle(channel, false, handler))
    }

    /// The same for a short handler: it runs on the connection's own thread, which saves a change of
    /// threads; while it runs, nothing else of that connection does.
    #[must_use]
    pub fn handle_inline<A: FromPayload, R: ToPayload>(
        self,
        channel: &str,
        handler: impl Fn(Context, A) -> Result<R, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.register(channel, |services| services.handle(channel, true, handler))
    }

    /// Messages on `channel` go to this listener, too. The messages of a connection are taken one at
    /// a time, in the order in which they were sent; where there are several listeners, in the order
    /// in which they were registered. A message that is no `M` is dropped.
    #[must_use]
    pub fn on<M: FromPayload>(
        self,
        channel: &str,
        listener: impl Fn(Context, M) + Send + Sync + 'static,
    ) -> Self {
        self.register(channel, |services| services.listen(channel, listener))
    }

    fn register(
        mut self,
        channel: &str,
        register: impl FnOnce(&mut Services) -> Result<(), RegisterError>,
    ) -> Self {
        if let Err(error) = register(&mut self.services) {
            let told = OpenError::BadConfig(format!("channel {channel:?}: {error}"));
            self.error.get_or_insert(told);
        }
        self
    }

    /// Binds the address and serves, on threads of its own, until the server is closed or dropped.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`] for a limit or registration that makes no sense, else as of
    /// [`Listener::bind`].
    pub fn bind(self, address: &str) -> Result<Server, OpenError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.config.check().map_err(|error| OpenError::BadConfig(error.to_string()))?;
        let address: Address = address.parse()?;
        let listener = Listener::bind(&address)?;
        let shared = Arc::new(Shared {
            services: Arc::new(self.services),
            config: Arc::new(self.config),
            pool: Arc::new(Pool::new(self.threads)),
            timer: Arc::new(Timer::default()),
            wake: Wake::new()?,
            state: Mutex::new(State { connections: BTreeMap::new(), accepts: true, closing: None }),
            changed: Condvar::new(),
        });
        let acceptor = Arc::clone(&shared);
        thread::Builder::new().name("switchboard-acceptor".into()).spawn(move || {
            acceptor.accept(&listener);
            // The socket file goes before whoever waits for the end is told.
            drop(listener);
            acceptor.lock().accepts = false;
            acceptor.changed.notify_all();
        })?;
        Ok(Server(Arc::new(Handle { shared, address })))
    }
}
