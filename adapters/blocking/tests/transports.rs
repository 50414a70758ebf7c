//! The same program over every transport: calls both ways, large payloads both ways at once, and a close
//! that the other side hears of.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process;
use std::thread;

use common::{Place, no_hurry, wait_until, watchdog};
use switchboard::{
    CloseReason, Failure, PayloadLimits, PeerHello, Restart, Status, Welcome, from_payload,
};
use switchboard_blocking::{
    Client, ClientBuilder, Context, Credentials, OpenError, Server, ServerBuilder, Stream,
};

fn server() -> ServerBuilder {
    Server::builder()
        .config(no_hurry())
        .handle("length", |_, bytes: String| Ok(bytes.len()))
        .handle("repeat", |_, count: usize| Ok("x".repeat(count)))
        .handle("greet", |cx: Context, ()| {
            Ok(format!("hello {}", cx.peer().request::<String>("name", &())?))
        })
}

fn client() -> ClientBuilder {
    Client::builder().config(no_hurry()).handle("name", |_, ()| Ok("Ada"))
}

fn knows_the_word(hello: &PeerHello, _: Option<&Credentials>) -> Result<Welcome, Failure> {
    match from_payload::<String>(&hello.payload, &PayloadLimits::default()).as_deref() {
        Ok("word") => Ok(Welcome::new()),
        _ => Err(Failure::new(Status::UNAUTHENTICATED, "what is the word?")),
    }
}

/// All that is asked of a transport. The client is closed at the end.
fn talk(server: &Server, client: &Client) {
    assert_eq!(client.request::<String>("greet", &()).unwrap(), "hello Ada");
    let megabytes = 3 << 20;
    thread::scope(|scope| {
        scope.spawn(|| {
            let text = client.request::<String>("repeat", &megabytes).unwrap();
            assert_eq!(text.len(), megabytes);
        });
        let text = "y".repeat(megabytes);
        assert_eq!(client.request::<usize>("length", &text).unwrap(), megabytes);
    });
    let peer = server.peers().remove(0);
    assert_eq!(client.close("done"), CloseReason::Closed { message: "done".into() });
    wait_until(|| peer.closed().is_some());
    assert_eq!(
        peer.closed(),
        Some(CloseReason::PeerClosed { message: "done".into(), reconnect_after: None })
    );
}

#[test]
fn a_path() {
    let (_watchdog, place) = (watchdog(), Place::new());
    let server = server().socket_mode(0o660).bind(&place.address()).unwrap();
    assert_eq!(server.address().unwrap().to_string(), place.address());
    let mode = std::fs::metadata(place.address()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    talk(&server, &client().connect(&place.address()).unwrap());
    server.close(Restart::never());
    assert!(!std::fs::exists(place.address()).unwrap(), "the socket goes with its server");
}

#[test]
fn a_group_of_its_own() {
    let (_watchdog, place) = (watchdog(), Place::new());
    // One that the file has not got anyway. Who is neither root nor in a second group has none to give.
    let own = rustix::process::getegid().as_raw();
    let groups = rustix::process::getgroups().unwrap();
    let mut others = groups.iter().map(|group| group.as_raw()).filter(|group| *group != own);
    let root = rustix::process::geteuid().is_root();
    if let Some(group) = others.next().or_else(|| root.then_some(own + 1)) {
        let builder = server().socket_mode(0o660).socket_group(&group.to_string());
        let _server = builder.bind(&place.address()).unwrap();
        assert_eq!(std::fs::metadata(place.address()).unwrap().gid(), group);
    }
    let error = server().socket_group("no such group").bind(&place.address()).unwrap_err();
    assert!(matches!(error, OpenError::BadConfig(_)), "{error}");
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn an_abstract_name() {
    let _watchdog = watchdog();
    let address = format!("@switchboard-transports-{}", process::id());
    let server = server().bind(&address).unwrap();
    talk(&server, &client().connect(&address).unwrap());
}

#[test]
fn tcp_where_the_server_says_who_may_come_in() {
    let _watchdog = watchdog();
    let error = server().bind("tcp:127.0.0.1:0").unwrap_err();
    assert!(matches!(error, OpenError::BadConfig(_)), "{error}");
    assert!(error.to_string().contains("ServerBuilder::authorize"), "{error}");

    let server = server().authorize(knows_the_word).bind("tcp:127.0.0.1:0").unwrap();
    let address = server.address().unwrap().to_string();
    assert!(!address.ends_with(":0"), "{address}");
    let error = client().connect(&address).unwrap_err();
    assert!(error.to_string().contains("what is the word?"), "{error}");
    talk(&server, &client().hello("word").connect(&address).unwrap());
}

#[test]
fn two_sockets_of_a_pair() {
    let _watchdog = watchdog();
    let server = server().start().unwrap();
    assert!(server.address().is_none());
    let (one, other) = Stream::pair().unwrap();
    let id = server.attach(one).unwrap();
    let client = client().attach(other).unwrap();
    assert_eq!(client.welcome().connection, id);
    talk(&server, &client);
}

/// As a program that was started in the middle of a shell's pipe has them.
#[test]
fn two_pipes() {
    let _watchdog = watchdog();
    let server = server().start().unwrap();
    let (there, back) = (rustix::pipe::pipe().unwrap(), rustix::pipe::pipe().unwrap());
    server.attach(Stream::from_pipes(there.0, back.1).unwrap()).unwrap();
    let client = client().attach(Stream::from_pipes(back.0, there.1).unwrap()).unwrap();
    talk(&server, &client);
}

#[test]
fn what_cannot_be_opened_says_why() {
    let place = Place::new();
    let taken = server().bind(&place.address()).unwrap();
    let error = server().bind(&place.address()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(taken);
    let cases = ["/no/such/folder/s", "tcp:no.such.host:1", "tcp:127.0.0.1:x", "", "a\0b"];
    for address in cases {
        let error = Client::connect(address).unwrap_err();
        assert!(matches!(error, OpenError::BadAddress(_)), "{address:?}: {error:?}");
    }
    let long = format!("{}/{}", place.address(), "x".repeat(120));
    let error = Client::connect(&long).unwrap_err();
    assert!(error.to_string().contains("bytes"), "{error}");
}
