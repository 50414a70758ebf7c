//! Calls that are given up while their answers are on the way, and those beside them. Part of `schedules`.

use std::time::Duration;

use switchboard::{CallError, Config, Instant, Options};
use switchboard_testkit::schedules::{Echo, explore, set_time};

use super::{connect, spawn};
use crate::Client;

#[test]
fn a_call_that_is_cancelled_ends_once_and_those_beside_it_as_ever() {
    explore(|| {
        let (client, server) = connect(Client::builder(), Echo::new(Config::default()));
        let call = client.start::<u32>("echo", &1).unwrap();
        let canceller = call.canceller();
        let waits = spawn(move || call.wait());
        let other = client.clone();
        let other = spawn(move || other.request::<u32>("echo", &2));
        canceller.cancel();
        drop(canceller);
        let ended = waits.join().unwrap();
        assert!(matches!(ended, Ok(1) | Err(CallError::Cancelled(_))), "{ended:?}");
        assert_eq!(other.join().unwrap(), Ok(2));
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn a_call_that_nobody_answers_ends_when_it_is_cancelled() {
    explore(|| {
        let (client, server) = connect(Client::builder(), Echo::new(Config::default()));
        let call = client.start::<u32>("ignored", &1).unwrap();
        let canceller = call.canceller();
        let other = client.clone();
        let other = spawn(move || other.request::<u32>("echo", &2));
        let cancels = spawn(move || canceller.cancel());
        let ended = call.wait();
        assert!(matches!(ended, Err(CallError::Cancelled(_))), "{ended:?}");
        cancels.join().unwrap();
        assert_eq!(other.join().unwrap(), Ok(2));
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn a_call_that_is_dropped_keeps_no_other_from_its_answer() {
    explore(|| {
        let (client, server) = connect(Client::builder(), Echo::new(Config::default()));
        let call = client.start::<u32>("echo", &1).unwrap();
        let others = [2, 3].map(|number| {
            let client = client.clone();
            spawn(move || assert_eq!(client.request::<u32>("echo", &number), Ok(number)))
        });
        drop(call);
        for other in others {
            other.join().unwrap();
        }
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn a_deadline_ends_the_call_that_has_it_and_no_other() {
    explore(|| {
        let (client, server) = connect(Client::builder(), Echo::new(Config::default()));
        let hasty = client.with(Options::new().deadline(Duration::from_secs(1)));
        let unanswered = hasty.start::<u32>("never", &1).unwrap();
        let asks = hasty.start::<u32>("echo", &2).unwrap();
        let (unanswered, asks) = (spawn(move || unanswered.wait()), spawn(move || asks.wait()));
        let patient = client.clone();
        let patient = spawn(move || patient.request::<u32>("echo", &3));
        set_time(Duration::from_secs(2));
        // The timer, which waits already and learns it only when it is set anew.
        let link = &client.shared.link;
        link.arm(&mut link.lock(), Some(Instant::ZERO));
        let ended = unanswered.join().unwrap();
        assert!(matches!(ended, Err(CallError::Deadline(_))), "{ended:?}");
        let asked = asks.join().unwrap();
        assert!(matches!(asked, Ok(2) | Err(CallError::Deadline(_))), "{asked:?}");
        assert_eq!(patient.join().unwrap(), Ok(3));
        drop((client, hasty));
        server.join().unwrap();
    });
}
