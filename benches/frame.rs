//! P6: reading and writing one frame, beside a fixed head that is only looked at and beside a generic
//! CBOR decoder. Run with `cargo bench --bench frame`.

mod common;

use bytes::{BufMut, BytesMut};
use common::{candidate, table};
use switchboard::CallId;
use switchboard::wire::{Decoder, Frame};

fn main() {
    let payload = [0x58, 64].into_iter().chain(std::iter::repeat_n(7, 64)).collect::<Vec<u8>>();
    let id = CallId::new(1001).expect("an id");
    let frame =
        Frame::Request { id, channel: "add", headers: Default::default(), payload: &payload };
    let mut encoded = BytesMut::new();
    frame.encode(&mut encoded);
    let body = encoded[4..].to_vec();

    let fixed = [&[0; 16], &payload[..]].concat();
    table(
        "decode a request of 64 bytes",
        1,
        vec![
            candidate("a fixed 16-byte head, looked at", || {
                let kind = u32::from_be_bytes(fixed[..4].try_into().unwrap_or_default());
                let id = u64::from_be_bytes(fixed[4..12].try_into().unwrap_or_default());
                (kind, id, fixed[16..].len())
            }),
            candidate("Frame::decode", || match Frame::decode(&body) {
                Ok(Frame::Request { id, channel, payload, .. }) => {
                    id.number() + (channel.len() + payload.len()) as u64
                }
                _ => unreachable!("it is a request"),
            }),
            candidate("ciborium into a Value", || {
                ciborium::from_reader::<ciborium::Value, _>(&body[..]).expect("it is CBOR")
            }),
        ],
    );

    let mut decoder = Decoder::new(1 << 20);
    table(
        "the same out of a stream, payload kept",
        1,
        vec![
            candidate("copy the bytes in, and the payload out", || {
                let mut buffer = [0u8; 128];
                buffer[..encoded.len()].copy_from_slice(&encoded);
                bytes::Bytes::copy_from_slice(&buffer[encoded.len() - payload.len()..encoded.len()])
            }),
            candidate("Decoder and Frame::decode", || {
                decoder.space()[..encoded.len()].copy_from_slice(&encoded);
                decoder.filled(encoded.len());
                let length = match Frame::decode(decoder.peek().expect("good").expect("whole")) {
                    Ok(Frame::Request { payload, .. }) => payload.len(),
                    _ => unreachable!("it is a request"),
                };
                decoder.take_tail(length)
            }),
        ],
    );

    let mut out = BytesMut::with_capacity(4096);
    let mut other = BytesMut::with_capacity(4096);
    table(
        "encode it",
        1,
        vec![
            candidate("a fixed 16-byte head and the payload", || {
                other.clear();
                other.put_u32(7);
                other.put_u64(1001);
                other.put_u32(64);
                other.put_slice(&payload);
                other.len()
            }),
            candidate("Frame::encode", || {
                out.clear();
                frame.encode(&mut out);
                out.len()
            }),
        ],
    );
}
