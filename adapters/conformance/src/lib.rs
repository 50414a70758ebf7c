//! What every adapter of switchboard must do, as scenarios over real sockets, so that a program may change
//! its adapter and see no other behaviour.
//!
//! An adapter that wants to be tested implements [`Adapter`] in a test program, in terms of calls that
//! block: an async one blocks on its futures, and runs the handlers that it is given on threads of their
//! own. Then [`conformance_tests`] makes a test of each scenario. `adapter` says what an adapter can do,
//! `scenarios` what must come of it.

#![forbid(unsafe_code)]

mod adapter;
mod gate;
pub mod scenarios;

pub use adapter::{
    Adapter, Answer, Asked, Authorize, End, Handler, Listener, Opened, Pending, Server, Serves,
};
pub use gate::Watchdog;

/// Makes a test of each scenario for the adapter that the expression gives.
#[macro_export]
macro_rules! conformance_tests {
    ($adapter:expr) => {
        $crate::conformance_tests!(
            $adapter;
            values_come_back_as_they_went
            hello_is_seen_and_a_refusal_reaches_the_client_whole
            a_failure_keeps_status_message_and_data
            a_deadline_travels_and_ends_the_call_for_both
            a_cancel_reaches_the_handler
            a_panic_costs_its_own_call_only
            the_server_calls_its_client
            a_handler_calls_its_caller_back
            messages_arrive_in_order
            requests_begin_in_order
            a_client_closes_gracefully
            a_server_closes_gracefully_and_open_calls_end
            an_abort_ends_open_calls
            a_loss_ends_open_calls_of_both_sides
            calls_over_the_limits_wait_and_end_at_their_deadlines
        );
    };
    ($adapter:expr; $($scenario:ident)*) => {
        $(
            #[test]
            fn $scenario() {
                let _watchdog = $crate::Watchdog::of(stringify!($scenario));
                $crate::scenarios::$scenario(&$adapter);
            }
        )*
    };
}
