//! Call futures that are dropped, put aside or moved while their wake-ups are on the way, and those beside
//! them. Part of `schedules`.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use shuttle::future::{block_on, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::spawn;
use switchboard::{CallError, Config, Options};
use switchboard_testkit::schedules::{Echo, explore, set_time};

use super::{Client, connect};

/// Polls a future a few times, whenever its task is woken or has its turn.
async fn poll_some<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    for _ in 0..thread_rng().gen_range(0..4) {
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

/// A call on each channel is dropped at any time, and two others have their answers.
fn two_of_four_are_dropped(config: &Config, channels: [&'static str; 2]) {
    let (client, server, _) = connect(Client::builder(), Echo::new(config.clone()));
    let drops = channels.map(|channel| {
        let client = client.clone();
        spawn(move || {
            block_on(async {
                let mut call = client.request::<u32>(channel, &1);
                poll_some(&mut call).await;
            });
        })
    });
    let other = client.clone();
    let other = spawn(move || block_on(other.request::<u32>("echo", &2)));
    assert_eq!(block_on(client.request::<u32>("echo", &3)), Ok(3));
    assert_eq!(other.join().unwrap(), Ok(2));
    for drops in drops {
        drops.join().unwrap();
    }
    drop(client);
    server.join().unwrap();
}

#[test]
fn a_call_that_is_dropped_at_any_time_keeps_no_other_from_its_answer() {
    explore(|| two_of_four_are_dropped(&Config::default(), ["echo", "never"]));
}

#[test]
fn a_call_that_waits_for_room_and_is_dropped_leaves_the_room_to_the_next_one() {
    let mut config = Config::default();
    config.max_calls = 1;
    explore(move || two_of_four_are_dropped(&config, ["echo", "echo"]));
}

#[test]
fn a_call_that_is_put_aside_keeps_no_other_from_its_answer() {
    explore(|| {
        let (client, server, _) = connect(Client::builder(), Echo::new(Config::default()));
        let other = client.clone();
        let other = spawn(move || block_on(other.request::<u32>("echo", &2)));
        let mut call = client.request::<u32>("echo", &1);
        let answer = block_on(poll_some(&mut call));
        // Nobody polls the first one meanwhile.
        assert_eq!(other.join().unwrap(), Ok(2));
        assert_eq!(block_on(client.request::<u32>("echo", &3)), Ok(3));
        assert_eq!(answer.unwrap_or_else(|| block_on(call)), Ok(1));
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn a_call_that_moves_to_another_task_is_woken_there() {
    explore(|| {
        let (client, server, _) = connect(Client::builder(), Echo::new(Config::default()));
        let beside = client.clone();
        let beside = spawn(move || block_on(beside.request::<u32>("echo", &2)));
        let mut call = client.request::<u32>("echo", &1);
        let answer = match block_on(poll_some(&mut call)) {
            Some(answer) => answer,
            None => spawn(move || block_on(call)).join().unwrap(),
        };
        assert_eq!(answer, Ok(1));
        assert_eq!(beside.join().unwrap(), Ok(2));
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn a_deadline_ends_the_call_that_has_it_and_no_other() {
    explore(|| {
        let (client, server, bell) = connect(Client::builder(), Echo::new(Config::default()));
        let hasty = client.with(Options::new().deadline(Duration::from_secs(1)));
        let unanswered = hasty.request::<u32>("never", &1);
        let asks = hasty.request::<u32>("echo", &2);
        drop(hasty);
        let unanswered = spawn(move || block_on(unanswered));
        let asks = spawn(move || block_on(asks));
        let patient = client.clone();
        let patient = spawn(move || block_on(patient.request::<u32>("echo", &3)));
        // A timer wakes only whoever has asked for it.
        while !bell.is_armed() {
            shuttle::thread::yield_now();
        }
        set_time(Duration::from_secs(2));
        bell.ring();
        let ended = unanswered.join().unwrap();
        assert!(matches!(ended, Err(CallError::Deadline(_))), "{ended:?}");
        let asked = asks.join().unwrap();
        assert!(matches!(asked, Ok(2) | Err(CallError::Deadline(_))), "{asked:?}");
        assert_eq!(patient.join().unwrap(), Ok(3));
        drop(client);
        server.join().unwrap();
    });
}
