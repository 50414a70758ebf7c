//! Calls and messages against a reference model: generated operations on both sides, with time, pieces,
//! full links and every kind of end. A failure shrinks to a script of a few lines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "model_calls/model.rs"]
mod model;
#[path = "model_calls/ops.rs"]
mod ops;

use common::{Chunking, Pair, Side, config, millis, seconds};
use model::{Complaint, Ending, Fate, Model, Told};
use ops::{Op, Pieces, Script, Who, script};
use proptest::prelude::*;
use switchboard::{
    CallError, CallId, Event, Failure, Instant, Options, Payload, Received, Rejected, Status,
    from_payload, to_payload,
};
use switchboard_testkit::Link;

/// How long a graceful close may take, in milliseconds (`docs/protocol.md` section 8).
const DRAIN: u64 = 5000;

/// The pair under test, its model, and what joins them.
struct Play {
    pair: Pair,
    model: Model,
    links: [Link; 2],
    numbers: u32,
    /// Calls that each side made, oldest first.
    made: [Vec<CallId>; 2],
    /// Calls that each side is asked and has not answered, oldest first.
    asked: [Vec<CallId>; 2],
}

const fn index(who: Who) -> usize {
    match who {
        Who::Client => 0,
        Who::Server => 1,
    }
}

fn milliseconds(now: Instant) -> u64 {
    (now - Instant::ZERO).as_millis() as u64
}

impl Play {
    fn new() -> Self {
        let limits = config(|config| config.max_calls = 4);
        let mut pair = Pair::opened(limits.clone(), limits);
        pair.trace.silence();
        Self {
            pair,
            model: Model::default(),
            links: [Link::new(), Link::new()],
            numbers: 0,
            made: [vec![], vec![]],
            asked: [vec![], vec![]],
        }
    }

    const fn side(&mut self, who: Who) -> &mut Side {
        match who {
            Who::Client => &mut self.pair.client,
            Who::Server => &mut self.pair.server,
        }
    }

    fn numbered(&mut self, size: u16) -> (u32, Payload) {
        self.numbers += 1;
        (self.numbers, to_payload(&(self.numbers, vec![0u8; size.into()])).unwrap())
    }

    fn play(&mut self, op: Op) -> Result<(), Complaint> {
        match op {
            Op::Call { by, size, within } => self.call(by, size, within),
            Op::Respond { by, back, size } => {
                let value = to_payload(&vec![0u8; size.into()]).unwrap();
                self.respond(by, back, Ok(&value), Ending::Value(value.len() as u16))?;
            }
            Op::Fail { by, back } => {
                let failure = Failure::new(Status::ABORTED, "no");
                self.respond(by, back, Err(&failure), Ending::Failed)?;
            }
            Op::Cancel { by, back } => self.cancel(by, back)?,
            Op::Send { by, size } => {
                let (number, payload) = self.numbered(size);
                if self.side(by).send("m", &payload).is_ok() {
                    self.model.sends(by, number);
                }
            }
            Op::Pieces { .. } | Op::Latency { .. } | Op::Window { .. } => self.link(op),
            Op::Close(who) => {
                let now = self.now();
                self.side(who).close("bye");
                self.model.closing.get_or_insert(now);
            }
            Op::Abort(who) => {
                self.side(who).connection().abort("enough");
                self.model.broken = true;
            }
            Op::Cut => {
                self.pair.cut();
                self.model.broken = true;
            }
            Op::Step | Op::Deliver | Op::Pass(_) => return self.go_on(op),
        }
        self.read()
    }

    /// Bytes and time move.
    fn go_on(&mut self, op: Op) -> Result<(), Complaint> {
        self.read()?;
        // What can be due already ends before anything leaves.
        self.model.moves();
        match op {
            Op::Pass(ms) => self.pair.drive_for(millis(ms.into())),
            Op::Deliver => self.pair.drive(),
            _ => drop(self.pair.step()),
        }
        self.read()?;
        let drained = self.model.closing.is_some_and(|since| since + DRAIN <= self.now());
        if self.model.broken || drained || !matches!(op, Op::Deliver) {
            return Ok(());
        }
        self.model.is_delivered()?;
        for who in [Who::Client, Who::Server] {
            let open = self.model.open_calls(who);
            let made = self.side(who).connection().counters().open_made;
            if made != open {
                return Err(format!("{who:?} has {open} calls open, and counts {made}"));
            }
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        milliseconds(self.pair.now())
    }

    fn call(&mut self, by: Who, size: u16, within: Option<u8>) {
        let (number, payload) = self.numbered(size);
        let now = self.now();
        let options = match within {
            Some(ms) => Options::new().deadline(millis(ms.into())),
            None => Options::new().no_deadline(),
        };
        // A side's clock stands at the last point in time at which something happened to both.
        if let Ok(call) = self.side(by).call("c", &payload, &options, number.into()) {
            self.made[index(by)].push(call);
            self.model.calls(by, number, call.number(), within.map(|ms| now + u64::from(ms)));
        }
    }

    fn respond(
        &mut self,
        by: Who,
        back: u8,
        answer: Result<&Payload, &Failure>,
        ending: Ending,
    ) -> Result<(), Complaint> {
        let asked = &mut self.asked[index(by)];
        let Some(at) = asked.len().checked_sub(1 + usize::from(back)) else { return Ok(()) };
        let call = asked.remove(at);
        match self.side(by).answer(call, answer) {
            Ok(()) => self.model.answers(by, call.number(), ending),
            Err(Rejected::UnknownCall) if self.model.closing.is_some() || self.model.broken => {
                Ok(())
            }
            Err(error) => Err(format!("{by:?} may not answer {call}: {error}")),
        }
    }

    fn cancel(&mut self, by: Who, back: u8) -> Result<(), Complaint> {
        self.read()?;
        let made = &self.made[index(by)];
        let Some(at) = made.len().checked_sub(1 + usize::from(back)) else { return Ok(()) };
        let number = made[at].number();
        let over = self.model.has_ended(by, number)?;
        let cancelled = self.side(by).cancel(number);
        if cancelled.is_ok() == over {
            return Err(format!("{by:?} cancels {number}, ended before: {over}: {cancelled:?}"));
        }
        if over {
            return Ok(());
        }
        let side = self.side(by);
        side.run();
        let ending = match side.events.pop() {
            Some(Event::Answer { call, outcome, .. }) if call.number() == number => ending(outcome),
            other => return Err(format!("{by:?} cancels {number} and is told {other:?}")),
        };
        self.model.cancelled(by, number, ending)
    }

    fn link(&mut self, op: Op) {
        let (to, change): (Who, Box<dyn FnOnce(Link) -> Link>) = match op {
            Op::Pieces { to, pieces } => {
                let pieces = match pieces {
                    Pieces::Whole => Chunking::Whole,
                    Pieces::OneByte => Chunking::OneByte,
                    Pieces::Random(seed) => Chunking::seeded(seed),
                };
                (to, Box::new(|link| link.chunking(pieces)))
            }
            Op::Latency { to, ms } => (to, Box::new(move |link| link.latency(millis(ms.into())))),
            Op::Window { to, bytes } => (to, Box::new(move |link| link.window(bytes.into()))),
            _ => return,
        };
        let link = change(self.links[index(to)].clone());
        self.links[index(to)] = link.clone();
        match to {
            Who::Client => self.pair.set_link_to_client(link),
            Who::Server => self.pair.set_link_to_server(link),
        }
    }

    /// Tells the model what both programs were told.
    fn read(&mut self) -> Result<(), Complaint> {
        for who in [Who::Client, Who::Server] {
            let side = self.side(who);
            side.run();
            let now = milliseconds(side.now);
            for event in std::mem::take(&mut side.events) {
                if let Event::Request { call, .. } = event {
                    self.asked[index(who)].push(call);
                }
                if let Some(told) = told(event) {
                    self.model.told(who, told, now)?;
                }
            }
        }
        self.model.is_on_time(self.now())
    }

    /// Whatever is still open comes to its end.
    fn end(&mut self) -> Result<(), Complaint> {
        self.play(Op::Deliver)?;
        self.play(Op::Close(Who::Client))?;
        self.model.moves();
        self.pair.drive_for(seconds(30));
        self.read()?;
        self.model.is_over()
    }
}

fn number(received: Received) -> u32 {
    from_payload::<(u32, Vec<u8>)>(&received.into_payload(), &Default::default()).unwrap().0
}

fn told(event: Event) -> Option<Told> {
    match event {
        Event::Message(message) => Some(Told::Message(number(message))),
        Event::Request { call, request, .. } => {
            Some(Told::Request { number: number(request), id: call.number() })
        }
        Event::Cancelled { call, .. } => Some(Told::Stopped { id: call.number() }),
        Event::Answer { token, outcome, .. } => {
            Some(Told::Answer { number: token as u32, ending: ending(outcome) })
        }
        Event::Closed(_) => Some(Told::Closed),
        _ => None,
    }
}

fn ending(outcome: Result<Payload, CallError>) -> Ending {
    let fate = |fate| match fate {
        switchboard::Fate::NeverSent => Fate::NeverSent,
        switchboard::Fate::MayHaveRun => Fate::MayHaveRun,
    };
    match outcome {
        Ok(value) => Ending::Value(value.len() as u16),
        Err(CallError::Failed(failure)) => match failure.status {
            Status::ABORTED => Ending::Failed,
            Status::UNAVAILABLE => Ending::Closing,
            _ => Ending::Refused,
        },
        Err(CallError::Deadline(told)) => Ending::Late(fate(told)),
        Err(CallError::Cancelled(told)) => Ending::Cancelled(fate(told)),
        Err(CallError::Disconnected(_, told)) => Ending::Lost(fate(told)),
        Err(_) => Ending::Refused,
    }
}

fn play(Script(ops): Script) -> Result<(), String> {
    let mut play = Play::new();
    let ended = ops.into_iter().try_for_each(|op| play.play(op)).and_then(|()| play.end());
    ended.map_err(|complaint| format!("{complaint}\nwhat passed:\n{}", play.pair.trace))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn calls_and_messages_keep_to_the_model(script in script()) {
        play(script).map_err(TestCaseError::fail)?;
    }
}
