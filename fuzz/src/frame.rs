//! Target `frame`: bytes to frames and back.

use bytes::BytesMut;
use switchboard::wire::{Decoder, Frame};

/// The bytes are a stream of frames. Whatever they are: any split gives the same, and what is read as
/// a frame is written and read again as the same frame.
///
/// # Panics
///
/// If that does not hold.
pub fn frame(data: &[u8]) {
    let Some((&step, stream)) = data.split_first() else { return };
    let whole = split(stream, stream.len().max(1));
    assert_eq!(whole, split(stream, 1 + usize::from(step)), "a split changed what came out");
    for bytes in whole.frames {
        let Ok(frame) = Frame::decode(&bytes) else { continue };
        let mut again = BytesMut::new();
        frame.encode(&mut again);
        assert_eq!(Frame::decode(&again[4..]).as_ref(), Ok(&frame), "written, it is another frame");
    }
}

#[derive(Debug, PartialEq)]
struct Read {
    frames: Vec<Vec<u8>>,
    error: Option<switchboard::ProtocolError>,
}

/// What comes out if the stream arrives in pieces of so many bytes.
fn split(stream: &[u8], step: usize) -> Read {
    let mut decoder = Decoder::new(1 << 20);
    let mut frames = Vec::new();
    for piece in stream.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            let space = decoder.space();
            let count = rest.len().min(space.len());
            space[..count].copy_from_slice(&rest[..count]);
            decoder.filled(count);
            rest = &rest[count..];
            loop {
                match decoder.peek() {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        let length = frame.len();
                        frames.push(decoder.take_tail(length).to_vec());
                    }
                    Err(error) => return Read { frames, error: Some(error) },
                }
            }
        }
    }
    Read { frames, error: None }
}
