//! How connections begin and end, and what of that is dropped. Called by the list of cases; knows the home.

use std::cell::Cell;
use std::sync::Arc;

use switchboard::{Backoff, CallError, Restart, Welcome};
use switchboard_futures::{Client, ClientBuilder, Driver, Server, Stream};
use tempfile::TempDir;

use crate::Attempt;
use crate::home::{Home, Seen, patient};
use crate::world::{self, Scripted, finish};

/// A server with an address.
struct Bound {
    server: Server<Scripted>,
    folder: TempDir,
}

impl Bound {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let builder = Server::builder().config(patient()).handle("add", |_, (a, b): (u32, u32)| {
            let sum = a + b;
            async move { Ok(sum) }
        });
        let server = finish(builder.bind(folder.path().join("s").to_str().unwrap())).unwrap();
        Self { server, folder }
    }

    fn address(&self) -> String {
        self.folder.path().join("s").to_str().unwrap().to_owned()
    }

    /// Nobody is there any more, and others may come.
    fn ends_as_before(self) {
        world::settle();
        assert!(self.server.peers().is_empty(), "whoever gave up is gone");
        // The one who accepts, and its listener; the one who waits for the end.
        assert_eq!(world::census(), (2, 1), "tasks and transports");
        let client = finish(Client::<Scripted>::connect(&self.address())).unwrap();
        assert_eq!(finish(client.request::<u32>("add", &(1, 2))), Ok(3));
        finish(client.close(""));
        drop(client);
        finish(self.server.close(Restart::never()));
        drop(self.server);
        world::settle();
        assert_eq!(world::census(), (0, 0), "tasks and transports that are left");
    }
}

fn builder() -> ClientBuilder<Scripted> {
    Client::builder().config(patient())
}

pub(crate) fn connecting(attempt: &mut Attempt) {
    let bound = Bound::new();
    drop(attempt.of(Client::<Scripted>::connect(&bound.address())).map(Result::unwrap));
    bound.ends_as_before();
}

pub(crate) fn connecting_as_one_likes(attempt: &mut Attempt) {
    let bound = Bound::new();
    drop(attempt.of(builder().connect(&bound.address())).map(Result::unwrap));
    bound.ends_as_before();
}

pub(crate) fn connecting_to_one_that_thinks_about_it(attempt: &mut Attempt) {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("s").to_str().unwrap().to_owned();
    let seen = Arc::<Seen>::default();
    let thinks = Arc::clone(&seen);
    let server = Server::<Scripted>::builder().config(patient()).authorize(move |_, _| {
        let never = thinks.hang();
        async move { never.await.map(|()| Welcome::new()) }
    });
    let server = finish(server.bind(&address)).unwrap();
    attempt.of_endless(builder().connect(&address));
    world::settle();
    assert_eq!(seen.running(), 0, "it thinks no more about one who is gone");
    assert_eq!(world::census(), (2, 1), "tasks and transports: the acceptor, and who keeps time");
    drop(server);
    world::settle();
}

pub(crate) fn connecting_one_that_comes_back(attempt: &mut Attempt) {
    let bound = Bound::new();
    let builder = builder().reconnect(Backoff::default());
    drop(attempt.of(builder.connect(&bound.address())).map(Result::unwrap));
    bound.ends_as_before();
}

pub(crate) fn connecting_with_a_driver(attempt: &mut Attempt) {
    let bound = Bound::new();
    drop(attempt.of(builder().connect_with_driver(&bound.address())).map(Result::unwrap));
    bound.ends_as_before();
}

pub(crate) fn attaching(attempt: &mut Attempt) {
    let bound = Bound::new();
    let (ours, theirs) = Stream::pair().unwrap();
    bound.server.attach(theirs).unwrap();
    drop(attempt.of(builder().attach(ours)).map(Result::unwrap));
    bound.ends_as_before();
}

pub(crate) fn binding(attempt: &mut Attempt) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let server = attempt.of(Server::<Scripted>::builder().bind(path.to_str().unwrap()));
    assert_eq!(path.exists(), server.is_some());
    drop(server.map(Result::unwrap));
    world::settle();
    assert!(!path.exists() && world::census() == (0, 0));
}

/// A client with its driver, which nobody runs, at a server.
fn driven(bound: &Bound) -> (Client<Scripted>, Driver) {
    finish(builder().connect_with_driver(&bound.address())).unwrap()
}

pub(crate) fn a_driver(attempt: &mut Attempt) {
    let bound = Bound::new();
    let (client, driver) = driven(&bound);
    let calls = [(); 2].map(|()| client.request::<u32>("add", &(1, 2)));
    attempt.of_endless(driver);
    for call in calls {
        let ended = finish(call);
        assert!(matches!(ended, Ok(3) | Err(CallError::Disconnected(..))), "{ended:?}");
    }
    let pinged = finish(client.ping());
    assert!(matches!(pinged, Err(CallError::Disconnected(..))), "{pinged:?}");
    drop(client);
    bound.ends_as_before();
}

pub(crate) fn closing_a_client(attempt: &mut Attempt) {
    let bound = Bound::new();
    let client = finish(builder().connect(&bound.address())).unwrap();
    let begun = Cell::new(false);
    let closed = attempt.of(async {
        begun.set(true);
        client.close("that was all").await
    });
    world::settle();
    // It goes on without whoever waited.
    assert_eq!(client.closed().is_some(), begun.get());
    assert!(closed.is_none() || bound.server.peers().is_empty());
    drop(client);
    bound.ends_as_before();
}

pub(crate) fn closing_a_server(attempt: &mut Attempt) {
    let home = Home::new();
    let begun = Cell::new(false);
    let closed = attempt.of(async {
        begun.set(true);
        home.server.close(Restart::never()).await;
    });
    world::settle();
    assert_eq!(home.client.closed().is_some(), begun.get());
    assert!(closed.is_none() || begun.get());
    if !begun.get() {
        home.both_are_as_before();
    }
    home.ends();
}

pub(crate) fn waiting_for_the_end_of_a_server(attempt: &mut Attempt) {
    let home = Home::new();
    attempt.of_endless(home.server.closed());
    home.both_are_as_before();
    home.ends();
}
