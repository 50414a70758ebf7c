//! ZeroMQ: a dealer and a router, which carry frames of bytes. Which answer is whose is the program's matter:
//! either the order tells, or a number goes with each request, as where a server answers when it can.

use zmq::{Context, DEALER, ROUTER, SNDMORE, Socket};

use crate::peer::{MANY, PAYLOAD, Peer, ready, version};

pub(crate) struct Dealer<const NUMBERED: bool> {
    socket: Socket,
    sent: u64,
    answered: u64,
}

impl<const NUMBERED: bool> Dealer<NUMBERED> {
    fn send(&mut self) {
        self.sent += 1;
        if NUMBERED {
            self.socket.send(&self.sent.to_be_bytes()[..], SNDMORE).expect("sent");
        }
        self.socket.send(&PAYLOAD[..], 0).expect("sent");
    }

    fn receive(&mut self) {
        self.answered += 1;
        if NUMBERED {
            let number = self.socket.recv_msg(0).expect("an answer");
            assert_eq!(number[..], self.answered.to_be_bytes());
        }
        assert_eq!(self.socket.recv_msg(0).expect("an answer")[..], PAYLOAD[..]);
    }
}

impl<const NUMBERED: bool> Peer for Dealer<NUMBERED> {
    fn name() -> String {
        let frames = if NUMBERED { "a number and the bytes" } else { "the bytes alone" };
        format!("zmq {}: {frames}", version("zmq"))
    }

    fn serve(path: &str) {
        let socket = Context::new().socket(ROUTER).expect("a socket");
        socket.bind(&format!("ipc://{path}")).expect("a free place");
        ready();
        loop {
            // Who asks comes first, and is whom the answer is for.
            let frame = socket.recv_msg(0).expect("a frame");
            let more = if frame.get_more() { SNDMORE } else { 0 };
            socket.send(frame, more).expect("sent");
        }
    }

    fn connect(path: &str) -> Self {
        let socket = Context::new().socket(DEALER).expect("a socket");
        socket.connect(&format!("ipc://{path}")).expect("it serves");
        Self { socket, sent: 0, answered: 0 }
    }

    fn one_by_one(&mut self, times: usize) {
        for _ in 0..times {
            self.send();
            self.receive();
        }
    }

    fn together(&mut self, times: usize) {
        for _ in 0..times {
            (0..MANY).for_each(|_| self.send());
            (0..MANY).for_each(|_| self.receive());
        }
    }
}
