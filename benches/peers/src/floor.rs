//! The floor: a blocking `UnixStream` whose server sends back the bytes that come, as they come.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::peer::{MANY, PAYLOAD, Peer, ready};

pub(crate) struct Floor(UnixStream);

impl Floor {
    fn there_and_back<const SIZE: usize>(&mut self, bytes: &[u8; SIZE]) {
        let mut buffer = [0; SIZE];
        self.0.write_all(bytes).expect("written");
        self.0.read_exact(&mut buffer).expect("read");
        assert_eq!(&buffer, bytes);
    }
}

impl Peer for Floor {
    fn name() -> String {
        "floor: UnixStream, the bytes alone".into()
    }

    fn serve(path: &str) {
        let listener = UnixListener::bind(path).expect("a free place");
        ready();
        let (mut stream, _) = listener.accept().expect("a client");
        let mut buffer = [0; PAYLOAD.len() * MANY];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            stream.write_all(&buffer[..count]).expect("written");
        }
    }

    fn connect(path: &str) -> Self {
        Self(UnixStream::connect(path).expect("it serves"))
    }

    fn one_by_one(&mut self, times: usize) {
        (0..times).for_each(|_| self.there_and_back(PAYLOAD));
    }

    fn together(&mut self, times: usize) {
        let mut bytes = [0; PAYLOAD.len() * MANY];
        bytes.chunks_mut(PAYLOAD.len()).for_each(|chunk| chunk.copy_from_slice(PAYLOAD));
        (0..times).for_each(|_| self.there_and_back(&bytes));
    }
}
