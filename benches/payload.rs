//! P9: what the scan adds to decoding a payload. Run with `cargo bench --bench payload`.

mod common;

use ciborium::{from_reader, into_writer};
use common::{candidate, table};
use serde::{Deserialize, Serialize};
use switchboard::{PayloadLimits, from_payload, scan, to_payload};

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Small {
    id: u64,
    name: String,
    data: Vec<u8>,
}

fn main() {
    let limits = PayloadLimits::default();
    let small = Small { id: 1 << 40, name: "a name of 16 b.".into(), data: vec![7; 16] };
    let rows = vec![small.clone(); 100];
    let payload = to_payload(&small).expect("it can be written");
    let many = to_payload(&rows).expect("it can be written");

    table(
        "a small struct",
        1,
        vec![
            candidate("ciborium alone", || {
                from_reader::<Small, _>(payload.as_cbor()).expect("it can be read")
            }),
            candidate("the scan alone", || scan(payload.as_cbor(), &limits)),
            candidate("from_payload", || {
                from_payload::<Small>(&payload, &limits).expect("it can be read")
            }),
        ],
    );
    table(
        "100 of them",
        1,
        vec![
            candidate("ciborium alone", || {
                from_reader::<Vec<Small>, _>(many.as_cbor()).expect("it can be read")
            }),
            candidate("the scan alone", || scan(many.as_cbor(), &limits)),
            candidate("from_payload", || {
                from_payload::<Vec<Small>>(&many, &limits).expect("it can be read")
            }),
        ],
    );
    table(
        "writing a small struct",
        1,
        vec![
            candidate("ciborium alone", || {
                let mut bytes = Vec::new();
                into_writer(&small, &mut bytes).expect("it can be written");
                bytes
            }),
            candidate("to_payload", || to_payload(&small)),
        ],
    );
}
