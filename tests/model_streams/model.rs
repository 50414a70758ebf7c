//! The model: what must be true of items, credit, subscriptions and losses, from what both programs did
//! and were told alone (`docs/protocol.md` sections 4.3 and 5.3).

use switchboard::{CallId, Payload, Rejected, from_payload};

pub(crate) type Complaint = String;

pub(crate) const WINDOW: u64 = 700;
/// Deliveries that wait; one that is written next comes to it, or several small ones.
pub(crate) const WAITING: usize = 4;

pub(crate) fn must(holds: bool, what: impl FnOnce() -> String) -> Result<(), Complaint> {
    if holds { Ok(()) } else { Err(what()) }
}

/// One direction of a call's items.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) allowed: bool,
    pub(crate) sent: Vec<u32>,
    pub(crate) came: usize,
    /// What was sent, and what was used of it, in credit.
    pub(crate) cost: u64,
    pub(crate) used: u64,
    pub(crate) complete: bool,
}

impl Flow {
    /// A program sends an item, and is told this.
    pub(crate) fn sends(
        &mut self,
        number: u32,
        cost: u64,
        told: Result<(), Rejected>,
        quiet: bool,
    ) -> Result<(), Complaint> {
        let open = self.cost - self.used;
        match told {
            Ok(()) => {
                must(self.allowed && !self.complete, || "an item without a stream".into())?;
                must(open < WINDOW, || format!("{open} B are not used, and one more was taken"))?;
                self.sent.push(number);
                self.cost += cost;
            }
            Err(Rejected::NoCredit) => {
                // Less than half a window waits to be given back.
                let lost = quiet && open <= WINDOW - WINDOW / 2;
                must(!lost, || {
                    format!("credit is lost: {open} B are not used, and no more taken")
                })?;
            }
            Err(Rejected::NoStream) => {
                must(!self.allowed || self.complete, || "no stream?".into())?;
            }
            Err(Rejected::Full | Rejected::UnknownCall) => {}
            Err(other) => return Err(format!("an item was refused: {other}")),
        }
        Ok(())
    }

    pub(crate) fn comes(&mut self, number: u32) -> Result<(), Complaint> {
        let next = self.sent.get(self.came);
        must(next == Some(&number), || format!("item {number} came, not {next:?}"))?;
        self.came += 1;
        Ok(())
    }

    pub(crate) fn is_delivered(&self) -> bool {
        self.came == self.sent.len()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(crate) up: Flow,
    pub(crate) down: Flow,
    /// The server has seen it, and was told the end of the client's items.
    pub(crate) seen: bool,
    pub(crate) ended_up: bool,
    pub(crate) answered: Option<bool>,
    pub(crate) given_up: bool,
    pub(crate) over: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Subscription {
    /// Values that were delivered at the server, and how many the client knows of.
    pub(crate) values: u32,
    pub(crate) known: u32,
    /// The client has its answer.
    pub(crate) live: bool,
    /// The client has asked for the end, or has been told of it.
    pub(crate) leaving: bool,
    /// At the server nothing is queued any more.
    pub(crate) gone: bool,
    pub(crate) over: bool,
}

pub(crate) fn id(number: u64) -> CallId {
    CallId::new(number).unwrap()
}

pub(crate) fn number(payload: &Payload) -> u32 {
    from_payload::<(u32, Vec<u8>)>(payload, &Default::default()).unwrap().0
}
