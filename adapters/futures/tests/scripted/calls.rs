//! Calls and pings that are dropped. Called by the list of cases; knows the home.

use std::sync::atomic::Ordering;

use switchboard::Options;

use crate::Attempt;
use crate::home::{Home, narrow};
use crate::world;

pub(crate) fn a_call(attempt: &mut Attempt) {
    let home = Home::new();
    let answer = attempt.of(home.client.request::<u32>("add", &(40, 2)));
    assert!(answer.is_none_or(|sum| sum == Ok(42)));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn a_call_that_is_alone(attempt: &mut Attempt) {
    let home = Home::alone();
    let answer = attempt.of(home.client.request::<u32>("add", &(40, 2)));
    assert!(answer.is_none_or(|sum| sum == Ok(42)));
    home.is_as_before();
    home.ends();
}

#[test]
fn a_call_that_is_alone_is_not_woken_for_the_answer_that_it_reads_itself() {
    let home = Home::alone();
    for _ in 0..10 {
        let (sum, woken) = world::finish_and_look(home.client.request::<u32>("add", &(40, 2)));
        assert_eq!((sum, woken), (world::Came::Ready(Ok(42)), false));
    }
    home.ends();
}

pub(crate) fn a_call_without_end(attempt: &mut Attempt) {
    let home = Home::alone();
    attempt.of_endless(home.client.request::<()>("hang", &()));
    world::settle();
    // The handler never ran, or was dropped.
    assert_eq!(home.served.running(), 0);
    home.is_as_before();
    home.ends();
}

pub(crate) fn a_call_that_waits_for_room(attempt: &mut Attempt) {
    let home = Home::with(narrow());
    let first = home.client.request::<()>("hang", &());
    world::settle();
    assert_eq!(home.served.began.load(Ordering::SeqCst), 1);
    // It waits for the only slot until the first is dropped.
    let mut first = Some(first);
    let second = async {
        let call = home.client.request::<u32>("add", &(40, 2));
        first = None;
        call.await
    };
    let answer = attempt.of(second);
    assert!(answer.is_none_or(|sum| sum == Ok(42)));
    drop(first);
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn a_ping(attempt: &mut Attempt) {
    let home = Home::alone();
    let pong = attempt.of(home.client.ping());
    assert!(pong.is_none_or(|pong| pong.is_ok()));
    home.is_as_before();
    home.ends();
}

pub(crate) fn a_call_of_a_peer(attempt: &mut Attempt) {
    let home = Home::new();
    let answer = attempt.of(home.peer.request::<u32>("add", &(40, 2)));
    assert!(answer.is_none_or(|sum| sum == Ok(42)));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn a_call_of_a_peer_without_end(attempt: &mut Attempt) {
    let home = Home::new();
    attempt.of_endless(home.peer.request::<()>("hang", &()));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn a_ping_of_a_peer(attempt: &mut Attempt) {
    let home = Home::new();
    let pong = attempt.of(home.peer.ping());
    assert!(pong.is_none_or(|pong| pong.is_ok()));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn a_survey(attempt: &mut Attempt) {
    let home = Home::new();
    let told = attempt.of(home.server.survey::<u32>("add", &(40, 2), &Options::new()));
    assert!(told.is_none_or(|told| matches!(&told.unwrap()[..], [(_, Ok(42))])));
    home.both_are_as_before();
    home.ends();
}

pub(crate) fn a_survey_of_a_scope_without_end(attempt: &mut Attempt) {
    let home = Home::new();
    let (scope, options) = (home.server.scope(""), Options::new());
    attempt.of_endless(scope.survey::<()>("hang", &(), &options));
    home.both_are_as_before();
    drop(scope);
    home.ends();
}
