//! The end of a connection against those who wait for it. Part of `schedules`.

use shuttle::future::block_on;
use shuttle::thread::spawn;
use switchboard::{CallError, CloseReason, Config};
use switchboard_testkit::schedules::{Echo, explore};

use super::{Client, connect};

#[test]
fn a_client_that_closes_waits_for_its_calls_and_all_end() {
    explore(|| {
        let (client, server, _) = connect(Client::builder(), Echo::new(Config::default()));
        let callers = [1, 2].map(|number| {
            let client = client.clone();
            spawn(move || (number, block_on(client.request::<u32>("echo", &number))))
        });
        let reason = block_on(client.close("done"));
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
        let (client, server, _) = connect(Client::builder(), Echo::new(Config::default()));
        let callers = ["never", "echo"].map(|channel| {
            let client = client.clone();
            spawn(move || block_on(client.request::<u32>(channel, &1)))
        });
        let closer = client.clone();
        let closer = spawn(move || block_on(closer.close("too late")));
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
fn the_last_client_that_is_dropped_ends_the_driver_when_all_calls_have_ended() {
    explore(|| {
        let (client, server, _) = connect(Client::builder(), Echo::new(Config::default()));
        // A call lives on without its client.
        let calls = [1, 2].map(|number| (number, client.request::<u32>("echo", &number)));
        let calls = calls.map(|(number, call)| spawn(move || (number, block_on(call))));
        drop(client);
        for call in calls {
            let (number, answer) = call.join().unwrap();
            assert_eq!(answer, Ok(number));
        }
        server.join().unwrap();
    });
}

#[test]
fn whoever_calls_when_the_server_has_gone_is_told() {
    explore(|| {
        let mut server = Echo::new(Config::default());
        server.leaves_after = Some(1);
        let (client, server, _) = connect(Client::builder(), server);
        let callers = [1, 2].map(|number| {
            let client = client.clone();
            spawn(move || block_on(client.request::<u32>("echo", &number)))
        });
        let answers = callers.map(|caller| caller.join().unwrap());
        assert!(answers.iter().filter(|answer| answer.is_ok()).count() <= 1, "{answers:?}");
        for error in answers.iter().flat_map(|answer| answer.as_ref().err()) {
            assert!(matches!(error, CallError::Disconnected(..)), "{error:?}");
        }
        drop(client);
        server.join().unwrap();
    });
}
