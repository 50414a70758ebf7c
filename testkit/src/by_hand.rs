//! Driving a `Side`: what there is to do, bytes in and out, time. Part of `Side`; a `Pair` and a `Net` use
//! the same as a test that does it by hand.

use std::time::Duration;

use switchboard::{Event, Next};

use crate::Side;

/// By hand.
impl Side {
    /// Asks for what is to be done until only IO is left.
    pub fn run(&mut self) {
        self.answer_due();
        loop {
            self.fidget();
            match self.pump.next(self.now) {
                Next::Event(event) => self.tell(event),
                Next::Shut => self.shut = true,
                Next::Yield => {}
                Next::Done(reason) => break self.done = Some(reason),
                Next::Io { read, .. } => break self.reads = read,
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let Some(mut handler) = self.handler.take() else { return self.keep(event) };
        if let Some(event) = handler(self, event) {
            self.keep(event);
        }
        // Unless it has set another one.
        self.handler.get_or_insert(handler);
    }

    fn keep(&mut self, event: Event) {
        self.fresh.as_mut().unwrap_or(&mut self.events).push(event);
    }

    /// Looks at every output, in any order.
    fn fidget(&mut self) {
        let Some(dice) = &mut self.restless else { return };
        for _ in 0..dice.roll(4) {
            let Some(dice) = &mut self.restless else { return };
            let connection = self.pump.connection();
            match dice.roll(4) {
                0 => drop(connection.poll_timeout()),
                1 => drop(connection.chunks(&mut [&[][..]; 3])),
                2 => self.shut |= connection.poll_shut(),
                _ => {
                    if let Some(event) = connection.poll_event() {
                        self.tell(event);
                    }
                }
            }
        }
    }

    /// Whether it would read now.
    pub(crate) const fn reads(&self) -> bool {
        self.reads && self.done.is_none()
    }

    /// Bytes of the peer come, in pieces as [`chunking`](Self::chunking) says.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[self.feed_piece(bytes)..];
        }
    }

    /// The next piece comes; how long it was.
    pub(crate) fn feed_piece(&mut self, bytes: &[u8]) -> usize {
        let space = self.pump.space();
        let count = self.chunking.next(bytes.len().min(space.len()));
        space[..count].copy_from_slice(&bytes[..count]);
        self.pump.filled(self.now, count);
        self.run();
        count
    }

    /// The peer's end of the stream comes.
    pub fn end(&mut self) {
        self.pump.filled(self.now, 0);
        self.run();
    }

    /// Writes at most so many bytes of what waits.
    pub fn write(&mut self, most: usize) -> Vec<u8> {
        self.fidget();
        let mut slices = [&[][..]; 4];
        let lent = self.pump.chunks(&mut slices);
        let mut bytes = Vec::new();
        for slice in &slices[..lent] {
            let room = slice.len().min(most - bytes.len());
            bytes.extend_from_slice(&slice[..room]);
        }
        self.pump.wrote(self.now, bytes.len());
        self.run();
        bytes
    }

    /// Writes all that waits.
    pub fn written(&mut self) -> Vec<u8> {
        self.run();
        let mut all = Vec::new();
        loop {
            let bytes = self.write(usize::MAX);
            if bytes.is_empty() {
                break all;
            }
            all.extend(bytes);
        }
    }

    /// Time passes; what is due on the way happens then.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        self.run();
        while let Some((due, _)) = self.connection().poll_timeout().filter(|(due, _)| *due <= until)
        {
            self.now = self.now.max(due);
            self.run();
        }
        self.now = until;
        self.run();
    }
}
