//! What a program, its servers, the clock and the wire may do to a session, and how it reads when a test
//! fails: one short line each.

use std::fmt;

use proptest::prelude::*;

/// Calls and subscriptions are named from the newest back: 0 is the newest one.
#[derive(Clone, Copy)]
pub(crate) enum Op {
    Send,
    Publish,
    Call {
        again: bool,
        within: Option<u16>,
    },
    Subscribe {
        again: bool,
    },
    Unsubscribe {
        back: u8,
        within: Option<u16>,
    },
    Cancel {
        back: u8,
    },
    Open,
    /// And what the client says behind its `hello` is not written yet.
    OpenUnwritten,
    Fail,
    /// At most so many of the bytes that wait get through.
    Cut(u16),
    Deliver,
    Answer {
        back: u8,
    },
    AnswerAll,
    Values,
    Hesitate(bool),
    Accept,
    /// Subscriptions are refused from now on, or not.
    Reject(bool),
    /// The next servers refuse the client, for a while or for good, or greet it.
    Refuse(Option<bool>),
    Goodbye(Option<u16>),
    ServerFails {
        passing: bool,
    },
    Pass(u16),
    Close,
    Abort,
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let back = |back: u8| match back {
            0 => "the newest".to_string(),
            back => format!("the newest but {back}"),
        };
        let within =
            |within: Option<u16>| within.map_or(String::new(), |ms| format!(" within {ms} ms"));
        let again = |again: bool| if again { ", which may be sent again" } else { "" };
        match *self {
            Self::Send => f.write_str("send"),
            Self::Publish => f.write_str("publish"),
            Self::Call { again: may, within: time } => {
                write!(f, "call{}{}", within(time), again(may))
            }
            Self::Subscribe { again: may } => write!(f, "subscribe{}", again(may)),
            Self::Unsubscribe { back: nth, within: time } => {
                write!(f, "unsubscribe {}{}", back(nth), within(time))
            }
            Self::Cancel { back: nth } => write!(f, "cancel {}", back(nth)),
            Self::Open => f.write_str("the transport opens"),
            Self::OpenUnwritten => f.write_str("the transport opens, and is full"),
            Self::Fail => f.write_str("the transport does not open"),
            Self::Cut(bytes) => write!(f, "the connection is cut behind {bytes} B"),
            Self::Deliver => f.write_str("all is delivered"),
            Self::Answer { back: nth } => write!(f, "the server answers {}", back(nth)),
            Self::AnswerAll => f.write_str("the server answers all"),
            Self::Values => f.write_str("the server delivers to all subscriptions"),
            Self::Hesitate(true) => f.write_str("subscriptions wait for their answer"),
            Self::Hesitate(false) => f.write_str("subscriptions are answered at once"),
            Self::Accept => f.write_str("subscriptions that wait are accepted"),
            Self::Reject(true) => f.write_str("subscriptions are refused"),
            Self::Reject(false) => f.write_str("subscriptions are accepted"),
            Self::Refuse(None) => f.write_str("servers greet"),
            Self::Refuse(Some(true)) => f.write_str("servers refuse for a while"),
            Self::Refuse(Some(false)) => f.write_str("servers refuse for good"),
            Self::Goodbye(None) => f.write_str("the server closes for good"),
            Self::Goodbye(Some(ms)) => write!(f, "the server closes for {ms} ms"),
            Self::ServerFails { passing: true } => f.write_str("the server has trouble"),
            Self::ServerFails { passing: false } => f.write_str("the server sends it away"),
            Self::Pass(ms) => write!(f, "{ms} ms pass"),
            Self::Close => f.write_str("close"),
            Self::Abort => f.write_str("abort"),
        }
    }
}

/// Operations in order, a line each.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) attempts: Option<u32>,
    pub(crate) waits: bool,
    /// So many calls at once a server takes.
    pub(crate) limit: Option<u32>,
    pub(crate) seed: u64,
    pub(crate) ops: Vec<Op>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, waits, limit, seed, ops } = self;
        write!(f, "attempts {attempts:?}, sends wait: {waits}, calls {limit:?}, seed {seed}")?;
        ops.iter().try_for_each(|op| write!(f, "\n    {op:?}"))
    }
}

fn within() -> impl Strategy<Value = Option<u16>> {
    proptest::option::of(0u16..3000)
}

fn commands() -> impl Strategy<Value = Op> {
    prop_oneof![
        20 => Just(Op::Send),
        8 => Just(Op::Publish),
        30 => (any::<bool>(), within()).prop_map(|(again, within)| Op::Call { again, within }),
        16 => any::<bool>().prop_map(|again| Op::Subscribe { again }),
        10 => (0u8..4, within()).prop_map(|(back, within)| Op::Unsubscribe { back, within }),
        10 => (0u8..6).prop_map(|back| Op::Cancel { back }),
    ]
}

fn happenings() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => Just(Op::Open),
        10 => Just(Op::OpenUnwritten),
        8 => Just(Op::Fail),
        12 => (0u16..80).prop_map(Op::Cut),
        24 => Just(Op::Deliver),
        8 => (0u8..4).prop_map(|back| Op::Answer { back }),
        6 => Just(Op::AnswerAll),
        6 => Just(Op::Values),
        4 => any::<bool>().prop_map(Op::Hesitate),
        6 => Just(Op::Accept),
        3 => any::<bool>().prop_map(Op::Reject),
        3 => prop_oneof![3 => Just(None), 2 => Just(Some(true)), 1 => Just(Some(false))]
            .prop_map(Op::Refuse),
        4 => prop_oneof![1 => Just(None), 6 => (0u16..2000).prop_map(Some)].prop_map(Op::Goodbye),
        2 => (0u8..8).prop_map(|dice| Op::ServerFails { passing: dice > 0 }),
        24 => (0u16..4000).prop_map(Op::Pass),
        1 => Just(Op::Close),
        1 => Just(Op::Abort),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![commands(), happenings()]
}

pub(crate) fn script() -> impl Strategy<Value = Script> {
    let attempts = prop_oneof![3 => Just(None), 1 => (0u32..4).prop_map(Some)];
    let limit = prop_oneof![2 => Just(None), 1 => (1u32..4).prop_map(Some)];
    let ops = proptest::collection::vec(op(), 1..80);
    (attempts, 0u8..4, limit, any::<u8>(), ops).prop_map(|(attempts, dice, limit, seed, ops)| {
        Script { attempts, waits: dice > 0, limit, seed: seed.into(), ops }
    })
}
