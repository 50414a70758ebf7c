//! `Host`: what a server's tasks share: its connections, who may have one, and how they end. Called by
//! the server; knows endpoints, links and what a connection serves.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant as SystemInstant;

use futures_util::FutureExt;
use switchboard::service::ServerStatus;
use switchboard::{Config, Connection, ConnectionId, Failure, Instant, Pump, Session};
use switchboard_endpoint::{
    Admission, AdmissionLimits, Arrival, COME_BACK, Credentials, ServerSettings, Stop, Stream,
    Topics, listens_for, next_connection, server_status,
};

use crate::door::Door;
use crate::driver::Driver;
use crate::link::Link;
use crate::peer::{Peer, PeerFacts};
use crate::runtime::{Acceptor, Runtime};
use crate::services::Services;
use crate::serving::Serving;
use crate::sync::{Mutex, MutexGuard};

mod accepting;
mod ending;

use accepting::Accepting;
use ending::Ending;

/// What the server's tasks share.
pub(crate) struct Host {
    pub(crate) services: Arc<Services>,
    pub(crate) topics: Arc<Topics<Link>>,
    config: Arc<Config>,
    limits: AdmissionLimits,
    handlers: usize,
    state: Mutex<State>,
    began: SystemInstant,
}

struct State {
    connections: BTreeMap<ConnectionId, Served>,
    admission: Admission,
    /// Those that are being told that there is no room.
    refused: BTreeSet<ConnectionId>,
    accepts: bool,
    /// How the server closes, once it does.
    closing: Option<Stop>,
    /// All that came was heard, or has had its time.
    over: bool,
    /// Tasks that wait until any of this changes, by their places.
    wakers: BTreeMap<u64, Waker>,
    /// How many places there have been.
    places: u64,
}

/// A connection that is served.
#[derive(Clone)]
struct Served {
    link: Arc<Link>,
    /// Who it is, once it was let in.
    peer: Arc<OnceLock<Arc<PeerFacts>>>,
}

impl Host {
    pub(crate) fn new(services: Services, settings: ServerSettings, handlers: usize) -> Self {
        Self {
            services: Arc::new(services),
            topics: Arc::new(Topics::new(settings.broker)),
            config: Arc::new(settings.config),
            limits: settings.limits.clone(),
            handlers,
            state: Mutex::new(State {
                connections: BTreeMap::new(),
                admission: Admission::new(settings.limits),
                refused: BTreeSet::new(),
                accepts: false,
                closing: None,
                over: false,
                wakers: BTreeMap::new(),
                places: 0,
            }),
            began: SystemInstant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something that tasks may wait for.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (changed, wakers) = {
            let mut state = self.lock();
            (change(&mut state), core::mem::take(&mut state.wakers))
        };
        wakers.into_values().for_each(Waker::wake);
        changed
    }

    /// Waits until `ready` gives something, which is asked at every change.
    async fn wait<T>(&self, mut ready: impl FnMut(&mut State, &mut Context<'_>) -> Poll<T>) -> T {
        let mut waits = Waits { host: self, place: 0 };
        poll_fn(|cx| {
            let mut state = self.lock();
            let polled = ready(&mut state, cx);
            if polled.is_pending() {
                if waits.place == 0 {
                    state.places += 1;
                    waits.place = state.places;
                }
                let before = state.wakers.insert(waits.place, cx.waker().clone());
                drop(state);
                // Behind the lock: it may be the last that holds a task.
                drop(before);
            }
            polled
        })
        .await
    }

    fn links(&self) -> Vec<Arc<Link>> {
        self.lock().connections.values().map(|served| Arc::clone(&served.link)).collect()
    }

    /// Who is connected and let in, in the order in which they came.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let served: Vec<Served> = self.lock().connections.values().cloned().collect();
        served.iter().filter_map(|served| served.peer.get().map(Peer::new)).collect()
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

    /// Whether there is still room for a client that is to be let in.
    pub(crate) fn admits(&self, id: ConnectionId) -> bool {
        self.lock().admission.accepted(id)
    }

    /// Begins to wait for the end, in a task of its own.
    pub(crate) fn start<R: Runtime>(self: &Arc<Self>) {
        R::spawn(Ending(Arc::clone(self)).run::<R>());
    }

    /// Serves those who come to a listener, too, in a task of its own.
    pub(crate) fn listen<R: Runtime>(self: &Arc<Self>, acceptor: Box<dyn Acceptor>) {
        self.lock().accepts = true;
        let accepting = Accepting { host: Arc::clone(self), acceptor: Some(acceptor) };
        R::spawn(accepting.run::<R>());
    }

    /// A client has come. What cannot be served sees its stream end.
    fn arrive<R: Runtime>(self: &Arc<Self>, stream: Stream, credentials: Option<Credentials>) {
        let Some(id) = next_connection() else { return };
        let uid = credentials.map(|who| who.uid);
        let (arrival, tells) = {
            let mut state = self.lock();
            (state.admission.arrive(id, uid), state.refused.len() < self.limits.unaccepted)
        };
        let serve = || self.serve::<R>(id, stream, credentials, true);
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
        let mut state = served.link.enter();
        let now = state.now;
        let connection = state.session.connection();
        if tells {
            // It may have gone by itself meanwhile.
            let _ = connection.refuse(now, failure, Some(COME_BACK));
        } else {
            connection.abort(&failure.message);
        }
        served.link.nudge(&mut state);
    }

    /// Serves a stream that the program has connected itself, whatever the limits say.
    pub(crate) fn attach<R: Runtime>(self: &Arc<Self>, stream: Stream) -> io::Result<ConnectionId> {
        let credentials = stream.credentials()?;
        let id = next_connection().ok_or(io::ErrorKind::QuotaExceeded)?;
        self.serve::<R>(id, stream, credentials, false)?;
        Ok(id)
    }

    /// Serves a new connection in a task of its own. `counts`: it is on the books of the admission.
    fn serve<R: Runtime>(
        self: &Arc<Self>,
        id: ConnectionId,
        stream: Stream,
        credentials: Option<Credentials>,
        counts: bool,
    ) -> io::Result<()> {
        let served = Leaving { host: Arc::clone(self), id };
        let connection = Connection::server(Arc::clone(&self.config), id, Instant::ZERO);
        let transport = R::transport(stream)?;
        let link = Link::new(R::timer(), Session::of(Pump::new(connection)), true);
        link.lock().opened((transport, credentials));
        let door = Door { host: Arc::clone(self), id, credentials, counts };
        let services = Arc::clone(&self.services);
        let serving =
            Serving::new(services, Some(Box::new(door)), self.config.payload, self.handlers);
        {
            let mut state = self.lock();
            if let Some(how) = &state.closing {
                let mut link = link.enter();
                let now = link.now;
                how.end(link.session.connection(), now);
            }
            let peer = Arc::clone(&serving.peer);
            state.connections.insert(id, Served { link: Arc::clone(&link), peer });
        }
        let driver = Driver::new(link, serving, None);
        // No async block: it would have room for the driver twice, as long as the connection lives.
        R::spawn(driver.map(|_| drop(served)));
        Ok(())
    }

    fn gone(&self, id: ConnectionId) {
        self.topics.leave(id);
        let served = self.change(|state| {
            state.admission.gone(id);
            state.refused.remove(&id);
            state.connections.remove(&id)
        });
        // Behind the lock: some of it is the user's.
        drop(served);
    }

    /// Stops accepting, and ends each connection.
    pub(crate) fn stop(&self, how: &Stop) {
        self.change(|state| {
            state.closing.get_or_insert_with(|| how.clone());
        });
        for link in self.links() {
            let mut state = link.enter();
            let now = state.now;
            how.end(state.session.connection(), now);
            link.nudge(&mut state);
        }
    }

    /// Waits until the server has ended.
    pub(crate) async fn stopped(&self) {
        self.wait(|state, _| match state.closing {
            Some(_) if !state.accepts => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
        for link in self.links() {
            link.ended().await;
        }
        // What came is with listeners, perhaps with one that never ends, or with this one.
        self.wait(|state, _| {
            let over = state.over || listens_for(&self.services);
            if over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A task that waits for a change, until it is dropped.
struct Waits<'a> {
    host: &'a Host,
    /// 0 as long as it has not waited.
    place: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if self.place > 0 {
            let waker = self.host.lock().wakers.remove(&self.place);
            // Behind the lock: it may be the last that holds a task.
            drop(waker);
        }
    }
}

/// A connection is gone when its task is, however that ends.
struct Leaving {
    host: Arc<Host>,
    id: ConnectionId,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.host.gone(self.id);
    }
}
