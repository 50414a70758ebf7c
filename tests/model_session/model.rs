//! What a session may tell its user and send to its servers: a list of sends, a map of subscriptions and the
//! time. Knows nothing of the library's; times are milliseconds, sends have numbers in their order.

use std::collections::{BTreeMap, BTreeSet};

/// What is wrong, for people.
pub(crate) type Complaint = String;

fn must(holds: bool, complaint: impl FnOnce() -> Complaint) -> Result<(), Complaint> {
    if holds { Ok(()) } else { Err(complaint()) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Call,
    Subscribe,
    /// Of the subscription with this id.
    Unsubscribe(u64),
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Value,
    /// The server refused it: for its own reasons, or because it is closing.
    Refused,
    Closing,
    /// Whether it may have run.
    Late(bool),
    Cancelled(bool),
    Lost(bool),
}

#[derive(Clone, Debug)]
struct Send {
    kind: Kind,
    /// Messages have none.
    id: Option<u64>,
    due: Option<u64>,
    /// It may be sent again.
    again: bool,
    /// A connection has taken it, this one last.
    handed: Option<u32>,
    /// Which connections it was heard on.
    heard: Vec<u32>,
    /// Its server has answered, on this connection.
    answered: Option<u32>,
    ended: Option<(Ending, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subscription {
    Live,
    Leaving,
    Gone,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    sends: Vec<Send>,
    subscriptions: BTreeMap<u64, Subscription>,
    /// How many connections there have been.
    pub(crate) connection: u32,
    /// The number that was heard last on the present one, and the last that was heard on any and must not
    /// be sent again.
    last: Option<usize>,
    last_once: Option<usize>,
    pub(crate) status: String,
    /// The present connection takes what is sent.
    pub(crate) open: bool,
    /// The server said `goodbye` on the present connection, and it was told.
    pub(crate) goodbye: bool,
    /// It may have said it.
    pub(crate) leaves: bool,
    /// Servers have refused subscriptions.
    pub(crate) rejects: bool,
    pub(crate) over: bool,
    /// Servers take few calls at once: nobody knows when what waits goes out.
    pub(crate) limited: bool,
}

impl Model {
    pub(crate) fn new(limited: bool) -> Self {
        Self { limited, ..Self::default() }
    }

    // What the user does.

    /// A send is taken; its number.
    pub(crate) fn sends(
        &mut self,
        kind: Kind,
        id: Option<u64>,
        due: Option<u64>,
        again: bool,
    ) -> Result<(), Complaint> {
        must(!self.over, || "something is taken behind the end".into())?;
        let higher = id.is_none_or(|id| self.sends.iter().all(|send| send.id < Some(id)));
        must(higher, || format!("id {id:?} is not above all earlier ones"))?;
        if let Kind::Unsubscribe(subscription) = kind {
            self.subscriptions.insert(subscription, Subscription::Leaving);
        }
        let handed = self.open.then_some(self.connection);
        let (heard, answered, ended) = (vec![], None, None);
        self.sends.push(Send { kind, id, due, again, handed, heard, answered, ended });
        Ok(())
    }

    pub(crate) fn next_number(&self) -> usize {
        self.sends.len()
    }

    /// Open calls, oldest first.
    pub(crate) fn calls(&self) -> Vec<u64> {
        self.sends.iter().filter(|send| send.ended.is_none()).filter_map(|send| send.id).collect()
    }

    /// Live subscriptions, oldest first.
    pub(crate) fn live(&self) -> BTreeSet<u64> {
        let live =
            |(id, state): (&u64, &Subscription)| (*state == Subscription::Live).then_some(*id);
        self.subscriptions.iter().filter_map(live).collect()
    }

    fn call(&mut self, id: u64) -> Result<&mut Send, Complaint> {
        let call = self.sends.iter_mut().find(|send| send.id == Some(id));
        call.ok_or_else(|| format!("nobody made call {id}"))
    }

    // What servers hear.

    /// The send with this number came to the present server.
    pub(crate) fn hears(&mut self, number: usize) -> Result<(), Complaint> {
        let connection = self.connection;
        must(Some(number) > self.last, || format!("{number} came behind {:?}", self.last))?;
        self.last = Some(number);
        let last_once = self.last_once;
        let send = self.sends.get_mut(number).ok_or_else(|| format!("nobody sent {number}"))?;
        if !send.again {
            must(send.heard.is_empty(), || format!("{number} was sent twice: {send:?}"))?;
            let ordered = Some(number) > last_once;
            must(ordered, || format!("{number} came behind {last_once:?}, one connection later"))?;
            self.last_once = Some(number);
        }
        must(send.handed == Some(connection), || {
            format!("{number} came on connection {connection}: {send:?}")
        })?;
        let ended = send.ended.is_some_and(|(_, on)| on < connection);
        must(!ended, || format!("{number} came though it had ended before: {send:?}"))?;
        let never = matches!(
            send.ended,
            Some((Ending::Late(false) | Ending::Cancelled(false) | Ending::Lost(false), _))
        );
        must(!never, || format!("{number} came though it was never sent: {send:?}"))?;
        send.heard.push(connection);
        Ok(())
    }

    /// The present server has a `subscribe` with this id, which may restore one.
    pub(crate) fn hears_subscribe(&mut self, id: u64) -> Result<(), Complaint> {
        if self.subscriptions.contains_key(&id) {
            let state = self.subscriptions[&id];
            return must(state != Subscription::Gone, || format!("{id} is restored, and is gone"));
        }
        let number = self.sends.iter().position(|send| send.id == Some(id));
        self.hears(number.ok_or_else(|| format!("nobody subscribed with {id}"))?)
    }

    pub(crate) fn answers(&mut self, id: u64) -> Result<(), Complaint> {
        let connection = self.connection;
        self.call(id)?.answered = Some(connection);
        Ok(())
    }

    // What the user is told.

    pub(crate) fn status(
        &mut self,
        status: &str,
        accepted: &BTreeSet<u64>,
    ) -> Result<(), Complaint> {
        let valid = match &*self.status {
            "" => ["Connecting", "Disconnected"].contains(&status),
            "Connecting" | "Reconnecting" => ["Connected", "Disconnected"].contains(&status),
            "Connected" => ["Ready", "Disconnected"].contains(&status),
            "Ready" => status == "Disconnected",
            "Disconnected" => status == "Reconnecting",
            _ => false,
        };
        must(valid && !self.over, || format!("{status} behind {:?}", self.status))?;
        self.status = status.into();
        self.open = status == "Ready";
        match status {
            "Connected" => {
                self.connection += 1;
                (self.last, self.goodbye, self.leaves) = (None, false, false);
            }
            "Ready" => {
                let missing: Vec<_> = self.live().difference(accepted).copied().collect();
                must(missing.is_empty(), || format!("ready, but {missing:?} is not restored"))?;
                self.hand_all();
            }
            _ => {}
        }
        Ok(())
    }

    /// All that waits goes out; before, only calls that are sent again.
    fn hand_all(&mut self) {
        let connection = self.connection;
        for send in &mut self.sends {
            let kept = send.again && send.ended.is_none();
            let waits = self.limited && send.ended.is_none() && send.heard.is_empty();
            if send.handed.is_none() || kept || waits {
                send.handed = Some(connection);
            }
        }
    }

    /// Calls that are sent again may go before the session is ready.
    pub(crate) fn hand_again(&mut self) {
        let connection = self.connection;
        for send in &mut self.sends {
            if send.again && send.ended.is_none() && send.handed.is_some() {
                send.handed = Some(connection);
            }
        }
    }

    pub(crate) fn ends(&mut self, id: u64, ending: Ending, now: u64) -> Result<(), Complaint> {
        let connection = self.connection;
        let (leaves, rejects, over, down) =
            (self.leaves, self.rejects, self.over, self.status != "Ready");
        let call = self.call(id)?;
        must(!over, || format!("{id} ends behind the end"))?;
        must(call.ended.is_none(), || format!("{id} ends twice: {call:?}, {ending:?}"))?;
        let subscribes = call.kind == Kind::Subscribe;
        let may = match ending {
            // An unsubscribe is done with the connection.
            Ending::Value => {
                call.answered == Some(connection) || matches!(call.kind, Kind::Unsubscribe(_))
            }
            Ending::Refused => subscribes && rejects,
            Ending::Closing => leaves,
            Ending::Late(_) => call.due.is_some_and(|due| due <= now),
            // Told when the user asks for it: see `cancelled`.
            Ending::Cancelled(_) => false,
            Ending::Lost(_) => true,
        };
        must(may, || format!("{id} may not end {ending:?} (down: {down}): {call:?}"))?;
        self.finish(id, ending)
    }

    pub(crate) fn cancelled(&mut self, id: u64, ending: Ending) -> Result<(), Complaint> {
        let call = self.call(id)?;
        let right = call.ended.is_none() && matches!(ending, Ending::Cancelled(_));
        must(right, || format!("{id} was cancelled and ended {ending:?}: {call:?}"))?;
        self.finish(id, ending)
    }

    fn finish(&mut self, id: u64, ending: Ending) -> Result<(), Complaint> {
        let connection = self.connection;
        let call = self.call(id)?;
        call.ended = Some((ending, connection));
        let truth = match ending {
            Ending::Late(ran) | Ending::Cancelled(ran) | Ending::Lost(ran) => {
                if ran {
                    call.handed.is_some()
                } else {
                    call.heard.is_empty()
                }
            }
            _ => true,
        };
        must(truth, || format!("{id} ended {ending:?}, which is no truth: {call:?}"))?;
        let kind = call.kind;
        let ran = matches!(ending, Ending::Late(true) | Ending::Cancelled(true));
        match (kind, ending) {
            (Kind::Subscribe, Ending::Value) => {
                self.subscriptions.insert(id, Subscription::Live);
            }
            (Kind::Unsubscribe(subscription), Ending::Late(_) | Ending::Cancelled(_)) if !ran => {
                self.subscriptions.insert(subscription, Subscription::Live);
            }
            (Kind::Unsubscribe(subscription), Ending::Refused | Ending::Closing) => {
                self.subscriptions.insert(subscription, Subscription::Live);
            }
            (Kind::Unsubscribe(subscription), _) => {
                self.subscriptions.insert(subscription, Subscription::Gone);
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn subscription_ends(&mut self, id: u64) -> Result<(), Complaint> {
        let before = self.subscriptions.insert(id, Subscription::Gone);
        let may = before == Some(Subscription::Live) && self.rejects;
        must(may, || format!("subscription {id} ended, and was {before:?}"))
    }

    pub(crate) fn delivers(&self, id: u64) -> Result<(), Complaint> {
        let state = self.subscriptions.get(&id);
        must(state == Some(&Subscription::Live), || format!("{id} gets a value, and is {state:?}"))
    }

    /// The session has ended: every call has, and no call that may be sent again was given up before.
    pub(crate) fn closed(&mut self) -> Result<(), Complaint> {
        must(!self.over, || "closed twice".into())?;
        must(self.status == "Disconnected", || format!("closed while {}", self.status))?;
        self.over = true;
        let open = self.calls();
        must(open.is_empty(), || format!("open behind the end: {open:?}"))
    }

    // What holds in between.

    /// No call outlives its deadline.
    pub(crate) fn is_on_time(&self, now: u64) -> Result<(), Complaint> {
        let open = self.sends.iter().filter(|send| send.ended.is_none() && send.id.is_some());
        let late = open.clone().find(|send| send.due.is_some_and(|due| due <= now));
        must(late.is_none(), || format!("it is {now} ms, and still open: {late:?}"))
    }

    pub(crate) fn next_due(&self) -> Option<u64> {
        self.sends.iter().filter(|send| send.ended.is_none()).filter_map(|send| send.due).min()
    }

    /// A call that may be sent again is not given up while the session goes on.
    pub(crate) fn kept_what_may_be_sent_again(&self) -> Result<(), Complaint> {
        let lost = |send: &&Send| send.again && matches!(send.ended, Some((Ending::Lost(_), _)));
        let lost = self.sends.iter().find(lost);
        must(self.over || self.limited || lost.is_none(), || {
            format!("given up, and not over: {lost:?}")
        })
    }

    /// All bytes came to a server that goes on: it has heard all that was handed to it.
    pub(crate) fn is_delivered(&self, accepted: &BTreeSet<u64>) -> Result<(), Complaint> {
        if !self.open || self.leaves || self.limited {
            return Ok(());
        }
        for (number, send) in self.sends.iter().enumerate() {
            must(send.handed.is_some(), || format!("{number} still waits: {send:?}"))?;
            let here = send.handed == Some(self.connection) && send.ended.is_none();
            let heard = send.heard.contains(&self.connection);
            let told = send.kind == Kind::Message || send.kind == Kind::Call;
            must(!told || !here || heard, || format!("{number} never came: {send:?}"))?;
        }
        let live = self.live();
        must(live == *accepted, || format!("{live:?} live, and {accepted:?} at the server"))
    }
}
