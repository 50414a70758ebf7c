//! `Status`: the number that says how a call or a connection failed. A small noun.

use core::fmt;

/// How a call or a connection failed: the numbers and meanings of gRPC's codes
/// (`docs/protocol.md` section 6).
///
/// 17 to 99 are reserved and handed on as they are; 100 and above are the application's own.
/// 0 (OK) is no `Status`: what went well has none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u32);

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)+) => {
        impl Status {
            $($(#[$doc])* pub const $name: Self = Self($number);)+

            /// The standard name (`"NOT_FOUND"`), if this number has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)+
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    /// The call was cancelled, as a rule by its caller.
    CANCELLED = 1;
    /// A handler's error that names no status.
    UNKNOWN = 2;
    /// The arguments, a name or a header cannot be used, whatever the state of the callee.
    INVALID_ARGUMENT = 3;
    /// Time ran out before the work was done; it may have been done all the same.
    DEADLINE_EXCEEDED = 4;
    /// What was asked for does not exist.
    NOT_FOUND = 5;
    /// What was to be made exists already.
    ALREADY_EXISTS = 6;
    /// The caller is known and may not do this.
    PERMISSION_DENIED = 7;
    /// A limit is reached.
    RESOURCE_EXHAUSTED = 8;
    /// The callee is not in the state that this needs; trying again alone does not help.
    FAILED_PRECONDITION = 9;
    /// The operation was given up, as a rule because of another one at the same time.
    ABORTED = 10;
    /// Beyond the end of what there is.
    OUT_OF_RANGE = 11;
    /// Nobody serves this here.
    UNIMPLEMENTED = 12;
    /// The callee broke a promise of its own: a handler that panicked or never answered.
    INTERNAL = 13;
    /// Closing, or the connection is lost; trying again later may help.
    UNAVAILABLE = 14;
    /// Data was lost or damaged and cannot be had back.
    DATA_LOSS = 15;
    /// Who the caller is has not been shown.
    UNAUTHENTICATED = 16;
}

impl Status {
    /// The status with this number; 0 is none.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The number that stands on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
