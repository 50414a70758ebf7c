//! A server's threads: calls while it closes, handlers that panic, connections that end under their handlers.
//! Part of `schedules`.

use std::panic::resume_unwind;
use std::sync::Arc;

use switchboard::{CallError, Failure, Restart, Status};
use switchboard_testkit::schedules::explore;

use super::{join, reading, spawn};
use crate::sync::Mutex;
use crate::{Call, Client, Context, Server};

/// For an item that never comes.
fn waits(cx: Context, (): ()) -> Result<(), Failure> {
    let ended = cx.items::<u32>().next();
    assert!(matches!(ended, Some(Err(_))), "{ended:?}");
    Ok(())
}

#[test]
fn a_server_that_closes_answers_the_calls_that_it_runs_and_all_end() {
    explore(|| {
        let ran = Arc::<Mutex<usize>>::default();
        let notes = [Arc::clone(&ran), Arc::clone(&ran)];
        let [pool, inline] = notes.map(|ran| {
            move |_: Context, n: u32| {
                *ran.lock().unwrap() += 1;
                Ok(n)
            }
        });
        let server = Server::builder().handle("pool", pool).handle_inline("inline", inline);
        let server = server.start().unwrap();
        let (client, _idle) = (join(&server, reading()), join(&server, reading()));
        let callers = ["pool", "inline"].map(|channel| {
            let client = client.clone();
            spawn(move || client.request::<u32>(channel, &1))
        });
        let closes = server.clone();
        let closes = spawn(move || closes.close(Restart::never()));
        server.close(Restart::never());
        assert!(server.peers().is_empty());
        let answers = callers.map(|caller| caller.join().unwrap());
        let answered = answers.iter().filter(|answer| **answer == Ok(1)).count();
        assert_eq!(*ran.lock().unwrap(), answered, "{answers:?}");
        closes.join().unwrap();
    });
}

#[test]
fn who_comes_while_a_server_closes_is_told_and_keeps_nobody_waiting() {
    explore(|| {
        let server = Server::builder().start().unwrap();
        let (one, other) = super::Stream::pair().unwrap();
        let comes = spawn(move || reading().attach(other));
        let attaches = server.clone();
        let attaches = spawn(move || attaches.attach(one).unwrap());
        server.close(Restart::never());
        attaches.join().unwrap();
        // One that was let in before is told, too.
        if let Ok(client) = comes.join().unwrap() {
            assert!(client.ping().is_err());
        }
    });
}

#[test]
fn a_listener_that_closes_its_server_waits_for_connections_and_not_for_itself() {
    explore(|| {
        let server = Server::builder().start().unwrap();
        let (closes, ended) = (server.clone(), Arc::<Mutex<Vec<bool>>>::default());
        let ends = Arc::clone(&ended);
        let stops = server.on("stop", move |cx, ()| {
            closes.close(Restart::never());
            ends.lock().unwrap().push(cx.peer().closed().is_some());
        });
        let client = join(&server, reading());
        client.send("stop", &()).unwrap();
        server.closed();
        assert_eq!(*ended.lock().unwrap(), [true]);
        drop(stops);
    });
}

#[test]
fn a_server_that_is_dropped_ends_those_who_wait() {
    explore(|| {
        let server = Server::builder().handle("waits", waits).start().unwrap();
        let client = join(&server, Client::builder());
        let asks = spawn(move || client.open("waits", &())?.answer::<()>());
        drop(server);
        let answer = asks.join().unwrap();
        assert!(matches!(answer, Err(CallError::Disconnected(..))), "{answer:?}");
    });
}

#[test]
fn a_handler_that_panics_leaves_its_thread_to_the_next() {
    explore(|| {
        let server = Server::builder()
            .threads(1)
            .handle("panics", |_, ()| -> Result<(), _> { resume_unwind(Box::new(())) })
            .handle("echo", |_, n: u32| Ok(n));
        let server = server.start().unwrap();
        let client = join(&server, Client::builder());
        let panics = [client.clone(), client.clone()]
            .map(|client| spawn(move || client.request::<()>("panics", &())));
        assert_eq!(client.request::<u32>("echo", &1), Ok(1));
        for panics in panics {
            let answer = panics.join().unwrap();
            let told = |error: &CallError| error.status() == Status::INTERNAL;
            assert!(answer.as_ref().is_err_and(told), "{answer:?}");
        }
        assert_eq!(client.request::<u32>("echo", &2), Ok(2));
    });
}

#[test]
fn a_connection_that_ends_under_its_handlers_ends_them_and_no_other() {
    explore(|| {
        let server = Server::builder().handle("waits", waits).handle("echo", |_, n: u32| Ok(n));
        let server = server.start().unwrap();
        let [gone, stays] = [(); 2].map(|()| join(&server, Client::builder()));
        let _waits = gone.open("waits", &()).unwrap();
        let asks = gone.clone();
        let asks = spawn(move || asks.request::<u32>("echo", &1));
        gone.abort("enough");
        assert_eq!(stays.request::<u32>("echo", &2), Ok(2));
        let answer = asks.join().unwrap();
        assert!(answer.as_ref().map_or(true, |number| *number == 1), "{answer:?}");
        drop(stays);
        // Not before all of its threads are done with either.
        server.close(Restart::never());
        assert!(server.peers().is_empty());
    });
}

#[test]
fn a_call_that_came_with_an_answer_is_answered_though_nobody_reads_any_more() {
    explore(|| {
        let call = Arc::<Mutex<Option<Call<()>>>>::default();
        let keeps = Arc::clone(&call);
        let calls_back = move |cx: Context, ()| {
            *keeps.lock().unwrap() = Some(cx.peer().start("nobody", &())?);
            Ok(())
        };
        let server = Server::builder().handle_inline("calls back", calls_back).start().unwrap();
        let client = join(&server, Client::builder());
        assert_eq!(client.request::<()>("calls back", &()), Ok(()));
        let call = call.lock().unwrap().take().unwrap();
        let answer = call.wait();
        let told = |error: &CallError| error.status() == Status::UNIMPLEMENTED;
        assert!(answer.as_ref().is_err_and(told), "{answer:?}");
    });
}
