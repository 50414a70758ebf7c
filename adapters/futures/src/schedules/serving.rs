//! A server's tasks: calls while it closes, handlers that panic, connections that end under their handlers.
//! Part of `schedules`.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;

use shuttle::future::{block_on, yield_now};
use shuttle::sync::Mutex;
use shuttle::thread::spawn;
use switchboard::{CallError, Failure, Restart, Status};
use switchboard_testkit::schedules::explore;

use super::{Client, Server, attach, join, pair};
use crate::Context;

async fn waits(_: Context, (): ()) -> Result<(), Failure> {
    pending().await
}

async fn echo(_: Context, number: u32) -> Result<u32, Failure> {
    yield_now().await;
    Ok(number)
}

#[test]
fn a_server_that_closes_answers_the_calls_that_it_runs_and_all_end() {
    explore(|| {
        let ran = Arc::<Mutex<usize>>::default();
        let runs = Arc::clone(&ran);
        let counts = move |cx, number: u32| {
            *runs.lock().unwrap() += 1;
            echo(cx, number)
        };
        let server = Server::builder().handle("counts", counts).start().unwrap();
        let [client, idle] = [(); 2].map(|()| join(&server, Client::builder()));
        let callers = [1, 2].map(|number| {
            let client = client.clone();
            spawn(move || block_on(client.request::<u32>("counts", &number)))
        });
        let closes = server.clone();
        let closes = spawn(move || block_on(closes.close(Restart::never())));
        block_on(server.close(Restart::never()));
        assert!(server.peers().is_empty());
        let answers = callers.map(|caller| caller.join().unwrap());
        let answered = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(*ran.lock().unwrap(), answered, "{answers:?}");
        closes.join().unwrap();
        drop(idle);
    });
}

#[test]
fn who_comes_while_a_server_closes_is_told_and_keeps_nobody_waiting() {
    explore(|| {
        let server = Server::builder().start().unwrap();
        let closes = server.clone();
        let closes = spawn(move || block_on(closes.close(Restart::never())));
        let end = pair(&server);
        let comes = attach(Client::builder(), end).0;
        closes.join().unwrap();
        // One that was let in before is told, too.
        if let Ok(client) = comes {
            assert!(block_on(client.ping()).is_err());
        }
    });
}

#[test]
fn a_listener_that_closes_its_server_waits_for_connections_and_not_for_itself() {
    explore(|| {
        let server = Server::builder().start().unwrap();
        let (closes, ended) = (server.clone(), Arc::<Mutex<Vec<bool>>>::default());
        let ends = Arc::clone(&ended);
        let stops = server.on("stop", move |cx: Context, ()| {
            let (closes, ends) = (closes.clone(), Arc::clone(&ends));
            async move {
                closes.close(Restart::never()).await;
                ends.lock().unwrap().push(cx.peer().closed().is_some());
            }
        });
        let client = join(&server, Client::builder());
        block_on(client.send("stop", &())).unwrap();
        block_on(server.closed());
        assert_eq!(*ended.lock().unwrap(), [true]);
        drop(stops);
    });
}

#[test]
fn a_server_that_is_dropped_ends_those_who_wait() {
    explore(|| {
        let server = Server::builder().handle("waits", waits).start().unwrap();
        let client = join(&server, Client::builder());
        let asks = spawn(move || block_on(client.request::<()>("waits", &())));
        drop(server);
        let answer = asks.join().unwrap();
        assert!(matches!(answer, Err(CallError::Disconnected(..))), "{answer:?}");
    });
}

#[test]
fn a_handler_that_panics_ends_no_other() {
    explore(|| {
        let panics = |_: Context, ()| async {
            yield_now().await;
            resume_unwind(Box::new(()))
        };
        let server = Server::builder().handle::<_, (), _, _>("panics", panics);
        let server = server.handle("echo", echo).start().unwrap();
        let client = join(&server, Client::builder());
        let panics = [client.clone(), client.clone()]
            .map(|client| spawn(move || block_on(client.request::<()>("panics", &()))));
        assert_eq!(block_on(client.request::<u32>("echo", &1)), Ok(1));
        for panics in panics {
            let answer = panics.join().unwrap();
            let told = |error: &CallError| error.status() == Status::INTERNAL;
            assert!(answer.as_ref().is_err_and(told), "{answer:?}");
        }
    });
}

#[test]
fn a_connection_that_ends_under_its_handlers_ends_them_and_no_other() {
    explore(|| {
        let server = Server::builder().handle("waits", waits).handle("echo", echo);
        let server = server.start().unwrap();
        let [gone, stays] = [(); 2].map(|()| join(&server, Client::builder()));
        let waits = gone.request::<()>("waits", &());
        let asks = gone.clone();
        let asks = spawn(move || block_on(asks.request::<u32>("echo", &1)));
        gone.abort("enough");
        assert_eq!(block_on(stays.request::<u32>("echo", &2)), Ok(2));
        let answer = asks.join().unwrap();
        assert!(answer.as_ref().map_or(true, |number| *number == 1), "{answer:?}");
        drop((stays, waits));
        // Not before all of its tasks are done with either.
        block_on(server.close(Restart::never()));
        assert!(server.peers().is_empty());
    });
}
