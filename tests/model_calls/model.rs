//! The model: what must be true of calls and messages (`docs/protocol.md` sections 4, 7 and 9), as plain
//! data. It knows nothing of the crate, neither frames nor bytes nor phases: only what programs on
//! both sides did, what they were told, and when.

use super::ops::Who;

/// How a call ended, as its user was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The value has so many bytes.
    Value(u16),
    /// The other program failed it.
    Failed,
    /// The other side refused it: it is closing.
    Closing,
    /// Refused by the other side for another reason.
    Refused,
    Late(Fate),
    Cancelled(Fate),
    Lost(Fate),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    NeverSent,
    MayHaveRun,
}

impl Ending {
    const fn fate(self) -> Option<Fate> {
        match self {
            Self::Late(fate) | Self::Cancelled(fate) | Self::Lost(fate) => Some(fate),
            _ => None,
        }
    }
}

/// What came, by the number that its sender gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told {
    Message(u32),
    Request { number: u32, id: u64 },
    Stopped { id: u64 },
    Answer { number: u32, ending: Ending },
    Closed,
}

#[derive(Clone, Debug)]
struct Call {
    id: u64,
    due: Option<u64>,
    /// Nothing can have left since it was made.
    fresh: bool,
    seen: bool,
    /// Its callee has been told to stop.
    stopped: bool,
    /// The other program has answered.
    answered: bool,
    /// What it answered, if it had not been told to stop.
    answer: Option<Ending>,
    ended: Option<Ending>,
}

/// A message, or a call.
#[derive(Clone, Debug)]
struct Sent {
    number: u32,
    call: Option<Call>,
}

/// What one program did.
#[derive(Debug, Default)]
struct Part {
    sent: Vec<Sent>,
    /// All before this one has come to the other program, or never will.
    came: usize,
    closed: bool,
}

impl Part {
    fn calls(&self) -> impl Iterator<Item = &Call> {
        self.sent.iter().filter_map(|sent| sent.call.as_ref())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    client: Part,
    server: Part,
    /// When a program first closed gracefully.
    pub(crate) closing: Option<u64>,
    /// A program has aborted, or the connection was cut.
    pub(crate) broken: bool,
}

/// What is wrong, for people.
pub(crate) type Complaint = String;

fn must(holds: bool, complaint: impl FnOnce() -> Complaint) -> Result<(), Complaint> {
    if holds { Ok(()) } else { Err(complaint()) }
}

impl Model {
    const fn part(&mut self, who: Who) -> &mut Part {
        match who {
            Who::Client => &mut self.client,
            Who::Server => &mut self.server,
        }
    }

    fn call(&mut self, of: Who, number: u32) -> Result<&mut Call, Complaint> {
        let sent = self.part(of).sent.iter_mut().find(|sent| sent.number == number);
        let call = sent.and_then(|sent| sent.call.as_mut());
        call.ok_or_else(|| format!("{of:?} never made call {number}"))
    }

    fn call_by_id(&mut self, of: Who, id: u64) -> Result<&mut Call, Complaint> {
        let mut calls = self.part(of).sent.iter_mut().filter_map(|sent| sent.call.as_mut());
        calls.find(|call| call.id == id).ok_or_else(|| format!("{of:?} never made id {id}"))
    }

    // What programs do.

    pub(crate) fn sends(&mut self, who: Who, number: u32) {
        self.part(who).sent.push(Sent { number, call: None });
    }

    pub(crate) fn calls(&mut self, who: Who, number: u32, id: u64, due: Option<u64>) {
        let (seen, stopped, answered) = (false, false, false);
        let call =
            Call { id, due, fresh: true, seen, stopped, answered, answer: None, ended: None };
        self.part(who).sent.push(Sent { number, call: Some(call) });
    }

    /// The program answers a call of the other one.
    pub(crate) fn answers(&mut self, who: Who, id: u64, ending: Ending) -> Result<(), Complaint> {
        let call = self.call_by_id(who.other(), id)?;
        call.answered = true;
        if !call.stopped {
            call.answer = Some(ending);
        }
        Ok(())
    }

    /// Whether a program's call has ended for it.
    pub(crate) fn has_ended(&mut self, who: Who, id: u64) -> Result<bool, Complaint> {
        Ok(self.call_by_id(who, id)?.ended.is_some())
    }

    /// Bytes may have left on either side.
    pub(crate) fn moves(&mut self) {
        for sent in self.client.sent.iter_mut().chain(&mut self.server.sent) {
            if let Some(call) = &mut sent.call {
                call.fresh = false;
            }
        }
    }

    // What programs are told.

    pub(crate) fn told(&mut self, who: Who, told: Told, now: u64) -> Result<(), Complaint> {
        must(!self.part(who).closed, || format!("{who:?} is told {told:?} behind the end"))?;
        match told {
            Told::Message(number) => self.comes(who.other(), number, None),
            Told::Request { number, id } => {
                self.comes(who.other(), number, Some(id))?;
                let call = self.call(who.other(), number)?;
                call.seen = true;
                let never = call.ended.and_then(Ending::fate) == Some(Fate::NeverSent);
                must(!never, || format!("call {number} was never sent, and has come"))
            }
            Told::Stopped { id } => {
                self.call_by_id(who.other(), id)?.stopped = true;
                Ok(())
            }
            Told::Answer { number, ending } => self.ends(who, number, ending, now),
            Told::Closed => {
                let may = self.closing.is_some() || self.broken;
                self.part(who).closed = true;
                must(may, || format!("{who:?}: closed, though nobody did that"))
            }
        }
    }

    /// In the order in which it was sent, at most once. What is passed over never comes: no message.
    fn comes(&mut self, from: Who, number: u32, id: Option<u64>) -> Result<(), Complaint> {
        let part = self.part(from);
        let late = &part.sent[part.came..];
        let at = late.iter().position(|sent| sent.number == number);
        let at = at.ok_or_else(|| format!("{number} of {from:?} came twice or out of order"))?;
        let lost = late[..at].iter().find(|sent| sent.call.is_none());
        must(lost.is_none(), || format!("{number} of {from:?} came, but {lost:?} did not"))?;
        let sent_as = late[at].call.as_ref().map(|call| call.id);
        must(sent_as == id, || format!("{number} came as {id:?}, was sent as {sent_as:?}"))?;
        part.came += at + 1;
        Ok(())
    }

    fn ends(&mut self, who: Who, number: u32, ending: Ending, now: u64) -> Result<(), Complaint> {
        let (closing, broken) = (self.closing.is_some(), self.broken);
        let call = self.call(who, number)?;
        must(call.ended.is_none(), || format!("{number} ended {:?}, now {ending:?}", call.ended))?;
        let may = match ending {
            Ending::Value(_) | Ending::Failed => call.answer == Some(ending),
            Ending::Closing => closing && !call.seen,
            Ending::Refused => false,
            Ending::Late(_) => call.due.is_some_and(|due| due <= now),
            // Only a program cancels, and is told at once: see `cancelled`.
            Ending::Cancelled(_) => false,
            Ending::Lost(_) => closing || broken,
        };
        must(may, || format!("{number} may not end {ending:?}: {call:?}"))?;
        Self::finish(call, number, ending)
    }

    /// A program gave up its call, and was told this.
    pub(crate) fn cancelled(&mut self, who: Who, id: u64, told: Ending) -> Result<(), Complaint> {
        let call = self.call_by_id(who, id)?;
        let right = matches!(told, Ending::Cancelled(_)) && call.ended.is_none();
        must(right, || format!("call {id} was cancelled and ended {told:?}: {call:?}"))?;
        Self::finish(call, id as u32, told)
    }

    /// Of what has come nobody says that it was never sent; of what cannot have left nobody says that it
    /// may have run.
    fn finish(call: &mut Call, number: u32, ending: Ending) -> Result<(), Complaint> {
        call.ended = Some(ending);
        let truth = match ending.fate() {
            Some(Fate::NeverSent) => !call.seen,
            Some(Fate::MayHaveRun) => !call.fresh,
            None => true,
        };
        must(truth, || format!("{number} ended {ending:?}, which is no truth: {call:?}"))
    }

    // What holds in between.

    /// No call outlives its deadline.
    pub(crate) fn is_on_time(&self, now: u64) -> Result<(), Complaint> {
        let sent = self.client.sent.iter().chain(&self.server.sent);
        let mut open = sent.filter(|sent| {
            sent.call
                .as_ref()
                .is_some_and(|call| call.ended.is_none() && call.due.is_some_and(|due| due <= now))
        });
        let late = open.next();
        must(late.is_none(), || format!("it is {now} ms, and still open: {late:?}"))
    }

    /// Nothing is under way any more, and nobody has broken anything: all has come, and every answer,
    /// too. A side that is closing refuses calls, nothing else.
    pub(crate) fn is_delivered(&self) -> Result<(), Complaint> {
        for part in [&self.client, &self.server] {
            for sent in &part.sent[part.came..] {
                let excused = sent.call.as_ref().and_then(|call| call.ended).is_some_and(|ended| {
                    ended.fate() == Some(Fate::NeverSent) || self.closing.is_some()
                });
                must(excused, || format!("never came: {sent:?}"))?;
            }
            for call in part.calls() {
                let open = call.answer.is_some() && call.ended.is_none();
                must(!open, || format!("answered, and still open: {call:?}"))?;
            }
        }
        Ok(())
    }

    /// How many calls of a program are open once all is delivered: the other one has seen them and has
    /// not answered.
    pub(crate) fn open_calls(&self, who: Who) -> usize {
        let part = if who == Who::Client { &self.client } else { &self.server };
        part.calls().filter(|call| call.seen && !call.answered).count()
    }

    /// All is over: every call has ended, and both programs know it.
    pub(crate) fn is_over(&self) -> Result<(), Complaint> {
        for part in [&self.client, &self.server] {
            must(part.closed, || "a program was not told of the end".into())?;
            for sent in &part.sent {
                let open = sent.call.as_ref().is_some_and(|call| call.ended.is_none());
                must(!open, || format!("has no ending: {sent:?}"))?;
            }
        }
        Ok(())
    }
}
