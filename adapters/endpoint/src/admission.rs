//! `Admission`: how many connections a server has, and who makes room for whom. Called by adapters;
//! knows the core's nouns and errors. Books only: it closes nothing and asks nobody.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use switchboard::{ConnectionId, Failure, Status};

use crate::error::OpenError;

/// Whoever finds no room is asked to come back then: others go all the time.
pub const COME_BACK: Duration = Duration::from_secs(1);

/// The number of the next connection: unique in this process, whatever servers of whatever adapters it runs.
/// `None` if there are no more, which takes longer than machines last.
pub fn next_connection() -> Option<ConnectionId> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ConnectionId::new(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A seed for a [`Session`](switchboard::Session): as good as chance, so that clients that lose their server
/// together do not come back together.
#[must_use]
pub fn seed() -> u64 {
    // What std draws for its hash maps.
    RandomState::new().build_hasher().finish()
}

/// How many connections a server takes (`docs/protocol.md` section 8). Each must be at least 1.
///
/// ```
/// use switchboard_endpoint::AdmissionLimits;
///
/// let mut limits = AdmissionLimits::default();
/// limits.connections_per_user = 512;
/// limits.check()?;
/// # Ok::<(), switchboard_endpoint::OpenError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdmissionLimits {
    /// Connections in all, accepted or not. Default 1,024: a busy desktop has some hundreds, and each
    /// costs two descriptors. A process has 1,024 of those where nobody raised that (`ulimit -n`): enough
    /// for 500 connections; those behind them wait in the queue until others go.
    pub connections: usize,
    /// Of these, connections of one user. Default 256: a quarter, so that three users who take all
    /// they can leave room for others.
    pub connections_per_user: usize,
    /// Connections whose handshake the server has not accepted yet. Default 64: a handshake takes
    /// milliseconds, so that more at once are clients that connect and say nothing.
    pub unaccepted: usize,
    /// Of these, connections of one user. Default 16: as many programs as a login starts at once; a
    /// quarter again.
    pub unaccepted_per_user: usize,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_user: 256,
            unaccepted: 64,
            unaccepted_per_user: 16,
        }
    }
}

impl AdmissionLimits {
    /// Whether the values make sense. Adapters check this before they open anything.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`] names the field and what it must be.
    pub fn check(&self) -> Result<(), OpenError> {
        let rules = [
            (self.connections, "connections"),
            (self.connections_per_user, "connections_per_user"),
            (self.unaccepted, "unaccepted"),
            (self.unaccepted_per_user, "unaccepted_per_user"),
        ];
        match rules.into_iter().find(|(limit, _)| *limit == 0) {
            Some((_, name)) => Err(OpenError::BadConfig(format!("{name} must be at least 1"))),
            None => Ok(()),
        }
    }
}

/// What becomes of a new connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrival {
    /// It is in.
    Admitted,
    /// It is in, and this one, the oldest of those not yet accepted, is out: refuse that with this
    /// failure. It is off the books already.
    AdmittedInPlaceOf(ConnectionId, Failure),
    /// It is out, and not on the books: refuse it with this failure.
    Refused(Failure),
}

/// The books of one server's connections. A user is a uid; clients of which nothing tells who they
/// are (TCP) count as one user together.
///
/// - A new connection beyond `connections` or `connections_per_user` is refused: those that are
///   there work, and none is cut off for one that has just come.
/// - Beyond `unaccepted_per_user` the oldest of that user that is not yet accepted makes room, beyond
///   `unaccepted` the oldest of whichever user has most of them, and of the new one's own user if
///   nobody has more. The oldest has had the most time to say hello. So a client that connects and
///   says nothing never keeps others out, and a user who floods the server pushes out its own.
///
/// Each call costs the logarithm of the number of connections. It belongs under the server's own
/// lock.
///
/// ```
/// use switchboard::ConnectionId;
/// use switchboard_endpoint::{Admission, AdmissionLimits, Arrival};
///
/// let mut admission = Admission::new(AdmissionLimits::default());
/// let id = ConnectionId::new(1).unwrap();
/// assert_eq!(admission.arrive(id, Some(1000)), Arrival::Admitted);
/// assert!(admission.accepted(id)); // before `welcome` is sent
/// admission.gone(id);
/// ```
#[derive(Clone, Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    connections: BTreeMap<ConnectionId, Connection>,
    users: BTreeMap<Uid, User>,
    /// The users that have unaccepted connections. The last one has most; of several, the one whose
    /// oldest came first.
    crowds: BTreeSet<(usize, Reverse<Turn>, Uid)>,
    unaccepted: usize,
    next: Turn,
}

type Uid = Option<u32>;

/// The order of arrival.
type Turn = u64;

#[derive(Clone, Copy, Debug)]
struct Connection {
    uid: Uid,
    /// Until it is accepted.
    turn: Option<Turn>,
}

#[derive(Clone, Debug, Default)]
struct User {
    connections: usize,
    unaccepted: BTreeMap<Turn, ConnectionId>,
}

impl User {
    fn crowd(&self, uid: Uid) -> Option<(usize, Reverse<Turn>, Uid)> {
        let (oldest, _) = self.unaccepted.first_key_value()?;
        Some((self.unaccepted.len(), Reverse(*oldest), uid))
    }
}

impl Admission {
    /// No connections yet.
    #[must_use]
    pub const fn new(limits: AdmissionLimits) -> Self {
        Self {
            limits,
            connections: BTreeMap::new(),
            users: BTreeMap::new(),
            crowds: BTreeSet::new(),
            unaccepted: 0,
            next: 0,
        }
    }

    /// A client has connected, and this is who it is. An `id` that is on the books already is first
    /// taken off: it names this connection now.
    #[must_use]
    pub fn arrive(&mut self, id: ConnectionId, uid: Option<u32>) -> Arrival {
        self.gone(id);
        let (theirs, waiting) =
            self.users.get(&uid).map_or((0, 0), |user| (user.connections, user.unaccepted.len()));
        let limits = &self.limits;
        if theirs >= limits.connections_per_user {
            let limit = ("connections_per_user", limits.connections_per_user);
            return Arrival::Refused(full(&of(uid), limit));
        }
        if self.connections.len() >= limits.connections {
            return Arrival::Refused(full("", ("connections", limits.connections)));
        }
        let crowd = if waiting >= limits.unaccepted_per_user {
            let limit = ("unaccepted_per_user", limits.unaccepted_per_user);
            Some((uid, crowded(&of(uid), limit)))
        } else if self.unaccepted >= limits.unaccepted {
            let failure = crowded("", ("unaccepted", limits.unaccepted));
            self.largest_crowd(uid, waiting).map(|uid| (uid, failure))
        } else {
            None
        };
        let oldest = crowd.and_then(|(uid, failure)| Some((self.oldest(uid)?, failure)));
        if let Some((oldest, _)) = &oldest {
            self.gone(*oldest);
        }
        self.enter(id, uid);
        oldest.map_or(Arrival::Admitted, |(id, failure)| Arrival::AdmittedInPlaceOf(id, failure))
    }

    /// The server lets it in. False if it is not on the books, as a rule because it has made room in
    /// the meantime: then it must be refused.
    #[must_use]
    pub fn accepted(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let (uid, turn) = (connection.uid, connection.turn.take());
        self.leave_crowd(uid, turn);
        true
    }

    /// It has ended, however. Nothing happens if it is not on the books.
    pub fn gone(&mut self, id: ConnectionId) {
        let Some(Connection { uid, turn }) = self.connections.remove(&id) else { return };
        self.leave_crowd(uid, turn);
        if let Some(user) = self.users.get_mut(&uid) {
            user.connections -= 1;
            if user.connections == 0 {
                self.users.remove(&uid);
            }
        }
    }

    /// Connections on the books, accepted or not.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Of these, those not yet accepted.
    #[must_use]
    pub const fn unaccepted(&self) -> usize {
        self.unaccepted
    }

    fn enter(&mut self, id: ConnectionId, uid: Uid) {
        let turn = self.next;
        self.next += 1;
        self.connections.insert(id, Connection { uid, turn: Some(turn) });
        let user = self.users.entry(uid).or_default();
        user.crowd(uid).map(|crowd| self.crowds.remove(&crowd));
        user.connections += 1;
        user.unaccepted.insert(turn, id);
        self.crowds.extend(user.crowd(uid));
        self.unaccepted += 1;
    }

    /// One is no longer among the unaccepted.
    fn leave_crowd(&mut self, uid: Uid, turn: Option<Turn>) {
        let (Some(turn), Some(user)) = (turn, self.users.get_mut(&uid)) else { return };
        user.crowd(uid).map(|crowd| self.crowds.remove(&crowd));
        user.unaccepted.remove(&turn);
        self.crowds.extend(user.crowd(uid));
        self.unaccepted -= 1;
    }

    /// Who has most unaccepted connections: `own`, who has `waiting`, if nobody has more.
    fn largest_crowd(&self, own: Uid, waiting: usize) -> Option<Uid> {
        let (most, _, uid) = self.crowds.last()?;
        Some(if waiting == *most { own } else { *uid })
    }

    fn oldest(&self, uid: Uid) -> Option<ConnectionId> {
        let (_, id) = self.users.get(&uid)?.unaccepted.first_key_value()?;
        Some(*id)
    }
}

fn of(uid: Uid) -> String {
    uid.map_or_else(|| " of clients that nothing identifies".into(), |uid| format!(" of uid {uid}"))
}

fn full(of: &str, limit: (&str, usize)) -> Failure {
    let (name, most) = limit;
    let text = format!(
        "too many connections{of}: the server's {name} allows {most}; close some, or raise it"
    );
    Failure::new(Status::RESOURCE_EXHAUSTED, text)
}

fn crowded(of: &str, limit: (&str, usize)) -> Failure {
    let (name, most) = limit;
    let text = format!(
        "too many connections{of} that are not yet accepted: the server's {name} allows {most}, and \
         this one, the oldest, made room; say hello sooner, or raise it"
    );
    Failure::new(Status::RESOURCE_EXHAUSTED, text)
}

#[cfg(test)]
mod tests;
