//! What scenarios share: a server in a place of its own, payloads, patience and handlers. Called by the
//! scenarios; knows adapters and setups.

use std::iter;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use switchboard::{
    CallError, Config, Failure, FromPayload, Options, Payload, PayloadLimits, Restart, to_payload,
};
use switchboard_endpoint::OpenError;
use tempfile::TempDir;

use crate::gate::Gate;
use crate::{Authorize, Call, Client, End, Opened, Server, Serves, Setup, Subscribed, Transport};

/// Where a server is, was or will be.
pub(super) struct Place {
    address: String,
    setup: Setup,
    _folder: TempDir,
}

impl Place {
    /// Serves there again. What a server had that was dropped is free once its last task has ended.
    pub(super) fn serve(self, serves: Serves) -> Home {
        let serves = reachable(&self.setup, serves);
        loop {
            match self.setup.server.serve(&self.address, serves.clone()) {
                Ok(server) => return Home { server, place: self },
                Err(OpenError::InUse { .. } | OpenError::Busy { .. }) => thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(super) fn connect(&self, hello: &Payload, serves: Serves) -> Opened {
        self.setup.client.connect(&self.address, hello, serves)
    }

    /// What connects a client, in another thread.
    pub(super) fn connecting(&self, serves: Serves) -> impl FnOnce() -> Opened + Send + use<> {
        let (client, address) = (self.setup.client, self.address.clone());
        move || client.connect(&address, &Payload::null(), serves)
    }
}

/// Over TCP nothing tells who comes, so that a server must say whom it lets in.
fn reachable(setup: &Setup, mut serves: Serves) -> Serves {
    if setup.transport == Transport::Tcp {
        serves.authorize.get_or_insert_with(everybody);
    }
    serves
}

/// A server in a place of its own.
pub(super) struct Home {
    pub(super) server: Box<dyn Server>,
    place: Place,
}

impl Home {
    pub(super) fn of(setup: &Setup, serves: Serves) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = setup.transport.address(folder.path());
        let server = setup.server.serve(&address, reachable(setup, serves)).unwrap();
        let place = Place { address: server.address(), setup: *setup, _folder: folder };
        Self { server, place }
    }

    /// The server dies.
    pub(super) fn fall(self) -> Place {
        self.place
    }

    /// The server closes, and the next one has its place.
    pub(super) fn close(self, how: Restart) -> Place {
        self.server.close(how);
        self.place
    }

    pub(super) fn connect(&self, hello: &Payload, serves: Serves) -> Opened {
        self.place.connect(hello, serves)
    }

    pub(super) fn client(&self, serves: Serves) -> Box<dyn Client> {
        self.connect(&Payload::null(), serves).unwrap()
    }

    /// The only peer.
    pub(super) fn peer(&self) -> Box<dyn End> {
        let mut peers = self.server.peers();
        assert_eq!(peers.len(), 1, "peers");
        peers.remove(0)
    }
}

/// Lets everybody in, whatever its scope.
pub(super) fn everybody() -> Authorize {
    Arc::new(|_| Ok(()))
}

pub(super) fn number(n: u64) -> Payload {
    to_payload(&n).unwrap()
}

pub(super) fn read(payload: Payload) -> u64 {
    u64::from_payload(payload, &PayloadLimits::default()).unwrap()
}

pub(super) fn patient() -> Options {
    Options::new().no_deadline()
}

/// A connection whose close nobody waits for longer than the watchdog does.
pub(super) fn no_hurry() -> Config {
    let mut config = Config::default();
    config.drain = Duration::from_secs(60 * 60);
    (config.linger, config.write_stall) = (config.drain, config.drain);
    config
}

pub(super) fn failure(result: Result<Payload, CallError>) -> Failure {
    match result {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

pub(super) fn wait_until(so: impl Fn() -> bool) {
    while !so() {
        thread::yield_now();
    }
}

pub(super) fn echo(_: &dyn Call, args: Payload) -> Result<Payload, Failure> {
    Ok(args)
}

/// A handler that waits at a gate.
pub(super) fn held(
    gate: &Arc<Gate>,
) -> impl Fn(&dyn Call, Payload) -> Result<Payload, Failure> + use<> {
    let gate = Arc::clone(gate);
    move |_, args| {
        gate.pass();
        Ok(args)
    }
}

/// A handler that goes on until nobody waits for it, and tells then.
pub(super) fn until_cancelled(
    began: &Arc<Gate>,
    learned: Sender<()>,
) -> impl Fn(&dyn Call, Payload) -> Result<Payload, Failure> + Clone + use<> {
    let began = Arc::clone(began);
    began.open();
    move |call, args| {
        began.pass();
        wait_until(|| call.is_cancelled());
        learned.send(())?;
        Ok(args)
    }
}

/// The items that a handler's caller sends.
pub(super) fn items(call: &dyn Call) -> impl Iterator<Item = Result<Payload, CallError>> {
    iter::from_fn(|| call.next())
}

/// A handler that takes items, or with `false` for its arguments sends some, until that fails, and tells how.
pub(super) fn until_told(
    began: &Sender<()>,
    told: &Sender<CallError>,
) -> impl Fn(&dyn Call, Payload) -> Result<Payload, Failure> + use<> {
    let (began, told) = (began.clone(), told.clone());
    move |call, reads| {
        began.send(())?;
        let error = if reads == to_payload(&true)? {
            items(call).find_map(Result::err)
        } else {
            iter::repeat_with(|| call.send(&number(1))).find_map(Result::err)
        };
        told.send(error.unwrap())?;
        Ok(Payload::null())
    }
}

/// The number that a subscriber gets next.
pub(super) fn value(subscription: &mut dyn Subscribed) -> u64 {
    read(subscription.next().unwrap().unwrap().value)
}

/// So many.
pub(super) fn values(subscription: &mut dyn Subscribed, count: usize) -> Vec<u64> {
    iter::repeat_with(|| value(subscription)).take(count).collect()
}
