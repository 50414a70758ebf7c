//! A streaming upload with progress: the client sends a file in pieces, and the server says after each how
//! much it has. Whoever is slower sets the pace, and neither holds more than a window of the file.
//!
//! Run it with `cargo run -p switchboard-smol --example smol_streaming`. It prints
//!
//! ```text
//! 25 %
//! 50 %
//! 75 %
//! 100 %
//! the server has 1048576 bytes, whose sum is 133693440
//! ```
//!
//! The same on other adapters: `adapters/{async-std,blocking,smol,tokio}/examples`.

use std::error::Error;

use switchboard::{Failure, Payload, Restart, Status};
use switchboard_smol::{Client, Context, Server};

const SIZE: usize = 1 << 20;
const PIECE: usize = SIZE / 4;

/// Takes the pieces; gives how many bytes they had, and their sum.
async fn upload(cx: Context, size: usize) -> Result<(usize, u64), Failure> {
    let progress = cx.sender()?;
    let (mut came, mut sum) = (0, 0);
    let mut pieces = cx.items::<Payload>();
    while let Some(piece) = pieces.next().await.transpose()? {
        let no_bytes = || Failure::new(Status::INVALID_ARGUMENT, "a piece that is no bytes");
        let piece = piece.as_bytes().ok_or_else(no_bytes)?;
        came += piece.len();
        sum += piece.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        progress.send(&(100 * came / size)).await?;
    }
    Ok((came, sum))
}

async fn program() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let address = folder.path().join("upload.sock");
    let address = address.to_str().ok_or("a path that is no text")?;
    let server = Server::builder().handle("upload", upload).bind(address).await?;

    let client = Client::connect(address).await?;
    let file: Vec<u8> = (0..SIZE).map(|at| at as u8).collect();
    let mut exchange = client.open("upload", &SIZE).await?;
    for piece in file.chunks(PIECE) {
        exchange.send(&Payload::bytes(piece)).await?;
        // To send without waiting for what comes back, `Exchange::split` it.
        let percent = exchange.next::<u32>().await.ok_or("the upload was cut short")??;
        println!("{percent} %");
    }
    exchange.finish()?;
    let (bytes, sum) = exchange.answer::<(usize, u64)>().await?;
    println!("the server has {bytes} bytes, whose sum is {sum}");

    server.close(Restart::never()).await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(program())
}
