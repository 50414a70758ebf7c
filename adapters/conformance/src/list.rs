//! The macro that makes tests of the scenarios, and their list. Called by `tests/matrix/`; knows setups.

/// Makes a test of each scenario for each of these adapters: `name: path` of a unit struct or static. The
/// tests of its server with the client of each stand in `server::name::client::other`, those with its own
/// client over another transport in `over_tcp::name`.
#[macro_export]
macro_rules! conformance_tests {
    ($($name:ident: $adapter:path),+ $(,)?) => {
        $crate::conformance_tests!(@with [$($name: $adapter),+] $($name: $adapter),+);
    };
    (@with $all:tt $($name:ident: $adapter:path),+) => {
        mod over_tcp {
            $(
                mod $name {
                    $crate::conformance_tests!(@scenarios $adapter, $adapter, Tcp);
                }
            )+
        }
        mod server {
            $(
                mod $name {
                    mod client {
                        $crate::conformance_tests!(@clients $adapter, $all);
                    }
                }
            )+
        }
    };
    (@clients $server:path, [$($name:ident: $client:path),+]) => {
        $(
            mod $name {
                $crate::conformance_tests!(@scenarios $server, $client, Path);
            }
        )+
    };
    (@scenarios $server:path, $client:path, $transport:ident) => {
        $crate::conformance_tests!(
            @tests $server, $client, $transport;
            // Calls and messages.
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
            calls_over_the_limits_wait_and_end_at_their_deadlines
            // How connections end.
            a_client_closes_gracefully
            a_server_closes_gracefully_and_open_calls_end
            an_abort_ends_open_calls
            a_loss_ends_open_calls_of_both_sides
            streams_end_with_their_connection
            subscriptions_end_with_their_connection_and_say_why
            a_graceful_end_comes_behind_what_was_published
            what_came_before_a_close_has_been_heard_when_it_returns
            a_listener_that_does_not_end_is_waited_for_until_drain
            // Clients that come back.
            a_client_comes_back_to_a_server_that_restarts
            a_client_comes_back_to_a_server_that_dies
            only_idempotent_calls_are_made_again
            what_is_sent_while_down_waits_in_order
            what_is_sent_while_down_fails_if_it_must_not_wait
            connecting_waits_for_a_server_that_starts_later
            connecting_gives_up_after_its_attempts
            a_refusal_is_not_tried_again
            a_server_that_goes_for_good_is_left_alone
            a_client_without_a_server_ends_at_once
            a_client_that_came_back_serves_as_before
            a_client_that_came_back_knows_its_new_connection
            handlers_learn_that_their_caller_is_lost
            // Everybody at once.
            a_broadcast_reaches_every_client_of_its_scope
            a_survey_asks_every_client
            a_check_that_is_asked_again_ends_what_it_refuses_now
            a_ping_is_answered_by_both_sides
            a_server_tells_of_itself
            // Streams of items.
            both_sides_of_a_call_talk_by_turns
            large_streams_pass_each_other_whole_and_in_order
            a_plain_call_has_no_streams
            what_is_finished_is_not_gone_on_with
            an_answer_may_come_before_the_last_item
            a_failure_ends_the_stream_that_it_comes_behind
            a_stream_that_is_dropped_is_cancelled_at_its_handler
            a_deadline_ends_a_stream_for_both
            an_item_that_is_none_is_told_in_its_place
            // Topics.
            every_pattern_gets_what_matches_it_in_order
            a_delivery_tells_topic_and_headers
            names_that_are_none_are_refused
            publications_are_counted_whoever_publishes
            retained_values_come_first_and_are_counted
            a_group_shares_the_work
            scopes_do_not_exist_for_each_other
            a_subscription_that_is_dropped_gets_no_more
            a_subscription_over_the_limit_is_refused
            a_check_refuses_topics_and_calls
            a_value_that_is_none_is_told_in_its_place
            // Who takes too slowly.
            a_caller_that_takes_no_items_holds_its_handler_back
            a_handler_that_takes_no_items_holds_its_caller_back
            a_slow_subscriber_is_told_its_exact_loss_and_others_lose_nothing
            a_subscriber_that_must_not_lose_anything_is_ended_instead
        );
    };
    (@tests $server:path, $client:path, $transport:ident; $($scenario:ident)*) => {
        $(
            #[test]
            fn $scenario() {
                let name = concat!(module_path!(), "::", stringify!($scenario));
                let _watchdog = $crate::Watchdog::of(name);
                let over = $crate::Transport::$transport;
                $crate::scenarios::$scenario(&$crate::Setup::new(&$server, &$client, over));
            }
        )*
    };
}
