//! Subscriptions of a session: they outlive its connections, are restored before it is ready, and end once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::host::Host;
use common::{millis, seconds};
use switchboard::{
    Backoff, CallId, Command, Options, Payload, Publication, Rejected, SessionStatus, Status,
};

fn subscribe(host: &mut Host, pattern: &str) -> CallId {
    host.session.subscribe(host.now, pattern, &Options::new(), 5).unwrap()
}

fn unsubscribe(host: &mut Host, subscription: CallId) -> Result<CallId, Rejected> {
    host.session.unsubscribe(host.now, subscription, &Options::new(), 6)
}

/// One that is ready and has subscribed to these.
fn subscribed(patterns: &[&str]) -> Host {
    let mut host = Host::ready(Backoff::new());
    for pattern in patterns {
        subscribe(&mut host, pattern);
    }
    host.told();
    host.heard();
    host
}

fn deliver(host: &mut Host, subscription: u64) {
    let now = host.now;
    let subscription = CallId::new(subscription).unwrap();
    let publication = Publication::new("t.a", &Payload::null(), &Options::new()).unwrap();
    let server = host.server.as_mut().unwrap();
    server.connection().apply(now, Command::Deliver { subscription, publication }).unwrap();
    host.settle();
}

#[test]
fn subscriptions_are_restored_with_their_ids_before_ready_is_told() {
    let mut host = subscribed(&["t.*", "u.*", "v.*"]);
    host.manners.hesitates = true;
    host.come_back();
    assert_eq!(
        host.heard()[1..],
        ["subscription 1 to t.*", "subscription 3 to u.*", "subscription 5 to v.*"]
    );
    assert_eq!(host.told(), ["- Connected", "welcome #7"]);
    for left in [2, 1, 0] {
        let subscription = host.wanted.pop_front().unwrap();
        let accept = Command::Subscribe { subscription, retained: vec![] };
        let now = host.now;
        host.server.as_mut().unwrap().connection().apply(now, accept).unwrap();
        let ready: &[&str] = if left == 0 { &["- Ready"] } else { &[] };
        assert_eq!(host.told(), ready, "{left} left");
    }
    deliver(&mut host, 3);
    assert_eq!(host.told(), ["delivery 3 t.a of 1 B"]);
    // Again, as often as it takes.
    host.manners.hesitates = false;
    host.come_back();
    assert_eq!(host.told(), ["- Connected", "welcome #7", "- Ready"]);
    deliver(&mut host, 1);
    assert_eq!(host.told(), ["delivery 1 t.a of 1 B"]);
}

#[test]
fn retained_values_come_again_if_they_were_asked_for() {
    let mut host = Host::ready(Backoff::new());
    host.session.subscribe(host.now, "t.*", &Options::new().retained(), 5).unwrap();
    host.told();
    host.manners.hesitates = true;
    host.come_back();
    let subscription = host.wanted.pop_front().unwrap();
    let value = Publication::new("t.a", &Payload::null(), &Options::new()).unwrap();
    let accept = Command::Subscribe { subscription, retained: vec![value] };
    let now = host.now;
    host.server.as_mut().unwrap().connection().apply(now, accept).unwrap();
    let told = host.told();
    assert!(told.ends_with(&["- Ready".into(), "delivery 1 t.a of 1 B".into()]), "{told:?}");
}

#[test]
fn a_subscription_that_is_refused_when_it_is_restored_ends_and_the_others_live() {
    let mut host = subscribed(&["t.*"]);
    host.manners.subscriptions = Some(Status::PERMISSION_DENIED);
    host.come_back();
    let ended = "subscription 1 ended: PERMISSION_DENIED: not here";
    assert_eq!(host.told(), ["- Connected", "welcome #7", ended, "- Ready"]);
    host.manners.subscriptions = None;
    host.come_back();
    assert_eq!(host.heard().len(), 1, "only the hello");
    let gone = unsubscribe(&mut host, CallId::new(1).unwrap());
    assert_eq!(gone, Err(Rejected::UnknownSubscription));
}

#[test]
fn a_server_that_closes_amid_the_restoration_ends_no_subscription() {
    let mut host = subscribed(&["t.*"]);
    host.manners.hesitates = true;
    host.come_back();
    host.goodbye(Some(millis(1)));
    let subscription = host.wanted.pop_front().unwrap();
    let accept = Command::Subscribe { subscription, retained: vec![] };
    let now = host.now;
    // It is closing: it refuses what it is asked.
    host.server.as_mut().unwrap().connection().apply(now, accept).unwrap();
    host.settle();
    host.manners.hesitates = false;
    host.told();
    host.pass(seconds(1));
    host.open();
    assert_eq!(host.told(), ["-> connect", "- Connected", "welcome #7", "- Ready"]);
    deliver(&mut host, 1);
    assert_eq!(host.told(), ["delivery 1 t.a of 1 B"]);
}

#[test]
fn a_server_that_does_not_restore_in_time_is_left_for_another() {
    let mut host = subscribed(&["t.*"]);
    host.manners.hesitates = true;
    host.come_back();
    host.pass(millis(9_999));
    assert_eq!(host.session.status(), SessionStatus::Connected);
    host.pass(millis(1));
    assert_eq!(host.told().last().unwrap(), "- Reconnecting");
    host.manners.hesitates = false;
    host.pass(seconds(2));
    host.open();
    assert_eq!(host.session.status(), SessionStatus::Ready);
}

#[test]
fn only_what_lives_is_restored() {
    let mut host = subscribed(&["t.*", "u.*", "v.*"]);
    unsubscribe(&mut host, CallId::new(1).unwrap()).unwrap();
    host.settle();
    let now = host.now;
    let failure = switchboard::Failure::new(Status::NOT_FOUND, "gone");
    let end = Command::EndSubscription { subscription: CallId::new(3).unwrap(), failure };
    host.server.as_mut().unwrap().connection().apply(now, end).unwrap();
    host.settle();
    host.manners.subscriptions = Some(Status::ABORTED);
    subscribe(&mut host, "w.*");
    host.settle();
    host.manners.subscriptions = None;
    host.come_back();
    assert_eq!(host.heard()[1..], ["subscription 5 to v.*"]);
}

#[test]
fn while_down_a_subscription_ends_at_once_and_is_not_restored() {
    let mut host = subscribed(&["t.*", "u.*"]);
    host.cut();
    host.told();
    unsubscribe(&mut host, CallId::new(1).unwrap()).unwrap();
    assert_eq!(host.told(), ["call 5 ended well"]);
    let twice = unsubscribe(&mut host, CallId::new(1).unwrap());
    assert_eq!(twice, Err(Rejected::UnknownSubscription));
    host.heard();
    host.pass(millis(100));
    host.open();
    assert_eq!(host.heard()[1..], ["subscription 3 to u.*"]);
}

#[test]
fn amid_the_restoration_a_subscription_ends_behind_it_and_delivers_nothing_more() {
    for answered in [false, true] {
        let mut host = subscribed(&["t.*", "u.*"]);
        host.manners.hesitates = true;
        host.come_back();
        host.told();
        let accept = |host: &mut Host| {
            let subscription = host.wanted.pop_front().unwrap();
            let accept = Command::Subscribe { subscription, retained: vec![] };
            let now = host.now;
            host.server.as_mut().unwrap().connection().apply(now, accept).unwrap();
            host.settle();
        };
        if answered {
            accept(&mut host);
        }
        unsubscribe(&mut host, CallId::new(1).unwrap()).unwrap();
        if !answered {
            accept(&mut host);
        }
        deliver(&mut host, 1);
        assert_eq!(host.told(), [""; 0]);
        accept(&mut host);
        assert_eq!(host.told(), ["- Ready", "call 5 ended well"]);
        assert_eq!(host.heard().last().unwrap(), "subscription 1 is not wanted");
        deliver(&mut host, 3);
        assert_eq!(host.told(), ["delivery 3 t.a of 1 B"]);
    }
}

#[test]
fn a_subscription_made_while_down_begins_behind_ready_in_its_turn() {
    let mut host = Host::new(Backoff::new());
    host.session.send(host.now, "m", &Payload::null(), &Options::new()).unwrap();
    let subscription = subscribe(&mut host, "t.*");
    host.session.send(host.now, "n", &Payload::null(), &Options::new()).unwrap();
    let early = unsubscribe(&mut host, subscription);
    assert_eq!(early, Err(Rejected::UnknownSubscription), "it does not live yet");
    host.open();
    let heard = ["message m of 1 B", "subscription 1 to t.*", "message n of 1 B"];
    assert_eq!(host.heard()[1..], heard);
    deliver(&mut host, 1);
    let told = host.told();
    assert!(told.ends_with(&["call 1 ended well".into(), "delivery 1 t.a of 1 B".into()]));
    host.come_back();
    assert_eq!(host.heard()[1..], ["subscription 1 to t.*"]);
}

#[test]
fn an_unanswered_subscribe_ends_with_its_connection_unless_it_may_be_sent_again() {
    let mut host = Host::ready(Backoff::new());
    host.manners.hesitates = true;
    subscribe(&mut host, "once");
    host.session.subscribe(host.now, "again", &Options::new().idempotent(), 5).unwrap();
    host.settle();
    host.heard();
    host.cut();
    let lost = "call 1 ended disconnected MayHaveRun: the connection was lost";
    assert_eq!(host.told()[0], lost);
    host.manners.hesitates = false;
    host.pass(millis(100));
    host.open();
    assert_eq!(host.heard().last().unwrap(), "subscription 3 to again");
    assert!(host.told().contains(&"call 3 ended well".into()));
    host.come_back();
    assert_eq!(host.heard()[1..], ["subscription 3 to again"]);
}

#[test]
fn calls_that_are_sent_again_go_as_their_ids_say_and_keep_no_subscription_waiting() {
    let mut host = Host::ready(Backoff::new());
    host.manners.answers = false;
    let again = Options::new().no_deadline().idempotent();
    let null = Payload::null();
    host.session.request(host.now, "a", &null, &again, 0).unwrap();
    subscribe(&mut host, "t.*");
    host.session.request(host.now, "b", &null, &again, 0).unwrap();
    host.settle();
    host.come_back();
    let heard = ["call 1 asks a", "subscription 3 to t.*", "call 5 asks b"];
    assert_eq!(host.heard()[1..], heard);
    // A server that takes one call at a time gets the subscription.
    let mut limits = (*host.manners.config).clone();
    limits.max_calls = 1;
    host.manners.config = limits.into();
    host.come_back();
    assert_eq!(host.heard()[1..], ["subscription 3 to t.*", "call 5 asks b"]);
    let ended = "call 1 ended disconnected MayHaveRun: the connection was lost";
    assert_eq!(host.told(), ["- Connected", "welcome #7", ended, "- Ready"]);
}

#[test]
fn a_subscription_whose_end_comes_too_late_lives_on() {
    for answered in [false, true] {
        let mut host = subscribed(&["t.*", "u.*"]);
        host.manners.hesitates = true;
        host.come_back();
        let later = host.wanted.pop_back().unwrap();
        if answered {
            host.accept_wanted();
        }
        let soon = Options::new().deadline(seconds(1));
        let first = CallId::new(1).unwrap();
        host.session.unsubscribe(host.now, first, &soon, 6).unwrap();
        host.told();
        host.pass(seconds(1));
        assert_eq!(host.told(), ["call 5 ended late NeverSent"]);
        host.accept_wanted();
        host.wanted.push_back(later);
        host.accept_wanted();
        assert_eq!(host.told(), ["- Ready"]);
        deliver(&mut host, 1);
        assert_eq!(host.told(), ["delivery 1 t.a of 1 B"]);
        unsubscribe(&mut host, first).unwrap();
        assert_eq!(host.told(), ["call 7 ended well"]);
    }
}

#[test]
fn a_subscription_that_is_given_up_is_ended_behind_what_waits() {
    let mut host = Host::new(Backoff::new());
    let mut limits = (*host.manners.config).clone();
    limits.max_calls = 2;
    host.manners.config = limits.into();
    (host.manners.hesitates, host.manners.answers) = (true, false);
    let subscription = subscribe(&mut host, "t.*");
    let patient = Options::new().no_deadline();
    for channel in ["a", "b"] {
        host.session.request(host.now, channel, &Payload::null(), &patient, 0).unwrap();
    }
    host.open();
    assert_eq!(host.heard()[1..], ["subscription 1 to t.*", "call 3 asks a"]);
    // The server accepts it before it knows.
    host.session.cancel(host.now, subscription).unwrap();
    host.accept_wanted();
    let asked = host.asked.pop_front().unwrap();
    host.server.as_mut().unwrap().answer(asked, Ok(&Payload::null())).unwrap();
    let heard = host.heard();
    assert!(heard.contains(&"call 5 asks b".into()), "{heard:?}");
    assert_eq!(heard.last().unwrap(), "subscription 1 is not wanted");
    assert_eq!(host.session.status(), SessionStatus::Ready);
    // New calls go on above.
    let next = host.session.request(host.now, "c", &Payload::null(), &patient, 0).unwrap();
    host.settle();
    assert_eq!((next.number() > 5, host.done.clone()), (true, None));
}

#[test]
fn a_subscription_that_is_given_up_amid_the_restoration_is_ended_behind_it() {
    let mut host = Host::ready(Backoff::new());
    host.manners.hesitates = true;
    let again = Options::new().no_deadline().idempotent();
    let given_up = host.session.subscribe(host.now, "t.*", &again, 5).unwrap();
    subscribe(&mut host, "u.*");
    host.settle();
    host.wanted.pop_front();
    host.accept_wanted();
    host.cut();
    host.session.request(host.now, "a", &Payload::null(), &Options::new(), 0).unwrap();
    while !host.connecting {
        host.pass_to_next();
    }
    host.heard();
    host.open();
    assert_eq!(host.heard()[1..], ["subscription 1 to t.*", "subscription 3 to u.*"]);
    let restored = host.wanted.pop_back().unwrap();
    host.session.cancel(host.now, given_up).unwrap();
    host.accept_wanted();
    assert_eq!(host.heard(), ["call 1 stopped CANCELLED"; 0]);
    host.wanted.push_back(restored);
    host.accept_wanted();
    assert_eq!(host.heard(), ["call 5 asks a", "subscription 1 is not wanted"]);
    assert_eq!((host.session.status(), host.done), (SessionStatus::Ready, None));
}

#[test]
fn the_call_of_a_subscription_that_lives_cannot_be_given_up_when_it_is_restored() {
    let mut host = subscribed(&["t.*"]);
    host.manners.hesitates = true;
    host.come_back();
    let first = CallId::new(1).unwrap();
    assert_eq!(host.session.cancel(host.now, first), Err(Rejected::UnknownCall));
    host.accept_wanted();
    assert_eq!(host.told(), ["- Connected", "welcome #7", "- Ready"]);
}

#[test]
fn a_call_that_is_sent_again_waits_for_subscriptions_that_take_its_place() {
    let mut host = Host::ready(Backoff::new());
    host.manners.answers = false;
    subscribe(&mut host, "t.*");
    let again = Options::new().no_deadline().idempotent();
    host.session.request(host.now, "a", &Payload::null(), &again, 0).unwrap();
    subscribe(&mut host, "u.*");
    host.settle();
    let mut limits = (*host.manners.config).clone();
    limits.max_calls = 2;
    host.manners.config = limits.into();
    host.come_back();
    let heard = ["subscription 1 to t.*", "call 3 asks a", "subscription 5 to u.*"];
    assert_eq!(host.heard()[1..], heard);
    assert_eq!(host.told(), ["- Connected", "welcome #7", "- Ready"]);
}
