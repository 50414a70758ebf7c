//! Bytes that come one by one, and signals at any moment: neither is told to anybody. A test binary of its own,
//! because what a signal does is the process's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::io::{ErrorKind, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use common::{Home, no_hurry, patient, wait_until};
use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::ioctl_fionread;
use switchboard::{CloseReason, Options, Payload};
use switchboard_blocking::{Client, Context, Server, Stream};

/// Everything once, in both directions.
fn all_goes_on(client: &Client, server: &Server, sent: &Mutex<Vec<u32>>) {
    for n in 0..20 {
        assert_eq!(client.request::<u32>("add", &(n, 1)).unwrap(), n + 1);
        client.send("n", &n).unwrap();
    }
    // It is answered behind the messages that came before, which are taken in their order.
    wait_until(|| sent.lock().unwrap().len() == 20);
    assert!(sent.lock().unwrap().iter().copied().eq(0..20));
    let large = Payload::bytes(&[7; 5000]);
    assert_eq!(client.request::<Payload>("echo", &large).unwrap(), large);
    let mut subscription = client.subscribe::<Payload>("large").unwrap();
    server.publish("large", &large, &Options::new()).unwrap();
    assert_eq!(subscription.next().unwrap().unwrap().value, large);
    let peer = server.peers().remove(0);
    assert_eq!(peer.with(patient()).request::<u32>("double", &21).unwrap(), 42);
}

fn builder(sent: &Arc<Mutex<Vec<u32>>>) -> switchboard_blocking::ServerBuilder {
    let sent = Arc::clone(sent);
    Server::builder()
        .config(no_hurry())
        .handle("add", |_, (a, b): (u32, u32)| Ok(a + b))
        .handle("echo", |_, payload: Payload| Ok(payload))
        .on("n", move |_, n: u32| sent.lock().unwrap().push(n))
}

/// Hands on what comes from one end, a byte at a time: the next one when `reads`, the socket that it goes to,
/// has none left.
fn hand_on(from: &Stream, to: &Stream, reads: &OwnedFd, over: &AtomicBool) {
    let mut bytes = [0; 4096];
    while !over.load(Ordering::SeqCst) {
        match from.try_read(&mut bytes) {
            Ok(0) => return to.shutdown_write().unwrap(),
            Ok(count) => {
                for byte in &bytes[..count] {
                    // Whoever does not take it has gone.
                    if to.try_write_vectored(&[IoSlice::new(&[*byte])]).is_err() {
                        return;
                    }
                    let is_read = || ioctl_fionread(reads).is_ok_and(|left| left == 0);
                    wait_until(|| is_read() || over.load(Ordering::SeqCst));
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut readable = [PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN)];
                poll(&mut readable, None).unwrap();
            }
            Err(_) => return,
        }
    }
}

#[test]
fn one_byte_at_a_time() {
    let sent = Arc::<Mutex<Vec<u32>>>::default();
    let home = Home::of(builder(&sent));
    let [(ours, between), (theirs, beyond)] = [(); 2].map(|()| Stream::pair().unwrap());
    let [our_end, their_end] =
        [&ours, &theirs].map(|end| end.as_fd().try_clone_to_owned().unwrap());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| hand_on(&between, &beyond, &their_end, &over));
        scope.spawn(|| hand_on(&beyond, &between, &our_end, &over));
        home.server.attach(theirs).unwrap();
        let client = Client::builder().config(no_hurry());
        let client = client.handle("double", |_: Context, n: u32| Ok(2 * n)).attach(ours).unwrap();
        all_goes_on(&client, &home.server, &sent);
        let closed = client.close("");
        assert_eq!(closed, CloseReason::Closed { message: String::new() });
        over.store(true, Ordering::SeqCst);
        between.hang_up();
        beyond.hang_up();
    });
}

/// So many signals, over all threads that wait, read and write.
const ENOUGH: usize = 5000;

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// A signal interrupts what waits, and no system call goes on by itself.
#[allow(unsafe_code, reason = "no safe function says what a signal does")]
fn count_signals() {
    let action = SigAction::new(SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
    // SAFETY: it adds to an atomic number, which a handler may do.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
}

#[test]
fn signals_interrupt_nobody() {
    count_signals();
    let threads = Arc::<Mutex<Vec<Pthread>>>::default();
    let sent = Arc::<Mutex<Vec<u32>>>::default();
    // Threads of the pool, and that of a connection: they live as long as the server.
    let [pool, own] = [(); 2].map(|()| {
        let threads = Arc::clone(&threads);
        move |_: Context, ()| {
            threads.lock().unwrap().push(pthread_self());
            Ok(())
        }
    });
    let home = Home::of(builder(&sent).handle("pool", pool).handle_inline("own", own));
    let double = |_: Context, n: u32| Ok(2 * n);
    let client = Client::builder().config(no_hurry()).handle("double", double);
    let client = home.connect(client).with(patient());
    for channel in ["pool", "own"] {
        client.request::<()>(channel, &()).unwrap();
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        threads.lock().unwrap().push(pthread_self());
        let storm = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                for thread in &*threads.lock().unwrap() {
                    pthread_kill(*thread, Signal::SIGUSR1).unwrap();
                }
                thread::yield_now();
            }
        });
        all_goes_on(&client, &home.server, &sent);
        // More than the sockets hold, so that both sides wait to write, too.
        let large = Payload::bytes(&vec![7; 3 << 20]);
        while SIGNALS.load(Ordering::Relaxed) < ENOUGH {
            assert!(client.request::<Payload>("echo", &large).unwrap() == large);
        }
        over.store(true, Ordering::SeqCst);
        storm.join().unwrap();
    });
}
