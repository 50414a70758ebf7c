//! `Host`: what a server's threads share: its connections, who may have one, and the acceptor's loop.
//! Called by the server; knows endpoints, links and what a connection serves.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Instant as SystemInstant;

use switchboard::service::ServerStatus;
use switchboard::{Config, Connection, ConnectionId, Failure, Instant, Pump, Restart, Session};
use switchboard_endpoint::{
    AcceptPause, Admission, AdmissionLimits, Arrival, COME_BACK, Credentials, Listener,
    ServerSettings, Stop, Stream, Topics, listens_for, next_connection, server_status,
};

use crate::link::Link;
use crate::peer::Peer;
use crate::pool::Pool;
use crate::services::Services;
use crate::serving::Serving;
use crate::sync::{Condvar, Mutex, MutexGuard, thread};
use crate::timer::Timer;
use crate::wait::{Wake, wait_for_client};

/// What the server's threads share.
pub(crate) struct Host {
    pub(crate) services: Arc<Services>,
    pub(crate) topics: Arc<Topics<Link>>,
    config: Arc<Config>,
    limits: AdmissionLimits,
    pool: Arc<Pool>,
    timer: Arc<Timer>,
    /// Ends the acceptor's wait.
    wake: Wake,
    state: Mutex<State>,
    changed: Condvar,
    began: SystemInstant,
}

struct State {
    connections: BTreeMap<ConnectionId, Served>,
    admission: Admission,
    /// Those that are being told that there is no room.
    refused: BTreeSet<ConnectionId>,
    /// How many threads serve clients of each user: also those that have made room, and whose
    /// authorisation still runs.
    threads: BTreeMap<Option<u32>, usize>,
    accepts: bool,
    /// How the server closes, once it does.
    closing: Option<Stop>,
}

/// A connection that is served.
#[derive(Clone)]
struct Served {
    link: Arc<Link>,
    serving: Arc<Serving>,
    /// The user that it counts for, if it counts.
    counts_for: Option<Option<u32>>,
}

impl Host {
    pub(crate) fn new(
        services: Services,
        settings: ServerSettings,
        threads: usize,
    ) -> io::Result<Self> {
        let pool = Arc::new(Pool::new(threads));
        pool.start()?;
        Ok(Self {
            services: Arc::new(services),
            topics: Arc::new(Topics::new(settings.broker)),
            config: Arc::new(settings.config),
            limits: settings.limits.clone(),
            pool,
            timer: Arc::default(),
            wake: Wake::new()?,
            state: Mutex::new(State {
                connections: BTreeMap::new(),
                admission: Admission::new(settings.limits),
                refused: BTreeSet::new(),
                threads: BTreeMap::new(),
                accepts: false,
                closing: None,
            }),
            changed: Condvar::new(),
            began: SystemInstant::now(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self) -> Vec<Arc<Link>> {
        self.lock().connections.values().map(|served| Arc::clone(&served.link)).collect()
    }

    /// Who is connected and let in, in the order in which they came.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let served: Vec<Served> = self.lock().connections.values().cloned().collect();
        served.iter().filter_map(|served| served.serving.peer()).collect()
    }

    /// What the server tells of itself.
    pub(crate) fn status(&self) -> ServerStatus {
        let peers = self.peers();
        let connections =
            peers.iter().filter_map(|peer| Some((peer.id(), peer.credentials(), peer.counters()?)));
        server_status(self.began.elapsed(), connections, self.services.offers.channels())
    }

    /// Asks the central check again for all that peers have subscribed to.
    pub(crate) fn check_again(&self) {
        for peer in self.peers() {
            self.topics.check_again(peer.id(), |asked| self.services.check(peer.facts(), asked));
        }
        self.topics.flush();
    }

    /// Serves those who come to a listener, too, on a thread of its own.
    pub(crate) fn listen(self: &Arc<Self>, listener: Listener) -> io::Result<()> {
        self.lock().accepts = true;
        let this = Arc::clone(self);
        let thread = thread::Builder::new().name("switchboard-acceptor".into());
        thread.spawn(move || {
            this.accept(&listener);
            // The socket file goes before whoever waits for the end is told.
            drop(listener);
            this.lock().accepts = false;
            this.changed.notify_all();
        })?;
        Ok(())
    }

    /// The acceptor's whole life.
    fn accept(self: &Arc<Self>, listener: &Listener) {
        let (mut pause, mut rest) = (AcceptPause::new(), None);
        while self.lock().closing.is_none() {
            if listener.is_exhausted() {
                return self.wait_for_the_last();
            }
            let ready = wait_for_client(listener, &self.wake, rest.is_none(), rest);
            if ready.woken {
                self.wake.clear();
            }
            // First what a connection needs beside its stream: without it the client stays in the queue.
            let accepted = Wake::new().and_then(|wake| Ok((wake, listener.accept()?)));
            rest = match accepted {
                Ok((wake, (stream, credentials))) => {
                    pause.succeeded();
                    self.arrive(stream, wake, credentials);
                    None
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    pause.succeeded();
                    None
                }
                Err(_) => Some(pause.failed()),
            };
        }
    }

    /// Nobody else will come: the server has done its work when those have gone who are there.
    fn wait_for_the_last(&self) {
        let mut state = self.lock();
        while state.closing.is_none() && !state.connections.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.closing.get_or_insert_with(|| Stop::Close(Restart::never()));
    }

    /// A client has come. Without a thread for it, it sees its stream end.
    fn arrive(self: &Arc<Self>, stream: Stream, wake: Wake, credentials: Option<Credentials>) {
        let Some(id) = next_connection() else { return };
        let uid = credentials.map(|who| who.uid);
        let (arrival, tells) = {
            let mut state = self.lock();
            if !state.has_thread_for(uid, &self.limits) {
                return;
            }
            (state.admission.arrive(id, uid), state.refused.len() < self.limits.unaccepted)
        };
        let serve = || self.serve(id, (stream, wake), credentials, Some(uid));
        match arrival {
            Arrival::Admitted => drop(serve()),
            Arrival::AdmittedInPlaceOf(oldest, failure) => {
                self.refuse(oldest, failure);
                drop(serve());
            }
            Arrival::Refused(failure) if tells => {
                if serve().is_ok() {
                    self.refuse(id, failure);
                }
            }
            Arrival::Refused(_) => {}
        }
    }

    /// Tells a client that there is no room for it, if not too many are being told.
    fn refuse(&self, id: ConnectionId, failure: Failure) {
        let (served, tells) = {
            let mut state = self.lock();
            let Some(served) = state.connections.get(&id).cloned() else { return };
            let tells = state.refused.len() < self.limits.unaccepted;
            if tells {
                state.refused.insert(id);
            }
            (served, tells)
        };
        let Served { link, .. } = served;
        let mut state = link.enter();
        let now = state.now;
        let connection = state.session.connection();
        if tells {
            // It may have gone by itself meanwhile.
            let _ = connection.refuse(now, failure, Some(COME_BACK));
        } else {
            connection.abort(&failure.message);
        }
        link.nudge(&mut state);
    }

    /// Serves a stream that the program has connected itself, whatever the limits say.
    pub(crate) fn attach(self: &Arc<Self>, stream: Stream) -> io::Result<ConnectionId> {
        let credentials = stream.credentials()?;
        let id = next_connection().ok_or(io::ErrorKind::QuotaExceeded)?;
        self.serve(id, (stream, Wake::new()?), credentials, None)?;
        Ok(id)
    }

    /// Serves a new connection on a thread of its own. `counts_for`: the user for which it is on the books
    /// of the admission, if it is.
    fn serve(
        self: &Arc<Self>,
        id: ConnectionId,
        (stream, wake): (Stream, Wake),
        credentials: Option<Credentials>,
        counts_for: Option<Option<u32>>,
    ) -> io::Result<()> {
        let connection = Connection::server(Arc::clone(&self.config), id, Instant::ZERO);
        let (services, pool) = (Arc::clone(&self.services), Arc::clone(&self.pool));
        let serving = Serving::new(services, pool, id.number(), self.config.payload);
        let serving = Arc::new(serving.with_topics(Arc::clone(&self.topics)));
        let dispatch = Arc::clone(&serving);
        let timer = Arc::clone(&self.timer);
        let session = Session::of(Pump::new(connection));
        let link = Link::new(Ok((stream, credentials)), timer, wake, session, dispatch);
        // Until its own thread has the seat nobody else shall.
        link.lock().take_seat();
        {
            let mut state = self.lock();
            if let Some(uid) = counts_for {
                *state.threads.entry(uid).or_default() += 1;
            }
            if let Some(how) = &state.closing {
                let mut link = link.enter();
                let now = link.now;
                how.end(link.session.connection(), now);
            }
            let (link, serving) = (Arc::clone(&link), Arc::clone(&serving));
            state.connections.insert(id, Served { link, serving, counts_for });
        }
        let this = Arc::clone(self);
        let thread = thread::Builder::new().name("switchboard-serving".into());
        let spawned = thread.spawn(move || {
            // Who has made room for another meanwhile is not let in any more.
            let admit = || counts_for.is_none() || this.lock().admission.accepted(id);
            // What unwinds in here is the destructor of something of the user's.
            let _ = catch_unwind(AssertUnwindSafe(|| serving.run(&link, id, credentials, admit)));
            this.topics.leave(id);
            // So what one who has gone makes a listener do stays bounded by how many may be served.
            serving.wait_for_listeners();
            drop(this.gone(id));
        });
        spawned.map(drop).inspect_err(|_| drop(self.gone(id)))
    }

    /// What was served is the caller's to drop, behind the lock: some of it is the user's.
    fn gone(&self, id: ConnectionId) -> Option<Served> {
        self.topics.leave(id);
        let mut state = self.lock();
        state.admission.gone(id);
        state.refused.remove(&id);
        self.changed.notify_all();
        let served = state.connections.remove(&id)?;
        if let Some(uid) = served.counts_for {
            state.thread_ended(uid);
        }
        Some(served)
    }

    /// Stops accepting, and ends each connection.
    pub(crate) fn stop(&self, how: &Stop) {
        self.lock().closing.get_or_insert_with(|| how.clone());
        self.wake.wake();
        self.changed.notify_all();
        for link in self.links() {
            let mut state = link.enter();
            let now = state.now;
            how.end(state.session.connection(), now);
            link.nudge(&mut state);
        }
    }

    /// Waits until the server has ended.
    pub(crate) fn wait_until_stopped(&self) {
        let accepts = |state: &mut State| state.closing.is_none() || state.accepts;
        drop(self.changed.wait_while(self.lock(), accepts).unwrap_or_else(PoisonError::into_inner));
        let since = SystemInstant::now();
        for link in self.links() {
            link.wait_until_done();
        }
        // What came is with handlers on their threads and with listeners, perhaps with one that never ends.
        if !listens_for(&self.services) {
            let left = self.config.drain.saturating_sub(since.elapsed());
            let serves = |state: &mut State| !state.connections.is_empty();
            drop(self.changed.wait_timeout_while(self.lock(), left, serves));
        }
    }
}

impl State {
    /// Whether there may be a further thread for clients of this user. Those that are to be let in have
    /// theirs, and as many others as may wait for it.
    fn has_thread_for(&self, uid: Option<u32>, limits: &AdmissionLimits) -> bool {
        let theirs = self.threads.get(&uid).copied().unwrap_or_default();
        theirs < limits.connections_per_user.saturating_add(limits.unaccepted_per_user)
            && self.threads.values().sum::<usize>()
                < limits.connections.saturating_add(limits.unaccepted)
    }

    fn thread_ended(&mut self, uid: Option<u32>) {
        if let Some(count) = self.threads.get_mut(&uid) {
            *count -= 1;
            if *count == 0 {
                self.threads.remove(&uid);
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
