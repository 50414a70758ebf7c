//! What every test over real sockets needs: a place for a server, a watchdog instead of sleeps, a
//! gate to hold handlers at, and a raw peer that sends whatever bytes it likes.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde::ser::Error;
use serde::{Serialize, Serializer};
use switchboard::{CallError, Config, Failure, Options};
use switchboard_blocking::{Client, ClientBuilder, Context, Peer, Server, ServerBuilder};
use tempfile::TempDir;

/// `hello` of a client without wishes, as section 2.3 of the protocol gives it.
pub(crate) const HELLO: &[u8] = b"\0\0\0\x12\x85\0kswitchboard\x81\x01\xa0\xf6";
/// `welcome` to connection 7, every setting its default.
pub(crate) const WELCOME: &[u8] = b"\0\0\0\x06\x85\x01\x01\x07\xa0\xf6";
/// `goodbye` OK without words.
pub(crate) const GOODBYE: &[u8] = b"\0\0\0\x05\x84\x03\x00\x60\xf6";

/// Ends the program if the test that holds it hangs.
pub(crate) struct Watchdog(Option<(Sender<()>, thread::JoinHandle<()>)>);

pub(crate) fn watchdog() -> Watchdog {
    let (held, let_go) = channel::<()>();
    let name = thread::current().name().unwrap_or("?").to_owned();
    let barks = move || {
        use std::sync::mpsc::RecvTimeoutError::Timeout;
        if let_go.recv_timeout(Duration::from_secs(60)) == Err(Timeout) {
            // Past what the test harness catches, which ends with the program.
            let _ = writeln!(std::io::stderr(), "{name} hangs");
            std::process::abort();
        }
    };
    Watchdog(Some((held, thread::spawn(barks))))
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some((held, thread)) = self.0.take() {
            drop(held);
            thread.join().unwrap();
        }
    }
}

/// A folder for one socket.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn address(&self) -> String {
        self.folder.path().join("s").to_str().unwrap().to_owned()
    }

    /// A server without switchboard, for clients.
    pub(crate) fn listen(&self) -> UnixListener {
        UnixListener::bind(self.address()).unwrap()
    }
}

/// A server in a place of its own.
pub(crate) struct Home {
    pub(crate) server: Server,
    pub(crate) address: String,
    _place: Place,
    _watchdog: Watchdog,
}

impl Home {
    pub(crate) fn of(builder: ServerBuilder) -> Self {
        let (place, watchdog) = (Place::new(), watchdog());
        let address = place.address();
        let server = builder.bind(&address).unwrap();
        Self { server, address, _place: place, _watchdog: watchdog }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.address).unwrap()
    }

    /// A client of another kind than the default one.
    pub(crate) fn connect(&self, builder: ClientBuilder) -> Client {
        builder.connect(&self.address).unwrap()
    }

    /// The only peer.
    pub(crate) fn peer(&self) -> Peer {
        let mut peers = self.server.peers();
        assert_eq!(peers.len(), 1, "peers");
        peers.remove(0)
    }

    pub(crate) fn raw(&self) -> Raw {
        Raw(UnixStream::connect(&self.address).unwrap())
    }

    /// A raw peer that has shaken hands.
    pub(crate) fn welcomed(&self) -> Raw {
        let mut raw = self.raw();
        raw.say(HELLO);
        let welcome = raw.hear().unwrap();
        assert_eq!(welcome[..2], [0x85, 1], "welcome");
        raw
    }
}

/// A peer of bytes.
pub(crate) struct Raw(pub(crate) UnixStream);

impl Raw {
    /// Takes a client and shakes hands, with `welcome` for an answer.
    pub(crate) fn welcomes(listener: &UnixListener, welcome: &[u8]) -> Self {
        let mut raw = Self(listener.accept().unwrap().0);
        assert_eq!(raw.hear().unwrap()[..2], [0x85, 0], "hello");
        raw.say(welcome);
        raw
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Says a frame, given without its length.
    pub(crate) fn frame(&mut self, body: &[u8]) {
        self.say(&framed(body));
    }

    /// The next frame, without its length; `None` at the end of the stream.
    pub(crate) fn hear(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut body).unwrap();
        Some(body)
    }

    /// All that still comes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A peer that closes with bytes of ours unread resets the stream: an end as well.
        let _ = self.0.read_to_end(&mut bytes);
        bytes
    }
}

pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [&length.to_be_bytes()[..], body].concat()
}

/// Holds whoever passes until it is opened.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        while !state.1 {
            state = self.changed.wait(state).unwrap();
        }
    }

    /// A handler that passes.
    pub(crate) fn handler(
        self: &Arc<Self>,
    ) -> impl Fn(Context, ()) -> Result<(), Failure> + Send + Sync + use<> {
        let gate = Arc::clone(self);
        move |_, ()| {
            gate.pass();
            Ok(())
        }
    }

    /// Waits until so many have come, all in all.
    pub(crate) fn wait_for(&self, count: usize) {
        let mut state = self.state.lock().unwrap();
        while state.0 < count {
            state = self.changed.wait(state).unwrap();
        }
    }

    /// How many have come.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().unwrap().0
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

/// Waits until it is so; the watchdog barks if it never is.
pub(crate) fn wait_until(so: impl Fn() -> bool) {
    while !so() {
        thread::yield_now();
    }
}

/// A handler that goes on until nobody waits for it any more, and tells then. `began` is passed first.
pub(crate) fn until_cancelled(
    began: &Arc<Gate>,
    learned: Sender<String>,
) -> impl Fn(Context, ()) -> Result<(), Failure> + Clone + Send + Sync + use<> {
    let began = Arc::clone(began);
    began.open();
    move |cx, ()| {
        began.pass();
        wait_until(|| cx.is_cancelled());
        Ok(learned.send(cx.channel().to_owned())?)
    }
}

pub(crate) fn patient() -> Options {
    Options::new().no_deadline()
}

pub(crate) fn within(milliseconds: u64) -> Options {
    Options::new().deadline(Duration::from_millis(milliseconds))
}

/// Ends that give up a close only after an hour: whoever waits for that is barked at.
pub(crate) fn no_hurry() -> Config {
    let hour = Duration::from_secs(60 * 60);
    let mut config = Config::default();
    (config.drain, config.linger, config.write_stall) = (hour, hour, hour);
    config
}

/// The failure that the other side answered with.
pub(crate) fn failure<T: std::fmt::Debug>(result: Result<T, CallError>) -> Failure {
    match result {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

/// Tells when it is dropped.
pub(crate) struct Tell(pub(crate) Sender<()>);

impl Tell {
    pub(crate) fn new() -> (Self, Receiver<()>) {
        let (sender, receiver) = channel();
        (Self(sender), receiver)
    }
}

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Refuses to be written.
pub(crate) struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("not today"))
    }
}

/// A panic that prints nothing.
pub(crate) fn silent_panic() -> ! {
    std::panic::resume_unwind(Box::new(()))
}
