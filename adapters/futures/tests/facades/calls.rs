//! Calls and messages, in both directions.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use futures_util::future::join_all;
use switchboard::{CallError, Failure, Status};
use switchboard_blocking::Server;

use super::common::{Home, failure, no_hurry, within};
use super::{Harness, at_home, builder, connect, pause, spawn, until};

pub(crate) fn a_call_is_answered<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        assert_eq!(client.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
        assert_eq!(client.request::<String>("echo", "hello").await.unwrap(), "hello");
    });
}

pub(crate) fn a_hundred_calls_are_under_way_at_once<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        let calls = (0..100_u64).map(|number| client.request::<u64>("add", &(number, 1)));
        let answers = join_all(calls).await;
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap(), number as u64 + 1);
        }
    });
}

/// So many calls of this task, one after the other.
async fn count<R>(client: switchboard_futures::Client<R>, rounds: u64) {
    for round in 0..rounds {
        assert_eq!(client.request::<u64>("add", &(round, 1)).await.unwrap(), round + 1);
    }
}

pub(crate) fn tasks_share_a_connection<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        let tasks: Vec<_> = (0..8).map(|_| spawn::<H, _>(count(client.clone(), 200))).collect();
        join_all(tasks).await;
        assert_eq!(client.counters().open_made, 0);
    });
}

pub(crate) fn tasks_share_a_connection_and_take_turns_at_being_alone<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        let tasks = (0..3_u64).map(|task| {
            let client = client.clone();
            spawn::<H, _>(async move {
                for round in 0..200 {
                    count(client.clone(), 1).await;
                    // Out of step with the others, so that each is alone at times.
                    for _ in 0..(round * (task + 1)) % 7 {
                        pause().await;
                    }
                }
            })
        });
        join_all(tasks.collect::<Vec<_>>()).await;
    });
}

pub(crate) fn a_call_ends_at_its_deadline<H: Harness>() {
    at_home::<H, _>(|home, gate| async move {
        let client = connect::<H>(&home).await;
        for milliseconds in [1, 20, 3] {
            let called = client.with(within(milliseconds)).request::<()>("gate", &()).await;
            assert!(matches!(called, Err(CallError::Deadline { .. })), "{called:?}");
        }
        // A later deadline, then an earlier one, at the same time.
        let calls = [60, 5].map(|time| client.with(within(time)).request::<()>("gate", &()));
        for called in join_all(calls).await {
            assert!(matches!(called, Err(CallError::Deadline { .. })), "{called:?}");
        }
        gate.open();
        assert_eq!(client.request::<u64>("add", &(1, 2)).await.unwrap(), 3);
    });
}

pub(crate) fn a_failure_is_the_answer<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        let called = client.request::<u64>("nowhere", &()).await;
        assert_eq!(failure(called).status, Status::UNIMPLEMENTED);
        let decoded = client.request::<String>("add", &(1, 2)).await;
        assert!(matches!(decoded, Err(CallError::Decode(_))), "{decoded:?}");
        let args = client.request::<u64>("add", "no numbers").await;
        assert_eq!(failure(args).status, Status::INVALID_ARGUMENT);
    });
}

pub(crate) fn messages_keep_their_order<H: Harness>() {
    let came = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&came);
    let listen = move |_: switchboard_blocking::Context, number: u64| {
        theirs.lock().unwrap().push(number);
    };
    let home = Arc::new(Home::of(Server::builder().config(no_hurry()).on("number", listen)));
    let ours = Arc::clone(&home);
    H::run(async move {
        let client = connect::<H>(&ours).await;
        for number in 0..1000_u64 {
            client.send("number", &number).await.unwrap();
        }
        until(|| came.lock().unwrap().len() == 1000).await;
        assert!(came.lock().unwrap().iter().copied().eq(0..1000));
    });
}

pub(crate) fn the_server_calls_the_client<H: Harness>() {
    let greet = |cx: switchboard_blocking::Context, ()| {
        Ok(format!("hello {}", cx.peer().request::<String>("name", &())?))
    };
    let home = Arc::new(Home::of(Server::builder().config(no_hurry()).handle("greet", greet)));
    let ours = Arc::clone(&home);
    H::run(async move {
        let named = builder::<H>()
            .handle("name", |_, ()| async move { Ok::<_, Failure>("Ada".to_string()) });
        let client = named.connect(&ours.address).await.unwrap();
        for _ in 0..50 {
            assert_eq!(client.request::<String>("greet", &()).await.unwrap(), "hello Ada");
        }
        // Also one that registers later, when calls have driven the connection themselves.
        let later = connect::<H>(&ours).await;
        failure(later.request::<String>("greet", &()).await);
        let eve = |_, ()| async move { Ok::<_, Failure>("Eve".to_string()) };
        let guard = later.handle("name", eve).unwrap();
        assert_eq!(later.request::<String>("greet", &()).await.unwrap(), "hello Eve");
        drop(guard);
        failure(later.request::<String>("greet", &()).await);
    });
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread, where there is no runtime.
fn here<F: Future>(future: F) -> F::Output {
    let (mut future, waker) = (pin!(future), Waker::from(Arc::new(Parked(thread::current()))));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

pub(crate) fn a_handle_may_be_used_outside_of_the_runtime<H: Harness>() {
    at_home::<H, _>(|home, gate| async move {
        let client = connect::<H>(&home).await;
        let theirs = client.clone();
        let thread = thread::spawn(move || {
            here(count(theirs.clone(), 100));
            let late = here(theirs.with(within(5)).request::<()>("gate", &()));
            assert!(matches!(late, Err(CallError::Deadline { .. })), "{late:?}");
            gate.open();
        });
        until(|| thread.is_finished()).await;
        thread.join().unwrap();
        count(client, 10).await;
    });
}

pub(crate) fn large_payloads_go_both_ways_at_once<H: Harness>() {
    at_home::<H, _>(|home, _| async move {
        let client = connect::<H>(&home).await;
        // Far more than a socket holds.
        let texts = ["x", "y", "z"].map(|letter| letter.repeat(3 << 20));
        let calls = texts.iter().map(|text| client.request::<String>("echo", text));
        let answers = join_all(calls.collect::<Vec<_>>()).await;
        for (text, answer) in texts.iter().zip(answers) {
            assert!(*text == answer.unwrap());
        }
        let client = client.clone();
        let alone = client.request::<String>("echo", &texts[0]).await.unwrap();
        assert!(texts[0] == alone);
    });
}
