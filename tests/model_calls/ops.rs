//! What a program, its peer, the clock and the wire may do, and how it reads when a test fails: one short
//! line each.

use std::fmt;

use proptest::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Client,
    Server,
}

impl Who {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Client { "client" } else { "server" })
    }
}

/// In which pieces bytes come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pieces {
    Whole,
    OneByte,
    Random(u64),
}

/// Calls are named from the newest back: 0 is the newest one.
#[derive(Clone, Copy)]
pub(crate) enum Op {
    Call { by: Who, size: u16, within: Option<u8> },
    Respond { by: Who, back: u8, size: u16 },
    Fail { by: Who, back: u8 },
    Cancel { by: Who, back: u8 },
    Send { by: Who, size: u16 },
    Step,
    Deliver,
    Pass(u16),
    Pieces { to: Who, pieces: Pieces },
    Latency { to: Who, ms: u8 },
    Window { to: Who, bytes: u16 },
    Close(Who),
    Abort(Who),
    Cut,
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let newest = |back: u8| match back {
            0 => "the newest".to_string(),
            back => format!("the newest but {back}"),
        };
        match *self {
            Self::Call { by, size, within: None } => write!(f, "{by:?} calls, {size} B"),
            Self::Call { by, size, within: Some(ms) } => {
                write!(f, "{by:?} calls, {size} B, within {ms} ms")
            }
            Self::Respond { by, back, size } => {
                write!(f, "{by:?} answers {} with {size} B", newest(back))
            }
            Self::Fail { by, back } => write!(f, "{by:?} fails {}", newest(back)),
            Self::Cancel { by, back } => write!(f, "{by:?} cancels {}", newest(back)),
            Self::Send { by, size } => write!(f, "{by:?} sends, {size} B"),
            Self::Step => f.write_str("one step"),
            Self::Deliver => f.write_str("all is delivered"),
            Self::Pass(ms) => write!(f, "{ms} ms pass"),
            Self::Pieces { to, pieces: Pieces::Whole } => write!(f, "to {to:?}: whole"),
            Self::Pieces { to, pieces: Pieces::OneByte } => write!(f, "to {to:?}: byte by byte"),
            Self::Pieces { to, pieces: Pieces::Random(seed) } => {
                write!(f, "to {to:?}: random pieces, seed {seed}")
            }
            Self::Latency { to, ms } => write!(f, "to {to:?}: {ms} ms under way"),
            Self::Window { to, bytes } => write!(f, "to {to:?}: room for {bytes} B"),
            Self::Close(who) => write!(f, "{who:?} closes"),
            Self::Abort(who) => write!(f, "{who:?} aborts"),
            Self::Cut => f.write_str("the connection is cut"),
        }
    }
}

/// Operations in order, a line each.
#[derive(Clone)]
pub(crate) struct Script(pub(crate) Vec<Op>);

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|op| write!(f, "\n    {op:?}"))
    }
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![Just(Who::Client), Just(Who::Server)]
}

/// Small ones, and some that are not copied behind their heads.
fn size() -> impl Strategy<Value = u16> {
    prop_oneof![8 => 0u16..40, 1 => Just(5000u16)]
}

fn within() -> impl Strategy<Value = Option<u8>> {
    proptest::option::of(0u8..30)
}

fn pieces() -> impl Strategy<Value = Pieces> {
    prop_oneof![
        Just(Pieces::Whole),
        Just(Pieces::OneByte),
        any::<u8>().prop_map(|seed| Pieces::Random(seed.into()))
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let call = (who(), size(), within());
    let respond = (who(), 0u8..4, size());
    prop_oneof![
        40 => call.prop_map(|(by, size, within)| Op::Call { by, size, within }),
        30 => respond.prop_map(|(by, back, size)| Op::Respond { by, back, size }),
        10 => (who(), 0u8..4).prop_map(|(by, back)| Op::Fail { by, back }),
        20 => (who(), 0u8..4).prop_map(|(by, back)| Op::Cancel { by, back }),
        30 => (who(), size()).prop_map(|(by, size)| Op::Send { by, size }),
        20 => Just(Op::Step),
        30 => Just(Op::Deliver),
        20 => (0u16..40).prop_map(Op::Pass),
        8 => (who(), pieces()).prop_map(|(to, pieces)| Op::Pieces { to, pieces }),
        8 => (who(), 0u8..20).prop_map(|(to, ms)| Op::Latency { to, ms }),
        8 => (who(), 1u16..60).prop_map(|(to, bytes)| Op::Window { to, bytes }),
        3 => who().prop_map(Op::Close),
        1 => who().prop_map(Op::Abort),
        1 => Just(Op::Cut),
    ]
}

pub(crate) fn script() -> impl Strategy<Value = Script> {
    proptest::collection::vec(op(), 1..60).prop_map(Script)
}
