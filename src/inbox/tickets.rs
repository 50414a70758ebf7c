//! The tickets of those who wait for the end of what they commanded. Called by the inbox; knows how a
//! command can end.

use core::time::Duration;
use slab::Slab;

use crate::close_reason::CloseReason;
use crate::error::{CallError, Rejected};
use crate::payload::Payload;

/// What is waited for, by the tokens that went into the core.
#[derive(Debug, Default)]
pub(super) struct Tickets(Slab<Ticket>);

/// What somebody waits for.
#[derive(Debug)]
enum Ticket {
    Waiting,
    /// The same, for a ping, which ends with its connection.
    Pinging,
    /// Nobody waits any more; the number is free when the core has handed it back.
    Abandoned {
        /// A ping.
        pings: bool,
    },
    Settled(Outcome),
}

/// How it ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Result<Payload, CallError>),
    Pong(Duration),
    Closed(CloseReason),
}

impl Tickets {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn begin<T>(
        &mut self,
        command: impl FnOnce(u64) -> Result<T, Rejected>,
    ) -> Result<(usize, T), Rejected> {
        let ticket = self.0.insert(Ticket::Waiting);
        match command(ticket as u64) {
            Ok(made) => Ok((ticket, made)),
            Err(rejected) => {
                self.0.remove(ticket);
                Err(rejected)
            }
        }
    }

    /// The same for a ping.
    pub(super) fn ping(
        &mut self,
        command: impl FnOnce(u64) -> Result<(), Rejected>,
    ) -> Result<usize, Rejected> {
        let (ticket, ()) = self.begin(command)?;
        if let Some(slot) = self.0.get_mut(ticket) {
            *slot = Ticket::Pinging;
        }
        Ok(ticket)
    }

    /// Pings have ended with their connection; whether there were any.
    pub(super) fn end_pings(&mut self, reason: &CloseReason) -> bool {
        let mut any = false;
        self.0.retain(|_, ticket| {
            let ends = matches!(ticket, Ticket::Pinging);
            if ends {
                *ticket = Ticket::Settled(Outcome::Closed(reason.clone()));
                any = true;
            }
            !matches!(ticket, Ticket::Abandoned { pings: true })
        });
        any
    }

    pub(super) fn settle(&mut self, ticket: usize, outcome: Outcome) {
        match self.0.get_mut(ticket) {
            Some(Ticket::Abandoned { .. }) => drop(self.0.remove(ticket)),
            Some(slot) => *slot = Ticket::Settled(outcome),
            None => {}
        }
    }

    /// The connection has ended: so has all that is waited for.
    pub(super) fn end(&mut self, reason: &CloseReason) {
        for (_, ticket) in &mut self.0 {
            if matches!(ticket, Ticket::Waiting | Ticket::Pinging) {
                *ticket = Ticket::Settled(Outcome::Closed(reason.clone()));
            }
        }
    }

    pub(super) fn is_settled(&self, ticket: usize) -> bool {
        matches!(self.0.get(ticket), Some(Ticket::Settled(_)))
    }

    /// How it ended, once it has; the number is free then.
    pub(super) fn settled(&mut self, ticket: usize) -> Option<Outcome> {
        if !self.is_settled(ticket) {
            return None;
        }
        match self.0.remove(ticket) {
            Ticket::Settled(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Nobody waits for it any more, but the core will hand the number back, unless it has.
    pub(super) fn abandon(&mut self, ticket: usize) {
        if self.settled(ticket).is_none() {
            if let Some(slot) = self.0.get_mut(ticket) {
                *slot = Ticket::Abandoned { pings: matches!(slot, Ticket::Pinging) };
            }
        }
    }
}
