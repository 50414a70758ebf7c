//! The end of a connection against those who wait for it. Part of `schedules`.

use switchboard::{CallError, CloseReason, Config};
use switchboard_testkit::schedules::{Echo, explore};

use super::{connect, spawn};
use crate::Client;

#[test]
fn a_client_that_closes_waits_for_its_callers_and_all_end() {
    explore(|| {
        let (client, server) = connect(Client::builder(), Echo::new(Config::default()));
        let callers = [1, 2].map(|number| {
            let client = client.clone();
            spawn(move || (number, client.request::<u32>("echo", &number)))
        });
        let reason = client.close("done");
        assert!(matches!(reason, CloseReason::Closed { .. }), "{reason:?}");
        for caller in callers {
            let (number, answer) = caller.join().unwrap();
            // One that came too late was not sent.
            let well = answer.as_ref().map_or_else(|error| !error.may_have_run(), |n| *n == number);
            assert!(well, "{answer:?}");
        }
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn a_client_that_is_aborted_ends_all_who_wait() {
    explore(|| {
        let (client, server) = connect(Client::builder(), Echo::new(Config::default()));
        let callers = ["never", "echo"].map(|channel| {
            let client = client.clone();
            spawn(move || client.request::<u32>(channel, &1))
        });
        let closer = client.clone();
        let closer = spawn(move || closer.close("too late"));
        client.abort("enough");
        let [never, echo] = callers.map(|caller| caller.join().unwrap());
        assert!(never.is_err(), "{never:?}");
        assert!(echo.as_ref().map_or(true, |number| *number == 1), "{echo:?}");
        drop(closer.join().unwrap());
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn the_last_client_that_is_dropped_leaves_no_thread_behind() {
    explore(|| {
        let builder = Client::builder().on("news", |_, _: u32| {});
        let (client, server) = connect(builder, Echo::new(Config::default()));
        let other = client.clone();
        let other = spawn(move || other.request::<u32>("echo", &1));
        drop(client);
        assert_eq!(other.join().unwrap(), Ok(1));
        server.join().unwrap();
    });
}

#[test]
fn whoever_calls_when_the_server_has_gone_is_told() {
    explore(|| {
        let mut server = Echo::new(Config::default());
        server.leaves_after = Some(1);
        let (client, server) = connect(Client::builder(), server);
        let callers = [1, 2].map(|number| {
            let client = client.clone();
            spawn(move || client.request::<u32>("echo", &number))
        });
        let answers = callers.map(|caller| caller.join().unwrap());
        let answered = answers.iter().filter(|answer| answer.is_ok()).count();
        assert!(answered <= 1, "{answers:?}");
        let lost = answers.iter().flat_map(|answer| answer.as_ref().err());
        for error in lost {
            assert!(matches!(error, CallError::Disconnected { .. }), "{error:?}");
        }
        drop(client);
        server.join().unwrap();
    });
}
