//! Who reads for all when everybody comes and goes at once: no hang, no lost wake-up, and every call
//! ends exactly once.
#![cfg(unix)]

mod common;

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use common::Home;
use switchboard::{CallError, CloseReason, Options, Payload, Rejected};
use switchboard_blocking::{Client, Server};

fn home() -> Home {
    Home::of(
        Server::builder()
            .handle("pool", |_, n: u64| Ok(n))
            .handle_inline("inline", |_, n: u64| Ok(n))
            .handle("late", |cx, ()| {
                while !cx.is_cancelled() {
                    thread::yield_now();
                }
                Ok(())
            })
            .on("message", |_, _: Payload| {}),
    )
}

/// Chance without chance: the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// How one thing that a thread asked for ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ended {
    Well,
    Late,
    Closed,
}

fn ended<T>(result: Result<T, CallError>) -> Ended {
    match result {
        Ok(_) => Ended::Well,
        Err(CallError::Deadline(_)) => Ended::Late,
        Err(CallError::Disconnected(..) | CallError::Rejected(Rejected::Closed)) => Ended::Closed,
        Err(CallError::Failed(failure)) => match failure.status.number() {
            4 => Ended::Late,
            14 => Ended::Closed,
            _ => panic!("{failure}"),
        },
        Err(other) => panic!("{other:?}"),
    }
}

/// One of all that a client can be asked for.
fn something(client: &Client, dice: &mut Dice) -> Ended {
    let deadline = Duration::from_micros(dice.roll(400));
    let hasty = client.with(Options::new().deadline(deadline));
    let n = dice.roll(1 << 30);
    let same = |answer: u64| assert_eq!(answer, n, "another call's answer");
    match dice.roll(8) {
        0 | 1 => ended(client.request("pool", &n).map(same)),
        2 => ended(client.request("inline", &n).map(same)),
        3 => ended(hasty.request("pool", &n).map(same)),
        4 => ended(hasty.request::<()>("late", &())),
        5 => ended(client.ping()),
        6 => ended(hasty.ping()),
        _ => ended(client.send("message", &Payload::bytes(&[1; 3000]))),
    }
}

#[test]
fn threads_that_call_give_up_ping_and_send_at_once_all_come_to_an_end() {
    let home = home();
    let client = home.client().with(Options::new().no_deadline());
    let together = Barrier::new(12);
    let count = AtomicU32::new(0);
    thread::scope(|scope| {
        for thread in 0..12 {
            let (client, together, count) = (client.clone(), &together, &count);
            scope.spawn(move || {
                let mut dice = Dice(thread);
                for _ in 0..200 {
                    // All at once, so that seats change hands as often as they can.
                    together.wait();
                    assert_ne!(something(&client, &mut dice), Ended::Closed);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 12 * 200);
    // Nobody is left with the seat.
    assert_eq!(client.request::<u64>("pool", &1).unwrap(), 1);
}

// Threat 77.
#[test]
fn a_close_amid_everything_ends_everything() {
    let home = home();
    for round in 0..200 {
        let client = home.client().with(Options::new().no_deadline());
        let together = Barrier::new(7);
        thread::scope(|scope| {
            for thread in 0..6 {
                let (client, together) = (client.clone(), &together);
                scope.spawn(move || {
                    let mut dice = Dice(round * 10 + thread);
                    together.wait();
                    // It ends: after the close nothing else comes.
                    while something(&client, &mut dice) != Ended::Closed {}
                });
            }
            let (client, together) = (client.clone(), &together);
            scope.spawn(move || {
                let mut dice = Dice(round);
                together.wait();
                for _ in 0..dice.roll(5) {
                    something(&client, &mut dice);
                }
                match round % 3 {
                    0 => client.abort("now"),
                    1 => drop(client.close("one")),
                    _ => thread::scope(|scope| {
                        let twin = client.clone();
                        scope.spawn(move || twin.close("two"));
                        client.close("two");
                    }),
                }
            });
        });
        let reason = client.close("");
        let expected = matches!(reason, CloseReason::Closed { .. } | CloseReason::Aborted { .. });
        assert!(expected, "{reason:?}");
    }
}

#[test]
fn a_server_that_goes_amid_everything_ends_everything() {
    for round in 0..30 {
        let home = home();
        let together = Barrier::new(7);
        let client = home.client().with(Options::new().no_deadline());
        thread::scope(|scope| {
            for thread in 0..6 {
                let (client, together) = (client.clone(), &together);
                scope.spawn(move || {
                    let mut dice = Dice(round * 10 + thread);
                    together.wait();
                    while something(&client, &mut dice) != Ended::Closed {}
                });
            }
            together.wait();
            if round % 2 == 0 {
                home.server.close(switchboard::Restart::never());
            } else {
                drop(home);
            }
        });
        client.close("");
    }
}

/// The leader of many changes with each answer: whoever has its own leaves the seat to another.
#[test]
fn the_seat_goes_round_as_often_as_there_are_answers() {
    let home = home();
    let client = home.client().with(Options::new().no_deadline());
    for _ in 0..200 {
        let together = Barrier::new(8);
        thread::scope(|scope| {
            for n in 0..8 {
                let (client, together) = (&client, &together);
                scope.spawn(move || {
                    together.wait();
                    assert_eq!(client.request::<u64>("pool", &n).unwrap(), n);
                });
            }
        });
    }
}
