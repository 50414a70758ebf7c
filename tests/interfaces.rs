//! Interfaces: what each side serves and what it needs, compared in the handshake (section 3.2).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{Pair, config};
use switchboard::{CloseReason, Config, Event};

fn serves(version: &str) -> Arc<Config> {
    config(|config| drop(config.interfaces.insert("calc".into(), version.into())))
}

fn needs(version: &str) -> Arc<Config> {
    config(|config| drop(config.requires.insert("calc".into(), version.into())))
}

fn mismatch(needed: &str, offered: &str) -> CloseReason {
    CloseReason::Interface { name: "calc".into(), needed: needed.into(), offered: offered.into() }
}

#[test]
fn each_side_sees_what_the_other_serves() {
    let mut pair = Pair::new(serves("1.4.2"), serves("0.1"));
    pair.drive();
    let Event::Hello(hello) = pair.server.events.remove(0) else { panic!("no hello") };
    assert_eq!(hello.settings.interfaces["calc"], "1.4.2");
    pair.server.accept();
    pair.drive();
    let Event::Welcome(welcome) = pair.client.events.remove(0) else { panic!("no welcome") };
    assert_eq!(welcome.settings.interfaces["calc"], "0.1");
}

#[test]
fn a_version_that_fits_is_accepted_by_either_side() {
    for (client, server) in [(needs("1.4"), serves("1.5.0")), (serves("1.5.0"), needs("1.4"))] {
        let mut pair = Pair::new(client, server);
        pair.drive();
        pair.server.accept();
        pair.drive();
        assert_eq!(pair.client.happened(), ["welcome #7"]);
    }
}

#[test]
fn an_interface_that_is_not_offered_fits() {
    let mut pair = Pair::new(needs("1.4"), Arc::default());
    pair.drive();
    pair.server.accept();
    pair.drive();
    assert_eq!(pair.client.happened(), ["welcome #7"]);
}

#[test]
fn a_client_that_needs_another_version_says_so_and_never_tells_it_is_ready() {
    let mut pair = Pair::new(needs("2.0"), serves("1.4.2"));
    pair.drive();
    pair.server.accept();
    pair.drive();
    let reason = mismatch("2.0", "1.4.2");
    assert_eq!(pair.client.happened(), [format!("closed: {reason}")]);
    let told = pair.server.happened();
    let status = "FAILED_PRECONDITION";
    assert_eq!(told[1..], [format!("closed: the peer ended the connection: {status}: {reason}")]);
}

#[test]
fn a_server_that_needs_another_version_rejects_before_its_application_is_asked() {
    let mut pair = Pair::new(serves("1.4.2"), needs("2.0"));
    pair.drive();
    let reason = mismatch("2.0", "1.4.2");
    assert_eq!(pair.server.happened(), [format!("closed: {reason}")]);
    let told = pair.client.happened();
    assert_eq!(told, [format!("closed: the server refused: FAILED_PRECONDITION: {reason}")]);
}
