//! How many connections a server takes, who makes room, and what those are told that find none.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use switchboard::{CloseReason, Restart, Welcome};
use switchboard_futures::{AdmissionLimits, Client, OpenError, Server, ServerBuilder, Stream};
use tempfile::TempDir;

use crate::home::{Seen, patient};
use crate::world::{self, Scripted, finish};

/// `hello` of a client without wishes, as section 2.3 of the protocol gives it.
const HELLO: &[u8] = b"\0\0\0\x12\x85\0kswitchboard\x81\x01\xa0\xf6";

struct Bound {
    server: Server<Scripted>,
    folder: TempDir,
}

fn limited(limit: impl FnOnce(&mut AdmissionLimits)) -> ServerBuilder<Scripted> {
    let mut limits = AdmissionLimits::default();
    limit(&mut limits);
    let builder = Server::builder().config(patient()).limits(limits);
    builder.handle("echo", |_, n: usize| async move { Ok(n) })
}

impl Bound {
    fn new(builder: ServerBuilder<Scripted>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = finish(builder.bind(folder.path().join("s").to_str().unwrap())).unwrap();
        Self { server, folder }
    }

    fn connect(&self) -> Result<Client<Scripted>, OpenError> {
        let address = self.folder.path().join("s");
        finish(Client::builder().config(patient()).connect(address.to_str().unwrap()))
    }

    /// Somebody who says this and no more.
    fn raw(&self, says: &[u8]) -> UnixStream {
        let mut raw = UnixStream::connect(self.folder.path().join("s")).unwrap();
        raw.write_all(says).unwrap();
        raw.set_nonblocking(true).unwrap();
        world::settle();
        raw
    }
}

/// What has come: the kind of the first frame (`welcome` 1, `reject` 2), and all of it.
fn told(mut raw: &UnixStream) -> Option<(u8, Vec<u8>)> {
    world::settle();
    let mut bytes = vec![0; 1000];
    let count = raw.read(&mut bytes).ok()?;
    bytes.truncate(count);
    Some((*bytes.get(5)?, bytes))
}

#[test]
fn as_many_connect_as_the_limits_allow_and_the_next_when_one_has_gone() {
    for per_user in [false, true] {
        let bound = Bound::new(limited(|limits| {
            *if per_user { &mut limits.connections_per_user } else { &mut limits.connections } = 3;
            (limits.unaccepted, limits.unaccepted_per_user) = (1, 1);
        }));
        let mut clients: Vec<_> = (0..3).map(|_| bound.connect().unwrap()).collect();
        let name = if per_user { "connections_per_user allows 3" } else { "connections allows 3" };
        // Whoever was told makes room for the next one who is.
        for _ in 0..3 {
            let refused = bound.connect().unwrap_err();
            let OpenError::Busy { what, reconnect_after: Some(_) } = &refused else {
                panic!("{refused:?}")
            };
            assert!(what.contains(name), "{what}");
            world::settle();
        }
        for (n, client) in clients.iter().enumerate() {
            assert_eq!(finish(client.request("echo", &n)), Ok(n), "none was cut off for it");
        }
        let closed = finish(clients.remove(0).close(""));
        assert_eq!(closed, CloseReason::Closed { message: String::new() });
        world::settle();
        let next = bound.connect().unwrap();
        assert_eq!(finish(next.request("echo", &7)), Ok(7));
        assert_eq!(bound.server.peers().len(), 3);
    }
}

// Threat 31.
#[test]
fn clients_that_say_nothing_keep_nobody_out_and_the_oldest_goes_first() {
    let bound = Bound::new(limited(|limits| limits.unaccepted_per_user = 4));
    let silent: Vec<_> = (0..10).map(|_| bound.raw(b"")).collect();
    // Six of them have made room by now; each is told why.
    for raw in &silent[..6] {
        let (kind, words) = told(raw).unwrap();
        assert_eq!(kind, 2, "a reject");
        assert!(words.windows(21).any(|part| part == b"this one, the oldest,"));
    }
    assert!(silent[6..].iter().all(|raw| told(raw).is_none()));
    let client = bound.connect().unwrap();
    assert_eq!(finish(client.request("echo", &5)), Ok(5));
    // One of the four that were left made room for that client, and three may still say hello.
    for raw in &silent[7..] {
        let mut half = raw;
        half.write_all(HELLO).unwrap();
        assert_eq!(told(raw).unwrap().0, 1, "a welcome");
    }
    assert_eq!(bound.server.peers().len(), 4);
}

#[test]
fn authorisations_that_go_on_for_clients_that_made_room_are_bounded() {
    let seen = Arc::<Seen>::default();
    let thinks = Arc::clone(&seen);
    let builder = limited(|limits| (limits.unaccepted, limits.unaccepted_per_user) = (2, 2));
    let bound = Bound::new(builder.authorize(move |hello, _| {
        let thinks = (hello.settings.scope.is_empty()).then(|| thinks.hang());
        async {
            if let Some(thinks) = thinks {
                thinks.await?;
            }
            Ok(Welcome::new())
        }
    }));
    let mut raws = Vec::new();
    for n in 1..=20 {
        raws.push(bound.raw(HELLO));
        // As many are being told, who do not hang up.
        assert!(seen.running() <= 4, "{} of {n} are thought about", seen.running());
    }
    for raw in &raws[..18] {
        assert!(told(raw).is_none_or(|(kind, _)| kind == 2), "no welcome");
    }
    assert!(bound.server.peers().is_empty());
    drop(raws);
    world::settle();
    assert_eq!(seen.running(), 0);
}

#[test]
fn a_close_tells_those_who_are_not_let_in_yet_to_come_back() {
    let bound = Bound::new(limited(|_| ()));
    let raw = bound.raw(b"");
    assert_eq!(world::poll_once(bound.server.close(Restart::never())), None);
    let (kind, _) = told(&raw).unwrap();
    assert_eq!(kind, 2, "a reject");
    // Nor is somebody let in who comes now.
    let (ours, theirs) = Stream::pair().unwrap();
    bound.server.attach(theirs).unwrap();
    let refused = finish(Client::<Scripted>::builder().config(patient()).attach(ours)).unwrap_err();
    assert!(matches!(refused, OpenError::Refused { .. }), "{refused:?}");
    drop(raw);
    finish(bound.server.closed());
}
