//! What the client of every facade must do against a server of the blocking adapter, what its server does with
//! handlers, and how both deal with futures that are dropped or left alone. The list of tests is here; each facade's `tests/client.rs`
//! includes it and says how its runtime runs a test.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

pub(crate) mod calls;
#[path = "../../../blocking/tests/common/mod.rs"]
pub(crate) mod common;
pub(crate) mod dropped;
pub(crate) mod ending;
pub(crate) mod neglect;
pub(crate) mod serving;
pub(crate) mod streams;
pub(crate) mod transports;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use switchboard_blocking::{Server, ServerBuilder};
use switchboard_futures::{Client, ClientBuilder, Runtime};

use common::{Gate, Home, Place, Raw, WELCOME, no_hurry, watchdog};

/// One way in which a runtime runs a test.
pub(crate) trait Harness {
    type Runtime: Runtime;

    fn run(test: impl Future<Output = ()> + Send + 'static);
}

/// A server with everything that the tests ask for. Its gate holds `gate`.
pub(crate) fn server() -> (ServerBuilder, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let builder = Server::builder()
        .config(no_hurry())
        .handle("echo", |_, text: String| Ok(text))
        .handle_inline("add", |_, (a, b): (u64, u64)| Ok(a + b))
        .handle("gate", gate.handler());
    (builder, gate)
}

/// Runs a test with such a server.
pub(crate) fn at_home<H: Harness, F: Future<Output = ()> + Send + 'static>(
    test: impl FnOnce(Arc<Home>, Arc<Gate>) -> F,
) {
    let (builder, gate) = server();
    let home = Arc::new(Home::of(builder));
    H::run(test(Arc::clone(&home), gate));
}

/// A server of bytes for so many clients, one after the other, in a thread.
pub(crate) fn served_by(
    rounds: u32,
    serve: impl Fn(&mut Raw) + Send + 'static,
) -> (String, impl FnOnce() + Send) {
    let (place, watchdog) = (Place::new(), watchdog());
    let (address, listener) = (place.address(), place.listen());
    let serving = thread::spawn(move || {
        for _ in 0..rounds {
            serve(&mut Raw::welcomes(&listener, WELCOME));
        }
    });
    let end = move || {
        serving.join().unwrap();
        drop((place, watchdog));
    };
    (address, end)
}

pub(crate) fn builder<H: Harness>() -> ClientBuilder<H::Runtime> {
    Client::builder().config(no_hurry())
}

pub(crate) async fn connect<H: Harness>(home: &Home) -> Client<H::Runtime> {
    builder::<H>().connect(&home.address).await.unwrap()
}

/// Waits until it is so, and lets every other task go on meanwhile.
pub(crate) async fn until(so: impl Fn() -> bool) {
    while !so() {
        pause().await;
    }
}

/// Lets other tasks have a turn.
pub(crate) async fn pause() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls a future once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Polls a future once, in a task that nobody will poll again, whoever wakes it.
pub(crate) fn neglect<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A task of its own, and its end.
pub(crate) fn spawn<H: Harness, T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Send {
    let slot = Arc::new(Mutex::new((None, None::<Waker>)));
    let theirs = Arc::clone(&slot);
    H::Runtime::spawn(async move {
        let result = task.await;
        let mut slot = theirs.lock().unwrap();
        slot.0 = Some(result);
        slot.1.take().into_iter().for_each(Waker::wake);
    });
    poll_fn(move |cx| {
        let mut slot = slot.lock().unwrap();
        slot.1 = Some(cx.waker().clone());
        slot.0.take().map_or(Poll::Pending, Poll::Ready)
    })
}

/// Ready at that time.
pub(crate) fn after<H: Harness>(time: Duration) -> impl Future<Output = ()> + Send + Unpin {
    let (mut timer, at) = (H::Runtime::timer(), Instant::now() + time);
    poll_fn(move |cx| timer.poll_at(cx, at))
}

/// Makes a test of every function of the list.
macro_rules! every_test {
    ($harness:ty) => {
        crate::facades::every_test! { $harness:
            calls::a_call_is_answered,
            calls::a_hundred_calls_are_under_way_at_once,
            calls::tasks_share_a_connection,
            calls::tasks_share_a_connection_and_take_turns_at_being_alone,
            calls::a_call_ends_at_its_deadline,
            calls::a_failure_is_the_answer,
            calls::messages_keep_their_order,
            calls::the_server_calls_the_client,
            calls::a_handle_may_be_used_outside_of_the_runtime,
            calls::large_payloads_go_both_ways_at_once,
            dropped::a_dropped_call_is_cancelled,
            dropped::calls_dropped_in_every_phase_cost_nobody_else_anything,
            dropped::calls_dropped_after_any_number_of_polls_cost_nobody_anything,
            dropped::a_dropped_client_ends_its_connection,
            dropped::a_dropped_driver_ends_its_connection,
            ending::closing_waits_for_what_is_under_way,
            ending::whoever_waits_learns_that_the_server_has_gone,
            ending::the_end_comes_with_the_last_bytes,
            ending::bytes_come_as_they_like,
            ending::nobody_serves_there,
            neglect::calls_beside_a_neglected_one,
            neglect::pings_beside_a_neglected_call,
            neglect::messages_and_closing_beside_a_neglected_call,
            neglect::a_neglected_call_is_taken_up_again,
            neglect::a_call_after_a_neglected_one,
            neglect::a_neglected_call_does_not_keep_its_deadline_from_passing,
            serving::a_handlers_future_is_dropped_with_its_call_and_others_have_its_place,
            serving::guards_take_back_and_once_is_once,
            serving::a_listener_that_closes_its_own_server_does_not_wait_for_itself,
            streams::a_subscription_is_a_stream,
            streams::a_subscription_has_all_that_was_published,
            streams::an_exchange_goes_both_ways,
            streams::a_dropped_exchange_is_cancelled,
            transports::tcp,
            transports::an_abstract_name,
            transports::a_pair,
            transports::two_pipes,
            transports::one_side_may_be_shut,
            transports::slices_go_as_one_write,
        }
    };
    ($harness:ty: $($module:ident::$name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                crate::facades::$module::$name::<$harness>();
            }
        )*
    };
}

pub(crate) use every_test;
