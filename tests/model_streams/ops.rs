//! What two programs with streams and subscriptions, and the wire between them, may do, and how it reads
//! when a test fails: one short line each.

use std::fmt;

use proptest::prelude::*;
use switchboard::Policy;

/// Calls and subscriptions are named from the newest back: 0 is the newest one.
#[derive(Clone, Copy)]
pub(crate) enum Op {
    /// The client calls with these streams.
    Call {
        sends: bool,
        takes: bool,
    },
    /// An item, of the client or of the server.
    Item {
        client: bool,
        back: u8,
        size: u16,
    },
    /// The client's items of a call are complete.
    End(u8),
    /// The oldest items that were not used are.
    Take {
        client: bool,
        count: u8,
    },
    Respond {
        back: u8,
        fails: bool,
    },
    Cancel(u8),
    /// The client subscribes; the server accepts at once.
    Subscribe(Policy),
    Unsubscribe(u8),
    /// The server delivers to a subscription.
    Value {
        back: u8,
        size: u16,
    },
    /// The server ends a subscription.
    EndSubscription(u8),
    /// A message, which must not be lost among all that.
    Send {
        client: bool,
        size: u16,
    },
    Step,
    Deliver,
    /// How many bytes may be under way.
    Window {
        to_client: bool,
        bytes: u16,
    },
    Pieces {
        to_client: bool,
        seed: Option<u8>,
    },
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = |client: bool| if client { "client" } else { "server" };
        match *self {
            Self::Call { sends, takes } => write!(f, "a call, sends {sends}, takes {takes}"),
            Self::Item { client, back, size } => {
                write!(f, "{}: item of {size} B, newest call but {back}", who(client))
            }
            Self::End(back) => write!(f, "items complete, newest call but {back}"),
            Self::Take { client, count } => write!(f, "{} uses {count} items", who(client)),
            Self::Respond { back, fails: false } => write!(f, "answer, newest call but {back}"),
            Self::Respond { back, fails: true } => write!(f, "failure, newest call but {back}"),
            Self::Cancel(back) => write!(f, "cancel, newest call but {back}"),
            Self::Subscribe(policy) => write!(f, "subscribe, {policy:?}"),
            Self::Unsubscribe(back) => write!(f, "unsubscribe, newest but {back}"),
            Self::Value { back, size } => write!(f, "value of {size} B, newest but {back}"),
            Self::EndSubscription(back) => write!(f, "subscription ends, newest but {back}"),
            Self::Send { client, size } => write!(f, "{}: message of {size} B", who(client)),
            Self::Step => f.write_str("1 ms passes"),
            Self::Deliver => f.write_str("all is delivered"),
            Self::Window { to_client: true, bytes } => write!(f, "to client: room for {bytes} B"),
            Self::Window { to_client: false, bytes } => write!(f, "to server: room for {bytes} B"),
            Self::Pieces { to_client, seed } => {
                write!(f, "pieces to {}: {seed:?}", who(to_client))
            }
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

fn op() -> impl Strategy<Value = Op> {
    let size = || prop_oneof![10 => 0u16..120, 2 => 200u16..900, 1 => Just(5000u16)];
    let back = || 0u8..3;
    let policy = prop_oneof![Just(Policy::DropOldest), Just(Policy::DropNewest)];
    prop_oneof![
        10 => any::<(bool, bool)>().prop_map(|(sends, takes)| Op::Call { sends, takes }),
        60 => (any::<bool>(), back(), size())
            .prop_map(|(client, back, size)| Op::Item { client, back, size }),
        5 => back().prop_map(Op::End),
        40 => (any::<bool>(), 1u8..6).prop_map(|(client, count)| Op::Take { client, count }),
        6 => (back(), any::<bool>()).prop_map(|(back, fails)| Op::Respond { back, fails }),
        4 => back().prop_map(Op::Cancel),
        6 => policy.prop_map(Op::Subscribe),
        3 => back().prop_map(Op::Unsubscribe),
        40 => (back(), size()).prop_map(|(back, size)| Op::Value { back, size }),
        2 => back().prop_map(Op::EndSubscription),
        10 => (any::<bool>(), size()).prop_map(|(client, size)| Op::Send { client, size }),
        20 => Just(Op::Step),
        20 => Just(Op::Deliver),
        12 => (any::<bool>(), prop_oneof![Just(0u16), 1u16..400])
            .prop_map(|(to_client, bytes)| Op::Window { to_client, bytes }),
        4 => any::<(bool, Option<u8>)>()
            .prop_map(|(to_client, seed)| Op::Pieces { to_client, seed }),
    ]
}

pub(crate) fn script() -> impl Strategy<Value = Script> {
    proptest::collection::vec(op(), 1..120).prop_map(Script)
}
