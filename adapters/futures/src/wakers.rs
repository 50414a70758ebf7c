//! `Wakers`: the tasks that wait for a link, by what they wait for. Called by `state`; knows wakers only.

use std::collections::BTreeMap;
use std::task::Waker;

use switchboard::{CallId, Stir};

use crate::seat::set;

/// What a task waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum On {
    /// The end of what it commanded.
    Ticket(usize),
    /// The same, which this side does not wait for longer than until its time is over.
    Timed(usize),
    /// Items of a call, or room for them.
    Call(CallId),
    /// A delivery.
    Subscription(CallId),
    /// Room for a command.
    Room,
    /// The end of the connection.
    End,
}

#[derive(Debug, Default)]
pub(crate) struct Wakers {
    tickets: Vec<Option<Waker>>,
    calls: BTreeMap<CallId, Vec<Waker>>,
    subscriptions: BTreeMap<CallId, Waker>,
    room: Vec<Waker>,
    end: Vec<Waker>,
    /// Those that are to be woken as soon as the mutex is left.
    pub(crate) woken: Vec<Waker>,
}

impl Wakers {
    /// A task waits for this from now on.
    pub(crate) fn add(&mut self, on: On, waker: &Waker) {
        match on {
            On::Ticket(ticket) => self.add_ticket(ticket, waker),
            On::Timed(ticket) => {
                self.add_ticket(ticket, waker);
                push(&mut self.room, waker);
            }
            On::Call(call) => push(self.calls.entry(call).or_default(), waker),
            On::Subscription(subscription) => {
                self.subscriptions
                    .entry(subscription)
                    .and_modify(|held| held.clone_from(waker))
                    .or_insert_with(|| waker.clone());
            }
            On::Room => push(&mut self.room, waker),
            On::End => push(&mut self.end, waker),
        }
    }

    fn add_ticket(&mut self, ticket: usize, waker: &Waker) {
        if self.tickets.len() <= ticket {
            self.tickets.resize(ticket + 1, None);
        }
        set(&mut self.tickets[ticket], waker);
    }

    /// The task with this ticket is just now looking.
    pub(crate) fn looks(&mut self, ticket: usize) {
        if let Some(slot) = self.tickets.get_mut(ticket) {
            *slot = None;
        }
    }

    /// Nobody waits for items of this call any more.
    pub(crate) fn forget_call(&mut self, call: CallId) {
        self.calls.remove(&call);
    }

    /// Nobody waits for this subscription any more.
    pub(crate) fn forget_subscription(&mut self, subscription: CallId) {
        self.subscriptions.remove(&subscription);
    }

    /// Those who are to look again are woken as soon as the mutex is left.
    pub(crate) fn stir(&mut self, stir: Stir) {
        match stir {
            Stir::Ended { ticket, call } => {
                let waker = self.tickets.get_mut(ticket).and_then(Option::take);
                self.woken.extend(waker);
                if let Some(call) = call {
                    self.call(call);
                }
                self.room();
            }
            Stir::Call(call) | Stir::Stopped(call) => self.call(call),
            Stir::Subscription(subscription) => {
                self.woken.extend(self.subscriptions.remove(&subscription));
            }
            Stir::Everybody => self.everybody(),
            _ => {}
        }
    }

    fn call(&mut self, call: CallId) {
        self.woken.extend(self.calls.remove(&call).into_iter().flatten());
    }

    /// There may be room, or its time is over.
    pub(crate) fn room(&mut self) {
        self.woken.append(&mut self.room);
    }

    pub(crate) fn everybody(&mut self) {
        self.room();
        self.woken.append(&mut self.end);
        self.woken.extend(self.tickets.iter_mut().filter_map(Option::take));
        self.woken.extend(core::mem::take(&mut self.calls).into_values().flatten());
        self.woken.extend(core::mem::take(&mut self.subscriptions).into_values());
    }
}

/// A task that was dropped while it waited leaves its waker; one that waits again has one only.
fn push(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|held| held.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}
