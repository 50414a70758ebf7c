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

/// Where one future waits. It leaves it when it is dropped, so that its waker, and with that its task, does
/// not stay until something comes.
#[derive(Debug, Default)]
pub(crate) struct Place(u64);

impl Place {
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    pub(crate) const fn is_taken(&self) -> bool {
        self.0 > 0
    }
}

/// The wakers of those who wait for the same thing, by their places.
type Waiting = BTreeMap<u64, Waker>;

#[derive(Debug, Default)]
pub(crate) struct Wakers {
    /// How many places there have been; a number is never used again.
    places: u64,
    tickets: Vec<Option<Waker>>,
    calls: BTreeMap<CallId, Waiting>,
    subscriptions: BTreeMap<CallId, Waker>,
    room: Waiting,
    end: Waiting,
    /// Those that are to be woken as soon as the mutex is left.
    pub(crate) woken: Vec<Waker>,
    /// Those that are to be dropped then: one may be the last that holds a task, and that may ask for more.
    pub(crate) left: Vec<Waker>,
}

impl Wakers {
    /// A task waits for this from now on.
    pub(crate) fn add(&mut self, on: On, place: &mut Place, waker: &Waker) {
        if !place.is_taken() {
            self.places += 1;
            place.0 = self.places;
        }
        let Place(number) = *place;
        let replaced = match on {
            On::Ticket(ticket) => return self.add_ticket(ticket, waker),
            On::Timed(ticket) => {
                self.add_ticket(ticket, waker);
                put(&mut self.room, number, waker)
            }
            On::Call(call) => put(self.calls.entry(call).or_default(), number, waker),
            On::Subscription(subscription) => put(&mut self.subscriptions, subscription, waker),
            On::Room => put(&mut self.room, number, waker),
            On::End => put(&mut self.end, number, waker),
        };
        self.left.extend(replaced);
    }

    /// It waits no more.
    pub(crate) fn leave(&mut self, on: On, place: &mut Place) {
        let Place(number) = core::mem::take(place);
        if let On::Ticket(ticket) | On::Timed(ticket) = on {
            self.looks(ticket);
        }
        let left = match on {
            On::Ticket(_) => None,
            On::Timed(_) | On::Room => self.room.remove(&number),
            On::Call(call) => self.leave_call(call, number),
            On::Subscription(subscription) => self.subscriptions.remove(&subscription),
            On::End => self.end.remove(&number),
        };
        self.left.extend(left);
    }

    fn leave_call(&mut self, call: CallId, number: u64) -> Option<Waker> {
        let waiting = self.calls.get_mut(&call)?;
        let left = waiting.remove(&number);
        if waiting.is_empty() {
            self.calls.remove(&call);
        }
        left
    }

    pub(crate) fn add_ticket(&mut self, ticket: usize, waker: &Waker) {
        if self.tickets.len() <= ticket {
            self.tickets.resize(ticket + 1, None);
        }
        let replaced = set(&mut self.tickets[ticket], waker);
        self.left.extend(replaced);
    }

    /// The task with this ticket is just now looking.
    pub(crate) fn looks(&mut self, ticket: usize) {
        self.left.extend(self.tickets.get_mut(ticket).and_then(Option::take));
    }

    /// Nobody waits for this subscription any more.
    pub(crate) fn forget_subscription(&mut self, subscription: CallId) {
        self.left.extend(self.subscriptions.remove(&subscription));
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
        // As a rule nobody waits for items.
        if self.calls.is_empty() {
            return;
        }
        self.woken.extend(self.calls.remove(&call).into_iter().flat_map(Waiting::into_values));
    }

    /// There may be room, or its time is over.
    pub(crate) fn room(&mut self) {
        if self.room.is_empty() {
            return;
        }
        self.woken.extend(core::mem::take(&mut self.room).into_values());
    }

    pub(crate) fn everybody(&mut self) {
        self.room();
        self.woken.extend(core::mem::take(&mut self.end).into_values());
        self.woken.extend(self.tickets.iter_mut().filter_map(Option::take));
        let calls = core::mem::take(&mut self.calls).into_values();
        self.woken.extend(calls.flat_map(Waiting::into_values));
        self.woken.extend(core::mem::take(&mut self.subscriptions).into_values());
    }
}

/// Has a waker under this key; gives the one whose place it takes.
fn put<K: Ord>(waiting: &mut BTreeMap<K, Waker>, key: K, waker: &Waker) -> Option<Waker> {
    match waiting.get(&key) {
        Some(held) if held.will_wake(waker) => None,
        _ => waiting.insert(key, waker.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Weak};
    use std::task::Wake;

    use super::*;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    /// A waker that alone holds its task.
    fn task() -> (Weak<Task>, Waker) {
        let task = Arc::new(Task);
        (Arc::downgrade(&task), Waker::from(task))
    }

    /// Whoever has the mutex may do this; the task that waited is gone behind it only.
    fn keeps(on: On, last: fn(&mut Wakers, On, &mut Place)) {
        let ((task, waker), mut place) = (task(), Place::new());
        let mut wakers = Wakers::default();
        wakers.add(on, &mut place, &waker);
        drop(waker);
        last(&mut wakers, on, &mut place);
        assert!(task.upgrade().is_some(), "{on:?}: dropped where the mutex is held");
        wakers.left.clear();
        assert!(task.upgrade().is_none(), "{on:?}: kept for ever");
    }

    fn all() -> [On; 6] {
        let [call, subscription] = [1, 3].map(|id| CallId::new(id).unwrap());
        let (items, delivery) = (On::Call(call), On::Subscription(subscription));
        [On::Ticket(0), On::Timed(0), items, delivery, On::Room, On::End]
    }

    #[test]
    fn a_task_that_another_takes_the_place_of_is_dropped_behind_the_mutex() {
        for on in all() {
            keeps(on, |wakers, on, place| wakers.add(on, place, &task().1));
        }
    }

    #[test]
    fn a_task_that_waits_no_more_is_dropped_behind_the_mutex() {
        for on in all() {
            keeps(on, Wakers::leave);
        }
    }

    #[test]
    fn a_task_that_is_forgotten_is_dropped_behind_the_mutex() {
        keeps(On::Ticket(0), |wakers, _, _| wakers.looks(0));
        keeps(On::Subscription(CallId::new(1).unwrap()), |wakers, _, _| {
            wakers.forget_subscription(CallId::new(1).unwrap());
        });
    }
}
