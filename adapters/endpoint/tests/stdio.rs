//! Standard input and output: real children, over one socket and over two pipes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use common::{accept, myself, read, read_exactly, skip_to, talk, write};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::pipe::pipe;
use rustix::process::{geteuid, getpid};
use switchboard_endpoint::{Address, BindOptions, Listener, OpenError, Stream};

/// What a child writes first, behind what the test harness has printed.
const MARK: u8 = 1;

/// The three ways in which a parent may have made them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Socket,
    Pipes,
    TwoSockets,
}

const WAYS: [Way; 3] = [Way::Socket, Way::Pipes, Way::TwoSockets];

fn start(way: Way, command: &mut Command) -> (Stream, Child) {
    command.stderr(Stdio::piped());
    match way {
        Way::Socket => Stream::spawn(command).unwrap(),
        Way::Pipes => {
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let read = child.stdout.take().unwrap().into();
            let write = child.stdin.take().unwrap().into();
            (Stream::from_pipes(read, write).unwrap(), child)
        }
        Way::TwoSockets => {
            let (write, input) = UnixStream::pair().unwrap();
            let (read, output) = UnixStream::pair().unwrap();
            let (input, output) = (OwnedFd::from(input), OwnedFd::from(output));
            let child = command.stdin(input).stdout(output).spawn().unwrap();
            command.stdin(Stdio::null()).stdout(Stdio::null());
            (Stream::from_pipes(read.into(), write.into()).unwrap(), child)
        }
    }
}

/// What the child printed, when it has ended well.
fn finish(mut child: Child) -> String {
    let mut printed = String::new();
    child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(child.wait().unwrap().success(), "{printed}");
    printed
}

#[test]
fn a_child_and_its_parent_talk_and_stray_words_do_not_disturb() {
    for way in WAYS {
        let (stream, child) = start(way, &mut myself("echo"));
        skip_to(&stream, MARK);
        assert_eq!(stream.write_fd().is_some(), way != Way::Socket);
        // More than fits at once, both ways.
        let sent: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        let got = thread::scope(|scope| {
            let reader = scope.spawn(|| read_exactly(&stream, sent.len()));
            let mut rest = &sent[..];
            while !rest.is_empty() {
                match stream.try_write_vectored(&[IoSlice::new(&rest[..rest.len().min(70_000)])]) {
                    Ok(count) => rest = &rest[count..],
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        thread::yield_now();
                    }
                }
            }
            reader.join().unwrap()
        });
        assert!(got == sent, "{way:?}");
        // The child sees the end, says so, and ends.
        stream.shutdown_write().unwrap();
        assert!(stream.write_fd().is_none());
        assert_eq!(read_exactly(&stream, 3), b"end");
        assert!(read(&stream, 1).is_empty());
        let printed = finish(child);
        assert!(printed.contains("a stray word"), "{way:?}: {printed}");
        assert!(printed.contains("stdin is empty"), "{way:?}: {printed}");
    }
}

#[test]
fn a_server_serves_one_client_and_knows_that_no_other_comes() {
    for way in WAYS {
        let (stream, child) = start(way, &mut myself("serve"));
        skip_to(&stream, MARK);
        write(&stream, b"hi");
        assert_eq!(read_exactly(&stream, 2), b"hi");
        stream.hang_up();
        if way == Way::Socket {
            assert!(stream.try_write_vectored(&[IoSlice::new(b"x")]).is_err());
        }
        finish(child);
    }
}

#[test]
fn the_end_of_the_child_is_the_end_of_the_stream() {
    for way in WAYS {
        // The command lives on, and has kept nothing.
        let mut command = myself("die");
        let (stream, mut child) = start(way, &mut command);
        skip_to(&stream, MARK);
        assert!(read(&stream, 1).is_empty(), "{way:?}");
        assert_eq!(child.wait().unwrap().code(), Some(7));
    }
}

#[test]
fn the_child_knows_its_parent() {
    for way in WAYS {
        let (stream, child) = start(way, &mut myself("who"));
        let parent = stream.credentials().unwrap();
        skip_to(&stream, MARK);
        let told = String::from_utf8(read(&stream, 100)).unwrap();
        if cfg!(target_os = "linux") {
            assert_eq!(told, geteuid().as_raw().to_string(), "{way:?}");
            let credentials = parent.unwrap();
            assert!(credentials.same_user_or_root());
            // Who made it: this process, at both ends.
            let me = u32::try_from(getpid().as_raw_pid()).ok();
            assert_eq!(credentials.pid, if way == Way::Pipes { None } else { me });
        }
        finish(child);
    }
}

/// A pipe that has a name can be opened by others, and then nothing tells who is there.
#[test]
fn a_named_pipe_identifies_nobody_if_others_may_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    for (mode, known) in [("600", true), ("620", false), ("602", false)] {
        let made = Command::new("mkfifo").args(["-m", mode]).arg(&path).status().unwrap();
        assert!(made.success());
        let both = File::options().read(true).write(true).open(&path).unwrap();
        let write = both.try_clone().unwrap();
        let stream = Stream::from_pipes(both.into(), write.into()).unwrap();
        assert_eq!(stream.credentials().unwrap().is_some(), known, "{mode}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_shared_socket_is_left_as_it_is() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let mut command = myself("echo");
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap());
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let stream = Stream::from_pipes(ours.try_clone().unwrap().into(), ours.into()).unwrap();
    skip_to(&stream, MARK);
    if cfg!(not(target_vendor = "apple")) {
        assert!(!fcntl_getfl(&theirs).unwrap().contains(OFlags::NONBLOCK));
    }
    drop((command, theirs));
    stream.shutdown_write().unwrap();
    assert_eq!(read_exactly(&stream, 3), b"end");
    finish(child);
}

#[test]
fn what_no_parent_made_to_talk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "precious").unwrap();
    let terminal = || {
        use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&control).unwrap();
        let name = ptsname(&control, Vec::new()).unwrap().into_string().unwrap();
        let terminal = File::options().read(true).write(true).open(name).unwrap();
        (OwnedFd::from(terminal), control)
    };
    let network = TcpListener::bind("127.0.0.1:0").unwrap();
    let network = TcpStream::connect(network.local_addr().unwrap()).unwrap();
    let (datagram, _other) = UnixDatagram::pair().unwrap();
    let (terminal, _control) = terminal();
    let ends = [
        (terminal, "a terminal"),
        (File::open("/dev/null").unwrap().into(), "a device"),
        (File::options().read(true).write(true).open(&path).unwrap().into(), "a file"),
        (network.into(), "a network socket"),
        (datagram.into(), "a socket of another type"),
    ];
    for (end, what) in ends {
        for name in ["standard input", "standard output"] {
            let (one, other) = pipe().unwrap();
            let end = end.try_clone().unwrap();
            let mut command = myself("refused");
            if name == "standard input" {
                command.stdin(end).stdout(other);
            } else {
                command.stdin(one).stdout(end);
            }
            let printed = finish(command.stderr(Stdio::piped()).spawn().unwrap());
            assert!(printed.contains(&format!("{name} is {what}")), "{printed}");
            assert!(printed.contains("start this program from its parent"), "{printed}");
        }
        let (_, write) = pipe().unwrap();
        let error = Stream::from_pipes(end, write).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(what), "{error}");
    }
}

#[test]
fn there_is_no_file_for_a_mode_or_group() {
    let error = BindOptions::new().mode(0o660).bind(&"stdio".parse().unwrap()).unwrap_err();
    assert!(matches!(error, OpenError::BadConfig(_)), "{error}");
}

#[test]
fn a_child_that_cannot_start_is_an_error() {
    assert!(Stream::spawn(&mut Command::new("/nowhere/to/be/found")).is_err());
}

#[test]
fn two_pipes_are_one_stream() {
    let (one, other) = pipes();
    for end in [&one, &other] {
        assert!(end.write_fd().is_some());
        assert!(fcntl_getfl(end).unwrap().contains(OFlags::NONBLOCK));
    }
    talk(&one, &other);
    assert!(one.write_fd().is_none());
}

#[test]
fn a_full_pipe_does_not_block() {
    let (one, _other) = pipes();
    let block = [0; 65_536];
    let mut written = 0;
    let error = loop {
        match one.try_write_vectored(&[IoSlice::new(&block[..10_000]), IoSlice::new(&block)]) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(written > 0);
    // Many slices are written in part.
    let (one, other) = pipes();
    assert!(one.try_write_vectored(&[IoSlice::new(b"x"); 1500]).unwrap() <= 1024);
    assert!(!read(&other, 2000).is_empty());
}

/// The number of a closed pipe goes to the next file, which must not get our bytes.
#[test]
fn whoever_waits_to_write_holds_this_pipe_and_no_other() {
    let (one, other) = pipes();
    let waiting = one.write_fd().unwrap();
    one.shutdown_write().unwrap();
    let error = other.try_read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "it is held");
    let error = one.try_write_vectored(&[IoSlice::new(b"x")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    drop(waiting);
    assert!(read(&other, 1).is_empty());
    // One direction is as good as ever.
    write(&other, b"x");
    assert_eq!(read(&one, 1), b"x");
}

fn pipes() -> (Stream, Stream) {
    let (read, write) = (pipe().unwrap(), pipe().unwrap());
    let one = Stream::from_pipes(read.0, write.1).unwrap();
    let other = Stream::from_pipes(write.0, read.1).unwrap();
    (one, other)
}

/// What the children do.
#[test]
fn child() {
    let Some(role) = common::role() else { return };
    let stdio: Address = "stdio".parse().unwrap();
    match role.as_str() {
        "echo" => {
            let stream = Stream::connect(&stdio).unwrap();
            assert!(matches!(Stream::stdio(), Err(OpenError::BadConfig(_))));
            println!("a stray word");
            assert_eq!(io::stdin().lines().count(), 0);
            println!("stdin is empty");
            write(&stream, &[MARK]);
            echo(&stream);
            write(&stream, b"end");
        }
        "serve" => {
            let listener = Listener::bind(&stdio).unwrap();
            assert!(matches!(Listener::bind(&stdio), Err(OpenError::BadConfig(_))));
            assert_eq!(listener.address(), &stdio);
            assert_eq!(listener.path(), None);
            assert!(!listener.is_exhausted());
            let (stream, credentials) = accept(&listener);
            assert_eq!(stream.credentials().unwrap(), credentials);
            for _ in 0..2 {
                assert!(listener.is_exhausted());
                assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
                assert!(!common::readable(&listener, 1));
            }
            write(&stream, &[MARK]);
            echo(&stream);
        }
        "die" => {
            write(&Stream::stdio().unwrap(), &[MARK]);
            std::process::exit(7);
        }
        "who" => {
            let stream = Stream::stdio().unwrap();
            let who = stream.credentials().unwrap();
            write(&stream, &[MARK]);
            write(&stream, who.map_or(0, |who| who.uid).to_string().as_bytes());
        }
        "refused" => {
            // Nothing is changed, so that a second attempt says the same.
            let stat = || rustix::fs::fstat(io::stdin().as_fd()).unwrap();
            let before = (stat().st_dev, stat().st_ino);
            for error in [Stream::stdio().unwrap_err(), Listener::bind(&stdio).unwrap_err()] {
                assert!(matches!(error, OpenError::BadAddress(_)), "{error}");
                eprintln!("{error}");
            }
            assert_eq!((stat().st_dev, stat().st_ino), before);
        }
        other => panic!("{other}"),
    }
}

/// Sends back what comes, to the end.
fn echo(stream: &Stream) {
    loop {
        let bytes = read(stream, 4096);
        let mut rest = &bytes[..];
        if rest.is_empty() {
            return;
        }
        while !rest.is_empty() {
            match stream.try_write_vectored(&[IoSlice::new(rest)]) {
                Ok(count) => rest = &rest[count..],
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    thread::yield_now();
                }
            }
        }
    }
}
