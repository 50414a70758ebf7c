//! Panics: of the program's handlers and listeners, which cost what they belong to, and of a transport, which
//! come while what tasks share is held, and cost its connection.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard::{CallError, Failure, Status, Welcome};
use switchboard_futures::{Client, Context, Server, Stream};

use crate::home::patient;
use crate::world::{self, Mischief, Scripted, finish};

fn server() -> Server<Scripted> {
    Server::builder()
        .config(patient())
        .handle("add", |_: Context, (a, b): (u32, u32)| async move { Ok(a + b) })
        .start()
        .unwrap()
}

fn client_of(server: &Server<Scripted>) -> Client<Scripted> {
    let (ours, theirs) = Stream::pair().unwrap();
    server.attach(theirs).unwrap();
    finish(Client::builder().config(patient()).attach(ours)).unwrap()
}

/// Without a word about it.
fn panic() {
    std::panic::resume_unwind(Box::new(()));
}

#[test]
fn a_panic_of_a_handler_or_listener_is_its_own() {
    let server = server();
    let listened = Arc::<AtomicUsize>::default();
    let listens = Arc::clone(&listened);
    let guards = [
        server.handle("at once", |_: Context, (): ()| {
            panic();
            async { Ok(()) }
        }),
        server.handle("later", |cx: Context, (): ()| async move {
            cx.peer().ping().await?;
            panic();
            Ok(())
        }),
        server.on("n", |_: Context, _: u32| {
            panic();
            async {}
        }),
        server.on("n", |cx: Context, _: u32| async move {
            let _ = cx.peer().ping().await;
            panic();
        }),
        server.on("n", move |_: Context, _: u32| {
            listens.fetch_add(1, Ordering::SeqCst);
            async {}
        }),
    ];
    let client = client_of(&server);
    for round in 1..=10 {
        for channel in ["at once", "later"] {
            let told = finish(client.request::<()>(channel, &()));
            let internal = |failure: &Failure| failure.status == Status::INTERNAL;
            assert!(
                matches!(&told, Err(CallError::Failed(failure)) if internal(failure)),
                "{told:?}"
            );
        }
        finish(client.send("n", &1)).unwrap();
        world::settle();
        assert_eq!(listened.load(Ordering::SeqCst), round, "the listener behind two that panic");
        assert_eq!(finish(client.request::<u32>("add", &(1, 2))), Ok(3));
    }
    drop(guards);
}

#[test]
fn a_panic_of_a_transport_ends_its_connection() {
    // Of either side, whichever reads or writes then.
    for seed in 0..20 {
        let server = server();
        let (client, other) = (client_of(&server), client_of(&server));
        world::settle();
        world::set(false, seed);
        world::annoy(Mischief::Panics);
        let calls = [(); 2].map(|()| client.request::<u32>("add", &(1, 2)));
        assert!(world::ends_in_a_panic());
        world::annoy(Mischief::Nothing);
        for call in calls {
            let ended = finish(call);
            assert!(matches!(ended, Ok(3) | Err(CallError::Disconnected(..))), "{ended:?}");
        }
        finish(client.close(""));
        assert_eq!(finish(other.request::<u32>("add", &(1, 2))), Ok(3), "others go on");
        drop(client);
        world::settle();
        assert_eq!(server.peers().len(), 1);
    }
}

struct PanicsWhenDropped(Arc<AtomicUsize>);

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic();
    }
}

/// Never ends, and panics when it is dropped, which is counted.
fn waits(count: &Arc<AtomicUsize>) -> impl Fn() -> PanicsInTheEnd + use<> {
    let count = Arc::clone(count);
    move || {
        let panics = PanicsWhenDropped(Arc::clone(&count));
        Box::pin(async move {
            let () = pending().await;
            drop(panics);
        })
    }
}

type PanicsInTheEnd = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

#[test]
fn what_panics_when_it_is_stopped_costs_nobody_anything() {
    let dropped = Arc::<AtomicUsize>::default();
    let [handles, listens, authorizes] = [(); 3].map(|()| waits(&dropped));
    let server = Server::<Scripted>::builder()
        .config(patient())
        .authorize(move |hello, _| {
            let waits = (hello.settings.scope == "waits").then(&authorizes);
            async {
                if let Some(waits) = waits {
                    waits.await;
                }
                Ok(Welcome::new())
            }
        })
        .handle("add", |_: Context, (a, b): (u32, u32)| async move { Ok(a + b) })
        .handle("waits", move |_: Context, (): ()| {
            let waits = handles();
            async {
                waits.await;
                Ok(())
            }
        })
        .on("waits", move |_: Context, (): ()| listens())
        .start()
        .unwrap();
    let other = client_of(&server);
    let count = || {
        world::settle();
        dropped.load(Ordering::SeqCst)
    };
    // Given up by its caller, and gone with its connection.
    let client = client_of(&server);
    for _ in 0..2 {
        let call = client.request::<()>("waits", &());
        world::settle();
        drop(call);
    }
    assert_eq!(count(), 2);
    let call = client.request::<()>("waits", &());
    world::settle();
    client.abort("");
    assert_eq!(count(), 3);
    drop(call);
    // Whoever is thought about has gone.
    let (ours, theirs) = Stream::pair().unwrap();
    server.attach(theirs).unwrap();
    let connects = Client::<Scripted>::builder().config(patient()).scope("waits").attach(ours);
    world::go(100, connects);
    assert_eq!(count(), 4);
    assert_eq!(finish(other.request::<u32>("add", &(1, 2))), Ok(3), "others go on");
    // A listener goes with the executor.
    finish(other.send("waits", &())).unwrap();
    world::settle();
    world::drop_executor();
    assert_eq!(count(), 5);
}
