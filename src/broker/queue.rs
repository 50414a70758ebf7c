//! `Queue`: what a broker has decided and nobody has carried to its connection yet, in order. Called by
//! the broker only; knows commands and subscribers.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::command::Command;
use crate::hub::Subscriber;
use crate::id::{CallId, ConnectionId};
use crate::publication::Publication;

/// A queue that was longer is given back when it is empty.
const KEPT: usize = 64;
/// Publications wait for those behind them up to so many bytes: what a connection writes at once.
const BATCH: usize = 16 * 1024;
/// A publication counts as so many bytes at least, so that few wait.
const LEAST: usize = 64;
/// What stands in front of one in its frame, as a rule at most.
const HEAD: usize = 7;

#[derive(Debug)]
enum Job {
    One(ConnectionId, Command),
    /// Publications one behind the other for the same many.
    FanOut {
        publications: Publications,
        to: vec::IntoIter<Subscriber>,
        /// How many subscriptions had ended when it began.
        ended: u64,
    },
    /// One command for many.
    All(Command, vec::IntoIter<ConnectionId>),
}

/// What one subscription gets at once.
#[derive(Clone, Debug)]
enum Publications {
    One(Publication),
    Many(Arc<Vec<Publication>>),
}

impl Publications {
    fn push(&mut self, publication: Publication) {
        match self {
            Self::One(first) => {
                *self = Self::Many(Arc::new(vec![first.clone(), publication]));
            }
            Self::Many(all) => Arc::make_mut(all).push(publication),
        }
    }

    fn deliver(self, subscription: CallId) -> Command {
        match self {
            Self::One(publication) => Command::Deliver { subscription, publication },
            Self::Many(publications) => Command::DeliverAll { subscription, publications },
        }
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    Command(ConnectionId, Command),
    /// A delivery to somebody who may have gone since it was decided.
    Delivery(Subscriber, Command),
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    jobs: VecDeque<Job>,
    /// What the publications cost that wait for those behind them.
    waiting: usize,
    pressing: bool,
    full: bool,
}

impl Queue {
    /// Whether anything is to be polled.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether something in it is not to wait for what may come behind it.
    pub(super) const fn is_pressing(&self) -> bool {
        self.pressing
    }

    /// Whether a further publication would be one too many.
    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn push(&mut self, to: ConnectionId, command: Command) {
        self.put(Job::One(to, command));
    }

    pub(super) fn all(&mut self, command: Command, to: Vec<ConnectionId>) {
        self.put(Job::All(command, to.into_iter()));
    }

    fn put(&mut self, job: Job) {
        self.jobs.push_back(job);
        self.pressing = true;
    }

    /// A publication goes to these, when so many subscriptions have ended. `pressing`: whom the next one
    /// goes to depends on what becomes of this one.
    pub(super) fn fan_out(
        &mut self,
        publication: Publication,
        to: Vec<Subscriber>,
        ended: u64,
        pressing: bool,
    ) {
        let cost = publication.encoded_len().max(LEAST) + HEAD;
        self.waiting = self.waiting.saturating_add(cost);
        self.pressing |= pressing || self.full;
        self.full = self.waiting.saturating_add(cost) > BATCH;
        match self.jobs.back_mut() {
            // Of one that is polled already somebody is missing.
            Some(Job::FanOut { publications, to: others, ended: before })
                if *before == ended && others.as_slice() == to =>
            {
                publications.push(publication);
            }
            last => {
                self.pressing |= last.is_some();
                let publications = Publications::One(publication);
                self.jobs.push_back(Job::FanOut { publications, to: to.into_iter(), ended });
            }
        }
    }

    /// The next step; the flag says whether subscriptions have ended since it was decided, if by now so
    /// many have.
    pub(super) fn next(&mut self, now_ended: u64) -> Option<(Step, bool)> {
        loop {
            let step = match self.jobs.front_mut()? {
                Job::One(..) => None,
                Job::FanOut { publications, to, ended } => to.next().map(|to| {
                    let command = publications.clone().deliver(to.subscription);
                    (Step::Delivery(to, command), *ended != now_ended)
                }),
                Job::All(command, to) => {
                    to.next().map(|to| (Step::Command(to, command.clone()), false))
                }
            };
            if step.is_some() {
                return step;
            }
            let done = self.jobs.pop_front();
            if self.jobs.is_empty() {
                (self.waiting, self.pressing, self.full) = (0, false, false);
                if self.jobs.capacity() > KEPT {
                    self.jobs = VecDeque::new();
                }
            }
            if let Some(Job::One(to, command)) = done {
                return Some((Step::Command(to, command), false));
            }
        }
    }
}
