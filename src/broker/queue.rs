//! `Queue`: what a broker has decided and nobody has carried to its connection yet, in order. Called by
//! the broker only; knows commands and subscribers.

use alloc::collections::VecDeque;
use alloc::vec;

use crate::command::Command;
use crate::hub::Subscriber;
use crate::id::ConnectionId;
use crate::publication::Publication;

/// A queue that was longer is given back when it is empty.
const KEPT: usize = 64;

#[derive(Debug)]
enum Job {
    One(ConnectionId, Command),
    /// One publication for many.
    FanOut {
        publication: Publication,
        to: vec::IntoIter<Subscriber>,
        /// How many subscriptions had ended when it began.
        ended: u64,
    },
    /// One command for many.
    All(Command, vec::IntoIter<ConnectionId>),
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    Command(ConnectionId, Command),
    /// A delivery to somebody who may have gone since it was decided, if the flag says so.
    Delivery(Subscriber, Publication, bool),
}

#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Job>);

impl Queue {
    pub(super) fn push(&mut self, to: ConnectionId, command: Command) {
        self.0.push_back(Job::One(to, command));
    }

    pub(super) fn fan_out(
        &mut self,
        publication: Publication,
        to: vec::Vec<Subscriber>,
        ended: u64,
    ) {
        self.0.push_back(Job::FanOut { publication, to: to.into_iter(), ended });
    }

    pub(super) fn all(&mut self, command: Command, to: vec::Vec<ConnectionId>) {
        self.0.push_back(Job::All(command, to.into_iter()));
    }

    /// The next step, if by now so many subscriptions have ended.
    pub(super) fn next(&mut self, now_ended: u64) -> Option<Step> {
        loop {
            let step = match self.0.front_mut()? {
                Job::One(..) => None,
                Job::FanOut { publication, to, ended } => {
                    to.next().map(|to| Step::Delivery(to, publication.clone(), *ended != now_ended))
                }
                Job::All(command, to) => to.next().map(|to| Step::Command(to, command.clone())),
            };
            if step.is_some() {
                return step;
            }
            let done = self.0.pop_front();
            if self.0.is_empty() && self.0.capacity() > KEPT {
                self.0 = VecDeque::new();
            }
            if let Some(Job::One(to, command)) = done {
                return Some(Step::Command(to, command));
            }
        }
    }
}
